"""Belltower's own keys: made, listed, rotated, revoked, by whoever may; T09 in every clause, and T13, T15 for keys."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest

from benchmarks.standin import schema
from benchmarks.standin.door import InProcess
from benchmarks.standin.dynamo import Dynamo
from chalicelib import signing
from chalicelib.api import dialects
from chalicelib.delivery.hop import first_hop
from chalicelib.operations import keys
from chalicelib.operations.accounts import NewAccount, add_key, open_account, open_account_with_key
from chalicelib.operations.fire import previous_place, secret_place
from chalicelib.scheduling.account import Account, Principal
from chalicelib.scheduling.address import PUBLIC_ONLY
from chalicelib.scheduling.errors import Tampered
from chalicelib.scheduling.job import to_millis
from chalicelib.scheduling.schedule import Every
from chalicelib.scheduling.secret import Secret
from chalicelib.scheduling.target import Signing, Webhook
from chalicelib.storage.accounts import RecentAccounts, RecentKeys
from chalicelib.storage.tables import Table
from tests.api.client import Answer, Client, basic, cron_date, cron_signed, typed
from tests.api.runlater import signature
from tests.fakes import FakeClock, FakePasswords
from tests.world import START, World

PASSWORD = "correct horse"
MISSING = {"error": "API key not found"}
UNKNOWN = {"error": "Unknown caller or wrong proof"}
HOURS = timedelta(hours=1)


class Owner:
    """One who manages an account's keys, by whatever proof."""

    def __init__(self, world: World, account: Account, *proof: str) -> None:
        self.world, self.account, self.proof = world, account, proof
        self.client = Client(lambda: self.world.services, *dialects.every())

    def ask(self, method: str, path: str = "", /, **fields: Any) -> Answer:
        body = json.dumps(fields) if fields else ""
        return self.client.send(method, f"/v1/keys{path}", headers=[basic(*self.proof)], body=body)

    def made(self, **fields: Any) -> Any:
        answer = self.ask("POST", **fields)
        assert answer.status == 201, answer.body
        return answer.json

    def rotated(self, key: str, **fields: Any) -> Any:
        answer = self.ask("POST", f"/{quote(key, safe='')}/rotate", **fields)
        assert answer.status == 200, answer.body
        return answer.json

    def listed(self) -> Any:
        answer = self.ask("GET")
        assert answer.status == 200, answer.body
        return answer.json["keys"]

    def proves(self, key: str, secret: str) -> bool:
        """Whether a key and a secret are somebody, for an API that shows nothing."""
        return Owner(self.world, self.account, key, secret).ask("GET").status == 200


def with_password(world: World, name: str = "joe") -> Owner:
    """An account of RunLater's, with one key."""
    asked = NewAccount(email=f"{name}@example.com", name=name, password=Secret(PASSWORD))
    account = open_account(world.services, asked)
    add_key(world.services, account, "production")
    return Owner(world, account, name, PASSWORD)


def without_password(world: World) -> Owner:
    """An account of Cronally's: nothing but a key."""
    account, issued = open_account_with_key(world.services, NewAccount(email="cron@example.com"))
    return Owner(world, account, issued.key.key, issued.secret.reveal())


@pytest.fixture
def joe(world: World) -> Owner:
    world.services = replace(world.services, passwords=FakePasswords())
    return with_password(world)


@pytest.fixture
def cron(world: World) -> Owner:
    return without_password(world)


def test_a_key_is_made_with_a_secret_that_is_shown_once(cron: Owner) -> None:
    made = cron.made()
    assert made == {
        "key": made["key"],
        "label": "",
        "created_at": "2026-11-22T12:00:30.000Z",
        "state": "active",
        "until": None,
        "secret": made["secret"],
    }
    assert cron.proves(made["key"], made["secret"])
    shown = cron.ask("GET")
    assert [one["key"] for one in shown.json["keys"]] == sorted([cron.proof[0], made["key"]])
    assert [secret for secret in (made["secret"], cron.proof[1]) if secret in shown.body] == []
    assert all(set(one) == set(made) - {"secret"} for one in shown.json["keys"])


