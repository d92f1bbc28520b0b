"""T52, T58: clocks that are wrong, differ or jump back, and a queue that nobody reads for two hours."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from chalicelib.operations.tick import tick
from chalicelib.scheduling.claiming import floor_to_minute
from chalicelib.scheduling.execution import Outcome
from chalicelib.scheduling.job import due_of, firing_id
from chalicelib.scheduling.retry import Misfire
from chalicelib.scheduling.schedule import Cron, Every, Once
from chalicelib.scheduling.target import Webhook
from tests.fakes import OK, FakeClock
from tests.world import START, World

MINUTE = timedelta(minutes=1)
FIRST = START.replace(second=0) + MINUTE
MOST_EARLY = timedelta(seconds=60)


class Off:
    """A clock that shows another time than the true one, `by` so many seconds."""

    def __init__(self, true: FakeClock, *, by: float) -> None:
        self._true, self._by = true, timedelta(seconds=by)

    def now(self) -> datetime:
        return self._true.now() + self._by

    def sleep_until(self, moment: datetime) -> None:
        self._true.sleep_until(moment - self._by)


TICKS = {
    "right": [0],
    "90 s ahead": [90],
    "90 s behind": [-90],
    "ahead and behind in turn": [90, -90],
    "jumping back five minutes": [0, 0, -300],
}
ROUND = 18  # minutes: also what was sent by a clock that is behind has come, and the sweep has looked


@pytest.mark.parametrize("worker", [-45, 0, 45], ids=lambda by: f"a worker {by} s off")
@pytest.mark.parametrize("ticks", TICKS.values(), ids=TICKS)
def test_t58_no_due_time_is_lost_whatever_the_clocks_say_and_none_is_early(
    world: World, ticks: Sequence[float], worker: float
) -> None:
    """Of another's clock only its delay is heard of: a message that comes early waits by the worker's own."""
    services, sent = world.services, list[datetime]()

    def answer(_webhook: Webhook) -> Outcome:
        sent.append(world.clock.now())
        return OK

    world.receiver.answers = answer
    jobs = [
        world.a_job(Every(start=FIRST, period=MINUTE), job_id="recurring", misfire=Misfire.ALL),
        world.a_job(Once(at=FIRST + 7 * MINUTE), job_id="far"),
        world.a_job(Once(at=FIRST + timedelta(seconds=10)), job_id="near"),
    ]
    world.services = replace(services, clock=Off(world.clock, by=worker))
    for number in range(ROUND):
        world.run(until=FIRST + number * MINUTE)
        clock = Off(world.clock, by=ticks[number % len(ticks)])
        tick(replace(services, clock=clock), floor_to_minute(clock.now()), until=clock.now() + MINUTE)
    world.run(until=FIRST + ROUND * MINUTE)
    assert len(world.receiver.ids) == len(set(world.receiver.ids))
    due = [firing_id(jobs[0].ref, FIRST + number * MINUTE) for number in range(ROUND)]
    due += [firing_id(job.ref, job.standing.due_at) for job in jobs[1:] if job.standing.due_at]
    assert {*due} <= {*world.receiver.ids}
    early = [
        moment for moment, name in zip(sent, world.receiver.ids, strict=True) if moment < due_of(name) - MOST_EARLY
    ]
    assert early == []


@pytest.mark.parametrize("back", [30, 300], ids=["half a minute", "five minutes"])
def test_t58_a_clock_that_jumps_back_between_ticks_neither_loses_nor_doubles(world: World, back: int) -> None:
    """What the tick has read stays read: marks only move forward."""
    job = world.a_job(Once(at=FIRST + 3 * MINUTE))
    for by in (0, 60, 120, 120 - back, 180 - back, 180):
        tick(world.services, FIRST + timedelta(seconds=by), until=world.clock.now() + MINUTE)
    assert len(world.queue.sent) == 1
    world.run(until=FIRST + 4 * MINUTE)
    assert world.receiver.ids == [firing_id(job.ref, FIRST + 3 * MINUTE)]


@pytest.mark.parametrize(
    ("misfire", "expected"),
    [
        pytest.param(Misfire.LATEST, 1, id="one for all that was missed"),
        pytest.param(Misfire.SKIP, 0, id="none"),
        pytest.param(Misfire.ALL, 120, id="every one"),
    ],
)
def test_t52_a_queue_that_nobody_reads_for_two_hours(world: World, misfire: Misfire, expected: int) -> None:
    """Ticks and sweeps go on meanwhile: what they pile up is one firing."""
    job = world.a_job(Cron(expression="* * * * *"), misfire=misfire)
    for _ in range(120):
        world.clock.sleep_until(floor_to_minute(world.clock.now()) + MINUTE)
        world.tick()
    world.run()
    late = [call for call in world.receiver.calls if call.timestamp == world.clock.now()]
    caught_up = [one for one in world.executions(job) if one.due_at <= world.clock.now()]
    assert len(late) == len(world.receiver.calls) == expected
    assert len(caught_up) == max(expected, 1), "what was not sent has its record"
    world.let_pass(minutes=5)
    assert len(world.receiver.calls) == expected + 5
