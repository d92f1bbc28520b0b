"""T48, T49: of a batch that is broken in parts, exactly those parts come again; what was given up may be sent back."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.delivery.queue import decode, encode
from chalicelib.operations.deliver import deliver, park
from chalicelib.operations.jobs import delete_job
from chalicelib.ports import Claimed, Due, JobClaim, Received, RetryClaim
from chalicelib.scheduling.account import Principal
from chalicelib.scheduling.execution import ExecutionState, Outcome
from chalicelib.scheduling.job import Job, firing_id
from chalicelib.scheduling.schedule import Every, Once
from chalicelib.scheduling.target import Webhook
from tests.fakes import OK
from tests.operations.breaking import breaking
from tests.operations.steps import OneByOne
from tests.world import START, VISIBILITY, World


def a_batch(world: World, count: int = 10) -> list[Job]:
    owner, _ = world.open_account()
    return [world.a_job(Once(at=START), owner=owner, job_id=f"job-{number}") for number in range(1, count + 1)]


def message_of(job: Job) -> Received:
    due = Due(subject=job.ref, due_at=START, rev=1)
    return Received(message_id=job.ref.job_id, receives=1, due=due)


def spoil(world: World, job: Job) -> None:
    """As a later version would write it, of which this one knows nothing."""
    item = world.table.get((f"{job.ref.account_id}#{job.ref.job_id}", "definition"))
    assert item
    world.table.put({**item, "target": {"kind": "carrier pigeon"}})


class SlowFirings:
    """The store, in which a claim takes most of a worker's time."""

    def __init__(self, world: World) -> None:
        self._world = world

    def __getattr__(self, name: str) -> Any:
        return getattr(self._world.services.firings, name)

    def claim(self, claims: Sequence[JobClaim | RetryClaim]) -> Sequence[Claimed]:
        self._world.clock.forward(seconds=25)
        return self._world.services.firings.claim(claims)


def test_t48_exactly_what_was_not_done_comes_again(world: World) -> None:
    """The third raises, the seventh says nothing; the ninth takes so long that there is no time for the tenth."""
    jobs = a_batch(world)
    messages = [message_of(job) for job in jobs]
    messages[6] = replace(messages[6], due=decode("gibberish"))
    spoil(world, jobs[2])
    world.services = replace(world.services, crew=OneByOne())

    def slow(_webhook: Webhook) -> Outcome:
        if world.receiver.ids[-1] == firing_id(jobs[8].ref, START):
            world.clock.forward(seconds=29)
        return OK

    world.receiver.answers = slow
    assert deliver(world.services, messages, nonce="nonce") == {"job-3", "job-7", "job-10"}
    assert sorted(world.receiver.ids) == sorted(firing_id(jobs[number].ref, START) for number in (0, 1, 3, 4, 5, 7, 8))
    assert [facts["why"] for facts in world.events.of("left") if facts["message"] == "job-10"] == ["no_time"]


def test_t48_what_there_was_no_time_for_is_sent_by_its_redelivery(world: World) -> None:
    [job] = a_batch(world, 1)
    slow = replace(world.services, firings=SlowFirings(world))
    assert deliver(slow, [message_of(job)], nonce="first") == {"job-1"}
    assert world.receiver.calls == []
    world.clock.sleep_until(START + VISIBILITY)
    assert deliver(world.services, [message_of(job)], nonce="second") == frozenset()
    assert world.receiver.ids == [firing_id(job.ref, START)]


@pytest.mark.parametrize("count", [0, 1, 10])
def test_t48_a_batch_that_fails_as_a_whole_comes_again_as_a_whole(world: World, count: int) -> None:
    jobs = a_batch(world, count)
    with breaking(world, "firings", "jobs", "is away"):
        left = deliver(world.services, [message_of(job) for job in jobs], nonce="nonce")
    assert left == {job.ref.job_id for job in jobs}


def test_t48_an_item_that_cannot_be_read_costs_the_other_dead_letters_nothing(world: World) -> None:
    jobs = a_batch(world, 3)
    spoil(world, jobs[0])
    assert park(world.services, [message_of(job) for job in jobs], nonce="nonce") == {"job-1"}
    assert [one.state for job in jobs for one in world.executions(job)] == [ExecutionState.PARKED] * 2


def given_up(world: World) -> Job:
    """A job whose first firing the queue received too often; its dead letter waits."""
    job = world.a_job(Every(start=START, period=timedelta(hours=1)))
    with breaking(world, "firings", "claim", "is away", times=5):
        world.run(until=START + 5 * VISIBILITY)
    assert len(world.queue.dead) == 1
    return job


def redrive(world: World, job: Job, *, times: int) -> None:
    """As an operator does who sends dead letters back before, or after, they were recorded."""
    for _ in range(times):
        world.queue.put(encode(Due(subject=job.ref, due_at=START, rev=1)), world.clock.now())


@pytest.mark.parametrize("recorded", [False, True], ids=["before it was recorded", "after it was recorded"])
@pytest.mark.parametrize("times", [1, 2])
def test_t49_a_dead_letter_that_is_sent_back_is_sent_once_more_at_most(
    world: World, times: int, *, recorded: bool
) -> None:
    job = given_up(world)
    if recorded:
        world.park()
    redrive(world, job, times=times)
    world.run()
    world.park()
    assert world.receiver.ids == ([] if recorded else [firing_id(job.ref, START)])
    [execution] = world.executions(job)
    assert execution.state is (ExecutionState.PARKED if recorded else ExecutionState.DELIVERED)


def test_t49_a_dead_letter_of_a_deleted_job_is_dropped(world: World) -> None:
    job = given_up(world)
    owner = Principal(account_id=job.ref.account_id, key=job.definition.key)
    delete_job(world.services, owner, job.ref.job_id, dialect="test")
    redrive(world, job, times=2)
    world.run()
    world.park()
    assert (world.receiver.calls, world.executions(job), world.queue.messages, world.queue.dead) == ([], [], [], [])


def test_t49_what_is_given_up_costs_the_other_jobs_nothing(world: World) -> None:
    other = world.a_job(Every(start=START, period=timedelta(minutes=1)), job_id="other")
    poison = world.queue.put("gibberish", START)
    world.let_pass(minutes=40)
    assert world.queue.dead == [poison]
    assert world.receiver.ids == [firing_id(other.ref, START + timedelta(minutes=number)) for number in range(41)]
