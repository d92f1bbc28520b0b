"""T47: a database that says "not now", to every call or to one of a batch: once, for a while, or past all patience."""

from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.scheduling.errors import Taken, Unavailable
from chalicelib.scheduling.execution import ExecutionState
from chalicelib.scheduling.job import Ending, Job, firing_id
from chalicelib.scheduling.retry import Misfire, RetryPolicy
from chalicelib.scheduling.schedule import Every, Once
from chalicelib.storage.tables import PASSING, PUT_LIMIT, ROUNDS, Door, Table
from chalicelib.wire import PAUSE, Refusal
from tests.fakes import BROKEN, OK
from tests.operations.steps import Calls, a_watched_world
from tests.world import START, VISIBILITY, World

DUE = START + timedelta(seconds=10)
MINUTE = timedelta(minutes=1)
RHYTHM = Every(start=DUE, period=MINUTE)

TABLE_CALLS = (
    *("BatchGetItem", "BatchExecuteStatement", "BatchWriteItem", "GetItem", "PutItem", "Query"),
    "TransactWriteItems",
)
QUEUE_CALLS = ("GetQueueAttributes", "SendMessageBatch")
LENGTHS = {
    "once": timedelta(0),
    "for half a minute": timedelta(seconds=30),
    "for ever": timedelta(minutes=40),
}  # the queue gives up after 30
RECOVERY = 8  # minutes: a message has come back


@pytest.mark.parametrize("call", TABLE_CALLS + QUEUE_CALLS)
@pytest.mark.parametrize("length", LENGTHS.values(), ids=LENGTHS)
def test_t47_what_is_throttled_is_done_later_and_once(call: str, length: timedelta) -> None:
    """Only what the queue has given up is not sent, and only what could not be recorded is sent twice."""
    calls = Calls()
    world = a_watched_world(calls)
    jobs = [recurring(world), once_and_gone(world), failing_once(world)]
    refused = throttled(world, calls, call, length)
    world.let_pass(seconds=10 + length.total_seconds(), minutes=RECOVERY)
    world.park()
    world.let_pass(minutes=RECOVERY)
    assert refused
    executions = [one for job in jobs for one in world.executions(job)]
    given_up = {one.firing_id for one in executions if one.state is ExecutionState.PARKED}
    due = {one for job in jobs for one in due_of(world, job)}
    assert due - {*world.receiver.ids} <= given_up <= (due if length == LENGTHS["for ever"] else set())
    assert {one.firing_id for one in executions} == due, "each has its record"
    attempts = Counter(world.receiver.ids)
    attempts.subtract({due_of(world, jobs[2])[0]: 1})  # its first attempt failed
    assert call == "BatchWriteItem" or max(attempts.values()) == 1
    assert world.job(jobs[1]) is None, "what was to go is gone"


def throttled(world: World, calls: Calls, call: str, length: timedelta) -> list[str]:
    """From the moment of the first firing on; for no time at all: once. What it returns fills as calls are refused."""
    refused = list[str]()

    def away(name: str) -> bool:
        over = world.clock.now() >= DUE + length if length else refused
        if name != call or over or world.clock.now() < DUE:
            return False
        refused.append(name)
        return True

    calls.throttle(away)
    return refused


def recurring(world: World) -> Job:
    return world.a_job(RHYTHM, job_id="recurring", misfire=Misfire.ALL)


def once_and_gone(world: World) -> Job:
    return world.a_job(Once(at=DUE), job_id="once", ending=Ending.PURGE)


def failing_once(world: World) -> Job:
    answers = [BROKEN]
    job = world.a_job(Once(at=DUE), job_id="failing", retry=RetryPolicy(waits=(timedelta(seconds=10),)))
    name = firing_id(job.ref, DUE)
    world.receiver.answers = lambda _w: answers.pop() if answers and world.receiver.ids[-1] == name else OK
    return job


def due_of(world: World, job: Job) -> list[str]:
    count = (world.clock.now() - DUE) // MINUTE + 1 if job.standing.schedule == RHYTHM else 1
    return [firing_id(job.ref, DUE + MINUTE * number) for number in range(count)]


class Partly:
    """A door that says of the first thing in each batch what it was told to say, until it has said all."""

    def __init__(self, door: Door, errors: list[str], *, done: bool = False) -> None:
        self._door, self._errors, self._done = door, errors, done

    def call(self, operation: str, request: Mapping[str, Any], /) -> dict[str, Any]:
        if operation != "BatchExecuteStatement" or not self._errors:
            return self._door.call(operation, request)
        statements = request["Statements"] if self._done else request["Statements"][1:]
        answer = self._door.call(operation, {**request, "Statements": statements}) if statements else {}
        said = answer.get("Responses", [])[1:] if self._done else answer.get("Responses", [])
        return {**answer, "Responses": [{"Error": {"Code": self._errors.pop(0)}}, *said]}


LASTING = ("AccessDenied", "ItemCollectionSizeLimitExceeded", "ResourceNotFound", "ValidationError")


def three_at_once(errors: list[str], *, done: bool = False) -> tuple[World, list[float]]:
    """Three jobs of one account that are due at once, and how late each of them was sent, in seconds."""
    world = a_watched_world(Calls(), through=lambda door: Partly(door, errors, done=done))
    owner, _ = world.open_account()
    world.tick()  # the first of all reads everything there is, also what was lost
    for number in range(3):
        world.a_job(Once(at=DUE), owner=owner, job_id=f"job-{number}")
    world.let_pass(minutes=RECOVERY)
    assert len(world.receiver.ids) == len(set(world.receiver.ids)) == 3
    return world, [(call.timestamp - DUE).total_seconds() for call in world.receiver.calls]


