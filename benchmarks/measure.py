"""What one run came to, and what several of them come to: pure functions on numbers."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

from benchmarks.processes import Usage

WORST: Final = frozenset({"created", "lost", "doubled", "malformed", "early"})
"""Figures that are counts: of several runs the highest is told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """One run of one system. Late: seconds after the due second, of the jobs that arrived; None when none did.

    `rate` is firings a second until the last arrival. CPU time and requests are for 1,000 firings, memory is the sum of
    the highest that each process held, in MB. `early` are arrivals before the due second.
    """

    created: int
    creates: float
    late_p50: float | None
    late_p99: float | None
    late_max: float | None
    rate: float | None
    cpu: float | None
    standin_cpu: float | None
    requests: float | None
    peak: float
    lost: int
    doubled: int
    malformed: int
    early: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What processes used between two readings: CPU time in seconds, the highest memory in bytes."""

    cpu: float
    peak: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """Everything a run tells. `firsts` has an arrival or None for each job; requests are those between the readings."""

    due: float
    create_seconds: float
    firsts: Sequence[float | None]
    doubled: int
    malformed: int
    own: Spent
    standins: Spent | None
    requests: int | None


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` (0 to 1) of all are not above: the nearest rank, no interpolation."""
    ordered = sorted(values)
    rank = -int(-share * len(ordered) // 1)
    return ordered[max(rank, 1) - 1]


def spent(before: Usage, after: Usage, *, ticks_a_second: int) -> Spent:
    """The difference of two readings."""
    return Spent(cpu=(after.ticks - before.ticks) / ticks_a_second, peak=after.peak)


def figures(observed: Observed) -> Figures:
    """What is reported of a run."""
    late = [at - observed.due for at in observed.firsts if at is not None]
    count, thousands = len(observed.firsts), len(late) / 1000
    last = max(late, default=0.0)
    return Figures(
        created=count,
        creates=count / observed.create_seconds,
        late_p50=percentile(late, 0.5) if late else None,
        late_p99=percentile(late, 0.99) if late else None,
        late_max=last if late else None,
        rate=len(late) / last if last > 0 else None,
        cpu=observed.own.cpu / thousands if late else None,
        standin_cpu=observed.standins.cpu / thousands if late and observed.standins else None,
        requests=observed.requests / thousands if late and observed.requests is not None else None,
        peak=observed.own.peak / 1e6,
        lost=count - len(late),
        doubled=observed.doubled,
        malformed=observed.malformed,
        early=sum(one < 0 for one in late),
    )


def median(runs: Sequence[Figures]) -> Figures:
    """Figure by figure the median; the worst of what must not happen."""
    columns: dict[str, list[Any]] = {
        field.name: [getattr(run, field.name) for run in runs] for field in fields(Figures)
    }
    return Figures(**{name: (max if name in WORST else _median)(values) for name, values in columns.items()})


def _median(values: Sequence[Any]) -> Any:  # noqa: ANN401 - of a column, whose type is the figure's
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None
