"""T59: a firing is (job, due time), whatever the revision: an edit that keeps a due time does not send it twice."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from chalicelib.operations.jobs import Change, edit_job
from chalicelib.scheduling.account import Principal
from chalicelib.scheduling.job import Job, JobState, firing_id
from chalicelib.scheduling.schedule import Every, Once, Schedule
from tests.fakes import FakeClock
from tests.operations.breaking import breaking
from tests.world import START, World

DUE = START + timedelta(seconds=10)
MINUTE = timedelta(minutes=1)
EACH_MINUTE = Every(start=DUE, period=MINUTE)
EACH_HALF = Every(start=DUE, period=MINUTE / 2)
LONG_AGO = START - timedelta(days=4000)


def edited(world: World, job: Job, schedule: Schedule) -> Job:
    owner = Principal(account_id=job.ref.account_id, key=job.definition.key)
    change = Change(definition=job.definition, schedule=schedule)
    return edit_job(world.services, owner, job.ref.job_id, dialect="test", edit=lambda _job: change)


def sent_at(world: World) -> list[datetime]:
    return [call.timestamp for call in world.receiver.calls]


@pytest.mark.parametrize(
    ("before", "seconds", "after", "expected"),
    [
        pytest.param(EACH_MINUTE, 5, EACH_MINUTE, [10, 70, 130], id="before it"),
        pytest.param(EACH_MINUTE, 15, EACH_MINUTE, [10, 70, 130], id="after it"),
        pytest.param(EACH_MINUTE, 75, EACH_MINUTE, [10, 70, 130], id="after the one that followed"),
        pytest.param(EACH_MINUTE, 75, EACH_HALF, [10, 70, 100, 130], id="to another period from the same start"),
        pytest.param(EACH_MINUTE, 15, Once(at=LONG_AGO), [10, 15], id="to a time long past, which fires at once"),
    ],
)
def test_t59_an_edit_that_keeps_a_due_time_does_not_send_it_twice(
    world: World, before: Schedule, seconds: int, after: Schedule, expected: list[int]
) -> None:
    job = world.a_job(before)
    world.run(until=START + timedelta(seconds=seconds))
    edited(world, job, after)
    world.run(until=START + timedelta(seconds=140))
    assert sent_at(world) == [START + timedelta(seconds=number) for number in expected]
    assert len(world.executions(job)) == len(expected)


def test_t59_what_has_no_other_due_time_is_finished_by_such_an_edit(world: World) -> None:
    job = world.a_job(EACH_MINUTE)
    world.run(until=DUE)
    assert edited(world, job, Once(at=DUE)).standing.state is JobState.FINISHED


def test_t59_a_finished_job_begins_anew(world: World) -> None:
    job = world.a_job(Once(at=DUE))
    world.run(until=DUE)
    edited(world, job, Once(at=DUE))
    world.run(until=START + timedelta(seconds=140))
    assert len(world.receiver.calls) == 2


def test_t59_what_is_under_way_is_sent_twice_rather_than_never(world: World) -> None:
    """Its worker died after the claim, and the edit took from the redelivery what it could have taken over."""
    job = world.a_job(EACH_MINUTE)
    with breaking(world, "firings", "claim", "dies after"):
        world.run(until=DUE)
    edited(world, job, EACH_MINUTE)
    world.let_pass(minutes=8)
    assert firing_id(job.ref, DUE) in world.receiver.ids
    assert len(world.receiver.ids) == len(set(world.receiver.ids))


@pytest.mark.parametrize("after", [EACH_MINUTE, EACH_HALF, Once(at=DUE)], ids=["the same", "another", "the last one"])
def test_t59_an_edit_by_a_clock_that_is_behind_the_worker_s_does_not_send_it_twice(
    world: World, after: Schedule
) -> None:
    """The worker has fired what is not due yet where the edit is made."""
    job = world.a_job(EACH_MINUTE)
    world.run(until=DUE)
    here = world.services
    world.services = replace(here, clock=FakeClock(DUE - timedelta(seconds=1)))
    edited(world, job, after)
    world.services = here
    world.run(until=DUE + timedelta(seconds=20))
    assert sent_at(world) == [DUE]
