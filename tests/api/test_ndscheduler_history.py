"""ndscheduler's executions and logs, row by row of its protocol (numbers as in section 5)."""

import json
import os
import re
import socket
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.api import dialect
from chalicelib.api import ndscheduler_documents as documents
from chalicelib.scheduling.audit import AuditEntry, AuditEvent
from chalicelib.scheduling.execution import Attempt, Execution, ExecutionState, Outcome, OutcomeKind
from chalicelib.scheduling.job import Claim, JobRef, firing_id
from tests.api.ndscheduler_caller import AWESOME, Caller
from tests.operations.breaking import breaking
from tests.world import START, World, a_world

NOON = "2026-11-22T12:"
NOBODY = "0" * 32
PLACE = f"hostname: {socket.gethostname()} | pid: {os.getpid()}"


@pytest.fixture
def caller(world: World) -> Caller:
    return Caller(world)


@pytest.fixture
def asker(still: World) -> Caller:
    """Where no time passes: for what is answered at once."""
    return Caller(still)


@pytest.fixture(scope="module")
def ran() -> Caller:
    """A job each minute, 15 minutes after it was made, in a world of its own that is only looked at."""
    caller = Caller(a_world())
    caller.created()
    caller.world.let_pass(minutes=15)
    return caller


def minutes(found: list[dict[str, Any]]) -> list[int]:
    return [int(one["scheduled_time"][14:16]) for one in found]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        pytest.param("", range(15, 5, -1), id="the last ten minutes by default"),
        pytest.param(f"time_range_start={NOON}03:00Z", range(15, 2, -1), id="to now; the start is part of it"),
        pytest.param(f"time_range_start={NOON}03:00.001Z", range(15, 3, -1), id="a millisecond after a firing"),
        pytest.param(
            f"time_range_start={NOON}02:00Z&time_range_end={NOON}04:00Z", range(4, 1, -1), id="both ends are part of it"
        ),
        pytest.param(f"time_range_start={NOON}02:00&time_range_end={NOON}02:00", [2], id="without a zone: UTC"),
        pytest.param(
            "time_range_start=2026-11-22T14:02:00%2B02:00&time_range_end=2026-11-22T07:03:00-05:00",
            [3, 2],
            id="offsets count",
        ),
        pytest.param(
            "time_range_start=2026-11-22T14:02:00+02:00&time_range_end=2026-11-22T14:03:00+02:00",
            [3, 2],
            id="a plus that became a space",
        ),
        pytest.param("time_range_start=&time_range_end=", range(15, 5, -1), id="empty is not given"),
        pytest.param(f"time_range_end={NOON}04:00Z", [], id="an end before the default start"),
        pytest.param(f"time_range_start={NOON}09:00Z&time_range_end={NOON}08:00Z", [], id="backwards"),
        pytest.param("time_range_start=0001-01-01T00:00:00Z", range(15, 0, -1), id="since year 1"),
        pytest.param("time_range_start=0001-01-01T00:00:00Z&time_range_end=0002-01-01T00:00:00Z", [], id="long ago"),
        pytest.param("time_range_end=9999-12-31T23:59:59.999Z", range(15, 5, -1), id="until year 9999"),
        pytest.param("time_range_start=9999-12-31T00:00:00Z&time_range_end=9999-12-31T23:59:59Z", [], id="to come"),
        pytest.param("_=1767225600000", range(15, 5, -1), id="jQuery's own parameter"),
    ],
)
def test_5_12_executions_are_those_scheduled_in_the_range_the_latest_first(
    ran: Caller, query: str, expected: list[int]
) -> None:
    assert minutes(ran.executions(f"?{query}")) == [*expected]
    made = [one for one in ran.logs(f"?{query}") if one["event"] == "added"]
    assert all(one["created_time"] == START.isoformat() for one in made)


@pytest.mark.parametrize("path", ["/executions", "/logs"])
@pytest.mark.parametrize("name", ["time_range_start", "time_range_end"])
@pytest.mark.parametrize(
    "value",
    [
        "yesterday",
        "1767225600",
        "2026-11-31T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "0001-01-01T00:00:00%2B01:00",
        "%00",
        "x" * 9_000,
        "NaN",
    ],
)
def test_5_12_5_18_a_date_that_is_none_is_400(asker: Caller, path: str, name: str, value: str) -> None:
    answer = asker.send("GET", f"{path}?{name}={value}")
    assert (answer.status, [*answer.json]) == (400, ["error"])
    assert answer.json["error"].startswith(f"incorrect parameters: {name} ")


