"""The log: what an event adds to the metrics, and that every line is one line of valid JSON, whatever is in it."""

import io
import json
import subprocess
import sys
import threading
from typing import Any

import pytest

from chalicelib.observability import FEEDS, METRICS, JsonEvents, MeteredLog, measured

FIRED = {"late_ms": 7, "took_ms": 5, "attempt": 1}
QUIET = {"Fired": 1, "Late": 7, "Took": 5, "Delivered": 0, "Refused": 0, "TimedOut": 0, "Failed": 0, "Retried": 0}
TICK = {"sent": 3, "resent": 2, "backlog": 4, "unfinished": 1, "took_ms": 90}
TICKED = {"Ticks": 1, "Due": 3, "Resent": 2, "Backlog": 4, "Unfinished": 1, "TickDuration": 90}
ANSWERED = {"Requests": 1, "Latency": 8}


def logged(stage: str = "test") -> tuple[JsonEvents, io.StringIO]:
    stream = io.StringIO()
    return JsonEvents(MeteredLog(stage, stream)), stream


def lines_of(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


@pytest.mark.parametrize(
    ("event", "facts", "expected"),
    [
        pytest.param("tick", {**TICK, "overdue": 5}, {**TICKED, "Overdue": 5}, id="a tick"),
        pytest.param("tick", TICK, TICKED, id="a tick that could not count says nothing, not none"),
        pytest.param("tick", {**TICK, "overdue": 0}, {**TICKED, "Overdue": 0}, id="a tick that found none says so"),
        pytest.param(
            "batch", {"claimed": 7, "lost": 2, "left": 1}, {"Claimed": 7, "LostClaims": 2, "Left": 1}, id="a batch"
        ),
        pytest.param("fired", {**FIRED, "outcome": "delivered"}, {**QUIET, "Delivered": 1}, id="delivered"),
        pytest.param("fired", {**FIRED, "outcome": "refused"}, {**QUIET, "Refused": 1}, id="refused"),
        pytest.param("fired", {**FIRED, "outcome": "timed_out"}, {**QUIET, "TimedOut": 1}, id="timed out"),
        pytest.param("fired", {**FIRED, "outcome": "tls"}, {**QUIET, "Failed": 1}, id="any other outcome"),
        pytest.param(
            "fired",
            {**FIRED, "outcome": "tls", "attempt": 2},
            {**QUIET, "Failed": 1, "Retried": 1},
            id="a second attempt",
        ),
        pytest.param("missed", {"reason": "late"}, {"Missed": 1}, id="missed"),
        pytest.param("parked", {}, {"Parked": 1}, id="parked"),
        pytest.param("dead_letter", {}, {"DeadLetters": 1}, id="a dead letter"),
        pytest.param("poison", {"receives": 3}, {"Poison": 1}, id="a message that says nothing"),
        pytest.param("claim_failed", {}, {"ClaimsFailed": 1}, id="a claim that broke off"),
        pytest.param("read_failed", {"messages": 10}, {"ClaimsFailed": 10}, id="a batch that could not be read"),
        pytest.param("record_failed", {"executions": 4}, {"RecordsFailed": 4}, id="records the database did not take"),
        pytest.param("dispatch_failed", {"messages": 6}, {"SendsFailed": 6}, id="messages the queue did not take"),
        pytest.param("tampered", {}, {"Tampered": 1}, id="a secret from elsewhere"),
        pytest.param("fault", {}, {"Faults": 1}, id="a bug of ours"),
        pytest.param("unproved", {}, {"Unproved": 1}, id="a claim without a record"),
        pytest.param(
            "request", {"status": 201, "took_ms": 8}, {**ANSWERED, "Refusals": 0, "Errors": 0}, id="an answer"
        ),
        pytest.param(
            "request", {"status": 499, "took_ms": 8}, {**ANSWERED, "Refusals": 1, "Errors": 0}, id="a refusal"
        ),
        pytest.param("request", {"status": 500, "took_ms": 8}, {**ANSWERED, "Refusals": 0, "Errors": 1}, id="an error"),
        pytest.param("request", {"status": 503, "took_ms": 8}, {**ANSWERED, "Refusals": 0, "Errors": 1}, id="away"),
        pytest.param(
            "request",
            {"status": 501, "took_ms": 8},
            {**ANSWERED, "Refusals": 1, "Errors": 0},
            id="what an API never did is nobody's error",
        ),
        pytest.param("job_added", {"job": "1"}, {}, id="an event that is only told"),
    ],
)
def test_an_event_adds_to_the_metrics(event: str, facts: dict[str, Any], expected: dict[str, float]) -> None:
    assert dict(measured(event, facts)) == expected


def test_every_metric_is_fed_by_some_event_and_every_fed_one_is_declared() -> None:
    assert {name for feed in FEEDS.values() for name in feed} == METRICS.keys()


@pytest.mark.parametrize("event", ["batch", "fired"], ids=["with metrics", "without"])
@pytest.mark.parametrize(
    "text",
    [
        pytest.param("\ud800", id="half a surrogate"),
        pytest.param("one\ntwo\r\nthree\u2028four\x85five", id="ends of lines"),
        pytest.param("\x1b[2J\x1b]0;title\x07", id="a terminal's commands"),
        pytest.param('"}{"event":"fired"}', id="quotes"),
        pytest.param("\0", id="nothing at all"),
    ],
)
def test_t41_whatever_is_in_a_fact_its_event_is_one_line_of_plain_json(event: str, text: str) -> None:
    events, stream = logged()
    events.bound(account=text).emit(event, reason=text, claimed=1)
    assert stream.getvalue().isascii()
    assert stream.getvalue().rstrip("\n").isprintable()
    [line] = lines_of(stream)
    assert (line["event"], line["account"], line["reason"]) == (event, text, text)


def test_what_is_bound_is_on_every_line_of_the_one_it_was_bound_to_and_what_is_unknown_on_none() -> None:
    events, stream = logged()
    request = events.bound(request="r-1", trace=None)
    request.bound(account="a-1").emit("fired", job="j-1", status=None)
    request.emit("missed")
    events.emit("parked")
    assert lines_of(stream) == [
        {"event": "fired", "request": "r-1", "account": "a-1", "job": "j-1"},
        {"event": "missed", "request": "r-1"},
        {"event": "parked"},
    ]


def test_the_event_that_closes_an_invocation_carries_what_was_counted_since_the_last_one() -> None:
    events, stream = logged()
    for late in (3, 1, 2):
        events.bound(request="r-1").emit("fired", outcome="delivered", late_ms=late, took_ms=5, attempt=1)
    events.emit("batch", messages=3, claimed=3, lost=0, left=0)
    events.emit("batch", messages=0, claimed=0, lost=0, left=0)
    *_, first, second = lines_of(stream)
    assert {
        name: first[name] for name in ("event", "messages", "stage", "Claimed", "Fired", "Late", "Took", "Refused")
    } == {
        "event": "batch",
        "messages": 3,
        "stage": "test",
        "Claimed": [3],
        "Fired": [3],
        "Late": [3, 1, 2],
        "Took": [5, 5, 5],
        "Refused": [0],
    }
    assert (second["Claimed"], "Late" in second) == ([0], False)


def test_more_values_than_a_line_may_carry_go_ahead_in_lines_of_their_own() -> None:
    events, stream = logged()
    for late in range(250):
        events.emit("fired", late_ms=late, took_ms=1, attempt=1)
    events.bound(request="r-1").emit("batch", claimed=250)
    told = lines_of(stream)[250:]
    assert [(line["event"], line["request"], len(line["Late"])) for line in told] == [
        *(("metrics", "r-1", 100), ("metrics", "r-1", 50), ("batch", "r-1", 100)),
    ]
    assert sorted(late for line in told for late in line["Late"]) == [*range(250)]
    assert [line.get("Claimed") for line in told] == [None, None, [250]]


def test_a_closing_event_with_nothing_to_count_is_a_plain_line() -> None:
    events, stream = logged()
    events.emit("parked_batch", messages=0)
    assert lines_of(stream) == [{"event": "parked_batch", "messages": 0}]


def test_a_request_s_metrics_have_its_api_as_a_second_set_of_dimensions_and_the_others_have_not() -> None:
    events, stream = logged("prod")
    events.emit("dispatch_failed", messages=1)
    events.emit("request", api="rlatr", status=200, took_ms=3)
    [_, line] = lines_of(stream)
    told = {
        metric["Name"]: directive["Dimensions"]
        for directive in line["_aws"]["CloudWatchMetrics"]
        for metric in directive["Metrics"]
    }
    by_api = [["stage"], ["stage", "api"]]
    assert told == {
        "SendsFailed": [["stage"]],
        "Requests": by_api,
        "Refusals": by_api,
        "Errors": by_api,
        "Latency": by_api,
    }
    assert (line["stage"], line["api"], line["SendsFailed"], line["Latency"]) == ("prod", "rlatr", [1], [3])


class Slow(io.StringIO):
    """Takes its time with each letter, so that whoever does not wait for his turn writes into another's line."""

    def write(self, text: str) -> int:
        for letter in text:
            super().write(letter)
        return len(text)


def test_t41_events_of_many_threads_are_whole_lines_and_all_are_counted() -> None:
    stream = Slow()
    events = JsonEvents(MeteredLog("test", stream))

    def emit() -> None:
        for _ in range(200):
            events.emit("fired", reason="x" * 200, late_ms=1, took_ms=1, attempt=1)

    threads = [threading.Thread(target=emit) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    events.emit("batch", claimed=0)
    told = lines_of(stream)
    assert sum(line["event"] == "fired" for line in told) == 1600
    assert sum(sum(line.get("Fired", [])) for line in told) == 1600
    assert sum(len(line.get("Late", [])) for line in told) == 1600


def test_what_writes_metrics_is_not_imported_before_there_are_any() -> None:
    asked = "import sys, chalicelib.observability; print('aws_lambda_powertools' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)  # noqa: S603 - ours
    assert said.stdout == "False\n"
