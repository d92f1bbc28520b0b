"""The account of a scenario: what was due, what arrived, and what the injected faults explain. Pure.

- **due**: firings that fell due in the window, of jobs whose creation was acknowledged.
- **fired**: those that arrived, to their last attempt.
- **made up**: times of a recurring job that passed while it could not fire, for which it fired once afterwards. That is
  so where the firing before was claimed after such a time, and no message ever spoke of it: a message names only what
  the job stood at. Unless the database went back in between: then a message may speak of what is forgotten.
- **doubled**: arrivals beyond the attempts that the record knows. **explained** of these: a kill came while the
  arrival before may have been unrecorded, or the database did not take the record.
- **given back**: firings that were claimed and had no record long after, found by the reconciliation: their messages
  are lost. Where the queues lost nothing with their process, no message may be.
- **forgotten**: firings of which the database itself lost something with its process: the job, whose creation was
  acknowledged, so that they did not fire; or the record, after they had fired.
- **lost**: all others that are due.
- **unrecorded**: all others that fired without a record.
- **uncalled**: firings that arrived and were never due.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from benchmarks.chaos.plan import Expected
from benchmarks.measure import percentile
from chalicelib.scheduling.job import due_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A time in which what arrived may have stayed unrecorded: it explains that it comes again, not before `again`."""

    start: datetime
    end: datetime
    again: timedelta = timedelta(0)

    def __contains__(self, moment: datetime) -> bool:
        return self.start <= moment <= self.end


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What is kept of a firing: how many attempts, when the first was claimed and sent, and whether another comes."""

    attempts: int
    claimed_at: datetime
    sent_at: datetime
    waits: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Everything a scenario tells. Arrivals in their order, by firing.

    `acknowledged`: when a job's creation was answered, by job. `rollbacks`: what the database forgot.
    `forgotten`: jobs it lost by that. `given_back`: firings the reconciliation found. `spoken_of`: firings that a line
    of the log names. `refused`: how often a firing's record was not taken. `unanswered`: firings of jobs of which
    nobody knows whether they were made; they may come or not. What is due at `end` or later is not looked at.
    """

    end: datetime
    expected: Sequence[Expected]
    arrivals: Mapping[str, Sequence[datetime]]
    records: Mapping[str, Record]
    spans: Sequence[Span] = ()
    rollbacks: Sequence[Span] = ()
    acknowledged: Mapping[str, datetime] = field(default_factory=dict)
    forgotten: frozenset[str] = frozenset()
    given_back: frozenset[str] = frozenset()
    spoken_of: frozenset[str] = frozenset()
    refused: Mapping[str, int] = field(default_factory=dict)
    unanswered: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reckoning:
    """What it came to. `astray`: given back, and no injected fault lost their messages.

    Late: seconds from the due time to the first arrival; None where nothing arrived.
    """

    due: int
    fired: int
    made_up: int
    doubled: int
    unexplained: Sequence[str]
    lost: Sequence[str]
    forgotten: int
    given_back: int
    astray: int
    unrecorded: int
    uncalled: int
    late_p50: float | None
    late_p99: float | None
    late_max: float | None

    @property
    def whole(self) -> bool:
        """Whether nothing is lost, and nothing sent that no injected fault explains."""
        return not (self.lost or self.uncalled or self.unexplained or self.astray)

    @property
    def explained(self) -> int:
        """Doubles."""
        return self.doubled - len(self.unexplained)

    @property
    def settled(self) -> bool:
        """Whether nothing more is to be waited for."""
        return not self.lost and not self.unrecorded


