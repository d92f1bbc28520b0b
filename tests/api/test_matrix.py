"""Every route against two tenants: Alice has one of everything, Bob asks for it.

T13: the same answer for "not yours" and "not there". T14: nothing of Alice's in what Bob is told. T17: nothing Bob
sends puts anything under Alice's name. The rows are checked against the route table: a new route without one fails.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import pytest

from chalicelib.api import dialects
from chalicelib.operations.accounts import IssuedKey, NewAccount, add_key, open_account
from chalicelib.scheduling.account import Account
from chalicelib.scheduling.secret import Secret
from tests.api.client import Answer, Client, basic, cron_date, cron_signed, form, typed
from tests.world import World

MARKER = "alice-s-own"
LABEL = "production"


@dataclass(frozen=True)
class Tenant:
    """One who can sign for every API."""

    world: World
    client: Client
    account: Account
    issued: IssuedKey

    @property
    def key(self) -> str:
        return self.issued.key.key

    @property
    def secret(self) -> str:
        return self.issued.secret.reveal()

    def ask(self, api: str, method: str, path: str, document: dict[str, object] | None = None) -> Answer:
        body = json.dumps(document) if document is not None else ""
        headers = [typed("application/json")] if body else []
        match api:
            case "cronally":
                date = cron_date(self.world.clock.now())
                headers += cron_signed(self.key, self.secret, method=method, path=path, date=date)
            case "runlater":
                message = (body or path).encode()
                proof = hmac.new(self.secret.encode(), message, hashlib.sha1).digest()
                headers += [("runlater_key", LABEL), ("runlater_hash", base64.b64encode(proof).decode())]
            case "runlater_users":
                headers += [("runlater_password", f"password of {self.account.name}")]
            case _:
                headers += [basic(self.key, self.secret)]
        return self.client.send(method, path, headers=headers, body=body)


@pytest.fixture(scope="module")
def client(still: World) -> Client:
    return Client(lambda: still.services, *dialects.every())


def a_tenant(world: World, client: Client, name: str) -> Tenant:
    password = Secret(f"password of {name}")
    account = open_account(
        world.services, NewAccount(email=f"{name}@example.com", name=name, password=password, profile={"state": name})
    )
    return Tenant(world, client, account, add_key(world.services, account, LABEL))


@pytest.fixture(scope="module")
def alice(still: World, client: Client) -> Tenant:
    return a_tenant(still, client, MARKER)


@pytest.fixture(scope="module")
def bob(still: World, client: Client) -> Tenant:
    return a_tenant(still, client, "bob")


def later(world: World) -> str:
    return (world.clock.now() + timedelta(days=1)).isoformat()


Make = Callable[[Tenant], tuple[str, str, dict[str, object]]]

MAKES: dict[str, Make] = {  # how each API makes a job: method, path, document
    "rlatr": lambda one: (
        "POST",
        "/api/v1ish/schedule",
        {"uri": f"https://example.com/{one.account.name}", "at": later(one.world)},
    ),
    "cronally": lambda one: (
        "POST",
        "/cronjob/",
        {
            "name": one.account.name,
            "cron": "0 8 * * *",
            "sns_topic": "arn:aws:sns:us-east-1:123456789012:topic",
            "sns_message": one.account.name,
            "sns_region": "us-east-1",
            "sns_access_key_id": "AKIAEXAMPLE",
            "sns_secret_access_key": "secret",
        },
    ),
    "runlater": lambda one: (
        "PUT",
        f"/users/{one.account.name}/jobs/",
        {
            "name": one.account.name,
            "when": "2030-01-01T00:00:00.000Z",
            "interval": "1 day",
            "url": "https://example.com/",
            "method": "POST",
            "headers": {},
        },
    ),
    "job_scheduler": lambda one: (
        "POST",
        "/1/jobs",
        {"url": f"https://example.com/{one.account.name}", "cron": "0 0 8 * * ?"},
    ),
    "ndscheduler": lambda one: (
        "POST",
        "/api/v1/jobs",
        {
            "name": one.account.name,
            "job_class_string": "simple_scheduler.jobs.sample_job.AwesomeJob",
            "pub_args": [one.account.name, 2],
            "trigger": "interval",
            "trigger_params": {"interval": 3600},
        },
    ),
}


def made(tenant: Tenant, api: str) -> str:
    """The id of a new job of a tenant's."""
    before = {job.ref.job_id for job in tenant.world.services.jobs.list(tenant.account.account_id, api)}
    method, path, document = MAKES[api](tenant)
    answer = tenant.ask(api, method, path, document)
    assert answer.status in {200, 201}, answer.body
    [new] = {job.ref.job_id for job in tenant.world.services.jobs.list(tenant.account.account_id, api)} - before
    return new


UNKNOWN = {
    "rlatr": "5" * 16,
    "cronally": "0" * 8 + "-0000-4000-8000-" + "0" * 12,
    "runlater": "0" * 24,
    "job_scheduler": "0" * 8 + "-0000-4000-8000-" + "0" * 12,
    "ndscheduler": "0" * 32,
}

OPEN, LIST, CREATE, BY_ID, EXECUTION, ACCOUNT = "open", "list", "create", "by id", "execution", "account"

