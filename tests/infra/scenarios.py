"""All that the functions may have to do: every route for the API, every kind of message for the two workers.

A story happens between the runs, where nobody's calls are kept, and ends with the message that a worker then gets.
"""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import quote

from chalicelib.operations.accounts import NewAccount, open_account_with_key
from chalicelib.operations.express import entry_of, retry_of
from chalicelib.operations.jobs import create_job, delete_job, pause_job, run_now
from chalicelib.ports import Due, FiringRef, JobClaim, Services
from chalicelib.scheduling.account import Principal
from chalicelib.scheduling.execution import Execution, ExecutionState
from chalicelib.scheduling.job import Claim, Definition, Ending, Job, JobRef, firing_id
from chalicelib.scheduling.lane import Lane
from chalicelib.scheduling.retry import Misfire, RetryPolicy
from chalicelib.scheduling.schedule import Every, Once, Schedule
from chalicelib.scheduling.secret import Secret
from chalicelib.scheduling.target import AwsKeys, Callback, Topic, Webhook
from tests.api.client import basic
from tests.api.tenants import LABEL, MAKES, Tenant, a_tenant, made
from tests.api.test_matrix import BY_ID, EXECUTION, KEY, ROUTES, ROWS
from tests.engine import free_port
from tests.infra.deployed import Message

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.infra.deployed import Deployed
    from tests.world import World

NOBODY: Final = f"http://127.0.0.1:{free_port()}/"  # refuses at once
OWNER: Final = "THEJOBSOWNKEY"
SECOND: Final = timedelta(seconds=1)
SOON: Final = timedelta(seconds=30)  # too early to send, and before the horizon
HOUR: Final = timedelta(hours=1)
NUMBERS: Final = itertools.count(1)
DIALECT: Final = "test"

Route = tuple[str, str]

SPELLED: Final[Mapping[Route, str]] = {
    ("POST", "/1/jobs/{ref}/{callback}"): "/1/jobs/0+0+8+%3F+*+*/https%3A%2F%2Fexample.com",
    ("PUT", "/users/{account}/apikeys/{ref}"): "/users/{account}/apikeys/another",
    ("GET", "/v1/executions"): "/v1/executions?job=any",
}


# --- the API ----------------------------------------------------------------------------------------------------------


def ask_every_route(on: Deployed) -> Mapping[Route, int]:
    """The status of each route, asked for what is there; what changes an account has one of its own."""
    tenants = {api: _tenant(on) for api in MAKES}
    return {route: _ask(on, *route, tenants.get(api) or _tenant(on)) for route, api in ROUTES.items()}


def ask_for_what_is_due_soon(on: Deployed) -> int:
    """The worst status of two jobs made for the next minute: one is the account's share of the first lane."""
    tenant, soon = _tenant(on), (on.clock.now() + SOON).isoformat()
    asked: dict[str, object] = {"uri": "https://example.com/", "at": soon}
    with on.running("APIHandler"):
        caller = replace(tenant, client=on.gateway())
        return max(caller.ask("rlatr", "POST", "/api/v1ish/schedule", asked).status for _ in range(2))


def delete_what_waits_for_a_retry(on: Deployed) -> int:
    """The status of the deletion of a job whose first attempt failed."""
    tenant = _tenant(on)
    asked: dict[str, object] = {"uri": NOBODY, "at": (on.clock.now() + SECOND).isoformat()}
    answer = tenant.ask("rlatr", "POST", "/api/v1ish/schedule", asked)
    assert answer.status == 200, answer.body
    [job] = on.services.jobs.list(tenant.account.account_id, "rlatr")
    on.receive("Deliver", _first(job))
    with on.running("APIHandler"):
        return (
            replace(tenant, client=on.gateway()).ask("rlatr", "DELETE", f"/api/v1ish/schedule/{job.ref.job_id}").status
        )


def fail_to_log_in(on: Deployed) -> int:
    """The status of a login with another password."""
    tenant = _tenant(on)
    with on.running("APIHandler"):
        return on.gateway().send("GET", "/v1/keys", headers=[basic(tenant.account.name, "another")]).status


