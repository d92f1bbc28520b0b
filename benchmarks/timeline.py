"""Virtual time for code that waits in the middle: invocations of a worker whose receivers hang.

Each invocation has a thread, and one runs at a time: who sleeps lets the next one in time run. Equals run in the order
in which they went to sleep, so a run is the same each time.
"""

import heapq
import itertools
import threading
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import TypeVar

T = TypeVar("T")
U = TypeVar("U")


class Timeline:
    """The one time there is. The thread that calls `run` drives it, and belongs to none of the sleepers."""

    def __init__(self, now: datetime) -> None:
        self._now, self._numbers = now, itertools.count()
        self._sleepers: list[tuple[datetime, int, threading.Semaphore]] = []
        self._mine = threading.local()
        self._driver = threading.Semaphore(0)
        self._failure: BaseException | None = None

    def now(self) -> datetime:
        """The time."""
        return self._now

    def sleep_until(self, moment: datetime) -> None:
        """Lets the others run until then. The driver moves the time instead: it has nobody to wait for."""
        turn = getattr(self._mine, "turn", None)
        if turn is None:
            self._now = max(self._now, moment)
            return
        self._line_up(moment, turn)
        self._driver.release()
        turn.acquire()

    def spawn(self, work: Callable[[], None]) -> None:
        """Begins a thing now, once it has its turn."""
        turn = threading.Semaphore(0)
        threading.Thread(target=self._live, args=(work, turn), daemon=True).start()
        self._line_up(self._now, turn)

    def run(self, until: datetime) -> None:
        """Lets everybody run up to a moment. Raises what any of them raised."""
        while self._sleepers and self._sleepers[0][0] <= until:
            moment, _, turn = heapq.heappop(self._sleepers)
            self._now = max(self._now, moment)
            turn.release()
            self._driver.acquire()
            if self._failure:
                raise self._failure
        self._now = max(self._now, until)

    def _line_up(self, moment: datetime, turn: threading.Semaphore) -> None:
        heapq.heappush(self._sleepers, (moment, next(self._numbers), turn))

    def _live(self, work: Callable[[], None], turn: threading.Semaphore) -> None:
        self._mine.turn = turn
        turn.acquire()
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - the driver raises it
            self._failure = error
        self._driver.release()


class Watch:
    """The Clock and the Crew of one invocation: what its crew does at once takes as long as the slowest of it."""

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self._apart: datetime | None = None  # the time for one of the crew

    def now(self) -> datetime:
        """The time, as one of the crew has it while it works."""
        return self._apart or self._timeline.now()

    def sleep_until(self, moment: datetime) -> None:
        """Only the invocation as a whole lets others run."""
        if self._apart is None:
            self._timeline.sleep_until(max(moment, self.now()))
        else:
            self._apart = max(self._apart, moment)

    def take(self, span: timedelta) -> None:
        """Something takes so long."""
        self.sleep_until(self.now() + span)

    def map(self, do: Callable[[T], U], things: Sequence[T], *, hands: int) -> list[U]:
        """One after the other, all from the same moment on."""
        if hands == 1 or self._apart:
            return [do(thing) for thing in things]
        began = end = self._timeline.now()
        results = []
        for thing in things:
            self._apart = began
            results.append(do(thing))
            end = max(end, self._apart)
        self._apart = None
        self.sleep_until(end)
        return results
