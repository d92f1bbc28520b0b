"""The way to the workers on SQS: a queue for each lane, and the messages they carry.

The queues are called after what travelled by them first, "firings" and "retries"; `scheduling.lane` says what does now.

A message is JSON of about 140 bytes and says only what is due, never what will be sent:
`{"v": 1, "a": <account>, "j": <job> | "f": <firing>, "d": <due, Unix ms>, "r": <rev>, "l": <lane>}`. A worker that
finds a version it does not know leaves the message to a newer one. The lane is in it so that what goes back for the
rest of its wait, and what follows it, takes the same one; older messages have none.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from chalicelib.ports import Depth, Due, FiringRef, Received
from chalicelib.scheduling.errors import Unavailable
from chalicelib.scheduling.job import JobRef, from_millis, to_millis
from chalicelib.scheduling.lane import Lane
from chalicelib.wire import Refusal

VERSION = 1
BATCH = 10
LONGEST_DELAY = 900  # seconds; SQS refuses more


class Sqs(Protocol):
    """Where the calls go: the wire, or something in memory. Raises Refusal and Unavailable."""

    def call(self, operation: str, request: Mapping[str, Any], /) -> Mapping[str, Any]:
        """One call of SQS's API, in its own JSON."""
        ...


class SqsQueue:
    """The Queue on SQS. `fair`: name each message's account as its group, so that no tenant waits for another's."""

    def __init__(self, sqs: Sqs, *, jobs_url: str, retries_url: str, fair: bool) -> None:
        self._sqs, self._fair = sqs, fair
        self._urls = {Lane.FIRST: jobs_url, Lane.SECOND: retries_url}

    def send(self, dues: Sequence[Due], *, now: datetime) -> Sequence[Due]:
        """In batches of ten; a batch that got no answer counts as not taken: a double is harmless, a loss is not."""
        left: list[Due] = []
        for lane, url in self._urls.items():
            some = [due for due in dues if due.lane is lane]
            for start in range(0, len(some), BATCH):
                left += self._send_batch(url, some[start : start + BATCH], now)
        return left

    def depth(self) -> Depth:
        """Of each lane: it decides whether its messages are late."""
        return Depth(lanes={lane: self._visible(url) for lane, url in self._urls.items()})

    def _visible(self, url: str) -> int:
        answer = self._ask("GetQueueAttributes", QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])
        return int(answer["Attributes"]["ApproximateNumberOfMessages"])

    def _send_batch(self, url: str, dues: Sequence[Due], now: datetime) -> Sequence[Due]:
        entries = [self._entry(position, due, now) for position, due in enumerate(dues)]
        try:
            answer = self._ask("SendMessageBatch", QueueUrl=url, Entries=entries)
        except Unavailable:
            return dues
        return [dues[int(failure["Id"])] for failure in answer.get("Failed", [])]

    def _entry(self, position: int, due: Due, now: datetime) -> dict[str, Any]:
        """Delays are whole seconds, rounded down: the worker waits for the rest."""
        delay = min(max(int((due.due_at - now).total_seconds()), 0), LONGEST_DELAY)
        entry = {"Id": str(position), "MessageBody": encode(due), "DelaySeconds": delay}
        return entry | ({"MessageGroupId": due.subject.account_id} if self._fair else {})

    def _ask(self, operation: str, **request: Any) -> Mapping[str, Any]:  # noqa: ANN401 - SQS's own JSON
        """A queue that refuses is as good as one that is away: the index has what it would not take."""
        try:
            return self._sqs.call(operation, request)
        except Refusal as refusal:
            raise Unavailable("the queue") from refusal


def encode(due: Due) -> str:
    """The body of a message."""
    subject, due_at = due.subject, to_millis(due.due_at)
    name = {"j": subject.job_id} if isinstance(subject, JobRef) else {"f": subject.firing_id}
    return json.dumps({"v": VERSION, "a": subject.account_id, **name, "d": due_at, "r": due.rev, "l": due.lane.value})


def decode(body: str) -> Due | None:
    """What a message's body says; None where it says nothing that is known here."""
    try:
        match json.loads(body):
            case {"v": 1, "a": str(account), "j": str(job), "d": int(due), "r": int(rev), **more}:
                lane = Lane(str(more.get("l", Lane.FIRST)))
                return Due(subject=JobRef(account_id=account, job_id=job), due_at=from_millis(due), rev=rev, lane=lane)
            case {"v": 1, "a": str(account), "f": str(firing), "d": int(due), "r": int(rev), **more}:
                int(firing, 16)
                ref, lane = FiringRef(account_id=account, firing_id=firing), Lane(str(more.get("l", Lane.SECOND)))
                return Due(subject=ref, due_at=from_millis(due), rev=rev, lane=lane)
    except (ValueError, OverflowError, OSError, RecursionError):
        return None
    return None


def received(event: Mapping[str, Any]) -> Sequence[Received]:
    """The messages of an SQS event, as Lambda passes it."""
    return [
        Received(
            message_id=record["messageId"],
            receives=int(record.get("attributes", {}).get("ApproximateReceiveCount", 1)),
            due=decode(record["body"]),
        )
        for record in event["Records"]
    ]


def failures(message_ids: frozenset[str]) -> Mapping[str, Any]:
    """A partial batch response: SQS keeps these, and deletes the rest of the batch."""
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in sorted(message_ids)]}