def test_5_12_a_range_given_twice_is_400(asker: Caller) -> None:
    query = "time_range_start=2026-11-22T12:00:00Z&time_range_start=2026-11-22T13:00:00Z"
    assert asker.send("GET", f"/executions?{query}").json == {"error": "incorrect parameters: A field is given twice"}


def test_5_12_executions_stand_in_order_of_their_last_change(asker: Caller) -> None:
    for due, answered in ((-60, -10), (-50, -49), (-40, -5), (-30, -20)):
        due_at, answered_at = (START + timedelta(seconds=seconds) for seconds in (due, answered))
        one = an_execution(ExecutionState.DELIVERED, OutcomeKind.DELIVERED)
        [attempt] = one.attempts
        ref = JobRef(account_id=asker.principal.account_id, job_id=NOBODY)
        attempts = (replace(attempt, answered_at=answered_at),)
        one = replace(one, firing_id=firing_id(ref, due_at), ref=ref, due_at=due_at, attempts=attempts)
        assert asker.world.services.firings.record([one]) == []
    assert [one["scheduled_time"][-8:-6] for one in asker.executions()] == ["50", "30", "00", "40"]


def test_5_13_an_execution_that_succeeded(caller: Caller) -> None:
    job_id = caller.created()
    caller.world.let_pass(minutes=1)
    [execution] = caller.executions()
    stars = {"month": "*", "day": "*", "week": "*", "day_of_week": "*", "hour": "*", "minute": "*/1"}
    trigger = {"trigger": "cron", "trigger_params": stars}
    assert execution == {
        "execution_id": execution["execution_id"],
        "state": "succeeded",
        "hostname": socket.gethostname(),
        "pid": os.getpid(),
        "task_id": "",
        "description": PLACE,
        "result": '[\n    "arg1",\n    2\n]',
        "scheduled_time": f"{NOON}01:00+00:00",
        "updated_time": f"{NOON}01:00+00:00",
        "job": {
            "job_id": job_id,
            "name": "My first job",
            "task_name": AWESOME,
            "job_class_string": AWESOME,
            "pub_args": ["arg1", 2],
            **trigger,
            "week": "*",
        },
        **trigger,
    }
    assert re.fullmatch("[0-9a-f]{32}", execution["execution_id"])
    assert caller.execution(execution["execution_id"]) == execution


def test_5_13_an_execution_that_failed_has_its_traceback(caller: Caller) -> None:
    caller.created(pub_args=["one alone"])
    caller.world.let_pass(minutes=1)
    [execution] = caller.executions()
    assert (execution["state"], execution["description"]) == ("failed", PLACE)
    assert execution["result"].startswith("Traceback (most recent call last):\n")
    assert execution["result"].endswith("missing 1 required positional argument: 'argument2'\n")


def test_5_13_an_execution_that_waits(asker: Caller) -> None:
    execution = asker.execution(asker.ran(asker.created(trigger="interval", trigger_params={"interval": 60})))
    shown = {name: execution[name] for name in ("state", "hostname", "pid", "task_id", "description", "result")}
    assert shown == {
        "state": "scheduled",
        "hostname": "",
        "pid": -1,
        "task_id": "",
        "description": "",
        "result": "",
    }
    assert (execution["trigger_params"], "week" in execution["job"]) == ({"interval": 60}, False)


CLAIM = Claim(message_id="m", nonce="n", due_at=START, claimed_at=START + timedelta(seconds=1))


def an_execution(state: ExecutionState, kind: OutcomeKind | None = None, *, claim: Claim | None = None) -> Execution:
    outcome = Outcome(kind=kind, took=timedelta(0), detail="why") if kind else None
    attempt = outcome and Attempt(due_at=START, claimed_at=START, sent_at=START, answered_at=START, outcome=outcome)
    return Execution(
        firing_id=NOBODY,
        ref=JobRef(account_id="a", job_id="j"),
        dialect="ndscheduler",
        key="k",
        due_at=START,
        state=state,
        attempts=(attempt,) if attempt else (),
        claim=claim,
    )


