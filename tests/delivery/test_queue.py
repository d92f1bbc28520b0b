"""Messages: by which queue each travels, and what they say, also those of older versions."""

import json
from datetime import timedelta

import pytest

from benchmarks.standin import schema
from benchmarks.standin.door import InProcess
from benchmarks.standin.sqs import Sqs
from chalicelib.delivery.queue import SqsQueue, decode, encode
from chalicelib.ports import Due, FiringRef
from chalicelib.scheduling.job import JobRef, to_millis
from chalicelib.scheduling.lane import Lane
from tests.world import START

FIRST, SECOND = Lane.FIRST, Lane.SECOND
JOB = Due(subject=JobRef(account_id="alice", job_id="job"), due_at=START, rev=3)
FIRING = Due(subject=FiringRef(account_id="alice", firing_id="0a"), due_at=START, rev=3)
NAMES = schema.names("test")


def a_queue() -> tuple[SqsQueue, InProcess]:
    door = InProcess(Sqs(schema.queues("test", visibility=60, most_receives=5), lambda: to_millis(START)))
    return SqsQueue(door, jobs_url=NAMES.firings, retries_url=NAMES.retries, fair=True), door


def received(door: InProcess, name: str) -> list[Due | None]:
    answer = door.call("ReceiveMessage", {"QueueUrl": name, "MaxNumberOfMessages": 10})
    return [decode(message["Body"]) for message in answer.get("Messages", [])]


def on(due: Due, lane: Lane) -> Due:
    return Due(subject=due.subject, due_at=due.due_at, rev=due.rev, lane=lane)


def test_each_lane_has_a_queue_whatever_travels_by_it() -> None:
    queue, door = a_queue()
    dues = [on(due, lane) for due in (JOB, FIRING) for lane in Lane]
    assert queue.send(dues, now=START) == []
    assert queue.depth().lanes == {FIRST: 2, SECOND: 2}
    assert received(door, NAMES.firings) == [on(JOB, FIRST), on(FIRING, FIRST)]
    assert received(door, NAMES.retries) == [on(JOB, SECOND), on(FIRING, SECOND)]


def test_more_than_a_batch_is_sent_whole_by_each_lane() -> None:
    queue, _ = a_queue()
    dues = [on(JOB, lane) for lane in Lane for _ in range(23)]
    assert queue.send(dues, now=START) == []
    assert queue.depth().lanes == {FIRST: 23, SECOND: 23}


@pytest.mark.parametrize("lane", Lane)
@pytest.mark.parametrize("due", [JOB, FIRING], ids=["a job", "a firing"])
def test_a_message_reads_back_as_it_was_written(due: Due, lane: Lane) -> None:
    assert decode(encode(on(due, lane))) == on(due, lane)


@pytest.mark.parametrize(
    ("due", "expected"),
    [pytest.param(JOB, FIRST, id="of a job"), pytest.param(FIRING, SECOND, id="of a retry")],
)
def test_an_older_message_came_by_the_lane_that_there_was(due: Due, expected: Lane) -> None:
    older = {name: value for name, value in json.loads(encode(due)).items() if name != "l"}
    assert decode(json.dumps(older)) == on(due, expected)


@pytest.mark.parametrize("lane", ["third", 1, None, ["first"]])
def test_a_message_of_a_lane_that_nobody_knows_says_nothing(lane: object) -> None:
    assert decode(json.dumps({**json.loads(encode(JOB)), "l": lane})) is None


def test_a_delay_ends_in_the_second_of_the_due_time() -> None:
    queue, door = a_queue()
    assert queue.send([Due(subject=JOB.subject, due_at=START + timedelta(seconds=1.9), rev=3)], now=START) == []
    attributes = {"QueueUrl": NAMES.firings, "AttributeNames": ["ApproximateNumberOfMessagesDelayed"]}
    assert door.call("GetQueueAttributes", attributes)["Attributes"] == {"ApproximateNumberOfMessagesDelayed": "1"}
