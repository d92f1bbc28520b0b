"""Every route against two tenants: Alice has one of everything, Bob asks for it.

T13: the same answer for "not yours" and "not there". T14: nothing of Alice's in what Bob is told. T17: nothing Bob
sends puts anything under Alice's name. There is no list of routes: the rows are the route table itself, and what a
route is for is read from its description.
"""

from urllib.parse import quote

import pytest

from chalicelib.api import dialects
from chalicelib.api.openapi import Operation, description_of
from tests.api.client import Client, form, typed
from tests.api.tenants import LABEL, MAKES, UNKNOWN, Tenant, a_tenant, elsewhere, made
from tests.world import World

MARKER = "alice-s-own"
OPEN, LIST, CREATE, BY_ID, EXECUTION = "open", "list", "create", "by id", "execution"
ACCOUNT, KEY = "account", "key"
IDS = {"Job id": BY_ID, "Execution id": EXECUTION, "Key": KEY}
KEY_DOCUMENT: dict[str, object] = {"label": "one-more"}  # where no jobs are made


@pytest.fixture(scope="module")
def client(still: World) -> Client:
    return Client(lambda: still.services, *dialects.served())


@pytest.fixture(scope="module")
def alice(still: World, client: Client) -> Tenant:
    return a_tenant(still, client, MARKER)


@pytest.fixture(scope="module")
def bob(still: World, client: Client) -> Tenant:
    return a_tenant(still, client, "bob")


def kind_of(method: str, path: str, said: Operation | None) -> str:
    """What a route is for, as its description has it; without one it is open to nobody and lists or creates."""
    if said and said.proofs is not None and not said.proofs:
        return OPEN
    title = said.path.get("ref", {}).get("title") if said else None
    if title in IDS:
        return IDS[title]
    return ACCOUNT if "{account}" in path else LIST if method == "GET" else CREATE


ROUTES = {
    (method, path): dialect.name
    for dialect in dialects.every()
    for path, views in dialect.routes.items()
    for method in views
}
ROWS = {
    (method, path): kind_of(method, path, description_of(api).of(path, method))
    for (method, path), api in ROUTES.items()
}


def rows(*kinds: str) -> list[tuple[str, str]]:
    return [row for row, kind in ROWS.items() if kind in kinds]


def test_every_api_makes_a_job_and_every_kind_of_route_is_there() -> None:
    assert {ROUTES[row] for row in rows(BY_ID)} == set(MAKES) == set(UNKNOWN)
    assert set(ROWS.values()) == {OPEN, LIST, CREATE, BY_ID, EXECUTION, ACCOUNT, KEY}


def kept(tenant: Tenant) -> list[object]:
    """All that is stored of a tenant's jobs, in every API, and the account and its keys."""
    services, account_id = tenant.world.services, tenant.account.account_id
    jobs: list[object] = [job for api in MAKES for job in services.jobs.list(account_id, api)]
    return [*jobs, services.accounts.account(account_id), *services.keys.of(account_id)]


@pytest.mark.parametrize(("method", "path"), rows(BY_ID, EXECUTION))
def test_t13_not_yours_is_not_there(alice: Tenant, bob: Tenant, method: str, path: str) -> None:
    api = ROUTES[method, path]
    theirs = made(alice, api)
    if ROWS[method, path] == EXECUTION:
        assert alice.ask(api, "POST", f"/api/v1/executions/{theirs}").status == 200
        [theirs] = [one.firing_id for one in alice.world.services.executions.of_job(ref_of(alice, theirs), limit=1)]
    before = kept(alice)
    document = MAKES[api](bob)[2] if method in {"PUT", "POST"} else None
    answers = []
    for name in (theirs, UNKNOWN[api] if len(theirs) == len(UNKNOWN[api]) else "0" * len(theirs)):
        answer = bob.ask(api, method, path.replace("{account}", bob.account.name).replace("{ref}", name), document)
        answers.append((answer.status, answer.body.replace(name, "ID")))
    assert answers[0] == answers[1]
    assert 400 <= answers[0][0] < 500 or (method, answers[0][0]) == ("DELETE", 501)
    assert MARKER not in answers[0][1]
    assert kept(alice) == before


def ref_of(tenant: Tenant, job_id: str):  # type: ignore[no-untyped-def]  # noqa: ANN201
    [job] = [
        one
        for api in MAKES
        for one in tenant.world.services.jobs.list(tenant.account.account_id, api)
        if one.ref.job_id == job_id
    ]
    return job.ref