def _ask(on: Deployed, method: str, path: str, tenant: Tenant) -> int:
    api = ROUTES[method, path]
    ref = _subject(tenant, api, ROWS[method, path])
    spelled = SPELLED.get((method, path), path).replace("{account}", tenant.account.name).replace("{ref}", ref)
    document = _document(tenant, method, path, ref)
    with on.running("APIHandler"):
        return replace(tenant, client=on.gateway()).ask(api, method, spelled, document).status


def _tenant(on: Deployed) -> Tenant:
    return a_tenant(cast("World", on), on.client(), f"tenant{next(NUMBERS)}")


def _subject(tenant: Tenant, api: str, kind: str) -> str:
    """What a route's `ref` means: a job or an execution where there are jobs, else a key or its label."""
    if kind == KEY:
        return quote(tenant.key, safe="")
    job_id = made(tenant, api) if api in MAKES else ""
    if kind == EXECUTION:
        return str(tenant.ask(api, "POST", f"/api/v1/executions/{job_id}").json["execution_id"])
    return job_id if kind == BY_ID or api == "ndscheduler" else LABEL


def _document(tenant: Tenant, method: str, path: str, ref: str) -> dict[str, object] | None:
    number = next(NUMBERS)
    match method, path:
        case "POST", "/account":
            return {"email": f"caller{number}@example.com"}
        case "POST", "/v1/keys":
            return {"label": f"label{number}"}
        case "PUT", "/users":
            return {"account": f"user{number}", "email": f"user{number}@example.com", "password": "password"}
        case "PUT", "/users/{account}":
            return {"email": f"moved{number}@example.com", "password": "another"}
        case "POST", "/api/v1/executions" | "/api/v2/executions":
            return {"job_id": ref}
        case "POST" | "PUT", _ if ROUTES[method, path] in MAKES:
            return MAKES[ROUTES[method, path]](tenant)[2]
    return None


# --- the tick ---------------------------------------------------------------------------------------------------------


def tick_over_a_job_and_a_retry(on: Deployed) -> int:
    """How many messages it sent."""
    services, owner = on.services, _owner(on.services)
    run_now(services, owner, _job(services, owner).ref.job_id, dialect=DIALECT)
    return on.tick()


# --- the reconciliation -----------------------------------------------------------------------------------------------


def reconcile_what_was_lost(on: Deployed) -> int:
    """How many firings had no record: of a failing job, of one that was paused since, and one that a worker marked."""
    services = on.services
    owner, weekly = _owner(services), Every(start=services.clock.now() - SECOND, period=7 * 24 * HOUR)
    failing = _job(services, owner, weekly)
    services.firings.move(failing.ref, Lane.SECOND)
    _lost(services, failing)
    changed = _job(services, owner, weekly)
    _lost(services, changed)
    pause_job(services, owner, changed.ref.job_id, dialect=DIALECT)
    due_at = services.clock.now() - 2 * HOUR
    marked = Execution(
        firing_id=firing_id(changed.ref, due_at),
        ref=changed.ref,
        dialect=DIALECT,
        key=owner.key,
        due_at=due_at,
        state=ExecutionState.WAITING,
    )
    services.firings.mark(marked, replace(_dead(services), due_at=due_at))
    return on.reconcile(age=60)


def _dead(services: Services) -> Claim:
    """By a worker that died, with a message that is lost."""
    now = services.clock.now()
    return Claim(message_id="lost", nonce="dead", due_at=now - SECOND, claimed_at=now - HOUR)


def _lost(services: Services, job: Job) -> None:
    due_at = job.standing.due_at
    assert due_at
    claim = replace(_dead(services), due_at=due_at)
    services.firings.claim([JobClaim(ref=job.ref, after=job.standing.fired(claim), rev=job.standing.rev)])


# --- the workers ------------------------------------------------------------------------------------------------------


