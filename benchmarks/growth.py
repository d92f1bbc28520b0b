"""How costs grow: with the jobs in the index, with the shards it is spread over, with a crowd in one minute.

    python -m benchmarks.growth [--dry]         MILLION=1 adds an index of a million jobs

Units and calls are exact. CPU time is the process's own: what the stand-in took in the same process is taken off.
"""

import os
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Final, TypeVar

from benchmarks.bill import ON_DEMAND, READS, SQS_CALLS, WRITES, total_of
from benchmarks.cloud import in_memory
from benchmarks.counted import BATCH, BUDGET, START, Belltower, Hands, Tally
from benchmarks.crowd import SHARDS as USUAL_SHARDS
from benchmarks.crowd import Crowd, crowd_in_memory, crowd_over_http, fill, unwalked
from benchmarks.hour import AWAY, Minute, Shape, by_minute, simulate
from benchmarks.machine import machine
from benchmarks.report import number, publish, table
from benchmarks.scenarios import DUE, EVERY_FIVE, MINUTE
from infra.prices import TICKS

T = TypeVar("T")

SECTION: Final = "growth"
COMMAND: Final = "make growth"
INDEX_SIZES: Final = (1_000, 10_000, 100_000)
A_MILLION: Final = 1_000_000
SHARDS: Final = (1, 4, 16, 64, 256)
DUE_JOBS: Final = 100
ROUNDS: Final = 5
FAR: Final = timedelta(hours=2)
CROWD: Final = 100_000
HOUR: Final = Shape(firings=18_000)
SEATS: Final = (10, 50)
SHOWN: Final = 4
"""Minutes of the hour that are shown one by one."""


