"""An hour as schedulers have it, on a clock that is told the time: who is late, and what waits, minute by minute.

People write `0 * * * *` and `* * * * *`: minute 0 holds 20 times the mean minute, all of it in its second 0, and second
0 of every other minute 8 times the mean second; what is left is even. Workers are a number of seats. Each takes up to
ten messages and is away for as long as a batch is assumed to take; the tick runs in the second of each minute that
EventBridge is assumed to need. Real operations, no waiting: the same hour has the same outcome each time.
"""

import heapq
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from benchmarks.cloud import STAGE, in_memory
from benchmarks.counted import START, Belltower, Hands
from benchmarks.measure import percentile
from benchmarks.standin import schema
from benchmarks.standin.queue import Queue
from chalicelib.scheduling.job import due_of
from chalicelib.scheduling.schedule import Once

MINUTES: Final = 60
SECONDS: Final = 60
SECOND: Final = timedelta(seconds=1)
MINUTE: Final = timedelta(minutes=1)
AHEAD: Final = 3 * MINUTE
"""How long before the hour the first tick runs."""
TICK_AFTER: Final = 2 * SECOND
AWAY: Final = timedelta(milliseconds=400)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How many firings an hour has, and how much more than the mean its crowded minute and seconds have."""

    firings: int
    minute_zero: float = 20
    second_zero: float = 8


def seconds_of(shape: Shape) -> Sequence[int]:
    """How many firings are due in each of the hour's 3,600 seconds. Their sum is all of them."""
    mean = shape.firings / MINUTES
    crowded = mean * shape.minute_zero
    rest = (shape.firings - crowded) / (MINUTES - 1)
    first = rest * shape.second_zero / SECONDS
    minute = [first, *[(rest - first) / (SECONDS - 1)] * (SECONDS - 1)]
    return whole([crowded, *[0.0] * (SECONDS - 1), *minute * (MINUTES - 1)])


def whole(shares: Sequence[float]) -> Sequence[int]:
    """The shares as whole numbers, with what is cut off carried on to the next."""
    found, total, given = [], 0.0, 0
    for share in shares:
        total += share
        found.append(round(total) - given)
        given += found[-1]
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Firing:
    """When it was due and how late it was sent."""

    due: datetime
    late: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Minute:
    """The firings that were due in it, in seconds; `backlog`: due by its end and not sent by then."""

    number: int
    due: int
    late_p50: float
    late_p99: float
    late_max: float
    backlog: int


def by_minute(firings: Sequence[Firing], start: datetime) -> Sequence[Minute]:
    """The minutes that had firings, in order."""
    late: dict[int, list[float]] = {}
    for one in firings:
        late.setdefault((one.due - start) // MINUTE, []).append(one.late.total_seconds())
    return [
        Minute(
            number=number,
            due=len(some),
            late_p50=percentile(some, 0.5),
            late_p99=percentile(some, 0.99),
            late_max=max(some),
            backlog=backlog(firings, start + (number + 1) * MINUTE),
        )
        for number, some in sorted(late.items())
    ]


def backlog(firings: Sequence[Firing], moment: datetime) -> int:
    """How many were due before then, and were sent then or later."""
    return sum(one.due < moment <= one.due + one.late for one in firings)


def simulate(shape: Shape, *, workers: int, away: timedelta = AWAY) -> Sequence[Firing]:
    """Lives through the hour and until its last firing was sent."""
    clock = Hands(START - AHEAD)
    system = Belltower(in_memory(clock), clock)
    _make(system, shape)
    seats = [clock.now()] * workers
    for number in range(-int(AHEAD / MINUTE), MINUTES + 2):
        minute = START + number * MINUTE
        _work(system, clock, seats, until=minute + TICK_AFTER, away=away)
        clock.sleep_until(minute + TICK_AFTER)
        system.tick()
    _work(system, clock, seats, until=datetime.max.replace(tzinfo=START.tzinfo), away=away)
    return [_firing(line) for line in system.lines() if line["event"] == "fired"]


def _make(system: Belltower, shape: Shape) -> None:
    owner = system.open_account()
    for number, due in enumerate(_dues(shape)):
        system.job(owner, Once(at=due), number=number)


def _dues(shape: Shape) -> Iterator[datetime]:
    for second, count in enumerate(seconds_of(shape)):
        yield from [START + second * SECOND] * count


def _work(system: Belltower, clock: Hands, seats: list[datetime], *, until: datetime, away: timedelta) -> None:
    """Whenever a message is there and a seat is free, until a moment. `seats`: when each is free, as a heap."""
    queues = system.cloud.queues
    if queues is None:
        raise TypeError("only what is in memory can be looked into")
    queue = queues.queues[schema.names(STAGE).firings]
    while (there := _next(queue, clock.now())) is not None:
        moment = max(there, seats[0])
        if moment >= until:
            return
        clock.sleep_until(moment)
        if system.deliver():
            heapq.heapreplace(seats, moment + away)


def _next(queue: Queue, now: datetime) -> datetime | None:
    """When there is a message to take; None while the queue is empty."""
    if queue.counts["waiting"]:
        return now
    change = queue.next_change()
    return None if change is None else max(now, datetime.fromtimestamp(change / 1000, tz=now.tzinfo))


def _firing(line: Mapping[str, object]) -> Firing:
    late = line["late_ms"]
    if not isinstance(late, int):
        raise TypeError(f"no lateness in {line}")
    return Firing(due=due_of(str(line["firing"])), late=timedelta(milliseconds=late))
