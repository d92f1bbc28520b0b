"""An hour of made-up measurements for the picture of the dashboard. Nothing here was measured.

Some 600 firings a minute, more at each quarter. From minute 41 to 59 one tenant's receivers hang: attempts time out,
workers are held, messages wait, p99 of the lateness goes over its target and one alarm rings. Retries follow four
minutes later. Overdue stays at zero throughout: late is not lost.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Final

MINUTES: Final = 60
RINGING: Final = frozenset({"FiringsLate"})
"""The alarms that ring at the end of the hour."""

_PEAK, _HALF = 50, 9  # the incident's worst minute, and how many it lasts before and after


@dataclass(frozen=True, slots=True)
class Shape:
    """What a series is like: its level, what the incident adds at its worst and how many minutes later it does so.

    `grows` is the share of the level that grows with the number of firings.
    """

    level: float
    surge: float = 0
    lag: int = 0
    grows: float = 1


_STEADY = {"grows": 0}
_QUIET = Shape(0)

SHAPES: Final[dict[str, Shape]] = {
    "Overdue": _QUIET,
    "Due": Shape(560),
    "Claimed": Shape(610),
    "Fired": Shape(610, 25, 4),
    "Late p50": Shape(45, 60, **_STEADY),
    "Late p99": Shape(430, 2400, **_STEADY),
    "Late Maximum": Shape(640, 5200, **_STEADY),
    "target": Shape(1000, **_STEADY),
    "Delivered": Shape(596, -50),
    "Refused": Shape(9),
    "TimedOut": Shape(1, 70),
    "Failed": Shape(3),
    "Retried": Shape(6, 55, 4),
    "Missed": _QUIET,
    "Parked": _QUIET,
    "Took p50": Shape(120, 20, **_STEADY),
    "Took p99": Shape(1900, 24000, **_STEADY),
    "Ticks": Shape(1, **_STEADY),
    "Unfinished": _QUIET,
    "Resent": _QUIET,
    "TickDuration": Shape(1400, 150, grows=0.5),
    "ApproximateNumberOfMessagesVisible FiringsQueue": Shape(6, 380),
    "ApproximateNumberOfMessagesVisible RetriesQueue": Shape(0, 60, 4),
    "ApproximateNumberOfMessagesVisible DeadLettersQueue": _QUIET,
    "ApproximateNumberOfMessagesNotVisible FiringsQueue": Shape(14, 300),
    "ApproximateNumberOfMessagesNotVisible RetriesQueue": Shape(2, 170, 4),
    "ApproximateNumberOfMessagesNotVisible DeadLettersQueue": _QUIET,
    "ApproximateAgeOfOldestMessage FiringsQueue": Shape(118, 40, grows=0.05),
    "ApproximateAgeOfOldestMessage RetriesQueue": Shape(30, 95, 4),
    "ApproximateAgeOfOldestMessage DeadLettersQueue": _QUIET,
    "Backlog": Shape(5, 360),
    "ConsumedWriteCapacityUnits JobsTable": Shape(1890, 90, 4),
    "ConsumedWriteCapacityUnits next-fire": Shape(1190, 60, 4),
    "ConsumedWriteCapacityUnits by-job": Shape(610, 25, 4),
    "ConsumedWriteCapacityUnits AccountsTable": Shape(2),
    "ConsumedReadCapacityUnits JobsTable": Shape(640, 30, 4),
    "ConsumedReadCapacityUnits next-fire": Shape(95),
    "ConsumedReadCapacityUnits by-job": Shape(12),
    "ConsumedReadCapacityUnits AccountsTable": Shape(70),
    "deliver_gb": Shape(52, 210),
    "tick_gb": Shape(0.7, **_STEADY),
    "api_gb": Shape(4.5),
    "parked_gb": _QUIET,
    "reconcile_gb": _QUIET,
    "Invocations Deliver": Shape(82, 22, 4),
    "Invocations Tick": Shape(1, **_STEADY),
    "Invocations APIHandler": Shape(140),
    "Invocations Parked": _QUIET,
    "Invocations Reconcile": _QUIET,
    "Duration Deliver": Shape(2600, 25000, **_STEADY),
    "Duration Tick": Shape(1400, 150, grows=0.5),
    "Duration APIHandler": Shape(190, 30, **_STEADY),
    "Duration Parked": _QUIET,
    "Duration Reconcile": _QUIET,
    "sent": Shape(612, 50, 4),
    "received": Shape(612, 50, 4),
    "deleted": Shape(612, 40, 4),
    "empty": Shape(48, -30),
    "IncomingBytes DeliverLogs": Shape(210_000, 20_000, 4),
    "IncomingBytes TickLogs": Shape(1_200, **_STEADY),
    "IncomingBytes ApiLogs": Shape(52_000),
    "IncomingBytes ParkedLogs": _QUIET,
    "IncomingBytes ReconcileLogs": _QUIET,
    "Requests runlater": Shape(22),
    "Requests runlater_users": Shape(1),
    "Requests rlatr": Shape(46),
    "Requests job_scheduler": Shape(17),
    "Requests cronally": Shape(31),
    "Requests ndscheduler": Shape(24),
    "Requests belltower": Shape(2),
    "Refusals runlater": Shape(1),
    "Refusals runlater_users": _QUIET,
    "Refusals rlatr": Shape(3),
    "Refusals job_scheduler": Shape(1),
    "Refusals cronally": Shape(2),
    "Refusals ndscheduler": _QUIET,
    "Refusals belltower": _QUIET,
    "Errors runlater": _QUIET,
    "Errors runlater_users": _QUIET,
    "Errors rlatr": _QUIET,
    "Errors job_scheduler": _QUIET,
    "Errors cronally": _QUIET,
    "Errors ndscheduler": _QUIET,
    "Errors belltower": _QUIET,
    "Latency runlater p99": Shape(150, **_STEADY),
    "Latency runlater_users p99": Shape(240, **_STEADY),
    "Latency rlatr p99": Shape(118, **_STEADY),
    "Latency job_scheduler p99": Shape(132, **_STEADY),
    "Latency cronally p99": Shape(96, **_STEADY),
    "Latency ndscheduler p99": Shape(205, **_STEADY),
    "Latency belltower p99": Shape(140, **_STEADY),
    "Latency p50": Shape(21, **_STEADY),
    "ClaimsFailed": _QUIET,
    "RecordsFailed": _QUIET,
    "SendsFailed": _QUIET,
    "LostClaims": Shape(12, 8),
    "Left": Shape(0, 6),
    "DeadLetters": _QUIET,
    "Poison": _QUIET,
    "Tampered": _QUIET,
    "Faults": _QUIET,
    "Unproved": _QUIET,
    "Errors Deliver": _QUIET,
    "Errors Tick": _QUIET,
    "Errors APIHandler": _QUIET,
    "Errors Parked": _QUIET,
    "Errors Reconcile": _QUIET,
    "Throttles Deliver": _QUIET,
    "Throttles Tick": _QUIET,
    "Throttles APIHandler": _QUIET,
    "Throttles Parked": _QUIET,
    "Throttles Reconcile": _QUIET,
    "jobs": _QUIET,
    "next_fire": _QUIET,
    "by_job": _QUIET,
    "accounts": _QUIET,
}
"""By the name of the metric, what it is told apart by and its statistic; expressions by their id."""

_EXACT = frozenset({"target", "Ticks", "Invocations Tick"})


def series(key: str) -> list[float]:
    """A value for each minute. The same for the same key, wherever it is asked."""
    shape, own = SHAPES[key], random.Random(key)  # noqa: S311 - a picture, not a secret
    return [_value(shape, minute, noise=0 if key in _EXACT else own.gauss(0, 0.02)) for minute in range(MINUTES)]


def _value(shape: Shape, minute: int, *, noise: float) -> float:
    traffic = 1 + shape.grows * (_TRAFFIC[minute] - 1)
    value = shape.level * traffic * (1 + noise) + shape.surge * _incident(minute - shape.lag) * (1 + 4 * noise)
    return max(0, round(value, 1))


def _incident(minute: int) -> float:
    """From 0 to 1 and back."""
    return max(0, 1 - ((minute - _PEAK) / _HALF) ** 2)


def _traffic() -> list[float]:
    """Firings of each minute by their mean: many jobs are written for the quarters of an hour."""
    dice = random.Random("traffic")  # noqa: S311 - as above
    return [1 + dice.gauss(0, 0.05) + (0.4 if minute % 15 == 0 else 0) for minute in range(MINUTES)]


_TRAFFIC: Final = _traffic()
