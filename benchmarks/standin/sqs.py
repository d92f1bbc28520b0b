"""SQS in memory: the calls that are made here, on queues whose rules are in queue.py.

Nothing waits: `WaitTimeSeconds` is taken, and an empty queue answers at once. Messages do not expire. Message ids are
numbered, so the same calls give the same answers.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import md5
from typing import Any

from benchmarks.standin.dynamo import Millis
from benchmarks.standin.errors import AwsError
from benchmarks.standin.queue import Message, Queue, QueueSchema

Answer = dict[str, Any]
Request = Mapping[str, Any]

MOST = 10
LONGEST_DELAY, LONGEST_VISIBILITY = 900, 43_200
LARGEST_BATCH = 1024 * 1024
ACCOUNT = "000000000000"


class Sqs:
    """The queues of one account, as SQS's API takes calls. Raises AwsError."""

    def __init__(self, queues: Iterable[QueueSchema], now: Millis) -> None:
        self.queues = _linked(queues)
        self._now = now
        self._messages: dict[str, Message] = {}
        self._sent = 0
        self._operations: Mapping[str, Callable[[Queue, Request], Answer]] = {
            "SendMessageBatch": self._send,
            "ReceiveMessage": self._receive,
            "DeleteMessageBatch": self._delete,
            "ChangeMessageVisibility": self._change,
            "GetQueueAttributes": self._attributes,
        }

    def dispatch(self, operation: str, request: Request) -> Answer:
        """One call. The last part of a queue's URL is its name."""
        if operation not in self._operations:
            raise AwsError("InvalidAction", f"{operation} is not played here")
        name = str(request.get("QueueUrl", "")).rpartition("/")[2]
        if name not in self.queues:
            raise AwsError("QueueDoesNotExist", "The specified queue does not exist.")
        return self._operations[operation](self.queues[name], request)

    def _send(self, queue: Queue, request: Request) -> Answer:
        entries = _entries(request)
        if sum(len(entry["MessageBody"].encode()) for entry in entries) > LARGEST_BATCH:
            raise AwsError("BatchRequestTooLong", "Batch requests cannot be longer than 1048576 bytes.")
        answer: Answer = {"Successful": []}
        for entry in entries:
            delay = entry.get("DelaySeconds", 0)
            if 0 <= delay <= LONGEST_DELAY:
                answer["Successful"].append(self._taken(queue, entry, delay))
            else:
                wrong = f"Value {delay} for parameter DelaySeconds is invalid."
                answer.setdefault("Failed", []).append(_failure(entry, "InvalidParameterValue", wrong))
        return answer

    def _taken(self, queue: Queue, entry: Request, delay: int) -> Answer:
        self._sent += 1
        now, body = self._now(), entry["MessageBody"]
        message_id = f"00000000-0000-4000-8000-{self._sent:012x}"
        group = entry.get("MessageGroupId", "")
        message = Message(message_id=message_id, body=body, named_group=group, sent_at=now)
        self._messages[message_id] = message
        queue.add(message, visible_at=now + delay * 1000, now=now)
        return {"Id": entry["Id"], "MessageId": message_id, "MD5OfMessageBody": _digest(body)}

    def _receive(self, queue: Queue, request: Request) -> Answer:
        most, now = request.get("MaxNumberOfMessages", 1), self._now()
        if not 1 <= most <= MOST:
            raise AwsError("InvalidParameterValue", f"Value {most} for parameter MaxNumberOfMessages is invalid.")
        visibility = request.get("VisibilityTimeout", queue.schema.visibility)
        received: list[Answer] = []
        while len(received) < most:
            message = queue.take(visible_at=now + visibility * 1000, now=now)
            if message is None:
                break
            received.append(_received(message))
        return {"Messages": received} if received else {}

    def _delete(self, queue: Queue, request: Request) -> Answer:
        """A handle of an earlier receive deletes nothing, and is no error."""
        answer: Answer = {"Successful": []}
        for entry in _entries(request):
            message = self._held(queue, entry["ReceiptHandle"])
            if message:
                queue.delete(message)
                del self._messages[message.message_id]
            answer["Successful"].append({"Id": entry["Id"]})
        return answer

    def _change(self, queue: Queue, request: Request) -> Answer:
        queue.advance(self._now())
        seconds, message = request["VisibilityTimeout"], self._held(queue, request["ReceiptHandle"])
        if not 0 <= seconds <= LONGEST_VISIBILITY:
            raise AwsError("InvalidParameterValue", f"Value {seconds} for parameter VisibilityTimeout is invalid.")
        if message is None or not message.in_flight:
            raise AwsError("MessageNotInflight", "The message referred to is not in flight.")
        if seconds:
            queue.hold(message, visible_at=self._now() + seconds * 1000)
        else:
            queue.release(message)
        return {}

    def _held(self, queue: Queue, handle: str) -> Message | None:
        """The message of a handle, if it is the last one it was received with."""
        message_id, sign, receives = handle.partition("/")
        if not sign:
            raise AwsError("ReceiptHandleIsInvalid", "The input receipt handle is invalid.")
        message = self._messages.get(message_id)
        held = message is not None and (message.queue, str(message.receives)) == (queue.schema.name, receives)
        return message if held else None

    def _attributes(self, queue: Queue, request: Request) -> Answer:
        queue.advance(self._now())
        every = _attributes_of(queue)
        asked = request.get("AttributeNames", ())
        unknown = set(asked) - every.keys() - {"All"}
        if unknown:
            raise AwsError("InvalidAttributeName", f"not played here: {sorted(unknown)}")
        return {"Attributes": {name: value for name, value in every.items() if name in asked or "All" in asked}}


