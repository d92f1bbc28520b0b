"""Lambda's side of SQS: pollers that hand batches to workers and delete what these took.

A worker connects and is one slot of concurrency: it reads an event on a line of its own, as Lambda's runtime gets it,
and answers with a line, its partial batch response. Then what it did not report is deleted, and what it reported comes
again after the visibility time-out.
"""

import asyncio
import json
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Final

from benchmarks.standin.dynamo import Millis
from benchmarks.standin.sqs import Sqs

BATCH: Final = 10
"""Messages that one call of ReceiveMessage gets at most: larger batches are put together from several."""


class EventSource(asyncio.Protocol):
    """One worker's connection."""

    def __init__(self, pollers: "Pollers") -> None:
        self._pollers, self._unread = pollers, b""
        self._transport: asyncio.Transport | None = None
        self._handles: dict[str, str] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A worker waits for its first event."""
        if isinstance(transport, asyncio.Transport):
            self._transport = transport
            self._pollers.wait(self)

    def connection_lost(self, _error: Exception | None) -> None:
        """What it held comes back after the visibility time-out, as from a worker that died."""
        self._pollers.forget(self)

    def invoke(self, messages: list[Mapping[str, Any]]) -> None:
        """Hands the worker a batch."""
        self._handles = {one["MessageId"]: one["ReceiptHandle"] for one in messages}
        records = [
            {"messageId": one["MessageId"], "body": one["Body"], "attributes": one["Attributes"]} for one in messages
        ]
        if self._transport:
            self._transport.write(json.dumps({"Records": records}).encode() + b"\n")

    def data_received(self, data: bytes) -> None:
        """The worker's answer."""
        self._unread += data
        while b"\n" in self._unread:
            line, _, self._unread = self._unread.partition(b"\n")
            for failure in (json.loads(line) or {}).get("batchItemFailures", []):
                self._handles.pop(failure["itemIdentifier"], None)
            self._pollers.done(self, list(self._handles.values()))


class Pollers:
    """Those of one queue."""

    def __init__(self, sqs: Sqs, queue: str, now: Millis, *, batch: int) -> None:
        self._sqs, self._queue, self._now, self._batch = sqs, queue, now, batch
        self._free: deque[EventSource] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def protocol(self) -> Callable[[], EventSource]:
        """What serves a worker's connection."""
        return lambda: EventSource(self)

    def wait(self, worker: EventSource) -> None:
        """A worker has nothing to do."""
        self._free.append(worker)
        self.look()

    def forget(self, worker: EventSource) -> None:
        """A worker is gone."""
        if worker in self._free:
            self._free.remove(worker)

    def done(self, worker: EventSource, handles: list[str]) -> None:
        """Deletes what was taken and looks for more."""
        for start in range(0, len(handles), BATCH):
            entries = [{"Id": str(n), "ReceiptHandle": one} for n, one in enumerate(handles[start : start + BATCH])]
            self._sqs.dispatch("DeleteMessageBatch", {"QueueUrl": self._queue, "Entries": entries})
        self.wait(worker)

    def look(self) -> None:
        """Gives every free worker a batch as long as there are messages, and comes back when the next is visible."""
        while self._free and (messages := self._received()):
            self._free.popleft().invoke(messages)
        if self._free:
            self._look_again()

    def _received(self) -> list[Mapping[str, Any]]:
        messages: list[Mapping[str, Any]] = []
        while len(messages) < self._batch:
            most = min(BATCH, self._batch - len(messages))
            request = {"QueueUrl": self._queue, "MaxNumberOfMessages": most}
            got = self._sqs.dispatch("ReceiveMessage", request).get("Messages", [])
            messages += got
            if len(got) < most:
                break
        return messages

    def _look_again(self) -> None:
        change = self._sqs.queues[self._queue].next_change()
        if self._timer:
            self._timer.cancel()
            self._timer = None
        if change is not None:
            pause = max(change - self._now(), 1) / 1000
            self._timer = asyncio.get_running_loop().call_later(pause, self.look)
