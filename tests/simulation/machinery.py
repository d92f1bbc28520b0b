"""What AWS does by itself: EventBridge's minute, and Lambda's pollers, which are no part of what is tested."""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Any

from chalicelib.delivery.queue import received
from chalicelib.operations.deliver import deliver, park
from chalicelib.operations.tick import tick
from chalicelib.ports import Received
from chalicelib.scheduling.errors import BelltowerError
from chalicelib.scheduling.job import to_millis
from tests.simulation.cloud import MILLISECOND, Cloud
from tests.simulation.loop import Process
from tests.simulation.weather import MINUTE, SECOND
from tests.world import START

FIRST_MINUTE = MINUTE - START.second * SECOND
MOST_STEPS = 24  # of a process that is to be killed: at one of so many, where it comes so far
POLL = 200
AT_ONCE, LARGEST = 50, 10  # workers, and messages of a batch: as many as a poller happens to find
TICK_BUDGET, TICK_LIMIT = timedelta(seconds=50), 60 * SECOND
PUNCTUAL, BELATED = (0, 2 * SECOND), (2 * SECOND, 55 * SECOND)

Deliver = Callable[..., frozenset[str]]


class Invoker:
    """Begins processes: each with its clock, the step at which it is to die, and its time-out."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud, self._begun = cloud, 0

    def invoke(self, kind: str, work: Callable[[Process], None], *, limit: int, killed: float, skew: int) -> Process:
        """A process that is over after `limit` milliseconds, one way or the other."""
        random, loop = self.cloud.random, self.cloud.loop
        self._begun += 1
        dies_at = random.randint(1, MOST_STEPS) if self.cloud.elements.happens(killed) else 0
        process = Process(f"{kind}-{self._begun}", skew=random.randint(-skew, skew), began_at=loop.now, dies_at=dies_at)
        loop.spawn(process, partial(self._watched, process, work))
        loop.at(loop.now + limit, partial(self._time_out, process))
        return process

    def _watched(self, process: Process, work: Callable[[Process], None]) -> None:
        try:
            work(process)
        except BelltowerError as error:
            self.cloud.history.note(self.cloud.loop.now, f"{process.name} raised {type(error).__name__}")

    def _time_out(self, process: Process) -> None:
        if process.ended_at is None:
            self.cloud.history.fault(self.cloud.loop.now, "timed out", process.name)
            self.cloud.loop.end(process, killed=True)


class EventBridge:
    """One event for each minute: late, twice, or not at all, as the weather has it.

    Where punctuality is promised, a tick that fails is followed by one that does not.
    """

    def __init__(self, invoker: Invoker, ticking: Callable[..., int] = tick) -> None:
        self._invoker, self._cloud, self._tick = invoker, invoker.cloud, ticking
        self._spared = False
        self._cloud.loop.at(FIRST_MINUTE, partial(self._minute, FIRST_MINUTE))

    def _minute(self, moment: int) -> None:
        elements = self._cloud.elements
        weather, happens = elements.weather, elements.happens
        self._cloud.loop.at(moment + MINUTE, partial(self._minute, moment + MINUTE))
        spared, self._spared = self._spared, False
        if not spared and happens(weather.tick_skipped):
            self._spared = self._cloud.scenario.punctual
            self._cloud.history.fault(moment, "tick skipped", "")
            return
        killed = 0.0 if spared else weather.tick_killed
        for _ in range(2 if happens(weather.tick_doubled) else 1):
            wait = BELATED if not spared and happens(weather.tick_late) else PUNCTUAL
            begins = moment + self._cloud.random.randint(*wait)
            self._cloud.loop.at(begins, partial(self._begin, moment, killed))

    def _begin(self, moment: int, killed: float) -> None:
        def work(_process: Process) -> None:
            minute, now = START + moment * MILLISECOND, self._cloud.services.clock.now()
            self._tick(self._cloud.services, minute, until=now + TICK_BUDGET)

        skew = self._cloud.elements.weather.tick_skew
        process = self._invoker.invoke("tick", work, limit=TICK_LIMIT, killed=killed, skew=skew)
        self._spared = self._spared or (self._cloud.scenario.punctual and process.dies_at > 0)


class Pollers:
    """Lambda's event source of one queue: batches of ten, partial failures, and whatever is left comes back.

    `dead`: the event source of its dead letters.
    """

    def __init__(self, invoker: Invoker, queue: str, work: Deliver, *, dead: "Pollers | None" = None) -> None:
        self._invoker, self._cloud, self._url, self._work, self._dead = invoker, invoker.cloud, queue, work, dead
        self._queue = self._cloud.sqs.queues[queue]
        self._looks_at: int | None = None
        self.running: list[Process] = []
        self.look()

    @property
    def quiet(self) -> bool:
        """Whether no worker is at work, and no message is to be had or in flight."""
        counts = self._queue.counts
        return not (counts["waiting"] or counts["in_flight"] or any(one.ended_at is None for one in self.running))

    def look(self) -> None:
        """There may be something by the next turn."""
        self._look_at(self._cloud.loop.now + 1)

    def _look_at(self, moment: int) -> None:
        moment = -(-moment // POLL) * POLL
        if self._looks_at is None or moment < self._looks_at:
            self._looks_at = moment
            self._cloud.loop.at(moment, partial(self._turn, moment))

    def _turn(self, moment: int) -> None:
        if moment != self._looks_at:
            return
        self._looks_at = None
        self.running = [process for process in self.running if process.ended_at is None]
        while len(self.running) < AT_ONCE and (messages := self._received()):
            self._begin(messages)
        if self._dead:
            self._dead.look()
        change = self._queue.next_change()
        if self._queue.counts["waiting"]:
            self.look()
        elif change is not None:
            self._look_at(change - to_millis(START))

    def _received(self) -> Sequence[Mapping[str, Any]]:
        request = {"QueueUrl": self._url, "MaxNumberOfMessages": self._cloud.random.randint(1, LARGEST)}
        found: Sequence[Mapping[str, Any]] = self._cloud.sqs.dispatch("ReceiveMessage", request).get("Messages", [])
        return found

    def _begin(self, messages: Sequence[Mapping[str, Any]]) -> None:
        weather, lease = self._cloud.elements.weather, self._cloud.scenario.lease * SECOND
        work = partial(self._worked, messages)
        process = self._invoker.invoke("worker", work, limit=lease, killed=weather.killed, skew=weather.skew)
        self.running.append(process)
        bodies = ", ".join(one["Body"] for one in messages)
        self._cloud.history.note(self._cloud.loop.now, f"{process.name} received {bodies}")

    def _worked(self, messages: Sequence[Mapping[str, Any]], process: Process) -> None:
        left = self._work(self._cloud.services, self._batch(messages), nonce=process.name)
        done = [one for one in messages if self._cloud.queue_door.received(one["MessageId"]) not in left]
        entries = [{"Id": str(place), "ReceiptHandle": one["ReceiptHandle"]} for place, one in enumerate(done)]
        if entries:
            self._cloud.sqs.dispatch("DeleteMessageBatch", {"QueueUrl": self._url, "Entries": entries})

    def _batch(self, messages: Sequence[Mapping[str, Any]]) -> Sequence[Received]:
        records = [
            {
                "messageId": self._cloud.queue_door.received(one["MessageId"]),
                "attributes": one["Attributes"],
                "body": one["Body"],
            }
            for one in messages
        ]
        return received({"Records": records})


class Machinery:
    """All of it. `delivering` and `ticking`: what is run, so that a test may run something worse."""

    def __init__(self, cloud: Cloud, *, delivering: Deliver = deliver, ticking: Callable[..., int] = tick) -> None:
        self.invoker, names = Invoker(cloud), cloud.names
        EventBridge(self.invoker, ticking)
        dead = Pollers(self.invoker, names.dead_letters, park)
        lanes = {name: Pollers(self.invoker, name, delivering, dead=dead) for name in (names.firings, names.retries)}
        self.pollers = {**lanes, names.dead_letters: dead}
        cloud.queue_door.noticed = self._noticed

    @property
    def quiet(self) -> bool:
        """Whether nobody is at work, and no message is to be had or held by anybody."""
        return all(poller.quiet for poller in self.pollers.values())

    def _noticed(self, queue: str) -> None:
        self.pollers[queue].look()
