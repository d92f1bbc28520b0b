"""One tenant's flood to a receiver that hangs does not push another tenant's jobs past a second; in one lane it would.

The scenes that `python -m benchmarks.fairness` plays with ten thousand jobs, on a tenth of the workers and for less.
"""

from dataclasses import replace
from datetime import timedelta

import pytest

from benchmarks.counted import START
from benchmarks.fairness import FLOODS, PROBED, Scene, Setup, played
from benchmarks.timeline import Timeline, Watch

SECOND = timedelta(seconds=1)
COUNT, EVERY = 300, 25 * SECOND
SMALL = Setup(workers=12, share=3)
ONE_LANE = Setup(workers=12, share=3, queues=1)
BOTH = [pytest.param(replace(scene, minutes=3), id=scene.title) for scene in FLOODS]


@pytest.mark.parametrize("scene", BOTH)
def test_another_tenant_is_not_a_second_late(scene: Scene) -> None:
    outcomes = played(scene, SMALL, COUNT, every=EVERY)
    assert (outcomes.bob, outcomes.attempted >= COUNT, outcomes.doubled) == (PROBED // EVERY + scene.minutes, True, 0)
    assert outcomes.worst < 1


@pytest.mark.parametrize("scene", BOTH)
def test_in_one_lane_it_is(scene: Scene) -> None:
    outcomes = played(scene, ONE_LANE, COUNT, every=EVERY)
    assert outcomes.bob == PROBED // EVERY + scene.minutes
    assert outcomes.worst > 1


def test_who_sleeps_lets_the_next_one_in_time_run() -> None:
    timeline, told = Timeline(START), list[str]()

    def sleeper(name: str, *seconds: int) -> None:
        watch = Watch(timeline)
        for number in seconds:
            watch.sleep_until(START + number * SECOND)
            told.append(f"{name} {number}")

    timeline.spawn(lambda: sleeper("a", 1, 4))
    timeline.spawn(lambda: sleeper("b", 2, 3, 9))
    timeline.run(START + 5 * SECOND)
    assert (told, timeline.now()) == (["a 1", "b 2", "b 3", "a 4"], START + 5 * SECOND)
    timeline.run(START + 9 * SECOND)


def test_what_a_crew_does_at_once_takes_as_long_as_its_slowest() -> None:
    watch = Watch(Timeline(START))

    def work(seconds: int) -> timedelta:
        began = watch.now()
        watch.take(seconds * SECOND)
        return began - START

    assert watch.map(work, [3, 1, 2], hands=3) == [timedelta(0)] * 3
    assert watch.now() == START + 3 * SECOND


def test_what_a_sleeper_raises_ends_the_run() -> None:
    timeline = Timeline(START)
    timeline.spawn(lambda: Watch(timeline).sleep_until(1))  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        timeline.run(START + SECOND)