@pytest.mark.parametrize(
    ("execution", "state"),
    [
        (an_execution(ExecutionState.WAITING), "scheduled"),
        (an_execution(ExecutionState.WAITING, claim=CLAIM), "running"),
        (an_execution(ExecutionState.DELIVERED, OutcomeKind.DELIVERED), "succeeded"),
        (an_execution(ExecutionState.FAILED, OutcomeKind.RAISED), "failed"),
        (an_execution(ExecutionState.FAILED, OutcomeKind.FAULT), "failed"),
        (an_execution(ExecutionState.FAILED, OutcomeKind.UNREADABLE), "failed"),
        (an_execution(ExecutionState.FAILED, OutcomeKind.TIMED_OUT), "timeout"),
        (an_execution(ExecutionState.FAILED, OutcomeKind.UNKNOWN_CLASS), "scheduled error"),
        (an_execution(ExecutionState.MISSED), "scheduled error"),
        (an_execution(ExecutionState.PARKED), "scheduled error"),
        (an_execution(ExecutionState.CANCELLED), "stopped"),
    ],
    ids=lambda value: value if isinstance(value, str) else value.state.value,
)
def test_5_14_states(execution: Execution, state: str) -> None:
    assert documents.execution_document(execution, None)["state"] == state


def test_5_14_every_state_of_ours_has_a_name() -> None:
    assert {*documents.STATES} | {ExecutionState.WAITING} == {*ExecutionState}


def test_5_14_a_run_that_was_begun_is_running(caller: Caller) -> None:
    execution_id = caller.ran(caller.created())
    with breaking(caller.world, "classes", "run", "dies before"):
        caller.world.run()
    assert caller.execution(execution_id)["state"] == "running"


def test_5_14_a_run_that_the_queue_gave_up_is_told(caller: Caller) -> None:
    execution_id = caller.ran(caller.created())
    caller.send("PATCH", f"/jobs/{caller.job().ref.job_id}")
    with breaking(caller.world, "firings", "executions", "is away", times=99):
        caller.world.let_pass(minutes=60)
    caller.world.park()
    execution = caller.execution(execution_id)
    assert (execution["state"], execution["description"]) == (
        "scheduled error",
        "given up by the queue after its last receipt",
    )


@pytest.mark.parametrize("ref", [NOBODY, "x", "", "é", "%2e%2e", "F" * 32, "0" * 31, "0" * 33, "9" * 3000])
def test_5_15_an_unknown_execution_is_400_with_its_id(asker: Caller, ref: str) -> None:
    if ref:
        shown = ref.replace("%2e", ".")
        answer = asker.send("GET", f"/executions/{ref}")
        assert (answer.status, answer.json) == (400, {"error": f"Execution not found: {shown}"})


def test_5_16_a_custom_run_is_answered_with_its_id_and_runs_at_once_beside_the_schedule(caller: Caller) -> None:
    job_id = caller.created()
    next_run = caller.shown(job_id)["next_run_time"]
    execution_id = caller.ran(job_id)
    caller.world.run()
    execution = caller.execution(execution_id)
    assert (execution["state"], execution["scheduled_time"]) == ("succeeded", START.isoformat())
    assert json.loads(execution["result"]) == ["arg1", 2]
    assert caller.shown(job_id)["next_run_time"] == next_run
    caller.world.let_pass(minutes=1)
    assert len(caller.executions()) == 2


def test_5_16_two_custom_runs_at_the_same_time_are_two(caller: Caller) -> None:
    job_id = caller.created()
    ids = {caller.ran(job_id) for _ in range(3)}
    caller.world.run()
    assert {caller.execution(one)["state"] for one in ids} == {"succeeded"}
    assert len(ids) == len(caller.executions()) == 3


def test_5_16_a_paused_job_runs_when_it_is_asked_to(caller: Caller) -> None:
    job_id = caller.created()
    caller.send("PATCH", f"/jobs/{job_id}")
    execution_id = caller.ran(job_id)
    caller.world.let_pass(minutes=3)
    assert [one["execution_id"] for one in caller.executions()] == [execution_id]
    assert caller.shown(job_id)["next_run_time"] == ""


