"""The doors to the database, the queues and the key service, with the weather in front of them.

A call is what the wire makes of it: a few tries, each of which takes its time, may be throttled before it has had an
effect, or lose its reply after it; when none got an answer, it is Unavailable. Before and after it the caller may be
killed.
"""

from collections.abc import Callable, Mapping
from random import Random
from typing import Any

from benchmarks.standin.door import InProcess, Service
from chalicelib.scheduling.errors import Unavailable
from tests.simulation.history import History
from tests.simulation.loop import Killed, Loop
from tests.simulation.partly import done_partly
from tests.simulation.weather import CALM, Weather

TRIES = 3
QUICK, SLOW = (1, 12), (300, 2500)
LATER = (1000, 30_000)

Request = Mapping[str, Any]
Answer = dict[str, Any]


class Elements:
    """What all doors share: the time, the dice, the weather of the moment, and what is away altogether."""

    def __init__(self, loop: Loop, random: Random, history: History) -> None:
        self.loop, self.random, self.history = loop, random, history
        self.weather: Weather = CALM
        self.away: set[str] = set()

    def happens(self, probability: float) -> bool:
        """One throw. What never happens costs none, so that good weather is as good as none."""
        return probability > 0 and self.random.random() < probability

    def step(self, what: str) -> None:
        """One more step of the process that runs, which may be its last."""
        process = self.loop.process
        process.steps += 1
        if process.dead:
            raise Killed
        if process.steps == process.dies_at:
            self.history.fault(self.loop.now, "killed", f"{process.name} {what}")
            self.loop.end(process, killed=True)
            raise Killed

    def take(self, between: tuple[int, int]) -> None:
        """Lets some time pass."""
        self.loop.sleep(self.random.randint(*between))


class Door:
    """One service."""

    def __init__(self, elements: Elements, service: Service, *, named: str) -> None:
        self._elements, self._inside, self._named = elements, InProcess(service), named

    def call(self, operation: str, request: Request, /) -> Answer:
        """The answer. Raises Refusal and Unavailable."""
        self._elements.step(f"before {operation}")
        answer = self._tried(operation, request)
        self._elements.step(f"after {operation}")
        return answer

    def _tried(self, operation: str, request: Request) -> Answer:
        for _ in range(TRIES):
            self._take()
            if self._away() or self._fault("throttled", operation):
                continue
            answer = self._done(operation, request)
            if self._fault("lost", operation):
                continue
            self._take()
            return answer
        self._elements.history.fault(self._elements.loop.now, "unavailable", f"{self._named}: {operation}")
        raise Unavailable(self._named)

    def _done(self, operation: str, request: Request) -> Answer:
        if not self._elements.weather.partly:
            return self._answered(operation, request)
        return done_partly(
            operation,
            request,
            unlucky=lambda _part: self._fault("partly", operation),
            do=lambda rest: self._answered(operation, rest),
        )

    def _answered(self, operation: str, request: Request) -> Answer:
        return self._inside.call(operation, request)

    def _away(self) -> bool:
        return self._named in self._elements.away

    def _fault(self, kind: str, operation: str) -> bool:
        happened = self._elements.happens(getattr(self._elements.weather, kind))
        if happened:
            self._elements.history.fault(self._elements.loop.now, kind, f"{self._named}: {operation}")
        return happened

    def _take(self) -> None:
        self._elements.take(SLOW if self._elements.happens(self._elements.weather.slow) else QUICK)


class QueueDoor(Door):
    """SQS, whose messages may be doubled, come late, or never.

    A double bears the id of the first: it is a copy of which SQS does not know. `_copies` tells their ids apart.
    `noticed` is told of a queue to which something was sent.
    """

    def __init__(self, elements: Elements, service: Service, *, named: str) -> None:
        super().__init__(elements, service, named=named)
        self._copies: dict[str, str] = {}
        self.noticed: Callable[[str], None] = lambda _queue: None

    def received(self, message_id: str) -> str:
        """The id under which a message was sent first."""
        return self._copies.get(message_id, message_id)

    def _answered(self, operation: str, request: Request) -> Answer:
        if operation != "SendMessageBatch":
            return super()._answered(operation, request)
        entries = [self._delayed(entry) for entry in request["Entries"]]
        kept = [entry for entry in entries if not self._happened("swallowed", entry)]
        answer: Answer = {"Successful": []}
        if kept:
            answer = super()._answered(operation, {**request, "Entries": kept})
            self._double(request, kept, answer)
            self.noticed(request["QueueUrl"])
        return answer

    def _delayed(self, entry: Request) -> Request:
        if not self._happened("delayed", entry):
            return entry
        later = self._elements.random.randint(*LATER) // 1000
        return {**entry, "DelaySeconds": min(entry["DelaySeconds"] + later, 900)}

    def _double(self, request: Request, kept: list[Request], answer: Answer) -> None:
        ids = {one["Id"]: one["MessageId"] for one in answer["Successful"]}
        for entry in kept:
            if self._happened("doubled", entry):
                later = self._elements.random.choice((0, 0, 1, 20, 300))
                copy = {**entry, "DelaySeconds": min(entry["DelaySeconds"] + later, 900)}
                [made] = super()._answered("SendMessageBatch", {**request, "Entries": [copy]})["Successful"]
                self._copies[made["MessageId"]] = ids[entry["Id"]]

    def _happened(self, kind: str, entry: Request) -> bool:
        happened = self._elements.happens(getattr(self._elements.weather, kind))
        if happened:
            self._elements.history.fault(self._elements.loop.now, kind, entry["MessageBody"])
        return happened
