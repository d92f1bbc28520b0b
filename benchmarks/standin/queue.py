"""One standard queue of SQS in memory. Pure: every call is told the time.

    added --(delay)--> waiting in its group --take--> in flight --(visibility)--> waiting again
                                            `--received too often--> the dead-letter queue

Delays and visibility time-outs end to the millisecond, by a heap. **Fair queueing**: a message belongs to the group it
names, one that names none to a group of its own, and the next message is that of the group with the fewest in flight;
between equals, of the one that was served longest ago. SQS itself sets back only groups that hold a tenth of what is in
flight, and 30 messages at least; here every group is weighed. Both heaps are cleaned lazily: what has moved since it
was pushed is skipped, so each operation costs O(log n).
"""

import heapq
from collections import deque
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueSchema:
    """A queue. `visibility` in seconds; `dead_letters` takes what was received `most_receives` times."""

    name: str
    visibility: int = 30
    dead_letters: str = ""
    most_receives: int = 0


@dataclass(slots=True, kw_only=True)
class Message:
    """A message, wherever it is. `turn` counts its moves, so that a heap knows which of its entries still holds."""

    message_id: str
    body: str
    named_group: str
    sent_at: int
    queue: str = ""
    turn: int = 0
    receives: int = 0
    first_received_at: int = 0
    in_flight: bool = False
    deleted: bool = False

    @property
    def group(self) -> str:
        """The group it is weighed with."""
        return self.named_group or f"/{self.message_id}"


@dataclass(slots=True)
class Group:
    """The messages of one tenant. `served`: the step at which it last had its turn, or came. `turn` as in a message."""

    waiting: deque[Message] = field(default_factory=deque)
    in_flight: int = 0
    served: int = 0
    turn: int = 0


class Queue:
    """One queue."""

    def __init__(self, schema: QueueSchema, dead_letters: "Queue | None" = None) -> None:
        self.schema, self._dead_letters = schema, dead_letters
        self._sleeping: list[tuple[int, int, int, Message]] = []
        self._ready: list[tuple[int, int, int, str]] = []
        self._groups: dict[str, Group] = {}
        self._steps = 0
        self.counts = {"waiting": 0, "in_flight": 0, "delayed": 0}

    def add(self, message: Message, *, visible_at: int, now: int) -> None:
        """Takes a message in, to be seen from a moment on."""
        message.queue = self.schema.name
        if visible_at > now:
            self.counts["delayed"] += 1
            self._sleep(message, visible_at)
        else:
            self._wait(message)

    def take(self, *, visible_at: int, now: int) -> Message | None:
        """The next message, in flight until a moment. Parks those that were received too often."""
        self.advance(now)
        while (message := self._next()) is not None:
            message.receives += 1
            message.first_received_at = message.first_received_at or now
            if self._dead_letters is None or message.receives <= self.schema.most_receives:
                self.hold(message, visible_at=visible_at)
                return message
            self._forget(message.group, self._groups[message.group])
            self._dead_letters.add(message, visible_at=now, now=now)
        return None

    def hold(self, message: Message, *, visible_at: int) -> None:
        """Puts a received message in flight, or changes until when it is."""
        if not message.in_flight:
            message.in_flight = True
            self._weigh(message, 1)
        self._sleep(message, visible_at)

    def release(self, message: Message) -> None:
        """Makes a message in flight visible at once."""
        self._land(message)
        self._wait(message)

    def delete(self, message: Message) -> None:
        """It does not come again."""
        if message.in_flight:
            self._land(message)
            message.turn += 1
        elif not message.deleted:
            self.counts["waiting"] -= 1
        message.deleted = True

    def advance(self, now: int) -> None:
        """Lets every delay and time-out end that ends by now."""
        while self._sleeping and self._sleeping[0][0] <= now:
            _, _, turn, message = heapq.heappop(self._sleeping)
            if turn != message.turn:
                continue
            if message.in_flight:
                self._land(message)
            else:
                self.counts["delayed"] -= 1
            self._wait(message)

    def next_change(self) -> int | None:
        """When the next delay or time-out ends, in Unix milliseconds."""
        while self._sleeping and self._sleeping[0][2] != self._sleeping[0][3].turn:
            heapq.heappop(self._sleeping)
        return self._sleeping[0][0] if self._sleeping else None

    def _sleep(self, message: Message, visible_at: int) -> None:
        message.turn += 1
        self._steps += 1
        heapq.heappush(self._sleeping, (visible_at, self._steps, message.turn, message))

    def _wait(self, message: Message) -> None:
        message.turn += 1
        self.counts["waiting"] += 1
        self._steps += 1
        group = self._groups.setdefault(message.group, Group(served=self._steps))
        group.waiting.append(message)
        if len(group.waiting) == 1:
            self._line_up(message.group, group)

    def _next(self) -> Message | None:
        """The first message of the group whose turn it is."""
        while self._ready:
            _, _, turn, name = heapq.heappop(self._ready)
            group = self._groups.get(name)
            if group is None or turn != group.turn:
                continue
            message = self._first(group)
            if message:
                self._steps += 1
                group.served = self._steps
                self.counts["waiting"] -= 1
                self._line_up(name, group)
                return message
            self._forget(name, group)
        return None

    def _first(self, group: Group) -> Message | None:
        while group.waiting:
            message = group.waiting.popleft()
            if not message.deleted:
                return message
        return None

    def _line_up(self, name: str, group: Group) -> None:
        group.turn += 1
        if group.waiting:
            heapq.heappush(self._ready, (group.in_flight, group.served, group.turn, name))

    def _land(self, message: Message) -> None:
        message.in_flight = False
        self._weigh(message, -1)

    def _weigh(self, message: Message, by: int) -> None:
        self.counts["in_flight"] += by
        group = self._groups[message.group]
        group.in_flight += by
        self._line_up(message.group, group)
        self._forget(message.group, group)

    def _forget(self, name: str, group: Group) -> None:
        if not group.waiting and not group.in_flight:
            del self._groups[name]