V1, V2 = "/api/v1", "/api/v2"
ROWS: dict[tuple[str, str], str] = {
    ("POST", "/account"): OPEN,
    ("GET", "/account"): LIST,
    ("POST", "/cronjob"): CREATE,
    ("GET", "/cronjobs"): LIST,
    ("DELETE", "/cronjob/{ref}"): BY_ID,
    ("POST", "/api/v1ish/schedule"): CREATE,
    ("PUT", "/api/v1ish/schedule/{ref}"): BY_ID,
    ("DELETE", "/api/v1ish/schedule/{ref}"): BY_ID,
    ("GET", "/1/jobs"): LIST,
    ("POST", "/1/jobs"): CREATE,
    ("GET", "/1/jobs/{ref}"): BY_ID,
    ("PUT", "/1/jobs/{ref}"): BY_ID,
    ("DELETE", "/1/jobs/{ref}"): BY_ID,
    ("POST", "/1/jobs/{ref}/{callback}"): CREATE,
    ("GET", "/users"): OPEN,
    ("PUT", "/users"): OPEN,
    ("GET", "/users/{account}"): ACCOUNT,
    ("PUT", "/users/{account}"): ACCOUNT,
    ("DELETE", "/users/{account}"): ACCOUNT,
    ("GET", "/users/{account}/apikeys"): ACCOUNT,
    ("PUT", "/users/{account}/apikeys/{ref}"): ACCOUNT,
    ("DELETE", "/users/{account}/apikeys/{ref}"): ACCOUNT,
    ("PUT", "/users/{account}/jobs"): ACCOUNT,
    ("POST", "/users/{account}/jobs"): ACCOUNT,
    ("GET", "/users/{account}/apikey/{ref}/jobs"): ACCOUNT,
    ("GET", "/users/{account}/logs/{ref}"): ACCOUNT,
    ("GET", "/users/{account}/jobs/{ref}"): BY_ID,
    ("PUT", "/users/{account}/jobs/{ref}"): BY_ID,
    ("DELETE", "/users/{account}/jobs/{ref}"): BY_ID,
}
for version in (V1, V2):
    ROWS |= {
        ("GET", f"{version}/jobs"): LIST,
        ("POST", f"{version}/jobs"): CREATE,
        ("OPTIONS", f"{version}/jobs"): OPEN,
        ("GET", f"{version}/jobs/{{ref}}"): BY_ID,
        ("PUT", f"{version}/jobs/{{ref}}"): BY_ID,
        ("DELETE", f"{version}/jobs/{{ref}}"): BY_ID,
        ("PATCH", f"{version}/jobs/{{ref}}"): BY_ID,
        ("OPTIONS", f"{version}/jobs/{{ref}}"): BY_ID,
        ("OPTIONS", f"{version}/executions"): OPEN,
        ("OPTIONS", f"{version}/executions/{{ref}}"): OPEN,
        ("OPTIONS", f"{version}/logs"): OPEN,
        ("GET", f"{version}/executions"): LIST,
        ("POST", f"{version}/executions"): CREATE,
        ("GET", f"{version}/executions/{{ref}}"): EXECUTION,
        ("POST", f"{version}/executions/{{ref}}"): BY_ID,
        ("DELETE", f"{version}/executions/{{ref}}"): EXECUTION,
        ("GET", f"{version}/logs"): LIST,
    }

ROUTES = {
    (method, path): dialect.name
    for dialect in dialects.every()
    for path, views in dialect.routes.items()
    for method in views
}


def rows(*kinds: str) -> list[tuple[str, str]]:
    return [row for row, kind in ROWS.items() if kind in kinds and row in ROUTES]


def test_every_route_has_a_row() -> None:
    assert set(ROUTES) == set(ROWS)


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
    theirs = made(alice, api)
    if api == "ndscheduler":
        alice.ask(api, "POST", f"/api/v1/executions/{theirs}")
    spelled = f"{path}/" if api == "cronally" else path
    mine, seen = alice.ask(api, method, spelled), bob.ask(api, method, spelled)
    assert (mine.status, seen.status) == (200, 200)
    for marker in (MARKER, theirs, alice.account.account_id, alice.secret):
        assert marker not in seen.body
    assert theirs in mine.body or alice.account.account_id in mine.body


@pytest.mark.parametrize(("method", "path"), rows(CREATE))
def test_t17_nothing_is_created_under_another_s_name(alice: Tenant, bob: Tenant, method: str, path: str) -> None:
    api = ROUTES[method, path]
    before = kept(alice)
    claimed = {"account": MARKER, "account_id": alice.account.account_id, "userid": alice.account.account_id}
    claimed |= {"tenant": MARKER, "key": alice.key, "id": UNKNOWN[api], "state": "finished", "rev": "99"}
    theirs = made(alice, api)
    before = kept(alice)
    document = MAKES[api](bob)[2] | ({} if api == "ndscheduler" else claimed) | {"job_id": theirs}
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


@pytest.mark.parametrize(("method", "path"), [row for row in ROUTES if ROWS.get(row) != OPEN])
def test_nobody_is_answered_without_a_proof(alice: Tenant, method: str, path: str) -> None:
    where = path.replace("{account}", MARKER).replace("{ref}", LABEL).replace("{callback}", "https%3A%2F%2Fx.example")
    answer = alice.client.send(
        method, where, headers=[typed("application/x-www-form-urlencoded")], body=form({"a": "1"})
    )
    assert answer.status in {400, 401}
    assert MARKER not in answer.body
