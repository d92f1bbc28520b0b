"""Two messages about one firing, whose claim a later firing has overwritten: one sends, and only when it must."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

import pytest

from chalicelib.operations.deliver import deliver
from chalicelib.operations.jobs import Change, edit_job
from chalicelib.ports import Due, FiringRef, Received
from chalicelib.scheduling.account import Principal
from chalicelib.scheduling.execution import Outcome
from chalicelib.scheduling.job import Job, firing_id
from chalicelib.scheduling.retry import RetryPolicy
from chalicelib.scheduling.schedule import Cron, Every, Once, Schedule
from chalicelib.scheduling.target import Webhook
from tests.fakes import BROKEN, OK
from tests.operations.breaking import breaking
from tests.world import RULES, START, VISIBILITY, World

TEN_SECONDS = timedelta(seconds=10)
DUE = START + TEN_SECONDS
YEARLY = Cron(expression="0 0 1 1 *")


def a_fast_job(world: World) -> Job:
    return world.a_job(Every(start=DUE, period=TEN_SECONDS))


def message(job: Job, name: str, due_at: datetime = DUE) -> Received:
    return Received(message_id=name, receives=1, due=Due(subject=job.ref, due_at=due_at, rev=1))


def receive(world: World, received: Received, *, nonce: str) -> bool:
    """Whether the message is left in the queue."""
    return bool(deliver(world.services, [received], nonce=nonce))


def fire_next(world: World, job: Job) -> None:
    """The firing that stands in the index."""
    stored = world.job(job)
    assert stored
    assert stored.standing.due_at
    world.clock.sleep_until(stored.standing.due_at)
    assert not receive(world, message(job, "next", stored.standing.due_at), nonce=f"next-{stored.standing.due_at}")


@contextmanager
def during_the_call(world: World, do: Callable[[], None]) -> Iterator[None]:
    """Does a thing once, while the receiver is thinking."""
    waiting = [do]

    def answers(_webhook: Webhook) -> Outcome:
        while waiting:
            waiting.pop()()
        return OK

    world.receiver.answers = answers
    yield
    world.receiver.answers = lambda _webhook: OK


def times_sent(world: World, job: Job, due_at: datetime = DUE) -> int:
    return world.receiver.ids.count(firing_id(job.ref, due_at))


def test_t44_a_twin_that_comes_while_a_late_firing_is_being_sent_waits(world: World) -> None:
    """The job has moved on meanwhile, so nothing in its standing tells of the worker that is at it."""
    job, left = a_fast_job(world), []
    world.clock.forward(minutes=5)

    def meanwhile() -> None:
        fire_next(world, job)
        left.append(receive(world, message(job, "twin"), nonce="twin"))

    with during_the_call(world, meanwhile):
        assert not receive(world, message(job, "first"), nonce="first")
    assert (times_sent(world, job), left) == (1, [True])
    assert not receive(world, message(job, "twin"), nonce="again")
    assert times_sent(world, job) == 1


def died(world: World, job: Job) -> None:
    """A worker claims the first firing and dies; the job goes on until the message comes back."""
    world.clock.sleep_until(DUE)
    with breaking(world, "webhooks", "send", "dies before"):
        receive(world, message(job, "first"), nonce="first")
    while world.clock.now() < DUE + VISIBILITY:
        fire_next(world, job)


def test_t45_both_messages_of_a_dead_worker_s_firing_come_back_and_one_sends(world: World) -> None:
    job, left = a_fast_job(world), []
    died(world, job)
    with during_the_call(world, lambda: left.append(receive(world, message(job, "twin"), nonce="second twin"))):
        assert not receive(world, message(job, "first"), nonce="second")
    assert (times_sent(world, job), left) == (1, [True])
    assert not receive(world, message(job, "twin"), nonce="third twin")
    assert times_sent(world, job) == 1


def test_t45_the_heir_of_a_dead_worker_dies_too_and_a_third_sends(world: World) -> None:
    job = a_fast_job(world)
    died(world, job)
    with breaking(world, "webhooks", "send", "dies before"):
        receive(world, message(job, "first"), nonce="second")
    assert receive(world, message(job, "first"), nonce="third"), "the second may be alive"
    world.clock.forward(seconds=RULES.lease.total_seconds())
    assert not receive(world, message(job, "first"), nonce="fourth")
    assert times_sent(world, job) == 1


def test_t45_a_late_firing_s_worker_is_dead_for_certain_a_lease_after_somebody_missed_its_record(world: World) -> None:
    job = a_fast_job(world)
    world.clock.forward(minutes=5)
    with breaking(world, "webhooks", "send", "dies before"):
        receive(world, message(job, "first"), nonce="first")
    for seconds in (20, 70):
        fire_next(world, job)
        world.clock.sleep_until(START + timedelta(minutes=5, seconds=seconds))
        fire_next(world, job)
    assert receive(world, message(job, "first"), nonce="second"), "nobody knows since when it is claimed"
    world.clock.forward(seconds=RULES.lease.total_seconds())
    assert not receive(world, message(job, "first"), nonce="third")
    assert times_sent(world, job) == 1


def test_t59_a_mark_left_for_a_firing_that_was_cancelled_does_not_wait_for_ever(world: World) -> None:
    owner, _ = world.open_account()
    job = world.a_job(Every(start=DUE, period=TEN_SECONDS), owner=owner)
    world.clock.forward(minutes=5)
    with breaking(world, "webhooks", "send", "dies before"):
        receive(world, message(job, "first"), nonce="first")
    fire_next(world, job)
    fire_next(world, job)
    assert receive(world, message(job, "first"), nonce="second")
    edit(world, owner, job)
    again = Received(message_id="first", receives=2, due=message(job, "first").due)
    assert not receive(world, again, nonce="third")
    assert (times_sent(world, job), next(one.state for one in world.executions(job))) == (0, "cancelled")


def test_t59_an_edit_that_keeps_a_due_time_of_which_there_is_only_a_mark_brings_it_back(world: World) -> None:
    owner, _ = world.open_account()
    job = world.a_job(Every(start=DUE, period=TEN_SECONDS), owner=owner)
    world.clock.forward(minutes=5)
    with breaking(world, "webhooks", "send", "dies before"):
        receive(world, message(job, "first"), nonce="first")
    fire_next(world, job)
    fire_next(world, job)
    receive(world, message(job, "first"), nonce="second")
    edit(world, owner, job, Every(start=DUE, period=TEN_SECONDS))
    world.run()
    assert times_sent(world, job) == 1


def test_t59_a_retry_whose_worker_died_and_whose_job_was_changed_does_not_wait_for_ever(world: World) -> None:
    world.receiver.answers = lambda _webhook: BROKEN
    owner, _ = world.open_account()
    job = world.a_job(owner=owner, retry=RetryPolicy(waits=(TEN_SECONDS,)))
    world.run(until=START + timedelta(seconds=10))
    with breaking(world, "webhooks", "send", "dies before"):
        world.run(until=START + timedelta(seconds=16))
    edit(world, owner, job)
    world.let_pass(minutes=8)
    [first] = [one for one in world.executions(job) if one.due_at == START + timedelta(seconds=5)]
    assert first.state == "cancelled"
    found = world.services.executions.get(FiringRef(account_id=job.ref.account_id, firing_id=first.firing_id))
    assert found == first


def edit(world: World, owner: Principal, job: Job, schedule: Schedule = YEARLY) -> None:
    change = lambda stored: Change(definition=stored.definition, schedule=schedule)  # noqa: E731
    edit_job(world.services, owner, job.ref.job_id, dialect="test", edit=change)


# --- two messages about one firing, in one batch ----------------------------------------------------------------------


def dead_worker(world: World, job: Job, name: str) -> None:
    """Claims by the message of that name, and dies before it sends."""
    with breaking(world, "firings", "claim", "dies after"):
        receive(world, message(job, name), nonce="dead")


@pytest.mark.parametrize("batch", [("first", "second"), ("second", "first")], ids=" then ".join)
def test_the_twin_that_holds_a_dead_worker_s_claim_takes_it_over_wherever_it_stands(
    world: World, batch: tuple[str, str]
) -> None:
    """The other one cannot; were the holder dropped as its double, nobody would ever send the firing."""
    job = world.a_job(Once(at=DUE))
    world.clock.sleep_until(DUE)
    dead_worker(world, job, "second")
    world.clock.forward(seconds=RULES.lease.total_seconds() + 1)
    left = deliver(world.services, [message(job, name) for name in batch], nonce="heir")
    assert (left, times_sent(world, job)) == (frozenset(), 1)


@pytest.mark.parametrize("batch", [("first", "second"), ("second", "first")], ids=" then ".join)
def test_the_twin_that_holds_a_claim_whose_worker_may_live_is_left_to_it(world: World, batch: tuple[str, str]) -> None:
    job = world.a_job(Once(at=DUE))
    world.clock.sleep_until(DUE)
    dead_worker(world, job, "second")
    left = deliver(world.services, [message(job, name) for name in batch], nonce="heir")
    assert ("second" in left, times_sent(world, job)) == (True, 0)
    world.clock.forward(seconds=RULES.lease.total_seconds() + 1)
    assert not deliver(world.services, [message(job, name) for name in left], nonce="again")
    assert times_sent(world, job) == 1


@pytest.mark.parametrize("port", ["accounts", "firings"])
def test_twins_of_what_cannot_be_decided_now_are_all_left(world: World, port: str) -> None:
    """The one that holds the claim is among them, and which one it is was not seen."""
    job = world.a_job(Once(at=DUE))
    world.clock.sleep_until(DUE)
    dead_worker(world, job, "second")
    world.clock.forward(seconds=RULES.lease.total_seconds() + 1)
    with breaking(world, port, "account" if port == "accounts" else "jobs", "is away", times=10):
        left = deliver(world.services, [message(job, name) for name in ("first", "second")], nonce="heir")
    assert left == {"first", "second"}
    assert not deliver(world.services, [message(job, name) for name in sorted(left)], nonce="again")
    assert times_sent(world, job) == 1


def test_of_three_twins_one_sends_and_none_is_left(world: World) -> None:
    job = world.a_job(Once(at=DUE))
    world.clock.sleep_until(DUE)
    left = deliver(world.services, [message(job, name) for name in ("first", "second", "third")], nonce="one")
    assert (left, times_sent(world, job)) == (frozenset(), 1)
