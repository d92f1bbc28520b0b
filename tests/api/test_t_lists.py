"""Lists are whole or refused in words, and the history is bounded: no account is too large, none is silently cut.

None of the five documents knows pages. Lists of jobs therefore have all jobs, up to a number that says so when it is
passed; of executions and of the log there is the latest part of a range, marked where there is more.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from chalicelib.api import dialect, dialects
from chalicelib.api.dialects import ndscheduler
from chalicelib.operations import history, jobs
from chalicelib.scheduling.execution import Execution, ExecutionState
from chalicelib.scheduling.job import JobRef, firing_id
from tests.api.client import Client
from tests.api.tenants import MAKES, Tenant, a_tenant, made
from tests.world import START, World

LISTS = {
    "cronally": ("/cronjobs/", 400),
    "job_scheduler": ("/1/jobs", 413),
    "ndscheduler": ("/api/v1/jobs", 400),
    "runlater": ("/users/alice/apikey/production/jobs/", 400),
}


@pytest.fixture
def alice(world: World) -> Tenant:
    return a_tenant(world, Client(lambda: world.services, *dialects.served()), "alice")


def kept(tenant: Tenant, seconds: Sequence[int], *, api: str = "ndscheduler") -> None:
    """Executions of one job of an API, due so many seconds before now."""
    ref = JobRef(account_id=tenant.account.account_id, job_id="0" * 32)
    blank = Execution(
        firing_id="", ref=ref, dialect=api, key=tenant.key, due_at=START, state=ExecutionState.MISSED, rev=1, job_rev=1
    )
    times = [START - timedelta(seconds=second) for second in seconds]
    left = tenant.world.services.firings.record(
        [replace(blank, firing_id=firing_id(ref, due_at), due_at=due_at) for due_at in times]
    )
    assert left == []


def told(tenant: Tenant, query: str = "") -> tuple[list[int], bool]:
    """How many seconds before now those in the answer were due, and whether it says that there are more."""
    answer = tenant.ask("ndscheduler", "GET", f"/api/v1/executions{query}")
    assert answer.status == 200, answer.body
    due = [one["scheduled_time"] for one in answer.json["executions"]]
    moments = {(START - timedelta(seconds=second)).isoformat(): second for second in range(600)}
    return [moments[moment] for moment in due], answer.json.get("more", False)


@pytest.mark.parametrize("api", LISTS)
def test_a_list_of_jobs_is_whole_or_refused(alice: Tenant, monkeypatch: pytest.MonkeyPatch, api: str) -> None:
    monkeypatch.setattr(jobs, "MOST_LISTED", 2)
    path, status = LISTS[api]
    names = [made(alice, api) for _ in range(2)]
    whole = alice.ask(api, "GET", path)
    assert whole.status == 200
    assert [name for name in names if name not in whole.body] == []
    made(alice, api)
    refused = alice.ask(api, "GET", path)
    assert refused.status == status
    assert "There are more than 2 jobs" in refused.body
    assert [name for name in names if name in refused.body] == []


def test_the_apis_that_list_jobs_are_all_here() -> None:
    assert {*MAKES} - {*LISTS} == {"rlatr"}  # which has nothing to GET


@pytest.mark.parametrize("mark", ["a", '"', "\\", "é", "\U0001f600", "\n"], ids=ascii)
def test_what_counts_is_what_a_lambda_would_have_to_send(
    alice: Tenant, monkeypatch: pytest.MonkeyPatch, mark: str
) -> None:
    method, path, document = MAKES["runlater"](alice)
    alice.ask("runlater", method, path, {**document, "body": mark * 500})
    body = alice.ask("runlater", "GET", LISTS["runlater"][0]).body
    for room, status in ((0, 200), (-1, 400)):
        monkeypatch.setattr(dialect, "MAX_ANSWER", len(json.dumps(body)) + room)
        assert alice.ask("runlater", "GET", LISTS["runlater"][0]).status == status


def test_executions_beyond_the_most_are_the_latest_and_it_is_said(
    alice: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ndscheduler, "LONGEST_LIST", 3)
    kept(alice, [10, 20, 30])
    assert told(alice) == ([10, 20, 30], False)
    kept(alice, [5, 40, 50])
    assert told(alice) == ([5, 10, 20], True)
    end = (START - timedelta(seconds=21)).isoformat().replace("+", "%2B")
    assert told(alice, f"?time_range_end={end}") == ([30, 40, 50], False)


def test_the_log_beyond_the_most_is_the_latest_and_it_is_said(alice: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ndscheduler, "LONGEST_LIST", 2)
    named: list[str] = []
    for count in range(3):
        named.insert(0, made(alice, "ndscheduler"))
        alice.world.clock.forward(seconds=1)
        answer = alice.ask("ndscheduler", "GET", "/api/v1/logs").json
        assert [entry["job_id"] for entry in answer["logs"]] == named[:2]
        assert answer.get("more", False) is (count == 2)


def test_what_is_read_for_an_answer_is_bounded_whatever_lies_in_the_range(
    alice: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module, name, number in ((history, "PAGE", 10), (history, "MOST_READ", 30), (ndscheduler, "LONGEST_LIST", 5)):
        monkeypatch.setattr(module, name, number)
    kept(alice, [0, *range(300, 400)])
    kept(alice, range(100, 120), api="rlatr")
    assert told(alice) == ([0, *range(300, 304)], True)
    kept(alice, range(120, 140), api="rlatr")
    refused = alice.ask("ndscheduler", "GET", "/api/v1/executions")
    text = "incorrect parameters: Too many executions lie in that time: ask for a shorter range"
    assert (refused.status, refused.json) == (400, {"error": text})
    shorter = (START - timedelta(seconds=200)).isoformat().replace("+", "%2B")
    assert told(alice, f"?time_range_end={shorter}") == ([*range(300, 305)], True)


def test_a_log_among_many_runs_of_other_apis_is_what_is_found_in_so_many(
    alice: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "PAGE", 10)
    monkeypatch.setattr(history, "MOST_READ", 30)
    kept(alice, [10, 11, 300], api="runlater")
    kept(alice, range(100, 140), api="rlatr")
    log = alice.ask("runlater", "GET", "/users/alice/logs/production")
    assert [one["scheduled"][-10:] for one in log.json] == ["00:19.000Z", "00:20.000Z"]