# --- an index, large or spread ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing done: its calls and units, and the CPU seconds of it that are ours."""

    calls: Mapping[str, int]
    units: Mapping[str, float]
    cpu: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What a tick took, and the deliveries of its minute; of CPU time the median of rounds."""

    jobs: int
    shards: int
    tick: Step
    deliveries: Step


def spent(jobs: int, shards: int) -> Spent:
    """With so many jobs in the index, of which few are due at a time."""
    clock = Hands()
    system = Belltower(in_memory(clock), clock, shards=shards)
    owner = system.open_account()
    for count in range(DUE_JOBS):
        system.job(owner, EVERY_FIVE, number=count)
    fill(system, jobs - DUE_JOBS, shards=shards, since=START + FAR, over=FAR)
    clock.sleep_until(DUE - 2 * MINUTE)
    system.tick()
    with unwalked():
        rounds = [_round(system, clock, DUE + turn * (DUE - START)) for turn in range(ROUNDS)]
    tick, deliveries = (_middle(steps) for steps in zip(*rounds, strict=True))
    return Spent(jobs=jobs, shards=shards, tick=tick, deliveries=deliveries)


def _middle(steps: Sequence[Step]) -> Step:
    return replace(steps[-1], cpu=statistics.median(one.cpu for one in steps))


def _round(system: Belltower, clock: Hands, due: datetime) -> tuple[Step, Step]:
    """The tick a minute before, and the deliveries."""
    clock.sleep_until(due - MINUTE)
    tick = _measured(system.tally, system.tick)
    clock.sleep_until(due)
    return tick, _measured(system.tally, lambda: [system.deliver() for _ in range(DUE_JOBS // BATCH)])


def _measured(tally: Tally, do: Callable[[], object]) -> Step:
    tally.reset()
    began = time.process_time()
    do()
    return Step(calls=dict(tally.calls), units=dict(tally.units), cpu=time.process_time() - began - tally.behind)


# --- the report -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """All of it. `hours`: the minutes of the hour, by the number of workers."""

    told: Mapping[str, str]
    sizes: Sequence[Spent]
    shards: Sequence[Spent]
    crowds: Sequence[Crowd]
    hours: Mapping[int, Sequence[Minute]]


def render(growth: Growth) -> str:
    """The section, in Markdown."""
    told = growth.told
    where = (
        f"{told['date']}, `{COMMAND}`. {told['cpu']}, {told['cores']} cores, {told['memory']}, "
        f"Python {told['python']}, load {told['load']}. Units and calls are exact; CPU time is ours alone, the "
        f"median of {ROUNDS} rounds."
    )
    return "\n\n".join(
        [
            "## How costs grow",
            where,
            f"### With the jobs in the index: {USUAL_SHARDS} shards, {DUE_JOBS} due in the minute",
            _spent_table("jobs", [(one.jobs, one) for one in growth.sizes]),
            f"### With the shards: {growth.shards[0].jobs:,} jobs, {DUE_JOBS} due in the minute",
            _spent_table("shards", [(one.shards, one) for one in growth.shards]),
            "### A crowd in one minute",
            _crowd_table(growth.crowds),
            "### An hour as schedulers have it",
            _hour_words(),
            *(part for workers, minutes in growth.hours.items() for part in _hour(workers, minutes)),
        ]
    )


def _spent_table(title: str, rows: Sequence[tuple[int, Spent]]) -> str:
    """What ticks take, in all and as dollars a month on demand; what a firing takes."""
    calls = ["DynamoDB calls", "SQS calls", "CPU ms"]
    tick = [f"a tick's {one}" for one in ("read units", "write units", "units, $ a month", *calls)]
    firing = [f"a firing's {one}" for one in ("write units", "read units", *calls[:1], "CPU ms")]
    return table(
        [title, *tick, *firing], [[f"{label:,}", *_of_tick(one.tick), *_of_firing(one)] for label, one in rows]
    )


def _of_tick(tick: Step) -> Sequence[str]:
    reads, writes = total_of(tick.units, READS), total_of(tick.units, WRITES)
    month = TICKS * (reads * ON_DEMAND.read + writes * ON_DEMAND.write)
    calls = total_of(tick.calls, READS | WRITES), total_of(tick.calls, SQS_CALLS)
    return f"{reads:g}", f"{writes:g}", f"{month:.2f}", *(f"{count:,}" for count in calls), number(1000 * tick.cpu)


def _of_firing(one: Spent) -> Sequence[str]:
    done = one.deliveries
    per = total_of(done.units, WRITES), total_of(done.units, READS), total_of(done.calls, READS | WRITES)
    return *(f"{amount / DUE_JOBS:.2f}" for amount in per), number(1000 * done.cpu / DUE_JOBS)


def _crowd_table(crowds: Sequence[Crowd]) -> str:
    words = (
        f"One tick has {BUDGET.total_seconds():.0f} s of its minute; what it does not reach, the next one does. "
        "Seconds are the machine's, with the stand-in on one of its cores."
    )
    titles = ["the stand-in", "due", "ticks", "sent", "seconds", "messages/s", "CPU s", "stand-in's CPU s", "calls"]
    rows = [
        [one.title, f"{one.due:,}", str(one.ticks), f"{one.sent:,}"]
        + [number(value) for value in (one.seconds, one.sent / one.seconds, one.cpu, one.standin_cpu)]
        + [f"{one.calls:,}"]
        for one in crowds
    ]
    return f"{words}\n\n{table(titles, rows)}"


def _hour_words() -> str:
    return (
        f"{HOUR.firings:,} one-shot jobs on a clock that is told the time: {HOUR.minute_zero:g} times the mean minute "
        f"in second 0 of minute 0, {HOUR.second_zero:g} times the mean second in second 0 of the other minutes. A "
        f"worker takes up to ten messages and {AWAY.total_seconds()} s. Late in seconds; backlog: due by the end of "
        "the minute, and not sent. AWS's own latency is not in it, and the tick takes no time."
    )


def _hour(workers: int, minutes: Sequence[Minute]) -> Sequence[str]:
    shown, rest = minutes[:SHOWN], minutes[SHOWN:]
    rows = [_minute(str(one.number), str(one.due), one) for one in shown]
    worst = Minute(
        number=0,
        due=0,
        late_p50=max(one.late_p50 for one in rest),
        late_p99=max(one.late_p99 for one in rest),
        late_max=max(one.late_max for one in rest),
        backlog=max(one.backlog for one in rest),
    )
    rows.append(_minute(f"{SHOWN} to 59, the worst of each", f"{statistics.median(one.due for one in rest):g}", worst))
    return f"With {workers} workers:", table(["minute", "due", "late p50", "p99", "max", "backlog"], rows)


def _minute(label: str, due: str, one: Minute) -> list[str]:
    return [label, due, *(f"{late:.2f}" for late in (one.late_p50, one.late_p99, one.late_max)), str(one.backlog)]


def grown(sizes: Sequence[int], count: int, shape: Shape) -> Growth:
    """Measures everything; `count`: how many are in the crowd."""
    told = machine()
    crowds = [_said("a crowd", crowd(count)) for crowd in (crowd_in_memory, crowd_over_http)]
    hours = {workers: _said("an hour", by_minute(simulate(shape, workers=workers), START)) for workers in SEATS}
    spread = [_said(f"{shards} shards", spent(INDEX_SIZES[1], shards)) for shards in SHARDS]
    grew = [_said(f"{size:,} jobs", spent(size, USUAL_SHARDS)) for size in sizes]  # last: it leaves a large heap
    return Growth(told=told, sizes=grew, shards=spread, crowds=crowds, hours=hours)


def _said(what: str, figures: T) -> T:
    """For who watches."""
    print(f"{what}: measured", file=sys.stderr, flush=True)
    return figures


def main(arguments: Sequence[str]) -> int:
    """Measures, prints and, without --dry, publishes."""
    growth = grown([*INDEX_SIZES, *([A_MILLION] if os.environ.get("MILLION") == "1" else [])], CROWD, HOUR)
    text = render(growth)
    print(text)
    if "--dry" not in arguments:
        publish(SECTION, text, raw=asdict(growth))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