def _owner(services: Services) -> Principal:
    account, issued = open_account_with_key(services, NewAccount(email=f"owner{next(NUMBERS)}@example.com"))
    return Principal(account_id=account.account_id, key=issued.key.key)


def _job(services: Services, owner: Principal, schedule: Schedule | None = None, **definition: Any) -> Job:
    """One that nobody receives, due a second ago."""
    now = services.clock.now()
    asked = Definition(
        ref=JobRef(account_id=owner.account_id, job_id=f"job-{next(NUMBERS)}"),
        dialect=DIALECT,
        key=owner.key,
        name="a job",
        created_at=now,
        **({"target": Webhook(url=NOBODY)} | definition),
    )
    return create_job(services, asked, schedule or Once(at=now - SECOND), misfire=Misfire.LATEST)


def _first(job: Job) -> Message:
    due = entry_of(job.ref, job.standing)
    assert due
    return Message(due=due)


def fires_again_in_ten_seconds(services: Services) -> Message:
    start = services.clock.now() - SECOND
    return _first(_job(services, _owner(services), Every(start=start, period=10 * SECOND)))


def fails_and_is_tried_again(services: Services) -> Message:
    return _first(_job(services, _owner(services), retry=RetryPolicy(waits=(SECOND,))))


def is_called_back_and_purged(services: Services) -> Message:
    callback = Callback(url=NOBODY, delivered=b"yes", failed=b"no")
    return _first(_job(services, _owner(services), ending=Ending.PURGE, callback=callback))


def is_published(services: Services) -> Message:
    keys = AwsKeys(access_key_id=OWNER, secret_access_key=Secret("secret"))
    topic = Topic(arn="arn:aws:sns:us-east-1:123456789012:topic", region="us-east-1", message="hello", keys=keys)
    return _first(_job(services, _owner(services), target=topic))


def comes_early(services: Services) -> Message:
    return _first(_job(services, _owner(services), Once(at=services.clock.now() + SOON)))


def was_claimed_by_a_worker_that_died(services: Services) -> Message:
    job = _job(services, _owner(services))
    message, claimed_at = _first(job), services.clock.now() - HOUR
    claim = Claim(message_id=message.message_id, nonce="dead", due_at=message.due.due_at, claimed_at=claimed_at)
    services.firings.claim([JobClaim(ref=job.ref, after=job.standing.fired(claim), rev=message.due.rev)])
    return message


def lost_its_account(services: Services) -> Message:
    owner = _owner(services)
    message, account = _first(_job(services, owner)), services.accounts.account(owner.account_id)
    assert account
    services.accounts.remove(account)
    return message


def is_tried_again(services: Services) -> Message:
    owner = _owner(services)
    return Message(due=_retry(services, owner, _job(services, owner)))


def is_tried_again_early(services: Services) -> Message:
    owner = _owner(services)
    due = _retry(services, owner, _job(services, owner))
    return Message(due=replace(due, due_at=due.due_at + SOON, lane=Lane.SECOND))


def is_tried_again_without_its_job(services: Services) -> Message:
    owner = _owner(services)
    job = _job(services, owner)
    message = Message(due=_retry(services, owner, job))
    delete_job(services, owner, job.ref.job_id, dialect=DIALECT)
    return message


def _retry(services: Services, owner: Principal, job: Job) -> Due:
    due = retry_of(run_now(services, owner, job.ref.job_id, dialect=DIALECT))
    assert due
    assert isinstance(due.subject, FiringRef)
    return due


STORIES: Final[tuple[Callable[[Services], Message], ...]] = (
    fires_again_in_ten_seconds,
    fails_and_is_tried_again,
    is_called_back_and_purged,
    is_published,
    comes_early,
    was_claimed_by_a_worker_that_died,
    lost_its_account,
    is_tried_again,
    is_tried_again_early,
    is_tried_again_without_its_job,
)


def receive_every_story(on: Deployed, function: str) -> None:
    """Each message to a worker of its own."""
    for story in STORIES:
        on.receive(function, story(on.services))
