"""Every call by which a world reaches what is outside of its process, named, counted, and made to go wrong at will.

The database is reached through its door, one `call(operation, request)` each; so is the key service. The queue and the
receivers have fakes of their own. A death is that of the whole process: nothing it does afterwards reaches anybody,
also not what another of its threads was about to do.
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, TypeVar

from benchmarks.standin import schema
from benchmarks.standin.door import InProcess
from benchmarks.standin.dynamo import Dynamo
from chalicelib.ports import Depth, Due, Received
from chalicelib.scheduling.errors import Unavailable
from chalicelib.scheduling.execution import Outcome
from chalicelib.scheduling.job import to_millis
from chalicelib.scheduling.target import Webhook
from chalicelib.storage.tables import Door, Table
from chalicelib.storage.vault import KmsVault
from tests.fakes import FakeClock, FakeKms, FakeQueue, FakeReceiver
from tests.operations.breaking import Killed
from tests.world import START, VISIBILITY, World

T = TypeVar("T")
U = TypeVar("U")

SEND = "the call"
WAYS = ("dies before", "dies after", "loses the reply", "loses it once", "is away")
DEATHS = WAYS[:2]
OUTSIDE = {SEND, "ReceiveMessage", "DeleteMessageBatch"}  # a receiver and the driver of a queue see us live or die


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One of the calls that an action makes: the `number`-th of this name, counted from 1."""

    name: str
    number: int

    def __str__(self) -> str:
        return f"{self.name} {self.number}"


class Calls:
    """What passes between a process and the rest, and the one fate that may be in wait for it."""

    def __init__(self) -> None:
        self.made: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._step: Step | None = None
        self._how, self._dead = "", False
        self._countdown, self._struck = 0, False
        self._away: Callable[[str], bool] = lambda _name: False

    @contextmanager
    def fated(self, step: Step | None, how: str = "") -> Iterator[None]:
        """A process during which one step goes wrong; its death ends the block, not the test."""
        self.made.clear()
        self._step, self._how, self._dead = step, how or self._how, False
        try:
            yield
        except Killed:
            pass
        finally:
            self._step, self._dead = None, False

    def strike(self, number: int, how: str) -> None:
        """The `number`-th call from now goes wrong, whatever it is and whoever makes it."""
        self._countdown, self._how = number, how

    def take_struck(self) -> bool:
        """Whether that has happened since this was last asked."""
        struck, self._struck = self._struck, False
        return struck

    def throttle(self, away: Callable[[str], bool]) -> None:
        """From now on a call whose name it says yes to is refused in every try."""
        self._away = away

    def through(self, name: str, do: Callable[[], T]) -> T:
        """One call. A reply that is lost once is asked for again, as the wire does."""
        match self._fate_of(name):
            case "dies before":
                self._die()
            case "dies after":
                do()
                self._die()
            case "loses the reply":
                do()
                raise Unavailable("the database")
            case "loses it once":
                do()
            case "is away":
                raise Unavailable("the database")
        return do()

    def _fate_of(self, name: str) -> str:
        with self._lock:
            if self._dead:
                raise Killed
            self.made[name] += 1
            if self._away(name):
                return "is away"
            if self._countdown:
                return self._counted_down(name)
            if self._step != Step(name=name, number=self.made[name]):
                return ""
            self._struck = True
            return self._how

    def _counted_down(self, name: str) -> str:
        self._countdown -= 1
        if self._countdown:
            return ""
        self._struck = True
        if name not in OUTSIDE or self._how in DEATHS:
            return self._how
        return "dies before" if self._how == "is away" else "dies after"

    def _die(self) -> None:
        self._dead = True
        raise Killed


class OneByOne:
    """One hand for everything, so that the calls come in the same order every time."""

    def map(self, do: Callable[[T], U], things: Sequence[T], *, hands: int) -> list[U]:
        assert hands
        return [do(thing) for thing in things]


class WatchedDoor:
    """A door through which calls are counted."""

    def __init__(self, door: Door, calls: Calls) -> None:
        self._door, self._calls = door, calls

    def call(self, operation: str, request: Mapping[str, Any], /) -> dict[str, Any]:
        return self._calls.through(operation, lambda: self._door.call(operation, request))


class WatchedKms(FakeKms):
    """The key service."""

    def __init__(self, calls: Calls) -> None:
        super().__init__()
        self._calls = calls

    def call(self, operation: str, request: Mapping[str, Any], /) -> Mapping[str, Any]:
        ask = super().call
        return self._calls.through(operation, lambda: ask(operation, request))


class WatchedQueue(FakeQueue):
    """The queue, as the service's functions and what drives them see it."""

    def __init__(self, clock: FakeClock, calls: Calls) -> None:
        super().__init__(clock, visibility=VISIBILITY)
        self._calls = calls

    def send(self, dues: Sequence[Due], *, now: datetime) -> Sequence[Due]:
        send = super().send
        return self._calls.through("SendMessageBatch", lambda: send(dues, now=now))

    def depth(self) -> Depth:
        return self._calls.through("GetQueueAttributes", super().depth)

    def receive(self, most: int = 10) -> list[Received]:
        """Counted only where a message comes: it is asked for all the time."""
        receive = super().receive
        waits = any(one.visible_at <= self._clock.now() for one in self.messages)
        return self._calls.through("ReceiveMessage", lambda: receive(most)) if waits else []

    def delete(self, message_ids: Sequence[str]) -> None:
        delete = super().delete
        if message_ids:
            self._calls.through("DeleteMessageBatch", lambda: delete(message_ids))


class WatchedReceiver(FakeReceiver):
    """Every receiver there is."""

    def __init__(self, calls: Calls) -> None:
        super().__init__()
        self.passes = calls.through

    def send(self, webhook: Webhook, **named: Any) -> Outcome:
        send = super().send
        return self.passes(SEND, lambda: send(webhook, **named))


class WatchedWorld(World):
    """A world in which a tick that fails is an invocation that fails: the next minute has its own."""

    def tick(self) -> int:
        try:
            return super().tick()
        except Unavailable:
            return 0


def a_watched_world(
    calls: Calls, *, begin: datetime = START, through: Callable[[Door], Door] = lambda door: door
) -> WatchedWorld:
    """A world all of whose calls can be watched. Its pauses take the clock's time; its ticks have one shard.

    `through`: what else stands in the database's door.
    """
    clock, names = FakeClock(begin), schema.names("test")
    door = WatchedDoor(through(InProcess(Dynamo(schema.tables("test"), lambda: to_millis(clock.now())))), calls)
    accounts, jobs = (
        Table(door, name, sleep=lambda seconds: clock.sleep_until(after(clock, seconds)))
        for name in (names.accounts, names.jobs)
    )
    world = WatchedWorld(accounts, jobs, clock=clock, shards=1)
    world.queue, world.receiver, world.kms = WatchedQueue(clock, calls), WatchedReceiver(calls), WatchedKms(calls)
    vault = KmsVault(world.kms, "alias/test", clock)
    world.services = replace(world.services, crew=OneByOne(), queue=world.queue, webhooks=world.receiver, vault=vault)
    return world


def after(clock: FakeClock, seconds: float) -> datetime:
    """To the millisecond, as clocks are read."""
    return clock.now() + timedelta(milliseconds=round(seconds * 1000))