@pytest.mark.parametrize(("method", "path"), rows(LIST))
def test_t14_a_list_has_nothing_of_another_s(alice: Tenant, bob: Tenant, method: str, path: str) -> None:
    api = ROUTES[method, path]
    theirs = made(alice, api if api in MAKES else "ndscheduler")
    alice.ask("ndscheduler", "POST", f"/api/v1/executions/{theirs}")
    spelled = f"{path}/" if api == "cronally" else path
    mine, seen = alice.ask(api, method, spelled), bob.ask(api, method, spelled)
    assert (mine.status, seen.status) == (200, 200)
    markers = (MARKER, theirs, alice.account.account_id)
    assert [marker for marker in (*markers, alice.secret) if marker in seen.body] == []
    assert [marker for marker in markers if marker in mine.body]


@pytest.mark.parametrize(("method", "path"), rows(CREATE))
def test_t17_nothing_is_created_under_another_s_name(alice: Tenant, bob: Tenant, method: str, path: str) -> None:
    api = ROUTES[method, path]
    claimed = {"account": MARKER, "account_id": alice.account.account_id, "userid": alice.account.account_id}
    claimed |= {"tenant": MARKER, "key": alice.key, "id": UNKNOWN.get(api, ""), "state": "finished", "rev": "99"}
    theirs = made(alice, api if api in MAKES else "rlatr")
    before = kept(alice)
    document = (
        (MAKES[api](bob)[2] if api in MAKES else {**KEY_DOCUMENT})
        | ({} if api == "ndscheduler" else claimed)
        | {"job_id": theirs}
    )
    spelled = path.replace("{ref}", "0+0+8+%3F+*+*").replace("{callback}", "https%3A%2F%2Fexample.com")
    bob.ask(api, method, f"{spelled}/" if api == "cronally" else spelled, document)
    assert kept(alice) == before


@pytest.mark.parametrize(("method", "path"), rows(ACCOUNT))
def test_t13_another_s_account_in_the_path_is_one_that_is_not_there(
    alice: Tenant, bob: Tenant, method: str, path: str
) -> None:
    api = ROUTES[method, path]
    before = kept(alice)
    document = MAKES["runlater"](bob)[2] if method in {"PUT", "POST"} and "apikeys" not in path else None
    answers = []
    for account in (MARKER, "nobody-s-name"):
        where = path.replace("{account}", account).replace("{ref}", LABEL)
        answer = bob.ask(api, method, where, document)
        answers.append((answer.status, answer.body.replace(account, "NAME")))
    assert answers[0] == answers[1]
    assert 400 <= answers[0][0] < 500
    assert kept(alice) == before


@pytest.mark.parametrize(("method", "path"), [row for row in rows(BY_ID) if "{account}" in row[1]])
def test_t13_one_s_own_job_under_another_s_name_is_not_there(
    alice: Tenant, bob: Tenant, method: str, path: str
) -> None:
    api = ROUTES[method, path]
    mine, before = made(bob, api), kept(alice)
    document = MAKES[api](bob)[2] if method in {"PUT", "POST"} else None
    told = {
        (answer.status, answer.body.replace(account, "NAME"))
        for account in (MARKER, "nobody-s-name")
        if (answer := bob.ask(api, method, path.replace("{account}", account).replace("{ref}", mine), document))
    }
    assert len(told) == 1
    assert 400 <= next(iter(told))[0] < 500
    assert kept(alice) == before


@pytest.mark.parametrize(("method", "path"), rows(KEY))
def test_t13_another_s_key_is_one_that_is_not_there(alice: Tenant, bob: Tenant, method: str, path: str) -> None:
    api, before = ROUTES[method, path], kept(alice)
    told = []
    for key in (alice.key, f"{MARKER}/nobody-s"):
        answer = bob.ask(api, method, path.replace("{ref}", quote(key, safe="")))
        told.append((answer.status, answer.body.replace(key, "KEY")))
    assert told[0] == told[1]
    assert told[0][0] == 404
    assert kept(alice) == before


@pytest.mark.parametrize(("method", "path"), rows(LIST, CREATE, BY_ID, EXECUTION, ACCOUNT, KEY))
def test_nobody_is_answered_without_a_proof(alice: Tenant, method: str, path: str) -> None:
    where = path.replace("{account}", MARKER).replace("{ref}", LABEL).replace("{callback}", "https%3A%2F%2Fx.example")
    plain = [typed("application/x-www-form-urlencoded")]
    answer = alice.client.send(method, where, headers=plain, body=form({"a": "1"}), source=elsewhere())
    assert answer.status in {400, 401}
    assert MARKER not in answer.body
