"""What a scenario schedules, by its seed: jobs, the firings that are due, and how their receivers behave.

Of a thousand jobs 800 fire once and 200 every 20 to 40 seconds; of these every second one makes up for each missed
time, the others for all of them at once. A tenth of those that fire once are made while the faults happen, a few
seconds before they are due: they travel on the express lane alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Final

from benchmarks.chaos.sink import Manner
from chalicelib.scheduling.job import JobRef, firing_id
from chalicelib.scheduling.retry import NEVER, Misfire, RetryPolicy
from chalicelib.scheduling.schedule import Every, Once, Schedule

MILLISECOND: Final = timedelta(milliseconds=1)
RECURRING: Final = 0.2
LATE_COMERS: Final = 0.1
"""The share of the jobs that fire once which is made during the faults."""
NOTICE: Final = (3_000, 30_000)
"""How long before their due time these are made, in milliseconds."""
PERIODS: Final = (20_000, 40_000)
MANNERS: Final = {Manner.PROMPT: 8, Manner.SLOW: 1, Manner.FAILS_ONCE: 1}
AGAIN: Final = RetryPolicy(waits=(timedelta(seconds=10),))
"""For the receivers that refuse the first attempt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """The time in which jobs fall due and faults happen."""

    start: datetime
    length: timedelta

    @property
    def end(self) -> datetime:
        """What is due later does not count."""
        return self.start + self.length


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A job to make. `made_at`: not before this; None: before the faults begin."""

    number: int
    schedule: Schedule
    manner: Manner = Manner.PROMPT
    misfire: Misfire = Misfire.LATEST
    made_at: datetime | None = None

    @property
    def path(self) -> str:
        """Where its webhook goes, below the sink's address."""
        return f"/{self.manner}/{self.number}"

    @property
    def retry(self) -> RetryPolicy:
        """One more attempt where the first is refused; none where it is answered, so that every arrival tells."""
        return AGAIN if self.manner is Manner.FAILS_ONCE else NEVER


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """A firing that is due. `attempts`: how many it takes until its receiver says yes."""

    firing: str
    job_id: str
    due_at: datetime
    attempts: int = 1
    coalesces: bool = False


def jobs_of(seed: str, count: int, window: Window) -> Sequence[Planned]:
    """The jobs by the time they are due first."""
    rng = Random(f"{seed} jobs")  # noqa: S311 - to be the same again, not to be secret
    jobs = [_planned(rng, number, window, recurs=number < count * RECURRING) for number in range(count)]
    return sorted(jobs, key=lambda job: _first(job.schedule))


def _planned(rng: Random, number: int, window: Window, *, recurs: bool) -> Planned:
    [manner] = rng.choices(list(MANNERS), weights=list(MANNERS.values()))
    if recurs:
        period = rng.randrange(*PERIODS) * MILLISECOND
        start = window.start + rng.random() * period
        misfire = (Misfire.LATEST, Misfire.ALL)[number % 2]
        return Planned(number=number, schedule=Every(start=start, period=period), manner=manner, misfire=misfire)
    due_at = window.start + rng.random() * window.length
    made_at = due_at - rng.randrange(*NOTICE) * MILLISECOND if rng.random() < LATE_COMERS else None
    return Planned(number=number, schedule=Once(at=due_at), manner=manner, made_at=made_at)


def _first(schedule: Schedule) -> datetime:
    return schedule.next_after(datetime.fromtimestamp(0, UTC)) or datetime.max.replace(tzinfo=UTC)


def expected_of(job: Planned, ref: JobRef, window: Window) -> Sequence[Expected]:
    """Its firings that are due before the window ends."""
    firings, due_at = [], job.schedule.next_after(datetime.fromtimestamp(0, UTC))
    while due_at and due_at < window.end:
        firings.append(
            Expected(
                firing=firing_id(ref, due_at),
                job_id=ref.job_id,
                due_at=due_at,
                attempts=2 if job.manner is Manner.FAILS_ONCE else 1,
                coalesces=isinstance(job.schedule, Every) and job.misfire is not Misfire.ALL,
            )
        )
        due_at = job.schedule.next_after(due_at)
    return firings


def hostile_of(seed: str, count: int, window: Window, urls: Sequence[str]) -> Sequence[tuple[Planned, str]]:
    """Jobs that fire once, are tried twice, and run into each of the addresses as often as into any other."""
    rng = Random(f"{seed} hostile")  # noqa: S311 - to be the same again, not to be secret
    return [
        (
            Planned(
                number=number,
                schedule=Once(at=window.start + rng.random() * window.length),
                manner=Manner.FAILS_ONCE,
            ),
            urls[number % len(urls)],
        )
        for number in range(count)
    ]
