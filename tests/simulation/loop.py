"""Virtual time, and the processes that live in it.

The operations are plain code that waits in the middle, for a database or for a receiver. So that two of them can meet
at every wait, each has a thread; but one baton goes round, and only who holds it runs. Who waits hands it to whatever
comes next: events are in order of their time, and between equals the seed decides. So the machine's own clock and its
scheduler have no say, and a run happens again exactly as it did.

A process is killed as Lambda kills one: between two instructions, with everything it was doing. Its tasks find out when
they would next run, and unwind without another effect.
"""

import heapq
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import TypeVar

T = TypeVar("T")
U = TypeVar("U")


class Killed(BaseException):
    """The process ends here: nothing catches this."""


@dataclass(slots=True, eq=False)
class Process:
    """One invocation, or a user's request. `dies_at`: the number of the step at which it is killed, counted from 1.

    `skew`: by how many milliseconds its clock is ahead. `ended_at`: when it died, or returned.
    """

    name: str
    skew: int = 0
    began_at: int = 0
    dies_at: int = 0
    steps: int = 0
    dead: bool = False
    ended_at: int | None = None


@dataclass(slots=True, eq=False)
class Runner:
    """A thread and the work it has. `baton`: held by nobody else while it runs."""

    process: Process
    work: Callable[[], None] | None = None
    baton: threading.Lock = field(default_factory=threading.Lock)
    thread: threading.Thread | None = None


What = Runner | Callable[[], None]


class Loop:
    """The one time line. Milliseconds since its beginning; who makes it is its first task."""

    def __init__(self, random: Random) -> None:
        self.now = 0
        self.failures: list[BaseException] = []
        self._random, self._pushed = random, 0
        self._events: list[tuple[int, float, int, What]] = []
        self._main = self._current = self._waiting(Runner(Process("the test")))
        self._idle: list[Runner] = []
        self._runners: list[Runner] = []

    @property
    def process(self) -> Process:
        """The one that runs."""
        return self._current.process

    def at(self, moment: int, do: Callable[[], None]) -> None:
        """Does a thing then, which must not wait."""
        self._push(moment, do)

    def spawn(self, process: Process, work: Callable[[], None]) -> None:
        """Begins a process; what it raises ends the run."""

        def life() -> None:
            try:
                alive(process)
                work()
            finally:
                self.end(process)

        self._begin(process, life)

    def end(self, process: Process, *, killed: bool = False) -> None:
        """It died, or returned: whichever was first."""
        process.dead = process.dead or killed
        if process.ended_at is None:
            process.ended_at = self.now

    def sleep(self, millis: int) -> None:
        """Lets that much time pass. Others run meanwhile."""
        me = self._current
        alive(me.process)
        self._push(self.now + max(millis, 0), me)
        self._hand_on(me)
        alive(me.process)
        if me is self._main and self.failures:
            raise self.failures[0]

    def map(self, do: Callable[[T], U], things: Sequence[T], *, hands: int) -> list[U]:
        """The Crew of every process: all at once, however many hands there are; a death is that of all."""
        if min(hands, len(things)) <= 1:
            return [do(thing) for thing in things]
        me, results, errors = self._current, dict[int, U](), list[Exception]()
        left = len(things)

        def one(number: int, thing: T) -> None:
            nonlocal left
            try:
                alive(me.process)
                results[number] = do(thing)
            except Exception as error:  # noqa: BLE001 - for whoever asked
                errors.append(error)
            finally:
                left -= 1
                if not left:
                    self._push(self.now, me)

        for number, thing in enumerate(things):
            self._begin(me.process, partial(one, number, thing))
        self._hand_on(me)
        alive(me.process)
        if errors:
            raise errors[0]
        return [results[number] for number in range(len(things))]

    def close(self) -> None:
        """Ends every process, and every thread."""
        self._events = [event for event in self._events if isinstance(event[3], Runner)]
        heapq.heapify(self._events)
        self.failures.clear()
        for runner in self._runners:
            self.end(runner.process, killed=True)
        while len(self._idle) < len(self._runners):
            self.sleep(1000)
        for runner in self._idle:
            runner.work = None
            runner.baton.release()
        for runner in self._idle:
            if runner.thread:
                runner.thread.join()

    def _begin(self, process: Process, work: Callable[[], None]) -> None:
        runner = self._idle.pop() if self._idle else self._new_runner()
        runner.process, runner.work = process, work
        self._push(self.now, runner)

    def _new_runner(self) -> Runner:
        runner = self._waiting(Runner(self.process))
        runner.thread = threading.Thread(target=self._live, args=(runner,), daemon=True)
        runner.thread.start()
        self._runners.append(runner)
        return runner

    def _live(self, runner: Runner) -> None:
        """A thread's life: work after work, until there is none."""
        while True:
            runner.baton.acquire()
            if runner.work is None:
                return
            try:
                runner.work()
            except Killed:
                pass
            except BaseException as error:  # noqa: BLE001 - the first task raises it
                self.failures.append(error)
            self._idle.append(runner)
            self._current = self._next()
            self._current.baton.release()

    def _hand_on(self, me: Runner) -> None:
        following = self._next()
        if following is not me:
            self._current = following
            following.baton.release()
            me.baton.acquire()

    def _next(self) -> Runner:
        while True:
            moment, _, _, what = heapq.heappop(self._events)
            self.now = moment
            if isinstance(what, Runner):
                return what
            try:
                what()
            except Exception as error:  # noqa: BLE001 - the first task raises it
                self.failures.append(error)

    def _push(self, moment: int, what: What) -> None:
        self._pushed += 1
        heapq.heappush(self._events, (moment, self._random.random(), self._pushed, what))

    @staticmethod
    def _waiting(runner: Runner) -> Runner:
        runner.baton.acquire()
        return runner


def alive(process: Process) -> None:
    """Raises Killed in what is dead."""
    if process.dead:
        raise Killed
