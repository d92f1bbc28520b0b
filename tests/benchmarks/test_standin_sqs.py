"""The stand-in's SQS on a clock that is moved by hand: delays, visibility, fairness, redrive."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.standin.door import InProcess
from benchmarks.standin.errors import AwsError
from benchmarks.standin.sqs import Sqs
from chalicelib.delivery.queue import SqsQueue
from chalicelib.ports import Due
from chalicelib.scheduling.job import JobRef, to_millis
from tests.benchmarks.standin import DEAD, QUEUE, Hands, a_pair_of_queues
from tests.fakes import FakeClock
from tests.world import START


def send(sqs: Sqs, *bodies: str, group: str = "", delay: int = 0) -> dict[str, Any]:
    named = {"MessageGroupId": group} if group else {}
    entries = [{"Id": str(at), "MessageBody": body, "DelaySeconds": delay} | named for at, body in enumerate(bodies)]
    return sqs.dispatch("SendMessageBatch", {"QueueUrl": QUEUE, "Entries": entries})


def receive(sqs: Sqs, most: int = 10, *, queue: str = QUEUE, **options: Any) -> list[dict[str, Any]]:
    request = {"QueueUrl": f"http://somewhere/000000000000/{queue}", "MaxNumberOfMessages": most} | options
    return list(sqs.dispatch("ReceiveMessage", request).get("Messages", []))


def bodies(messages: list[dict[str, Any]]) -> list[str]:
    return [message["Body"] for message in messages]


def delete(sqs: Sqs, *messages: dict[str, Any], queue: str = QUEUE) -> None:
    entries = [{"Id": str(at), "ReceiptHandle": one["ReceiptHandle"]} for at, one in enumerate(messages)]
    sqs.dispatch("DeleteMessageBatch", {"QueueUrl": queue, "Entries": entries})


def counted(sqs: Sqs, queue: str = QUEUE) -> tuple[int, int, int]:
    """Messages to be had, in flight, and delayed."""
    found = sqs.dispatch("GetQueueAttributes", {"QueueUrl": queue, "AttributeNames": ["All"]})["Attributes"]
    kinds = ("", "NotVisible", "Delayed")
    visible, in_flight, delayed = (int(found[f"ApproximateNumberOfMessages{kind}"]) for kind in kinds)
    return visible, in_flight, delayed


def test_a_delayed_message_is_seen_in_its_millisecond() -> None:
    clock = Hands()
    sqs = a_pair_of_queues(clock)
    send(sqs, "late", delay=5)
    send(sqs, "now")
    assert (bodies(receive(sqs)), counted(sqs)) == (["now"], (0, 1, 1))
    clock.forward(4.999)
    assert receive(sqs) == []
    clock.forward(0.001)
    assert bodies(receive(sqs)) == ["late"]


def test_what_is_not_deleted_in_time_comes_again_and_counts() -> None:
    clock = Hands()
    sqs = a_pair_of_queues(clock)
    send(sqs, "kept", "deleted")
    first, second = receive(sqs)
    delete(sqs, second)
    clock.forward(29.999)
    assert (receive(sqs), counted(sqs)) == ([], (0, 1, 0))
    clock.forward(0.001)
    [again] = receive(sqs)
    assert (again["MessageId"], again["Body"]) == (first["MessageId"], "kept")
    assert [one["Attributes"]["ApproximateReceiveCount"] for one in (first, again)] == ["1", "2"]
    delete(sqs, first)
    assert counted(sqs) == (0, 1, 0), "an earlier handle deletes nothing"
    delete(sqs, again)
    delete(sqs, again)
    clock.forward(3600)
    assert (receive(sqs), counted(sqs)) == ([], (0, 0, 0))


def test_a_message_whose_time_has_passed_is_deleted_by_its_last_handle() -> None:
    clock = Hands()
    sqs = a_pair_of_queues(clock)
    send(sqs, "a")
    [message] = receive(sqs)
    clock.forward(31)
    assert counted(sqs) == (1, 0, 0)
    delete(sqs, message)
    assert (receive(sqs), counted(sqs)) == ([], (0, 0, 0))


@pytest.mark.parametrize(("seconds", "seen_after"), [(0, 0), (5, 5), (60, 60)], ids=["at once", "sooner", "later"])
def test_visibility_is_changed_from_now_on(seconds: int, seen_after: int) -> None:
    clock = Hands()
    sqs = a_pair_of_queues(clock)
    send(sqs, "a")
    [message] = receive(sqs)
    clock.forward(10)
    change = {"QueueUrl": QUEUE, "ReceiptHandle": message["ReceiptHandle"], "VisibilityTimeout": seconds}
    sqs.dispatch("ChangeMessageVisibility", change)
    if seen_after:
        clock.forward(seen_after - 0.001)
        assert receive(sqs) == []
        clock.forward(0.001)
    assert bodies(receive(sqs, VisibilityTimeout=3)) == ["a"]
    with pytest.raises(AwsError, match="MessageNotInflight"):
        sqs.dispatch("ChangeMessageVisibility", change)


def test_what_is_received_too_often_goes_to_the_dead_letters() -> None:
    clock = Hands()
    sqs = a_pair_of_queues(clock, most_receives=2)
    send(sqs, "poison", group="tenant")
    sent = [receive(sqs)[0]["MessageId"]]
    clock.forward(30)
    sent.append(receive(sqs)[0]["MessageId"])
    clock.forward(30)
    send(sqs, "next")
    assert bodies(receive(sqs)) == ["next"]
    [dead] = receive(sqs, queue=DEAD)
    assert {dead["MessageId"], *sent} == {dead["MessageId"]}
    assert dead["Attributes"]["MessageGroupId"] == "tenant"
    delete(sqs, dead)
    assert counted(sqs, DEAD) == (0, 1, 0), "a handle is good for its own queue"
    delete(sqs, dead, queue=DEAD)
    assert (counted(sqs), counted(sqs, DEAD)) == ((0, 1, 0), (0, 0, 0))


def test_a_group_with_much_in_flight_does_not_hold_up_the_others() -> None:
    clock = Hands()
    sqs = a_pair_of_queues(clock, most_receives=9)
    for start in range(0, 50, 10):
        send(sqs, *(f"noisy-{number}" for number in range(start, start + 10)), group="noisy")
    assert bodies(receive(sqs, 4)) == ["noisy-0", "noisy-1", "noisy-2", "noisy-3"]
    send(sqs, "quiet-0", "quiet-1", group="quiet")
    send(sqs, "alone")
    assert bodies(receive(sqs, 5)) == ["quiet-0", "alone", "quiet-1", "noisy-4", "noisy-5"]


def test_groups_take_turns_and_a_finished_message_gives_its_place_back() -> None:
    clock = Hands()
    sqs = a_pair_of_queues(clock)
    send(sqs, "a1", "a2", "a3", group="a")
    send(sqs, "b1", "b2", "b3", group="b")
    first = receive(sqs, 4)
    assert bodies(first) == ["a1", "b1", "a2", "b2"]
    delete(sqs, first[1], first[3])
    assert bodies(receive(sqs, 2)) == ["b3", "a3"]


@pytest.mark.parametrize(
    ("operation", "request_", "code"),
    [
        ("SendMessageBatch", {"Entries": []}, "EmptyBatchRequest"),
        ("SendMessageBatch", {"Entries": [{"Id": str(n), "MessageBody": "a"} for n in range(11)]}, "TooManyEntries"),
        ("SendMessageBatch", {"Entries": [{"Id": "1", "MessageBody": "a"}] * 2}, "BatchEntryIdsNotDistinct"),
        ("SendMessageBatch", {"Entries": [{"Id": "1", "MessageBody": "é" * 2**19 + "a"}]}, "BatchRequestTooLong"),
        ("ReceiveMessage", {"MaxNumberOfMessages": 11}, "InvalidParameterValue"),
        ("DeleteMessageBatch", {"Entries": [{"Id": "1", "ReceiptHandle": "x"}]}, "ReceiptHandleIsInvalid"),
        ("GetQueueAttributes", {"AttributeNames": ["Policy"]}, "InvalidAttributeName"),
        ("PurgeQueue", {}, "InvalidAction"),
        ("ReceiveMessage", {"QueueUrl": "gone"}, "QueueDoesNotExist"),
    ],
)
def test_what_sqs_refuses_is_refused(operation: str, request_: dict[str, Any], code: str) -> None:
    with pytest.raises(AwsError, match=code):
        a_pair_of_queues(Hands()).dispatch(operation, {"QueueUrl": QUEUE} | request_)


def test_an_entry_with_too_long_a_delay_fails_alone() -> None:
    sqs = a_pair_of_queues(Hands())
    answer = send(sqs, "a", delay=901)
    assert ([one["Code"] for one in answer["Failed"]], counted(sqs)) == (["InvalidParameterValue"], (0, 0, 0))


def test_our_queue_speaks_to_it_as_to_a_client() -> None:
    clock = FakeClock(START)
    sqs = a_pair_of_queues(Hands())
    queue = SqsQueue(InProcess(sqs), jobs_url=QUEUE, retries_url=DEAD, fair=True)
    due = Due(subject=JobRef(account_id="alice", job_id="job"), due_at=clock.now(), rev=1)
    assert queue.send([due], now=clock.now()) == []
    assert queue.depth().visible == 1
    [message] = receive(sqs)
    assert message["Attributes"]["MessageGroupId"] == "alice"
    assert str(to_millis(due.due_at)) in message["Body"]


STEPS = st.one_of(
    st.tuples(st.just("send"), st.sampled_from(["", "a", "b"]), st.integers(0, 40)),
    st.tuples(st.just("receive"), st.integers(1, 10), st.integers(0, 40)),
    st.tuples(st.just("delete"), st.integers(0, 20), st.just(0)),
    st.tuples(st.just("pass"), st.integers(0, 40), st.just(0)),
)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(steps=st.lists(STEPS, max_size=40))
def test_every_message_is_in_one_place_until_it_is_deleted_and_comes_in_the_end(steps: list[tuple[Any, ...]]) -> None:
    clock = Hands()
    sqs = a_pair_of_queues(clock, most_receives=1000)
    alive: set[str] = set()
    held: list[dict[str, Any]] = []
    for step in steps:
        match step:
            case "send", group, delay:
                [sent] = send(sqs, "body", group=group, delay=delay)["Successful"]
                alive.add(sent["MessageId"])
            case "receive", most, visibility:
                held += receive(sqs, most, VisibilityTimeout=visibility)
            case "delete", which, _ if which < len(held):
                delete(sqs, held[which])
                alive -= {held[which]["MessageId"]} if latest(held, which) else set()
            case "pass", seconds, _:
                clock.forward(seconds)
        assert sum(counted(sqs)) == len(alive)
    clock.forward(100)
    come = [message["MessageId"] for _ in range(10) for message in receive(sqs)]
    assert sorted(come) == sorted(alive)


def latest(held: list[dict[str, Any]], which: int) -> bool:
    return all(later["MessageId"] != held[which]["MessageId"] for later in held[which + 1 :])


def test_the_same_calls_give_the_same_answers() -> None:
    def answers() -> list[Any]:
        clock = Hands()
        sqs = a_pair_of_queues(clock)
        said: list[Any] = [send(sqs, "a", "b", group="x"), send(sqs, "c")]
        said.append(receive(sqs, 2))
        clock.forward(30)
        return [*said, receive(sqs)]

    assert answers() == answers()
