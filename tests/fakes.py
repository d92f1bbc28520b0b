"""Real fakes of what is outside: a clock that is told the time, a queue, a receiver that keeps what it is sent, KMS."""

import itertools
import os
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from chalicelib.delivery.queue import decode, encode
from chalicelib.ports import Depth, Due, Received
from chalicelib.scheduling.errors import Unavailable
from chalicelib.scheduling.execution import Outcome, OutcomeKind
from chalicelib.scheduling.job import JobRef
from chalicelib.scheduling.lane import Lane
from chalicelib.scheduling.secret import Secret
from chalicelib.scheduling.target import AwsKeys, JobClass, Topic, Webhook

OK = Outcome(kind=OutcomeKind.DELIVERED, took=timedelta(milliseconds=5), status=200, body=b"ok")
BROKEN = Outcome(kind=OutcomeKind.REFUSED, took=timedelta(milliseconds=5), status=500, body=b"broken")


class FakeClock:
    """Shows the time it was told; whoever waits for a later one moves it there."""

    def __init__(self, now: datetime) -> None:
        self._now, self._lock = now, threading.Lock()

    def now(self) -> datetime:
        return self._now

    def sleep_until(self, moment: datetime) -> None:
        with self._lock:
            self._now = max(self._now, moment)

    def forward(self, **by: float) -> datetime:
        self.sleep_until(self._now + timedelta(**by))
        return self._now


@dataclass
class Message:
    message_id: str
    body: str
    visible_at: datetime
    receives: int = 0


class FakeQueue:
    """SQS as it promises to be: delays, visibility time-outs, receive counts, a dead-letter queue."""

    def __init__(self, clock: FakeClock, *, visibility: timedelta, max_receives: int = 5) -> None:
        self.messages: list[Message] = []
        self.dead: list[Message] = []
        self.down = False
        self.sent: list[Due] = []
        self._clock, self._visibility, self._max = clock, visibility, max_receives
        self._ids = (f"message-{number}" for number in itertools.count(1))

    def send(self, dues: Sequence[Due], *, now: datetime) -> Sequence[Due]:
        if self.down:
            return dues
        for due in dues:
            delay = timedelta(seconds=max(int((due.due_at - now).total_seconds()), 0))
            self.put(encode(due), self._clock.now() + delay)
            self.sent.append(due)
        return []

    def depth(self) -> Depth:
        visible = [decode(message.body) for message in self.messages if message.visible_at <= self._clock.now()]
        return Depth(lanes=Counter(due.lane if due else Lane.FIRST for due in visible))

    def put(self, body: str, visible_at: datetime) -> Message:
        message = Message(next(self._ids), body, visible_at)
        self.messages.append(message)
        return message

    def receive(self, most: int = 10) -> list[Received]:
        batch = []
        for message in [one for one in self.messages if one.visible_at <= self._clock.now()][:most]:
            message.receives += 1
            if message.receives > self._max:
                self.messages.remove(message)
                self.dead.append(message)
                continue
            message.visible_at = self._clock.now() + self._visibility
            batch.append(_received(message))
        return batch

    def receive_dead(self) -> list[Received]:
        return [_received(message) for message in self.dead]

    def delete(self, message_ids: Sequence[str]) -> None:
        self.messages = [one for one in self.messages if one.message_id not in message_ids]
        self.dead = [one for one in self.dead if one.message_id not in message_ids]


def _received(message: Message) -> Received:
    return Received(message_id=message.message_id, receives=message.receives, due=decode(message.body))


@dataclass
class Call:
    """One request that the receiver got."""

    webhook: Webhook
    message_id: str
    timestamp: datetime
    secrets: Sequence[Secret]

    @property
    def secret(self) -> Secret | None:
        """The newest."""
        return self.secrets[0] if self.secrets else None


@dataclass
class FakeReceiver:
    """Every web server there is: answers what `answers` says, or OK, and keeps the calls."""

    answers: Callable[[Webhook], Outcome] = lambda _webhook: OK
    calls: list[Call] = field(default_factory=list)
    owners: list[str] = field(default_factory=list)

    def send(
        self, webhook: Webhook, *, message_id: str, timestamp: datetime, secrets: Sequence[Secret], owner: str = ""
    ) -> Outcome:
        self.owners.append(owner)
        self.calls.append(Call(webhook, message_id, timestamp, secrets))
        return self.answers(webhook)

    @property
    def ids(self) -> list[str]:
        return [call.message_id for call in self.calls]


@dataclass
class FakeTopics:
    """Every SNS topic there is."""

    published: list[tuple[Topic, AwsKeys]] = field(default_factory=list)
    outcome: Outcome = OK

    def publish(self, topic: Topic, keys: AwsKeys) -> Outcome:
        self.published.append((topic, keys))
        return self.outcome


@dataclass
class FakePasswords:
    """Passwords that are quick, and keeps what was hashed; a hash of another make is outdated."""

    make: str = "plain"
    worked: list[str] = field(default_factory=list)

    def hashed(self, password: Secret) -> str:
        return f"{self.make}:{self._work(password)}"

    def matches(self, password: Secret, hashed: str | None) -> bool:
        return self._work(password) == (hashed or "").partition(":")[2] and hashed is not None

    def outdated(self, hashed: str) -> bool:
        return not hashed.startswith(f"{self.make}:")

    def _work(self, password: Secret) -> str:
        self.worked.append(password.reveal())
        return password.reveal()


@dataclass
class FakeClasses:
    """Every job class there is."""

    runs: list[tuple[JobClass, JobRef, str]] = field(default_factory=list)
    outcome: Outcome = OK

    def run(self, target: JobClass, ref: JobRef, *, execution_id: str) -> Outcome:
        self.runs.append((target, ref, execution_id))
        return self.outcome


@dataclass
class FakeEvents:
    """The operator's log; what is bound writes into the same."""

    lines: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    always: dict[str, Any] = field(default_factory=dict)

    def emit(self, event: str, **facts: str | float | None) -> None:
        self.lines.append((event, {**self.always, **facts}))

    def bound(self, **facts: str | float | None) -> "FakeEvents":
        known = {name: fact for name, fact in facts.items() if fact is not None}
        return FakeEvents(self.lines, {**self.always, **known})

    def of(self, event: str) -> list[dict[str, Any]]:
        return [facts for name, facts in self.lines if name == event]


class FakeKms:
    """Data keys bound to their encryption context; `down` makes it fail, `asked` counts the calls."""

    def __init__(self) -> None:
        self.down, self.asked = False, 0
        self._keys: dict[bytes, tuple[bytes, Mapping[str, str]]] = {}

    def call(self, operation: str, request: Mapping[str, Any], /) -> Mapping[str, Any]:
        self.asked += 1
        if self.down:
            raise Unavailable("the key service")
        if operation == "GenerateDataKey":
            plain, wrapped = os.urandom(32), os.urandom(48)
            self._keys[wrapped] = (plain, request["EncryptionContext"])
            return {"Plaintext": plain, "CiphertextBlob": wrapped}
        plain, context = self._keys[request["CiphertextBlob"]]
        assert context == request["EncryptionContext"]
        return {"Plaintext": plain}