def test_5_16_a_class_that_may_not_run_has_an_execution_too(caller: Caller) -> None:
    execution_id = caller.ran(caller.created(job_class_string="no.Such"))
    caller.world.run()
    assert caller.execution(execution_id)["state"] == "scheduled error"


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("", "Require this parameter: job_id"),
        ("{}", "Require this parameter: job_id"),
        ('{"job_id": ""}', "Require this parameter: job_id"),
        ('{"job_id": null}', "Require this parameter: job_id"),
        ('{"job_id": "x"}', "Job not found: x"),
        ('{"job_id": 7}', "incorrect parameters: job_id must be a string of valid Unicode"),
        ('{"job_id": ["x"]}', "incorrect parameters: job_id must be a string of valid Unicode"),
        ("{", "incorrect parameters: The body is not valid JSON"),
        ("[]", "incorrect parameters: The body must be a JSON object"),
    ],
)
def test_5_16_a_run_needs_a_job(asker: Caller, body: str, text: str) -> None:
    answer = asker.send("POST", "/executions", body=body)
    assert (answer.status, answer.json) == (400, {"error": text})
    assert asker.executions() == []


def test_5_16_an_unknown_job_does_not_run(asker: Caller) -> None:
    answer = asker.send("POST", f"/executions/{NOBODY}")
    assert (answer.status, answer.json) == (400, {"error": f"Job not found: {NOBODY}"})


def test_5_16_t60_a_run_that_the_queue_does_not_take_is_503_and_never_runs(caller: Caller) -> None:
    job_id = caller.created(trigger_params={"month": 1})
    caller.world.queue.down = True
    answer = caller.send("POST", f"/executions/{job_id}")
    assert (answer.status, answer.json) == (503, {"error": "the queue is unavailable, try again"})
    caller.world.queue.down = False
    caller.world.let_pass(minutes=30)
    [execution] = caller.executions(f"?time_range_start={NOON}00:00Z")
    assert execution["state"] == "stopped"
    assert [one["event"] for one in caller.logs(f"?time_range_start={NOON}00:00Z")] == ["added"]


def test_5_17_an_execution_is_not_stopped(asker: Caller) -> None:
    execution_id = asker.ran(asker.created())
    answer = asker.send("DELETE", f"/executions/{execution_id}")
    assert (answer.status, answer.json) == (501, {"error": "Not implemented yet."})
    assert asker.execution(execution_id)["state"] == "scheduled"


def test_5_18_every_change_is_logged_the_latest_first(caller: Caller) -> None:
    job_id = caller.created()
    acts = [("PATCH", f"/jobs/{job_id}"), ("OPTIONS", f"/jobs/{job_id}"), ("POST", f"/executions/{job_id}")]
    for method, path in acts:
        caller.world.clock.forward(seconds=1)
        answer = caller.send(method, path)
    shown = caller.shown(job_id)
    caller.world.clock.forward(seconds=1)
    caller.put(job_id, name="Other")
    caller.world.clock.forward(seconds=1)
    caller.send("DELETE", f"/jobs/{job_id}")
    deleted, modified, custom_run, resumed, paused, added = caller.logs()
    common = {"job_id": job_id, "job_name": "My first job", "user": caller.principal.key}
    assert added == common | {"event": "added", "created_time": START.isoformat(), "description": None}
    assert paused == common | {"event": "paused", "created_time": f"{NOON}00:31+00:00", "description": None}
    assert resumed == common | {"event": "resumed", "created_time": f"{NOON}00:32+00:00", "description": None}
    assert (custom_run["event"], custom_run["description"]) == ("custom_run", answer.json["execution_id"])
    assert (modified["event"], modified["job_name"]) == ("modified", "Other")
    assert modified["description"] == (
        '<b>Name</b>: <font color="red">My first job</font> => <font color="green">Other</font><br>'
    )
    assert deleted["event"] == "deleted"
    assert json.loads(deleted["description"]) == shown | {"name": "Other"}


def test_5_18_what_changes_nothing_is_not_logged(asker: Caller) -> None:
    job_id = asker.created()
    calls = [("OPTIONS", f"/jobs/{job_id}"), ("PATCH", f"/jobs/{job_id}"), ("PATCH", f"/jobs/{job_id}")]
    for method, path in [*calls, ("DELETE", f"/jobs/{NOBODY}"), ("PUT", f"/jobs/{job_id}")]:
        asker.send(method, path)
    assert sorted(one["event"] for one in asker.logs()) == ["added", "paused"]


