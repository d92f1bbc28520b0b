"""A job through each of the five APIs, each with its own proof of identity, and what becomes of it.

All five are due at one full minute that the express lane does not reach, so nothing but the tick can send them: the
tick that EventBridge starts a minute before. SQS hands them to the worker, and each API tells what came of its job.
The tests marked `afterwards` look at that; until then tests/conftest.py lets the README be walked through, on the same
engine. Each creation and each delivery is a line at the end of the run, and so is each thing the engine cannot show.
"""

import contextlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chalicelib.scheduling.claiming import horizon
from chalicelib.scheduling.execution import ExecutionState
from tests.conftest import TOLD
from tests.engine import ROOT, eventually
from tests.story.conftest import Sink, Stack, User, open_account, subscribe
from tests.story.doors import DOORS, Door, Receivers, Said, each_door

pytestmark = [pytest.mark.engine, pytest.mark.story]
afterwards = pytest.mark.story("afterwards")

Tell = Callable[[str], None]

UNHURRIED = timedelta(seconds=30)  # for making the five jobs, functions' cold starts included
VISIBILITY = 60  # of the queue of firings: six times the worker's time-out
SOON = 3
COLD = timedelta(seconds=5)  # five workers may start at once for the five
RECEIPTS = 5  # before a message is parked


@dataclass(frozen=True, kw_only=True)
class Morning:
    """Five jobs as they were answered, all due at `due`, and what was under way when the last had been made."""

    due: datetime
    made: datetime
    queued: int
    said: dict[str, Said]

    def job_id(self, door: Door) -> str:
        return door.id_in(self.said[door.name][1])


@pytest.fixture(scope="session")
def carol(stack: Stack) -> User:
    return open_account(stack, "carol@example.com")


@pytest.fixture(scope="session")
def to(stack: Stack, sink: Sink) -> Receivers:
    return Receivers(sink=sink, subscriber=subscribe(stack, "five-doors"))


@pytest.fixture(scope="session")
def morning(stack: Stack, carol: User, to: Receivers) -> Morning:
    due = horizon(datetime.now(UTC) + UNHURRIED)
    said = {door.name: door.make(carol, due, to) for door in DOORS}
    return Morning(due=due, made=datetime.now(UTC), queued=stack.queued(), said=said)


@pytest.fixture
def tell(record_property: Callable[[str, object], None]) -> Tell:
    """Shows a line at the end of the run."""
    return lambda line: record_property(TOLD, line)


@each_door
def test_a_job_is_made_through(door: Door, morning: Morning, tell: Tell) -> None:
    status, said = morning.said[door.name]
    assert status == door.status, said
    tell(f"created through   {door.name:<14} {morning.job_id(door)}, due {morning.due:%H:%M:%S} UTC")


@each_door
def test_without_the_secret_no_job_is_made_through(door: Door, carol: User, morning: Morning, to: Receivers) -> None:
    thief = replace(carol, secret="AAAA")
    status, said = door.make(thief, morning.due, to)
    assert status == door.refusal, said


def test_the_job_scheduler_shows_its_job_until_it_has_fired(carol: User, morning: Morning) -> None:
    [door] = [door for door in DOORS if door.name == "job_scheduler"]
    status, shown = carol.job_scheduler("GET", f"/{morning.job_id(door)}")
    assert (status, shown) == (200, morning.said[door.name][1])


def test_no_message_leaves_before_its_tick(morning: Morning) -> None:
    assert horizon(morning.made) <= morning.due, "the express lane would reach them"
    assert morning.queued == 0


def test_a_message_that_says_nothing_is_parked_and_costs_the_others_nothing(
    stack: Stack, carol: User, sink: Sink, morning: Morning
) -> None:
    assert morning.queued == 0, "what was queued would show more often now"
    sqs, url = stack.engine.client("sqs"), stack.outputs["FiringsQueueUrl"]
    with a_shorter_visibility(stack):
        poison = sqs.send_message(QueueUrl=url, MessageBody="garbage")["MessageId"]
        at = datetime.now(UTC) + timedelta(seconds=SOON)
        carol.rlatr("POST", uri=sink.url("beside-poison"), at=at.isoformat())
        eventually(lambda: about(stack, "parked", "dead_letter", poison), within=RECEIPTS * SOON + 10)
    seen = [event["receives"] for event in about(stack, "deliver", "poison", poison)]
    assert seen == [*range(1, RECEIPTS + 1)]
    [letter] = about(stack, "parked", "dead_letter", poison)
    assert letter["readable"] == "False"
    eventually(lambda: stack.queued() == 0)
    assert measured(stack, "parked", "DeadLetters") == [1]
    assert sum(measured(stack, "deliver", "Poison")) == RECEIPTS
    [arrival] = sink.at("beside-poison")
    assert 0 <= arrival.at - at.timestamp() < 1.5


def test_what_is_overdue_wakes_the_operator(stack: Stack) -> None:
    """The engine makes no metric of what the tick counts, so the datum is put by hand; the alarm is the stack's."""
    operator = subscribe(stack, "operator", topic=stack.outputs["AlarmTopicArn"])
    dimensions = [{"Name": "stage", "Value": stack.outputs["Stage"]}]
    datum = {"MetricName": "Overdue", "Dimensions": dimensions, "Value": 1, "Unit": "Count"}
    stack.engine.client("cloudwatch").put_metric_data(Namespace="Belltower", MetricData=[datum])
    [mail] = eventually(operator.messages)
    alarm = json.loads(mail["Message"])
    expected = (f"belltower-{stack.outputs['Stage']}-FiringsOverdue", "ALARM")
    assert (alarm["AlarmName"], alarm["NewStateValue"]) == expected