def test_a_labelled_key_serves_runlater_too(joe: Owner) -> None:
    made = joe.made(label="backup")
    assert (made["key"], made["label"]) == ("joe/backup", "backup")
    path = "/users/joe/apikey/backup/jobs/"
    headers = [("runlater_key", "backup"), ("runlater_hash", signature(made["secret"], path))]
    assert joe.client.send("GET", path, headers=headers).status == 200


@pytest.mark.parametrize(
    ("fields", "status", "error"),
    [
        pytest.param({"label": "production"}, 409, "key is already in use", id="a label that is taken"),
        pytest.param({"label": "a/b"}, 400, "label must be", id="a slash"),
        pytest.param({"label": "x" * 65}, 400, "label must be", id="a letter too many"),
        pytest.param({"label": "é"}, 400, "label must be", id="not ASCII"),
        pytest.param({"label": "59ab5a9c-ce44-4446-9501-76f4f64be3c6"}, 400, "label must be", id="like a UUID"),
        pytest.param({"label": "59AB5A9C-CE44-4446-9501-76F4F64BE3C6"}, 400, "label must be", id="like a large UUID"),
        pytest.param({"label": 7}, 400, "label must be", id="a number"),
        pytest.param({"label": "\ud800"}, 400, "label must be", id="half a character"),
    ],
)
def test_labels_that_no_key_may_have(joe: Owner, fields: dict[str, Any], status: int, error: str) -> None:
    answer = joe.ask("POST", **fields)
    assert (answer.status, answer.json["error"][: len(error)], len(joe.listed())) == (status, error, 1)


def test_a_revoked_key_proves_nothing_and_is_gone(joe: Owner) -> None:
    made = joe.made(label="backup")
    revoked = [joe.ask("DELETE", "/joe%2Fbackup") for _ in range(2)]
    assert [(one.status, one.json) for one in revoked] == [(200, {"revoked": "joe/backup"}), (404, MISSING)]
    assert not joe.proves(made["key"], made["secret"])
    assert [one["key"] for one in joe.listed()] == ["joe/production"]


@pytest.mark.parametrize(
    "spelled", ["joe/production", "joe%252Fproduction", "joe%2fproduction%2f", "%6aoe", "%00", "%"]
)
def test_a_key_in_the_path_is_decoded_once(joe: Owner, spelled: str) -> None:
    assert joe.ask("DELETE", f"/{spelled}").status in {403, 404}
    assert joe.ask("DELETE", "/joe%2fproduction").status == 200


@pytest.mark.parametrize("body", ["[", "[]", "null", '"x"', "7", "overlap_seconds=1", '{"overlap_seconds": NaN}'])
def test_a_body_that_is_no_object_is_refused(joe: Owner, body: str) -> None:
    path = "/v1/keys/joe%2Fproduction/rotate"
    answer = joe.client.send("POST", path, headers=[basic(*joe.proof), typed("application/json")], body=body)
    assert (answer.status, list(answer.json)) == (400, ["error"])


# --- who may ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["name", "NAME", "id"])
def test_an_account_is_opened_by_its_name_or_its_id(joe: Owner, name: str) -> None:
    user = {"name": "joe", "NAME": "JOE", "id": joe.account.account_id}[name]
    assert [one["key"] for one in Owner(joe.world, joe.account, user, PASSWORD).listed()] == ["joe/production"]