@pytest.mark.parametrize("done", [False, True], ids=["not done", "done, and told otherwise"])
@pytest.mark.parametrize("code", sorted(PASSING))
def test_t47_a_claim_that_is_throttled_alone_is_made_again_at_once(code: str, *, done: bool) -> None:
    _, late = three_at_once([code], done=done)
    assert 0 <= min(late) <= max(late) < 2 * PAUSE + 0.001


@pytest.mark.parametrize("code", [*sorted(PASSING), *LASTING])
def test_t47_a_claim_that_stays_refused_costs_the_others_nothing_and_comes_again(code: str) -> None:
    world, late = three_at_once([code] * (ROUNDS if code in PASSING else 1))
    assert sorted(one < 2 for one in late) == [False, True, True]
    assert 5 * 60 <= max(late) <= VISIBILITY.total_seconds(), "by the sweep, or by its redelivery"
    assert len(world.events.of("claim_failed")) == 1


REASONS = {
    "ConditionalCheckFailed": Taken,
    "TransactionConflict": Unavailable,
    "ThrottlingError": Unavailable,
    "ProvisionedThroughputExceeded": Unavailable,
    "ItemCollectionSizeLimitExceeded": Unavailable,
    "ValidationError": Unavailable,
}


class Cancelling:
    """A door that cancels transactions for one reason."""

    def __init__(self, door: Door, code: str) -> None:
        self._door, self.code = door, code

    def call(self, operation: str, request: Mapping[str, Any], /) -> dict[str, Any]:
        if operation == "TransactWriteItems" and self.code:
            reasons = [{"Code": "None"}, {"Code": self.code}, {"Code": "None"}]
            raise Refusal("TransactionCanceledException", {"CancellationReasons": reasons})
        return self._door.call(operation, request)


@pytest.mark.parametrize(("code", "expected"), REASONS.items(), ids=REASONS)
def test_t47_a_cancelled_transaction_says_why_and_leaves_nothing(code: str, expected: type[Exception]) -> None:
    doors = list[Cancelling]()

    def through(door: Door) -> Door:
        doors.append(Cancelling(door, ""))
        return doors[0]

    world = a_watched_world(Calls(), through=through)
    owner, _ = world.open_account()
    doors[0].code = code
    with pytest.raises(expected):
        world.a_job(owner=owner)
    doors[0].code = ""
    world.let_pass(minutes=1)
    assert (world.services.jobs.list(owner.account_id, "test"), world.receiver.calls) == ([], [])
    world.a_job(owner=owner)


class Unprocessing:
    """A door that leaves the last of each batch undone, a number of times, and keeps what it was asked for."""

    def __init__(self, door: Door, times: int) -> None:
        self._door, self.left, self.sizes = door, times, list[int]()

    def call(self, operation: str, request: Mapping[str, Any], /) -> dict[str, Any]:
        [(name, asked)] = request["RequestItems"].items()
        things = asked["Keys"] if operation == "BatchGetItem" else asked
        self.sizes.append(len(things))
        kept, undone = (things, []) if self.left <= 0 else (things[:-1], things[-1:])
        self.left -= 1
        do = (lambda some: {**asked, "Keys": some}) if operation == "BatchGetItem" else (lambda some: some)
        answer = (
            self._door.call(operation, {**request, "RequestItems": {name: do(kept)}}) if kept else {"Responses": {}}
        )
        key = "UnprocessedKeys" if operation == "BatchGetItem" else "UnprocessedItems"
        return {**answer, key: {name: do(undone)} if undone else {}}


@pytest.mark.parametrize("times", range(ROUNDS + 1))
def test_t47_what_a_batch_leaves_undone_is_sent_again_with_longer_and_longer_pauses(times: int) -> None:
    pauses, inner = list[float](), a_watched_world(Calls()).table
    door = Unprocessing(vars(inner)["_door"], times)
    table = Table(door, inner.name, sleep=pauses.append)
    items = [{"pk": str(number), "sk": "-"} for number in range(3)]
    left = table.batch_put(items)
    assert left == (items[2:] if times == ROUNDS else [])
    rounds = min(times, ROUNDS - 1)
    assert door.sizes == [3, *[1] * rounds]
    assert [pause <= PAUSE * 2**number for number, pause in enumerate(pauses, 1)] == [True] * rounds
    assert len(inner.batch_get((item["pk"], item["sk"]) for item in items)) == 3 - len(left)


@pytest.mark.parametrize("times", range(ROUNDS + 1))
def test_t47_what_a_batch_leaves_unread_is_asked_for_again(times: int) -> None:
    pauses, inner = list[float](), a_watched_world(Calls()).table
    items = [{"pk": str(number), "sk": "-"} for number in range(PUT_LIMIT)]
    assert inner.batch_put(items) == []
    table = Table(Unprocessing(vars(inner)["_door"], times), inner.name, sleep=pauses.append)
    keys = [(item["pk"], item["sk"]) for item in items]
    if times < ROUNDS:
        assert sorted(item["pk"] for item in table.batch_get(keys)) == sorted(item["pk"] for item in items)
    else:
        with pytest.raises(Unavailable):
            table.batch_get(keys)
    assert len(pauses) == min(times, ROUNDS - 1)
