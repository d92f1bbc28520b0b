"""The receiver of all webhooks: a process of its own that remembers when each job arrived first.

    python -m benchmarks.sink

It prints one line of JSON, {"port": ..., "control": ...}, when it listens, and ends when its standard input does. At
`port` it answers POST /<number of the job> with 200 and keeps the connection. At `control` it takes one line after the
other and answers each with one line of JSON:

    expect 1000     forgets everything and expects jobs 0 to 999
    progress        {"arrived", "doubled", "malformed", "last"}: counts, and the time of the latest first arrival
    arrivals        when each job arrived first, null for those that did not

Times are seconds since the epoch. A request that is not the work (another length, a job nobody expects) is answered and
counted as malformed. Requests are read by hand, because the sink must never be what bounds a system.
"""

import asyncio
import json
import sys
import time
from collections.abc import Callable
from typing import Final, NamedTuple

from benchmarks.work import LENGTH

HOST: Final = "127.0.0.1"
BACKLOG: Final = 4096

_ANSWER: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Type: text/plain\r\n\r\nok"
_HEAD_ENDS: Final = b"\r\n\r\n"


class Ledger:
    """Who arrived when, and what else came."""

    def __init__(self) -> None:
        self.expect(0)

    def expect(self, count: int) -> None:
        """Begins anew with jobs 0 to count - 1."""
        self.firsts: list[float | None] = [None] * count
        self.arrived = self.doubled = self.malformed = 0
        self.last: float | None = None

    def arrive(self, path: bytes, *, length: int, at: float) -> None:
        """One request is complete."""
        number = int(path[1:]) if path[1:].isdigit() else -1
        if length != LENGTH or not 0 <= number < len(self.firsts):
            self.malformed += 1
        elif self.firsts[number] is None:
            self.firsts[number] = self.last = at
            self.arrived += 1
        else:
            self.doubled += 1

    def answer(self, line: str) -> object:
        """What the control port says to a line."""
        match line.split():
            case ["expect", count]:
                self.expect(int(count))
                return {}
            case ["progress"]:
                return {name: getattr(self, name) for name in ("arrived", "doubled", "malformed", "last")}
            case ["arrivals"]:
                return self.firsts
        return {"error": f"unknown: {line}"}


class Request(NamedTuple):
    """What of a request is looked at. `end` is where the next one begins."""

    path: bytes
    length: int
    end: int
    closes: bool


def next_request(data: bytes, start: int) -> Request | None:
    """The request that begins at `start`, if all of it is there."""
    head_end = data.find(_HEAD_ENDS, start)
    if head_end < 0:
        return None
    head = data[start:head_end]
    fields = head.lower()
    _, found, rest = fields.partition(b"\r\ncontent-length:")
    length = int(rest.partition(b"\r\n")[0]) if found else 0
    end = head_end + len(_HEAD_ENDS) + length
    if len(data) < end:
        return None
    return Request(head.split(b" ", 2)[1], length, end, b"\r\nconnection: close" in fields)


class Receiver(asyncio.Protocol):
    """One connection of a system under test."""

    def __init__(self, ledger: Ledger, clock: Callable[[], float] = time.time) -> None:
        self._ledger, self._clock = ledger, clock
        self._rest = b""
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Is called by the loop."""
        if isinstance(transport, asyncio.WriteTransport):
            self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Takes the requests that are whole, and keeps the rest."""
        now = self._clock()
        data = self._rest + data if self._rest else data
        start = answered = 0
        closes = False
        while not closes and (request := next_request(data, start)):
            self._ledger.arrive(request.path, length=request.length, at=now)
            start, closes, answered = request.end, request.closes, answered + 1
        self._rest = data[start:]
        if self._transport and answered:
            self._transport.write(_ANSWER * answered)
            if closes:
                self._transport.close()


async def control(ledger: Ledger, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers the harness until it hangs up."""
    async for line in reader:
        writer.write(json.dumps(ledger.answer(line.decode())).encode() + b"\n")
        await writer.drain()
    writer.close()


async def serve() -> None:
    """Listens on two free ports until standard input ends."""
    ledger, loop = Ledger(), asyncio.get_running_loop()
    receiving = await loop.create_server(lambda: Receiver(ledger), HOST, 0, backlog=BACKLOG)
    controlling = await asyncio.start_server(lambda r, w: control(ledger, r, w), HOST, 0)
    ports = {"port": _port(receiving), "control": _port(controlling)}
    print(json.dumps(ports), flush=True)
    await asyncio.to_thread(sys.stdin.read)


def _port(server: asyncio.Server) -> int:
    port: int = server.sockets[0].getsockname()[1]
    return port


if __name__ == "__main__":
    asyncio.run(serve())