def test_t15_a_key_of_an_account_with_a_password_manages_itself_alone(joe: Owner) -> None:
    made = joe.made(label="backup")
    backup = Owner(joe.world, joe.account, made["key"], made["secret"])
    assert [one["key"] for one in backup.listed()] == ["joe/backup"]
    for method, path in (("DELETE", "/joe%2Fproduction"), ("POST", "/joe%2Fproduction/rotate"), ("POST", "")):
        assert backup.ask(method, path).status == 403
    before = joe.listed()
    fresh = backup.rotated("joe/backup", overlap_seconds=0)
    assert Owner(joe.world, joe.account, "joe/backup", fresh["secret"]).ask("DELETE", "/joe%2Fbackup").status == 200
    assert joe.listed() == [one for one in before if one["key"] == "joe/production"]


def test_a_key_of_an_account_without_a_password_manages_all_of_them(cron: Owner) -> None:
    made = cron.made()
    other = Owner(cron.world, cron.account, made["key"], made["secret"])
    assert other.ask("DELETE", f"/{cron.proof[0]}").status == 200
    assert [one["key"] for one in other.listed()] == [made["key"]]


@pytest.mark.parametrize(("method", "rest"), [("DELETE", ""), ("POST", "/rotate")])
def test_t13_another_s_key_is_answered_as_one_that_is_not_there(
    joe: Owner, cron: Owner, method: str, rest: str
) -> None:
    before = joe.world.services.keys.of(joe.account.account_id)
    for one in (cron, with_password(joe.world, "eve")):
        names = ("joe%2Fproduction", "joe%2Fnothing", "0" * 8 + "-0000-4000-8000-" + "0" * 12, "joe", "x" * 3000)
        answers = [one.ask(method, f"/{name}{rest}") for name in names]
        assert [(answer.status, answer.json) for answer in answers] == [(404, MISSING)] * len(names)
    assert joe.world.services.keys.of(joe.account.account_id) == before


@pytest.mark.parametrize("headers", [[], [("Authorization", "Bearer x")], [basic("joe", "wrong")], [basic("x", "y")]])
def test_nobody_is_told_who_is_there(joe: Owner, headers: list[tuple[str, str]]) -> None:
    answer = joe.client.send("GET", "/v1/keys", headers=headers)
    assert (answer.status, answer.json) == (401, UNKNOWN)
    assert answer.headers["www-authenticate"] == 'Basic realm="belltower"'


# --- rotation: T09 ----------------------------------------------------------------------------------------------------


def test_t09_both_secrets_prove_for_the_overlap_and_then_the_new_one_alone(joe: Owner) -> None:
    made = joe.made(label="backup")
    fresh = joe.rotated("joe/backup", overlap_seconds=3600)
    assert (fresh["state"], fresh["until"]) == ("rotating", "2026-11-22T13:00:30.000Z")
    secrets = (made["secret"], fresh["secret"])
    assert [joe.proves("joe/backup", secret) for secret in secrets] == [True, True]
    joe.world.clock.sleep_until(START + HOURS - timedelta(milliseconds=1))
    assert [joe.proves("joe/backup", secret) for secret in secrets] == [True, True]
    joe.world.clock.sleep_until(START + HOURS)
    assert [joe.proves("joe/backup", secret) for secret in secrets] == [False, True]
    assert [(one["state"], one["until"]) for one in joe.listed() if one["label"] == "backup"] == [("active", None)]


def test_t09_both_secrets_prove_in_every_api(cron: Owner) -> None:
    [key, old] = cron.proof
    new = cron.rotated(key)["secret"]
    for secret in (old, new):
        date = cron_date(cron.world.clock.now())
        path = f"/users/{cron.account.name}/apikey/{key}/jobs/"
        asked = [
            ("/cronjobs", cron_signed(key, secret, method="GET", path="/cronjobs", date=date)),
            ("/1/jobs", [basic(key, secret)]),
            ("/1/jobs", [basic(cron.account.name, secret)]),
            ("/api/v1/jobs", [basic(key, secret)]),
            (path, [("runlaterkey", key), ("runlaterhash", signature(secret, path))]),
        ]
        answers = [cron.client.send("GET", where, headers=headers) for where, headers in asked]
        assert [answer.status for answer in answers] == [200] * len(asked), [answer.body for answer in answers]


