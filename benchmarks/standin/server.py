"""The stand-in as a process of its own: HTTP/1.1 with kept connections, AWS's JSON protocols, no signatures.

    python -m benchmarks.standin.server --port 0 --stage bench

It prints one line of JSON when it is ready: its endpoint, and what its tables, queues and key are called. Requests are
read by hand from the socket's bytes, answered in one write, and pipelined ones in order: what is measured against it
should be the client. Only here does a clock run: the machine's.
"""

import argparse
import asyncio
import base64
import json
import os
import signal
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from benchmarks.standin import schema
from benchmarks.standin.dynamo import Dynamo, Millis
from benchmarks.standin.errors import AwsError
from benchmarks.standin.kms import Kms
from benchmarks.standin.pollers import BATCH, Pollers
from benchmarks.standin.sqs import ACCOUNT, Sqs

Door = Callable[[str, Any], Mapping[str, Any]]

TARGET, LENGTH, END = b"\r\nx-amz-target:", b"\r\ncontent-length:", b"\r\n\r\n"
LARGEST_HEAD = 64 * 1024
CONTROL = "Standin"  # its own target: how many requests were answered
BLOBS = frozenset(("B", "CiphertextBlob"))
VISIBILITY, MOST_RECEIVES = 360, 5


class Services:
    """What answers: each service by the first part of a request's target."""

    def __init__(self, stage: str, now: Millis, *, visibility: int, most_receives: int) -> None:
        self.names, self.now = schema.names(stage), now
        self.dynamo = Dynamo(schema.tables(stage), now)
        self.sqs = Sqs(schema.queues(stage, visibility=visibility, most_receives=most_receives), now)
        self.kms = Kms(f"arn:aws:kms:us-east-1:{ACCOUNT}:key/{stage}")
        self.answered = 0
        self.pollers: tuple[Pollers, ...] = ()
        self._doors: Mapping[str, Door] = {
            "DynamoDB_20120810": self.dynamo.dispatch,
            "AmazonSQS": self.sqs.dispatch,
            "TrentService": self.kms.dispatch,
        }

    def answer(self, target: str, body: bytes) -> tuple[int, bytes]:
        """Status and body for a request."""
        service, _, operation = target.partition(".")
        if service == CONTROL:
            return 200, _written({"answered": self.answered})
        self.answered += 1
        try:
            door: Door = self._doors.get(service, _nobody)
            return 200, _written(door(operation, _read(body)))
        except AwsError as error:
            return 400, _written({"__type": error.code, "message": error.message, **error.details})
        finally:
            if service == "AmazonSQS":
                for poller in self.pollers:
                    poller.look()


class Connection(asyncio.Protocol):
    """One client's connection: bytes in, answers out."""

    def __init__(self, services: Services) -> None:
        self._services, self._unread = services, b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Small answers are not held back."""
        if isinstance(transport, asyncio.Transport):
            self._transport = transport
            transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def data_received(self, data: bytes) -> None:
        """Answers every request that is complete."""
        self._unread += data
        answers = []
        while (request := self._next()) is not None:
            answers.append(_response(*self._services.answer(*request)))
        if answers and self._transport:
            self._transport.write(b"".join(answers))

    def _next(self) -> tuple[str, bytes] | None:
        """Target and body of the next request, once it is there as a whole."""
        end = self._unread.find(END)
        if end < 0:
            if len(self._unread) > LARGEST_HEAD and self._transport:
                self._transport.close()
            return None
        head = self._unread[: end + 2]
        lower = head.lower()
        length = int(_field(head, lower, LENGTH) or 0)
        begin = end + len(END)
        if len(self._unread) < begin + length:
            return None
        body, self._unread = self._unread[begin : begin + length], self._unread[begin + length :]
        return _field(head, lower, TARGET).decode(), body


def _nobody(operation: str, _request: object) -> Mapping[str, Any]:
    raise AwsError("UnknownOperationException", f"{operation}: the service is not played here")


def ready(services: Services, endpoint: str) -> dict[str, str]:
    """What a client must know."""
    named, queues = services.names, f"{endpoint}/{ACCOUNT}/"
    return {
        "endpoint": endpoint,
        "accounts_table": named.accounts,
        "jobs_table": named.jobs,
        "queue_url": queues + named.firings,
        "retry_queue_url": queues + named.retries,
        "dead_letters_url": queues + named.dead_letters,
        "key_id": services.kms.key_id,
    }


async def serve(services: Services, port: int, say: Callable[[str], None], *, batch: int = 10) -> None:
    """Serves until the process is told to end. Workers are given batches of `batch` messages."""
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    server = await loop.create_server(lambda: Connection(services), "127.0.0.1", port)
    host, bound = server.sockets[0].getsockname()[:2]
    sources, named = {}, services.names
    for field, queue in (("firings_source", named.firings), ("retries_source", named.retries)):
        pollers = Pollers(services.sqs, queue, services.now, batch=batch)
        services.pollers += (pollers,)
        source = await loop.create_server(pollers.protocol(), "127.0.0.1", 0)
        sources[field] = str(source.sockets[0].getsockname()[1])
    say(json.dumps(ready(services, f"http://{host}:{bound}") | sources | {"pid": str(os.getpid())}))
    await ended.wait()
    server.close()


def main(arguments: Sequence[str] | None = None) -> None:
    """The command."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--port", type=int, default=0, help="0: one that is free")
    options.add_argument("--stage", default="bench", help="what tables and queues are named after")
    options.add_argument("--visibility", type=int, default=VISIBILITY, help="seconds")
    options.add_argument("--max-receives", type=int, default=MOST_RECEIVES)
    options.add_argument("--batch", type=int, default=BATCH, help="messages that a worker is given at once")
    chosen = options.parse_args(arguments)
    services = Services(
        chosen.stage,
        lambda: time.time_ns() // 1_000_000,
        visibility=chosen.visibility,
        most_receives=chosen.max_receives,
    )
    asyncio.run(serve(services, chosen.port, lambda line: print(line, flush=True), batch=chosen.batch))


def _field(head: bytes, lower: bytes, name: bytes) -> bytes:
    start = lower.find(name)
    if start < 0:
        return b""
    start += len(name)
    return head[start : head.index(b"\r\n", start)].strip()


def _response(status: int, body: bytes) -> bytes:
    reason = b"OK" if status < 400 else b"Bad Request"  # noqa: PLR2004 - HTTP's own number
    return b"HTTP/1.1 %d %b\r\nContent-Type: application/x-amz-json-1.0\r\nContent-Length: %d\r\n\r\n%b" % (
        status,
        reason,
        len(body),
        body,
    )


def _read(body: bytes) -> Any:  # noqa: ANN401 - a request
    """Bytes come as base64: in `B`, and in what KMS takes. Requests without either are not searched."""
    hook = _with_bytes if b'"B"' in body or b'"CiphertextBlob"' in body else None
    try:
        return json.loads(body, object_hook=hook)
    except ValueError as error:
        raise AwsError("SerializationException", str(error)) from error


def _with_bytes(found: dict[str, Any]) -> dict[str, Any]:
    for name in BLOBS & found.keys():
        if isinstance(found[name], str):
            found[name] = base64.b64decode(found[name])
    return found


def _written(answer: Mapping[str, Any]) -> bytes:
    return json.dumps(answer, default=_base64, separators=(",", ":")).encode()


def _base64(value: object) -> str:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    raise TypeError(f"{type(value).__name__} is in no answer")


if __name__ == "__main__":
    main()
