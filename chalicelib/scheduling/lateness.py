"""How late attempts were sent, in whole milliseconds after they were due."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from chalicelib.scheduling.execution import Attempt, Execution


@dataclass(frozen=True, slots=True, kw_only=True)
class Lateness:
    """Of some attempts: how many were sent, and how late half of them, 99 of a hundred, and all of them were at most.

    Nearest ranks: each number is the lateness of one of the attempts. None where there are no attempts.
    """

    count: int
    p50: int | None
    p99: int | None
    longest: int | None


def late_ms(attempt: Attempt) -> int:
    """How long after it was due an attempt was sent. A retry is due when its wait is over."""
    return round((attempt.sent_at - attempt.due_at).total_seconds() * 1000)


def lateness(executions: Iterable[Execution]) -> Lateness:
    """Of all attempts of the executions."""
    late = sorted(late_ms(attempt) for execution in executions for attempt in execution.attempts)
    return Lateness(count=len(late), p50=_ranked(late, 0.5), p99=_ranked(late, 0.99), longest=_ranked(late, 1.0))


def _ranked(ordered: Sequence[int], share: float) -> int | None:
    return ordered[math.ceil(share * len(ordered)) - 1] if ordered else None