@pytest.mark.parametrize(
    ("fields", "until"),
    [
        pytest.param({}, START + 24 * HOURS, id="a day where nothing is said"),
        pytest.param({"overlap_seconds": 1}, START + timedelta(seconds=1), id="a second"),
        pytest.param({"overlap_seconds": 604_800}, START + timedelta(days=7), id="a week at the most"),
        pytest.param({"overlap_seconds": 0}, None, id="none: regenerated at once"),
    ],
)
def test_t09_the_overlap_is_as_asked(joe: Owner, fields: dict[str, Any], until: Any) -> None:
    joe.rotated("joe/production", **fields)
    [key] = joe.world.services.keys.of(joe.account.account_id)
    assert (key.previous.until if key.previous else None) == until


@pytest.mark.parametrize("overlap", [-1, 604_801, 1.5, "60", True, [], 10**400])
def test_t09_overlaps_that_are_refused_change_nothing(joe: Owner, overlap: Any) -> None:
    before = joe.world.services.keys.of(joe.account.account_id)
    answer = joe.ask("POST", "/joe%2Fproduction/rotate", overlap_seconds=overlap)
    assert (answer.status, answer.json) == (400, {"error": "overlap_seconds must be a whole number up to 604800"})
    assert joe.world.services.keys.of(joe.account.account_id) == before


def test_t09_a_secret_that_leaked_is_dead_at_once(cron: Owner) -> None:
    [key, leaked] = cron.proof
    fresh = cron.rotated(key, overlap_seconds=0)
    assert (fresh["state"], fresh["until"]) == ("active", None)
    assert [cron.proves(key, secret) for secret in (leaked, fresh["secret"])] == [False, True]


STALE = {"error": "The secret was rotated: ask with the new one"}


def test_t09_a_secret_that_was_rotated_neither_learns_nor_ends_the_new_one(cron: Owner) -> None:
    """Until its overlap ends it makes jobs; whoever has it alone must not keep it by it, or keep the owner out."""
    [key, old] = cron.proof
    fresh = cron.rotated(key)
    stale = {
        method + path: stale_answer
        for method, path in (("POST", ""), ("POST", f"/{key}/rotate"), ("DELETE", f"/{key}"))
        for stale_answer in [cron.ask(method, path)]
    }
    assert {what: (answer.status, answer.json) for what, answer in stale.items()} == dict.fromkeys(stale, (403, STALE))
    date = cron_date(cron.world.clock.now())
    shown = cron.client.send("GET", "/account", headers=cron_signed(key, old, method="GET", path="/account", date=date))
    assert (shown.status, fresh["secret"] in shown.body) == (401, False)
    assert [one["key"] for one in cron.listed()] == [key]


def test_an_account_has_a_hundred_keys_at_the_most(joe: Owner) -> None:
    """Who asks by its name has every one of them tried, with or without a proof."""
    for number in range(100 - len(joe.listed())):
        keys.added_key(joe.world.services, joe.account, key=f"{joe.account.name}/{number}", label=str(number))
    answer = joe.ask("POST")
    assert (answer.status, answer.json) == (403, {"error": "An account may have 100 keys"})
    assert len(joe.listed()) == 100
    assert joe.ask("DELETE", f"/{joe.account.name}%2F1").status == 200
    assert joe.ask("POST").status == 201


def test_the_last_key_of_an_account_without_a_password_stays(cron: Owner) -> None:
    """Nobody could ever ask for it again."""
    [key, _] = cron.proof
    answer = cron.ask("DELETE", f"/{key}")
    assert (answer.status, "only way into its account" in answer.json["error"]) == (409, True)
    another = cron.made()
    assert cron.ask("DELETE", f"/{key}").status == 200
    assert cron.proves(another["key"], another["secret"])


