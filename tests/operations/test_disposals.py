"""Messages that are not sent: each leaves one line that says why, with the ids of what it spoke of."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from chalicelib.delivery.queue import encode
from chalicelib.operations.express import retry_of
from chalicelib.operations.jobs import delete_job, pause_job
from chalicelib.ports import Due
from chalicelib.scheduling.account import Principal
from chalicelib.scheduling.job import Job, firing_id
from chalicelib.scheduling.retry import RetryPolicy
from chalicelib.scheduling.schedule import Every, Once
from tests.fakes import BROKEN
from tests.operations.breaking import breaking
from tests.world import START, VISIBILITY, World

TEN_SECONDS = timedelta(seconds=10)


def twin(world: World, job: Job, *, after: float) -> None:
    """A second message for the job's first firing."""
    assert job.standing.due_at
    world.queue.put(encode(Due(subject=job.ref, due_at=job.standing.due_at, rev=1)), START + timedelta(seconds=after))


def cannot(world: World, method: str, how: str) -> None:
    """The worker's next batch breaks there."""
    with breaking(world, "firings", method, how):
        world.run(until=START + timedelta(seconds=15))


@pytest.mark.parametrize(
    ("happens", "expected"),
    [
        pytest.param(lambda world, job: twin(world, job, after=10), ["dropped taken"], id="in the same batch"),
        pytest.param(lambda world, job: twin(world, job, after=12), ["dropped taken"], id="after its twin"),
        pytest.param(lambda world, job: twin(world, job, after=25), ["dropped recorded"], id="after the next firing"),
        pytest.param(lambda world, job: twin(world, job, after=0), ["dropped early", "dropped taken"], id="too early"),
        pytest.param(
            lambda world, job: pause_job(world.services, owner_of(job), "job-1", dialect="test"),
            ["dropped cancelled"],
            id="after a pause",
        ),
        pytest.param(
            lambda world, job: delete_job(world.services, owner_of(job), "job-1", dialect="test"),
            ["dropped gone"],
            id="after the job",
        ),
        pytest.param(lambda world, _: cannot(world, "jobs", "is away"), ["left unread"], id="while nothing is read"),
        pytest.param(
            lambda world, _: cannot(world, "record", "is away"),
            ["left unrecorded", "left busy"],
            id="while nothing is recorded",
        ),
        pytest.param(lambda world, _: cannot(world, "claim", "dies after"), ["left busy"], id="after a worker's death"),
    ],
)
def test_a_message_that_is_not_sent_says_why(
    world: World, happens: Callable[[World, Job], object], expected: list[str]
) -> None:
    world.with_rules(lease=VISIBILITY * 2)
    job = world.a_job(Every(start=START + TEN_SECONDS, period=TEN_SECONDS))
    happens(world, job)
    world.run(until=START + timedelta(seconds=28))
    world.queue.messages = [one for one in world.queue.messages if one.receives]
    world.run(until=START + VISIBILITY + 2 * TEN_SECONDS)
    told = [(event, facts) for event, facts in world.events.lines if event in {"dropped", "left"}]
    assert [f"{event} {facts['why']}" for event, facts in told] == expected
    assert {facts["job"] for _, facts in told} == {"job-1"}
    assert {facts["firing"] for _, facts in told} == {firing_id(job.ref, START + TEN_SECONDS)}


@pytest.mark.parametrize(
    ("retries", "seconds", "expected"),
    [
        pytest.param(2, 10, "dropped taken", id="in the same batch"),
        pytest.param(2, 12, "dropped recorded", id="after its twin"),
        pytest.param(1, 12, "dropped recorded", id="after the last one"),
    ],
)
def test_a_second_message_for_a_retry_says_why(world: World, retries: int, seconds: int, expected: str) -> None:
    world.receiver.answers = lambda _webhook: BROKEN
    job = world.a_job(Once(at=START), retry=RetryPolicy(waits=(TEN_SECONDS,) * retries))
    world.run()
    [execution] = world.executions(job)
    retry = retry_of(execution)
    assert retry
    world.queue.put(encode(retry), START + timedelta(seconds=seconds))
    world.run(until=START + timedelta(seconds=15))
    [(event, facts)] = [(event, facts) for event, facts in world.events.lines if event in {"dropped", "left"}]
    assert f"{event} {facts['why']}" == expected
    assert (facts["job"], facts["firing"]) == ("job-1", execution.firing_id)


def owner_of(job: Job) -> Principal:
    return Principal(account_id=job.ref.account_id, key=job.definition.key)