def reckon(seen: Evidence) -> Reckoning:
    """Adds it up."""
    made_up = _made_up(seen)
    fired = [one for one in seen.expected if _fired(one, seen)]
    absent = [one for one in seen.expected if one.firing not in made_up and not _fired(one, seen)]
    lost = [one.firing for one in absent if one.job_id not in seen.forgotten]
    bare = [one for one in fired if _is_bare(one, seen)]
    unrecorded = [one for one in bare if not _is_forgotten(one, seen)]
    late = [_late(one, seen) for one in seen.expected if one.firing in seen.arrivals]
    known = {one.firing for one in seen.expected} | seen.unanswered
    return Reckoning(
        due=len(seen.expected),
        fired=len(fired),
        made_up=len(made_up),
        doubled=sum(_extra(one, seen) for one in seen.expected),
        unexplained=[one.firing for one in seen.expected for _ in range(_extra(one, seen) - _excused(one, seen))],
        lost=lost,
        forgotten=len(absent) - len(lost) + len(bare) - len(unrecorded),
        given_back=len(seen.given_back),
        astray=0 if seen.rollbacks else len(seen.given_back),
        unrecorded=len(unrecorded),
        uncalled=sum(due_of(firing) < seen.end for firing in seen.arrivals.keys() - known),
        late_p50=percentile(late, 0.5) if late else None,
        late_p99=percentile(late, 0.99) if late else None,
        late_max=max(late, default=None),
    )


def _fired(one: Expected, seen: Evidence) -> bool:
    """To the last attempt: where another one is owed, it came."""
    record, arrivals = seen.records.get(one.firing), seen.arrivals.get(one.firing, ())
    return len(arrivals) >= (one.attempts if record and record.waits else 1)


def _is_bare(one: Expected, seen: Evidence) -> bool:
    """Whether a firing that fired has no record, or one that does not know the last attempt."""
    record = seen.records.get(one.firing)
    return record is None or record.waits


def _is_forgotten(one: Expected, seen: Evidence) -> bool:
    """Whether the database lost the record, or the whole job."""
    return one.job_id in seen.forgotten or any(seen.arrivals[one.firing][-1] in span for span in seen.rollbacks)


def _late(one: Expected, seen: Evidence) -> float:
    """From when it could be fired: a job may be acknowledged after its due time only."""
    since = max(one.due_at, seen.acknowledged.get(one.job_id, one.due_at))
    return (seen.arrivals[one.firing][0] - since).total_seconds()


def _extra(one: Expected, seen: Evidence) -> int:
    record, arrivals = seen.records.get(one.firing), seen.arrivals.get(one.firing, ())
    attempts = 1 if record is None else one.attempts if record.waits else record.attempts
    return max(len(arrivals) - max(attempts, 1), 0)


def _excused(one: Expected, seen: Evidence) -> int:
    """Each arrival but the last excuses the next where a fault may have kept it from its record."""
    steps = pairwise(seen.arrivals.get(one.firing, ()))
    kills = sum(any(before in span and after - before >= span.again for span in seen.spans) for before, after in steps)
    return min(_extra(one, seen), kills + seen.refused.get(one.firing, 0))


def _made_up(seen: Evidence) -> frozenset[str]:
    return frozenset(
        one.firing
        for job in _by_job(one for one in seen.expected if one.coalesces)
        for before, one in _after_the_last_recorded(job, seen)
        if before in seen.records and _passed_over(one, seen, due_at=due_of(before), record=seen.records[before])
    )


def _passed_over(one: Expected, seen: Evidence, *, due_at: datetime, record: Record) -> bool:
    """Whether the claim of the firing before, due then, went past this one."""
    went_back = any(due_at <= span.end <= record.claimed_at for span in seen.rollbacks)
    return record.claimed_at >= one.due_at and (went_back or one.firing not in seen.spoken_of)


def _by_job(expected: Iterable[Expected]) -> Iterable[Sequence[Expected]]:
    found: dict[str, list[Expected]] = {}
    for one in expected:
        found.setdefault(one.job_id, []).append(one)
    return [sorted(job, key=lambda one: one.due_at) for job in found.values()]


def _after_the_last_recorded(job: Sequence[Expected], seen: Evidence) -> Iterable[tuple[str, Expected]]:
    """Each firing that did not arrive, with the latest before it that is on record: it may be one that came again."""
    last = ""
    for before, one in pairwise(job):
        last = before.firing if before.firing in seen.records else last
        if one.firing not in seen.arrivals:
            yield last, one


def by_firing(arrivals: Iterable[tuple[str, float]]) -> Mapping[str, Sequence[datetime]]:
    """The sink's arrivals."""
    found: dict[str, list[datetime]] = {}
    for firing, at in arrivals:
        found.setdefault(firing, []).append(datetime.fromtimestamp(at, UTC))
    return found
