"""T39: KMS is away, or has no time for us. Cached data keys work while they last; then sends wait and callers hear 503.

Nothing falls back to plain text: what cannot be sealed is not kept.
"""

from datetime import timedelta
from typing import Any

import pytest

from chalicelib.api import dialects
from chalicelib.scheduling.errors import Unavailable
from chalicelib.scheduling.schedule import Every
from chalicelib.signing import AwsCredentials
from chalicelib.storage.vault import KmsVault
from chalicelib.wire import CONNECT_LIMIT, KMS, PAUSE, READ_LIMIT, TRIES, Surroundings, Wire
from tests.api.client import Client, form, typed
from tests.api.tenants import LABEL, MAKES, Tenant, a_tenant
from tests.canaries import flat, seen
from tests.delivery.receivers import answering, receiver
from tests.fakes import FakeClock
from tests.world import START, World, a_world

KEPT = timedelta(minutes=5)
"""How long a data key is."""
ASKED = {
    "belltower": ("GET", "/v1/keys"),
    "cronally": ("GET", "/cronjobs/"),
    "job_scheduler": ("GET", "/1/jobs"),
    "ndscheduler": ("GET", "/api/v1/jobs"),
    "rlatr": ("DELETE", "/api/v1ish/schedule/5555555555555555"),
    "runlater": ("GET", f"/users/ada/apikey/{LABEL}/jobs"),
}
AWS_SECRET = "an-aws-secret-of-ada"


@pytest.fixture
def world() -> World:
    return a_world()


@pytest.fixture
def ada(world: World) -> Tenant:
    return a_tenant(world, Client(lambda: world.services, *dialects.every()), "ada")


def stored(world: World) -> bytes:
    services: Any = world.services
    names = (services.accounts._table.name, world.table.name)  # noqa: SLF001 - stores have no need of it
    scan = world.table._door.call  # noqa: SLF001 - as above
    return b"\n".join(flat(scan("Scan", {"TableName": name})["Items"]) for name in names)


def test_t39_while_the_data_key_is_kept_sends_go_on_and_then_wait(world: World) -> None:
    job = world.a_job(Every(start=world.clock.now(), period=timedelta(seconds=30)))
    world.kms.down = True
    world.let_pass(seconds=(KEPT - timedelta(seconds=30)).total_seconds())
    sent = len(world.receiver.calls)
    assert sent == 10
    world.let_pass(minutes=5)
    assert len(world.receiver.calls) == sent
    waiting = world.job(job)
    assert waiting
    assert waiting.standing.due_at
    world.kms.down = False
    world.let_pass(minutes=7)
    assert len(world.receiver.calls) > sent
    assert len(world.receiver.ids) == len(set(world.receiver.ids)), "each firing once"


@pytest.mark.parametrize("api", ASKED)
def test_t39_every_api_answers_503_and_says_when_to_ask_again(ada: Tenant, api: str) -> None:
    proven = {200, 404}
    assert ada.ask(api, *ASKED[api]).status in proven
    ada.world.clock.forward(seconds=KEPT.total_seconds())
    ada.world.kms.down = True
    answer = ada.ask(api, *ASKED[api])
    if api == "belltower":
        assert answer.status == 200, "a password needs no data key"
        return
    assert (answer.status, answer.headers["retry-after"]) == (503, "5")
    ada.world.kms.down = False
    assert ada.ask(api, *ASKED[api]).status in proven


def test_t39_what_cannot_be_sealed_is_not_kept(ada: Tenant) -> None:
    method, path, document = MAKES["cronally"](ada)
    document |= {"sns_secret_access_key": AWS_SECRET}
    ada.world.clock.forward(seconds=KEPT.total_seconds())
    before = stored(ada.world)
    ada.world.kms.down = True
    assert ada.ask("cronally", method, path, document).status == 503
    headers, fields = [typed("application/x-www-form-urlencoded")], form({"email": "eve@example.com"})
    assert ada.client.send("POST", "/account/", headers=headers, body=fields).status == 503
    assert stored(ada.world) == before
    ada.world.kms.down = False
    assert ada.ask("cronally", method, path, document).status == 200
    assert seen({"the AWS secret": AWS_SECRET}, {"the tables": stored(ada.world)}) == []


def an_answer(status: int, code: str) -> bytes:
    body = f'{{"__type": "{code}"}}' if code else '{"CiphertextBlob": "AAAA", "Plaintext": "' + "A" * 43 + '="}'
    return f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()


THROTTLED = ("ThrottlingException", "LimitExceededException", "KMSInternalException", "DependencyTimeoutException")


def a_vault(port: int, pauses: list[float]) -> KmsVault:
    keys = AwsCredentials(access_key_id="AKID", secret_access_key="s")
    around = Surroundings(region="us-east-1", credentials=keys, endpoint=f"http://127.0.0.1:{port}")
    return KmsVault(Wire(KMS, around, sleep=pauses.append), "key", FakeClock(START))


@pytest.mark.parametrize("code", THROTTLED)
def test_t39_a_key_service_without_time_is_asked_again_after_a_pause_that_nobody_else_makes(code: str) -> None:
    seen_pauses: list[tuple[float, ...]] = []
    for _ in range(4):
        pauses: list[float] = []
        with receiver(answering(an_answer(400, code), an_answer(400, code), an_answer(200, ""))) as here:
            assert a_vault(here.port, pauses).new_data_key("ada") == b"\x00\x00\x00"
        assert len(here.requests) == 3
        assert [pause <= PAUSE * 2**number for number, pause in enumerate(pauses, start=1)] == [True, True]
        seen_pauses.append(tuple(pauses))
    assert len(set(seen_pauses)) == 4, "jitter"


@pytest.mark.parametrize("code", THROTTLED)
def test_t39_after_three_tries_it_counts_as_away(code: str) -> None:
    pauses: list[float] = []
    with receiver(answering(an_answer(400, code))) as here, pytest.raises(Unavailable):
        a_vault(here.port, pauses).new_data_key("ada")
    assert (len(here.requests), len(pauses)) == (TRIES, TRIES - 1)


def test_t39_all_tries_and_pauses_together_fit_into_the_time_an_api_has() -> None:
    pauses = sum(PAUSE * 2**number for number in range(1, TRIES))
    assert TRIES * (CONNECT_LIMIT + READ_LIMIT) + pauses < 10