@contextlib.contextmanager
def a_shorter_visibility(stack: Stack) -> Iterator[None]:
    """While no other job is under way, so that a message is received five times within seconds, not minutes."""
    sqs, url = stack.engine.client("sqs"), stack.outputs["FiringsQueueUrl"]
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": str(SOON)})
    try:
        yield
    finally:
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": str(VISIBILITY)})


def about(stack: Stack, function: str, event: str, message: str) -> list[dict[str, Any]]:
    """The events of that name that a function printed about a message."""
    lines = stack.printed(function)
    return [line for line in lines if line.get("event") == event and line.get("message") == message]


def measured(stack: Stack, function: str, metric: str) -> list[float]:
    """The values of a metric in the function's EMF lines: what CloudWatch would make metrics of."""
    return [
        value
        for line in stack.printed(function)
        for directive in line.get("_aws", {}).get("CloudWatchMetrics", ())
        if directive["Namespace"] == "Belltower" and metric in [one["Name"] for one in directive["Metrics"]]
        for value in line[metric]
    ]


# --- after their minute -----------------------------------------------------------------------------------------------


@afterwards
@each_door
def test_a_job_is_delivered_that_was_made_through(
    door: Door, carol: User, morning: Morning, to: Receivers, tell: Tell
) -> None:
    wait = (morning.due - datetime.now(UTC)).total_seconds() + 15
    [arrival] = eventually(lambda: to.arrivals(door.name), within=wait)
    assert timedelta(0) <= arrival - morning.due < COLD
    execution = eventually(lambda: carol.execution_of(morning.job_id(door)), within=5)
    assert (execution.state, execution.due_at) == (ExecutionState.DELIVERED, morning.due)
    [attempt] = execution.attempts
    late = (attempt.sent_at - attempt.due_at) / timedelta(milliseconds=1)
    tell(f"delivered through {door.name:<14} {execution.firing_id}, sent {late:.0f} ms late")


@afterwards
@each_door
def test_the_result_is_read_through(door: Door, carol: User, morning: Morning) -> None:
    assert door.result(carol, morning.job_id(door)) == door.expected


@afterwards
def test_it_was_the_tick_of_the_minute_before_that_sent_them(stack: Stack, morning: Morning) -> None:
    ticks = {line["minute"]: line for line in stack.printed("tick") if line.get("event") == "tick"}
    before = morning.due - timedelta(minutes=1)
    earlier = (before - timedelta(minutes=number) for number in range(1, 4))
    assert ticks[before.isoformat()]["sent"] >= len(DOORS)
    assert all(ticks[one.isoformat()]["sent"] < len(DOORS) for one in earlier if one.isoformat() in ticks)


@afterwards
def test_what_was_done_is_counted_in_the_log_for_cloudwatch(stack: Stack, morning: Morning) -> None:
    minutes = (datetime.now(UTC) - morning.made) // timedelta(minutes=1)
    assert sum(measured(stack, "tick", "Ticks")) >= minutes
    assert sum(measured(stack, "tick", "Due")) >= len(DOORS)
    assert sum(measured(stack, "tick", "Overdue")) == 0
    fired, late = measured(stack, "deliver", "Fired"), measured(stack, "deliver", "Late")
    assert sum(fired) == len(late) >= len(DOORS)
    assert sum(measured(stack, "deliver", "Delivered")) >= len(DOORS)


# --- what the engine cannot show --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Gap:
    """What AWS does and the engine does not, and the test that stands in for it; none where AWS's word is all."""

    what: str
    instead: str = ""


GAPS = (
    Gap(
        "EMF lines are not made into metrics",
        "story/test_five_doors.py::test_what_was_done_is_counted_in_the_log_for_cloudwatch",
    ),
    Gap(
        "SQS, Lambda and DynamoDB publish no metrics of their own",
        "infra/test_dashboard.py::test_metrics_of_aws_exist_and_are_of_this_stack",
    ),
    Gap("an alarm looks at no dimension, and does not see that data is missing"),
    Gap("nothing is throttled", "operations/test_deliver.py::test_t45_t46_whatever_breaks_every_firing_is_sent_once"),
    Gap(
        "the index is never behind",
        "operations/test_tick.py::test_the_sweep_sends_again_what_is_overdue_once_at_each_age",
    ),
    Gap(
        "a visibility time-out shorter than the function's is taken",
        "infra/test_template.py::test_t50_every_message_is_invisible_for_six_times_the_time_a_batch_may_take",
    ),
    Gap(
        "a function that feeds itself is never stopped",
        "infra/test_template.py::test_only_the_worker_may_follow_itself_for_ever",
    ),
    Gap("reserved concurrency is ignored"),
    Gap("API Gateway writes no access log"),
    Gap("fair queues keep the message group, and treat all alike"),
)


@afterwards
@pytest.mark.parametrize("gap", GAPS, ids=lambda gap: gap.what)
def test_what_the_engine_cannot_show_is_tested_elsewhere_or_said(gap: Gap, tell: Tell) -> None:
    file, _, name = gap.instead.partition("::")
    if gap.instead:
        assert f"def {name}(" in (ROOT / "tests" / file).read_text()
    tell(f"not shown here    {gap.what}: {gap.instead or 'only AWS can'}")


@afterwards
def test_the_engine_still_makes_no_metrics(stack: Stack, morning: Morning) -> None:
    """When it does, the first two gaps go."""
    eventually(lambda: measured(stack, "tick", "Ticks"), within=(morning.due - datetime.now(UTC)).total_seconds())
    listed = stack.engine.client("cloudwatch").list_metrics()["Metrics"]
    assert ("Belltower", "Ticks") not in {(one["Namespace"], one["MetricName"]) for one in listed}
    assert [one for one in listed if one["Namespace"].startswith("AWS/")] == []
