"""T43, T44, T50: two of everything at the same time."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from chalicelib.operations.deliver import deliver
from chalicelib.ports import Due, Received
from chalicelib.scheduling.execution import Outcome
from chalicelib.scheduling.job import Job, firing_id
from chalicelib.scheduling.schedule import Once
from chalicelib.scheduling.target import Webhook
from tests.fakes import OK
from tests.world import START, VISIBILITY, World

MINUTE = timedelta(minutes=1)
DUE = START + timedelta(seconds=10)


def at_once(*actions: Callable[[], object]) -> None:
    with ThreadPoolExecutor(len(actions)) as pool:
        for done in [pool.submit(action) for action in actions]:
            done.result()


@pytest.mark.parametrize("number", range(5))
def test_t43_ticks_of_one_minute_at_the_same_time_are_one_firing(world: World, number: int) -> None:
    due = START + timedelta(minutes=10 + number)
    jobs = [world.a_job(Once(at=due), job_id=f"job-{one}") for one in range(4)]
    world.clock.sleep_until(due - MINUTE)
    at_once(world.tick, world.tick, world.tick)
    world.let_pass(minutes=VISIBILITY / MINUTE + 3)
    assert sorted(world.receiver.ids) == sorted(firing_id(job.ref, due) for job in jobs)
    assert [len(world.executions(job)) for job in jobs] == [1] * 4
    assert world.queue.messages == []


def message_of(job: Job, *, message_id: str, receives: int = 1) -> Received:
    assert job.standing.due_at
    due = Due(subject=job.ref, due_at=job.standing.due_at, rev=job.standing.rev)
    return Received(message_id=message_id, receives=receives, due=due)


@pytest.mark.parametrize("ids", [("m-1", "m-1", "m-1"), ("m-1", "m-2", "m-3")], ids=["one message", "three messages"])
@pytest.mark.parametrize("number", range(5))
def test_t44_workers_at_the_same_time_send_a_firing_once(world: World, number: int, ids: tuple[str, ...]) -> None:
    job = world.a_job(Once(at=START), job_id=f"job-{number}")
    workers = [
        lambda name=name, nonce=nonce: deliver(world.services, [message_of(job, message_id=name)], nonce=f"n-{nonce}")
        for nonce, name in enumerate(ids)
    ]
    at_once(*workers)
    assert world.receiver.ids == [firing_id(job.ref, START)]
    assert len(world.executions(job)) == 1


def test_t50_a_message_that_comes_again_during_a_slow_call_waits_and_is_done_with_afterwards(world: World) -> None:
    job = world.a_job(Once(at=START))
    message = message_of(job, message_id="m-1", receives=2)
    left = list[frozenset[str]]()

    def slowly(_webhook: Webhook) -> Outcome:
        world.clock.forward(seconds=25)
        left.append(deliver(world.services, [message], nonce="second"))
        return OK

    world.receiver.answers = slowly
    assert deliver(world.services, [message_of(job, message_id="m-1")], nonce="first") == frozenset()
    assert left == [frozenset({"m-1"})]
    world.clock.sleep_until(START + VISIBILITY)
    assert deliver(world.services, [message], nonce="third") == frozenset()
    assert world.receiver.ids == [firing_id(job.ref, START)]


def test_t50_the_lease_of_a_dead_worker_ends_and_the_mark_it_left_is_what_is_taken_over(world: World) -> None:
    """A clock alone would let two redeliveries take over: the mark that both saw can be replaced by one of them."""
    job = world.a_job(Once(at=START))
    world.receiver.answers = dying
    with pytest.raises(SystemExit):
        deliver(world.services, [message_of(job, message_id="m-1")], nonce="dead")
    world.receiver.answers, world.receiver.calls = lambda _webhook: OK, []
    world.clock.forward(seconds=61)
    again = message_of(job, message_id="m-1", receives=2)
    at_once(*(lambda nonce=nonce: deliver(world.services, [again], nonce=nonce) for nonce in ("a", "b", "c")))
    assert world.receiver.ids == [firing_id(job.ref, START)]


def dying(_webhook: Webhook) -> Outcome:
    raise SystemExit
