"""Making the jobs of a scenario: what is acknowledged counts, what is not is tried again under another name."""

from datetime import timedelta
from pathlib import Path

import pytest

from benchmarks.chaos.creation import Maker
from benchmarks.chaos.plan import Planned, Window
from benchmarks.chaos.sink import Manner
from benchmarks.chaos.stack import Engine, Stack
from chalicelib.scheduling.schedule import Once
from chalicelib.scheduling.target import Webhook
from tests.operations.breaking import breaking
from tests.world import START, URL, World, a_world

WINDOW = Window(start=START, length=timedelta(minutes=2))
JOB = Planned(number=7, schedule=Once(at=START + timedelta(seconds=20)), manner=Manner.FAILS_ONCE)


def a_maker(world: World) -> Maker:
    """Of jobs on a world's stores: no engine runs."""
    owner, _ = world.open_account()
    return Maker(stack=Stack(engine=Engine(Path("nowhere")), services=world.services, reconcile=print), owner=owner)


def ids(maker: Maker) -> list[str]:
    return sorted(job.ref.job_id for job in maker.stack.services.jobs.list(maker.owner.account_id, "chaos"))


def test_an_acknowledged_job_is_expected_to_fire_and_to_be_tried_again() -> None:
    maker = a_maker(a_world())
    maker.make(JOB, URL, WINDOW)
    [job] = maker.stack.services.jobs.list(maker.owner.account_id, "chaos")
    assert isinstance(job.definition.target, Webhook)
    assert (job.definition.target.url, job.definition.retry, job.standing.schedule) == (URL, JOB.retry, JOB.schedule)
    assert maker.acknowledged == {"job-7-1": START}
    assert [(one.job_id, one.attempts) for one in maker.expected] == [("job-7-1", 2)]
    assert maker.unanswered == []


@pytest.mark.parametrize(
    ("how", "there"),
    [
        pytest.param("is away", ["job-7-2"], id="not done"),
        pytest.param("loses the reply", ["job-7-1", "job-7-2"], id="done, and nothing said"),
    ],
)
def test_a_creation_that_is_not_answered_is_made_again_under_another_name(how: str, there: list[str]) -> None:
    world = a_world()
    with breaking(world, "jobs", "add", how):
        maker = a_maker(world)
        maker.make(JOB, URL, WINDOW)
    assert ids(maker) == there
    assert list(maker.acknowledged) == ["job-7-2"]
    assert [one.job_id for one in maker.expected] == ["job-7-2"]
    assert [one.job_id for one in maker.unanswered] == ["job-7-1"]


def test_a_name_that_is_in_use_is_our_own_of_which_nobody_heard() -> None:
    maker = a_maker(a_world())
    for _ in range(2):
        maker.make(JOB, URL, WINDOW)
    assert list(maker.acknowledged) == ["job-7-1", "job-7-2"]
    assert [one.job_id for one in maker.unanswered] == ["job-7-1"]


def test_nothing_is_made_after_the_window() -> None:
    world = a_world()
    world.let_pass(minutes=2)
    maker = a_maker(world)
    maker.make(JOB, URL, WINDOW)
    assert (ids(maker), maker.expected, maker.unanswered) == ([], [], [])