def _linked(schemas: Iterable[QueueSchema]) -> dict[str, Queue]:
    """Each queue with its dead-letter queue, which has none itself."""
    every = list(schemas)
    dead = {schema.name: Queue(schema) for schema in every if not schema.dead_letters}
    feeding = {one.name: Queue(one, dead[one.dead_letters]) for one in every if one.dead_letters}
    return {**dead, **feeding}


def _attributes_of(queue: Queue) -> dict[str, str]:
    schema = queue.schema
    arn = "arn:aws:sqs:us-east-1:" + ACCOUNT + ":"
    redrive = {"deadLetterTargetArn": arn + schema.dead_letters, "maxReceiveCount": schema.most_receives}
    return {
        "QueueArn": arn + schema.name,
        "VisibilityTimeout": str(schema.visibility),
        "ApproximateNumberOfMessages": str(queue.counts["waiting"]),
        "ApproximateNumberOfMessagesNotVisible": str(queue.counts["in_flight"]),
        "ApproximateNumberOfMessagesDelayed": str(queue.counts["delayed"]),
    } | ({"RedrivePolicy": json.dumps(redrive)} if schema.dead_letters else {})


def _entries(request: Request) -> Sequence[Request]:
    entries: Sequence[Request] = request.get("Entries", ())
    if not entries:
        raise AwsError("EmptyBatchRequest", "There should be at least one entry in the request.")
    if len(entries) > MOST:
        raise AwsError("TooManyEntriesInBatchRequest", f"Maximum number of entries per request are {MOST}.")
    if len({entry["Id"] for entry in entries}) < len(entries):
        raise AwsError("BatchEntryIdsNotDistinct", "Two or more batch entries in the request have the same Id.")
    return entries


def _received(message: Message) -> Answer:
    attributes = {
        "ApproximateReceiveCount": str(message.receives),
        "ApproximateFirstReceiveTimestamp": str(message.first_received_at),
        "SentTimestamp": str(message.sent_at),
    }
    return {
        "MessageId": message.message_id,
        "ReceiptHandle": f"{message.message_id}/{message.receives}",
        "MD5OfBody": _digest(message.body),
        "Body": message.body,
        "Attributes": attributes | ({"MessageGroupId": message.named_group} if message.named_group else {}),
    }


def _failure(entry: Request, code: str, message: str) -> Answer:
    return {"Id": entry["Id"], "SenderFault": True, "Code": code, "Message": message}


def _digest(body: str) -> str:
    return md5(body.encode(), usedforsecurity=False).hexdigest()