def test_t09_of_three_secrets_the_first_is_dead_although_its_overlap_is_not_over(cron: Owner) -> None:
    [key, first] = cron.proof
    second = cron.rotated(key)["secret"]
    third = Owner(cron.world, cron.account, key, second).rotated(key)["secret"]
    assert [cron.proves(key, secret) for secret in (first, second, third)] == [False, True, True]


def test_t09_a_secret_opens_in_its_own_place_alone(cron: Owner) -> None:
    key = cron.rotated(cron.proof[0])["key"]
    stored, vault = cron.world.services.keys.get(key), cron.world.services.vault
    assert stored
    assert stored.previous
    assert vault.open(cron.account, previous_place(key), stored.previous.secret).reveal() == cron.proof[1]
    for place, sealed in ((secret_place(key), stored.previous.secret), (previous_place(key), stored.secret)):
        with pytest.raises(Tampered):
            vault.open(cron.account, place, sealed)
    moved = replace(stored, secret=stored.previous.secret)
    assert cron.world.services.keys.replace(moved, before=stored)
    assert cron.ask("GET").status == 500


def a_job_every(cron: Owner, **period: float) -> None:
    """The first in a minute."""
    start, target = START + timedelta(minutes=1), Webhook(url="https://example.com/", signing=Signing.RLATR, body=b"x")
    cron.world.a_job(
        Every(start=start, period=timedelta(**period)),
        owner=Principal(account_id=cron.account.account_id, key=cron.proof[0]),
        target=target,
    )


def revealed(world: World) -> list[list[str]]:
    return [[secret.reveal() for secret in call.secrets] for call in world.receiver.calls]


def test_t09_webhooks_are_signed_with_both_secrets_for_the_overlap(cron: Owner) -> None:
    [key, old] = cron.proof
    a_job_every(cron, minutes=1)
    cron.world.let_pass(minutes=1)
    new = cron.rotated(key, overlap_seconds=90)["secret"]
    cron.world.let_pass(minutes=3)
    assert revealed(cron.world) == [[old], [new, old], [new], [new]]


def test_t09_each_secret_has_a_value_in_the_header_the_newest_first_and_rlatr_s_has_the_newest() -> None:
    new, old = (signing.b64(bytes([number]) * 32) for number in (1, 2))
    webhook = Webhook(url="https://example.com/hook", body=b"\x00\xff", signing=Signing.RLATR)
    hop = first_hop(webhook, PUBLIC_ONLY, message_id="id", timestamp=START, secrets=[Secret(new), Secret(old)])
    headers, seconds = dict(hop.sign(webhook.body)), int(START.timestamp())
    expected = [
        signing.standard_webhook(signing.unb64(one) or b"", message_id="id", timestamp=seconds, body=webhook.body)
        for one in (new, old)
    ]
    assert headers["webhook-signature"].split(" ") == expected
    assert headers["X-RLatr-Signature"] == signing.url_secret_sha1(webhook.url, new)


def test_t09_a_worker_signs_with_a_dead_secret_for_ten_seconds_at_the_most() -> None:
    clock, names = FakeClock(START), schema.names("test")
    door = InProcess(Dynamo(schema.tables("test"), lambda: to_millis(clock.now())))
    accounts = Table(door, names.accounts)
    world = World(accounts, Table(door, names.jobs), clock=clock)
    cron = without_password(world)
    [key, old] = cron.proof
    recent = {"accounts": RecentAccounts(accounts, clock), "keys": RecentKeys(accounts, clock)}
    api, worker = world.services, replace(world.services, **recent)  # type: ignore[arg-type]
    a_job_every(cron, seconds=4)
    world.services = worker
    world.let_pass(seconds=61)
    world.services = api
    new = cron.rotated(key, overlap_seconds=0)["secret"]
    assert not cron.proves(key, old)
    world.services = worker
    world.let_pass(seconds=16)
    assert revealed(world) == [[old], [old], [old], [new], [new]]
