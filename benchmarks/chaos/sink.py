"""The receiver of a scenario's webhooks: a process of its own that remembers every arrival of every firing.

    python -m benchmarks.chaos.sink

It prints one line of JSON, {"port": ...}, when it listens, and ends when its standard input does. Each line of its
input it answers with one line of JSON: all arrivals so far, as [webhook-id, seconds since the epoch] in their order.

How a call is answered stands in its path, /<manner>/<number>: see Manner.
"""

import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import Callable
from enum import StrEnum
from typing import Final

from benchmarks.sink import BACKLOG, HOST, next_request

SLOW: Final = 1.0
"""Seconds: a worker that is killed has often sent, and not recorded yet."""
_OK: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Type: text/plain\r\n\r\nok"
_BUSY: Final = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\nContent-Type: text/plain\r\n\r\nbusy"


class Manner(StrEnum):
    """How a receiver behaves."""

    PROMPT = "prompt"
    SLOW = "slow"  # answers after a second
    FAILS_ONCE = "fails-once"  # refuses the first arrival of each firing with 503


class Arrivals:
    """Who came when."""

    def __init__(self) -> None:
        self.all: list[tuple[str, float]] = []
        self._counts: Counter[str] = Counter()

    def note(self, firing: str, manner: str, at: float) -> tuple[bytes, float]:
        """One request is complete. What to answer, and after how many seconds."""
        self.all.append((firing, at))
        self._counts[firing] += 1
        if manner == Manner.FAILS_ONCE and self._counts[firing] == 1:
            return _BUSY, 0.0
        return _OK, SLOW if manner == Manner.SLOW else 0.0


def header(head: bytes, name: bytes) -> str:
    """The value of a header, the name of which is given in lower case; nothing where it is not there."""
    _, found, rest = head.partition(b"\r\n\r\n")[0].lower().partition(b"\r\n" + name + b":")
    return rest.partition(b"\r\n")[0].strip().decode("ascii", "replace") if found else ""


class Receiver(asyncio.Protocol):
    """One connection of a worker."""

    def __init__(self, arrivals: Arrivals, clock: Callable[[], float] = time.time) -> None:
        self._arrivals, self._clock = arrivals, clock
        self._rest = b""
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Is called by the loop."""
        if isinstance(transport, asyncio.WriteTransport):
            self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Takes the requests that are whole, and keeps the rest."""
        now, self._rest = self._clock(), self._rest + data
        while request := next_request(self._rest, 0):
            firing = header(self._rest[: request.end], b"webhook-id")
            manner = request.path.decode("ascii", "replace").strip("/").partition("/")[0]
            answer, pause = self._arrivals.note(firing, manner, now)
            self._rest = self._rest[request.end :]
            asyncio.get_running_loop().call_later(pause, self._answer, answer, request.closes)

    def _answer(self, answer: bytes, closes: bool) -> None:  # noqa: FBT001 - the loop passes no names
        if self._transport and not self._transport.is_closing():
            self._transport.write(answer)
            if closes:
                self._transport.close()


async def serve() -> None:
    """Listens on a free port until standard input ends."""
    arrivals, loop = Arrivals(), asyncio.get_running_loop()
    server = await loop.create_server(lambda: Receiver(arrivals), HOST, 0, backlog=BACKLOG)
    print(json.dumps({"port": server.sockets[0].getsockname()[1]}), flush=True)
    while await asyncio.to_thread(sys.stdin.readline):
        print(json.dumps(arrivals.all), flush=True)


if __name__ == "__main__":
    asyncio.run(serve())