def test_5_18_a_change_of_everything_is_described_item_by_item(asker: Caller) -> None:
    job_id = asker.created(trigger_params={"hour": 1})
    asker.put(job_id, name="N", job_class_string="C", pub_args=[], trigger="interval", trigger_params={"interval": 5})
    [modified] = [one for one in asker.logs() if one["event"] == "modified"]
    old = "cron[month='*', day='*', week='*', day_of_week='*', hour='1', minute='0']"
    pairs = [
        ("Name", "My first job", "N"),
        ("Job Class", AWESOME, "C"),
        ("Trigger", old.replace("'", "&#x27;"), "interval[interval='5']".replace("'", "&#x27;")),
        ("Arguments", "[&quot;arg1&quot;, 2]", "[]"),
    ]
    assert modified["description"] == "".join(
        f'<b>{item}</b>: <font color="red">{before}</font> => <font color="green">{after}</font><br>'
        for item, before, after in pairs
    )


def test_5_18_values_in_descriptions_are_no_html(asker: Caller) -> None:
    evil = "<script>alert('&\"')</script>"
    job_id = asker.created(name=evil, pub_args=[evil])
    asker.put(job_id, name="x", pub_args=[], job_class_string=evil)
    asker.put(job_id, name=evil, pub_args=[evil])
    asker.send("DELETE", f"/jobs/{job_id}")
    told = [one["description"] for one in asker.logs() if one["description"]]
    assert len(told) == 3
    assert [text for text in told if "<script" in text] == []
    assert json.loads(next(text for text in told if text.startswith("{")))["name"] == evil


def test_5_18_long_values_are_cut_in_the_log_and_nowhere_else(asker: Caller) -> None:
    job_id = asker.created(pub_args=["<" * 30_000])
    assert asker.put(job_id, pub_args=[">" * 30_000]).status == 200
    assert asker.shown(job_id)["pub_args"] == [">" * 30_000]
    assert asker.send("DELETE", f"/jobs/{job_id}").status == 200
    deleted, modified = [one["description"] for one in asker.logs() if one["description"]]
    if deleted.startswith("<b>"):
        deleted, modified = modified, deleted
    assert json.loads(deleted)["pub_args"] == [">" * 30_000]
    assert len(modified) < 80_000


def test_5_18_logs_are_of_this_apis_jobs_and_of_ones_own(still: World) -> None:
    alice, bob = Caller(still), Caller(still)
    alice.created()
    still.a_job(owner=alice.principal, job_id="d9428888-122b-11e1-b85c-61cd3cbb3210")
    assert [one["event"] for one in alice.logs()] == ["added"]
    assert bob.logs() == []


def test_5_18_the_range_is_as_for_executions(caller: Caller) -> None:
    job_id = caller.created()
    caller.world.clock.forward(minutes=11)
    caller.send("PATCH", f"/jobs/{job_id}")
    events = {
        query: [one["event"] for one in caller.logs(query)]
        for query in (
            "",
            f"?time_range_start={NOON}00:30Z",
            f"?time_range_start={NOON}00:30Z&time_range_end={NOON}00:30Z",
            "?time_range_end=9999-12-31T23:59:59Z",
            "?time_range_start=0001-01-01T00:00:00Z",
        )
    }
    assert [*events.values()] == [["paused"], ["paused", "added"], ["added"], ["paused"], ["paused", "added"]]


def test_5_18_an_entry_without_a_user_says_so() -> None:
    entry = AuditEntry(
        account_id="a", job_id=NOBODY, job_name="n", event=AuditEvent.ADDED, user="", description="", created_at=START
    )
    assert documents.log_document(entry)["user"] == ""


def test_an_answer_that_no_lambda_could_send_is_refused(asker: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    asker.ran(asker.created())
    monkeypatch.setattr(dialect, "MAX_ANSWER", 100)
    answer = asker.send("GET", "/executions")
    text = (
        "incorrect parameters: The answer would have more than 6 MB: ask for a shorter time range, or for single jobs"
    )
    assert (answer.status, answer.json) == (400, {"error": text})
