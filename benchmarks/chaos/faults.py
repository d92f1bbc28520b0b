"""What is done to a running stack while jobs fall due, by the seed. Each is a function that returns when it is over.

Every kill is noted with the time in which what was sent may have stayed unrecorded: that explains a double.
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Final

from benchmarks.chaos.plan import Window
from benchmarks.chaos.reckoning import Span
from benchmarks.chaos.stack import Engine, killed
from chalicelib.scheduling.claiming import floor_to_minute

LONGEST_BATCH: Final = timedelta(seconds=5)
"""A worker that lives records within this after it sent: half its time-out, which is what one call may take."""
REDELIVERY: Final = timedelta(seconds=45)
"""What a dead worker sent comes again after this at the earliest: the visibility time-out of 60 s has begun before."""
LAST_BREATH: Final = timedelta(seconds=0.5)
"""The processes of functions notice within this that their engine is gone."""
SNAPSHOT: Final = timedelta(seconds=0.5)
"""A snapshot's file is written within this after its content was taken."""
ODDS: Final = 0.5
MINUTE: Final = timedelta(minutes=1)

Wait = Callable[[datetime], bool]
"""Sleeps until then; false: it was told to stop."""


@dataclass(kw_only=True)
class Harm:
    """What was done."""

    counts: dict[str, int] = field(default_factory=dict)
    spans: list[Span] = field(default_factory=list)
    rollbacks: list[Span] = field(default_factory=list)

    def note(self, what: str, number: int = 1) -> None:
        """So many more of these."""
        self.counts[what] = self.counts.get(what, 0) + number

    def told(self) -> str:
        """For the table."""
        return ", ".join(f"{number} {what}" for what, number in self.counts.items()) or "none"


Fault = Callable[[Engine, Random, Window, Wait, Harm], None]


def none(_engine: Engine, _rng: Random, _window: Window, _wait: Wait, _harm: Harm) -> None:
    """Leaves it in peace."""


def kill_workers(engine: Engine, rng: Random, window: Window, wait: Wait, harm: Harm) -> None:
    """Each worker process as likely as not, every two to eight seconds."""
    for moment in moments(rng, window, between=(2.0, 8.0)):
        if not wait(moment):
            return
        victims = [pid for pid in engine.processes_of("Deliver") if rng.random() < ODDS]
        harm.note("worker processes killed", sum(map(killed, victims)))
        now = datetime.now(UTC)
        harm.spans.append(Span(start=now - LONGEST_BATCH, end=now, again=REDELIVERY))


def kill_ticks(engine: Engine, rng: Random, window: Window, wait: Wait, harm: Harm) -> None:
    """The tick's process in the first second and a half of every minute, the time in which it works; from now on."""
    minute = floor_to_minute(datetime.now(UTC)) + MINUTE
    while minute < window.end:
        if not wait(minute + timedelta(seconds=rng.uniform(0.1, 1.5))):
            return
        harm.note("tick processes killed", sum(map(killed, engine.processes_of("Tick"))))
        minute += MINUTE


def kill_engine(engine: Engine, rng: Random, window: Window, wait: Wait, harm: Harm) -> None:
    """Database, queues, scheduler and all functions, every fifteen to thirty-five seconds; away for up to two."""
    for moment in moments(rng, window, between=(15.0, 35.0)):
        if not wait(moment):
            return
        engine.kill()
        now, written_at = datetime.now(UTC), engine.written_at()
        harm.note("engines killed")
        harm.note("s of acknowledged writes forgotten in all", round((now - written_at).total_seconds()))
        forgotten = Span(start=written_at - SNAPSHOT - LONGEST_BATCH, end=now + LAST_BREATH)
        harm.rollbacks.append(forgotten)
        harm.spans.append(forgotten)
        wait(now + timedelta(seconds=rng.uniform(0.5, 2.0)))
        engine.start()


def moments(rng: Random, window: Window, *, between: tuple[float, float]) -> Sequence[datetime]:
    """Times in the window, so many seconds apart."""
    found, moment = [], window.start
    while (moment := moment + timedelta(seconds=rng.uniform(*between))) < window.end:
        found.append(moment)
    return found


def waiting(stop: threading.Event) -> Wait:
    """Sleeps unless it is told to stop."""

    def wait(moment: datetime) -> bool:
        return not stop.wait(max(0.0, moment.timestamp() - time.time()))

    return wait
