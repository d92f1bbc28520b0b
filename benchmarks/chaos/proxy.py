"""A proxy between the functions and the engine that breaks calls on purpose.

    python -m benchmarks.chaos.proxy --target 4566 --seed 1 --share 0.1

It prints one line of JSON, {"port": ...}, when it listens, and ends when its standard input does. Each line of its
input it answers with the number of calls it saw, by what became of them. Which call of all meets which fault is decided
by the seed; which call is the n-th is up to the functions.

It speaks as much HTTP as the functions and the engine do: requests and answers with a Content-Length, one after the
other on a kept connection. A stalled call reaches the engine all the same, long after its caller has given up.
"""

import argparse
import asyncio
import json
import struct
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from random import Random
from socket import SO_LINGER, SOL_SOCKET
from typing import Final

HOST: Final = "127.0.0.1"
STALL: Final = 5.0
"""Seconds: more than a function waits for an answer."""
LONGEST_HEAD: Final = 1 << 20


class Fault(StrEnum):
    """What becomes of a call."""

    NONE = "passed on"
    LOST_REPLY = "reply lost"  # done, and the connection closed in the place of the answer
    ERROR = "500"  # not done
    THROTTLED = "throttled"  # not done
    STALLED = "stalled"  # done, seconds later
    RESET = "reset"  # not done


INJECTED: Final = tuple(fault for fault in Fault if fault is not Fault.NONE)
_ANSWERS: Final = {
    Fault.ERROR: (500, "InternalServerError"),
    Fault.THROTTLED: (400, "ThrottlingException"),
}


def faults(seed: str, share: float) -> Iterator[Fault]:
    """Without end: of all calls this share meets a fault, each kind as often as any other."""
    rng = Random(f"{seed} proxy")  # noqa: S311 - to be the same again, not to be secret
    while True:
        broken, kind = rng.random() < share, rng.choice(INJECTED)
        yield kind if broken else Fault.NONE


async def read_message(reader: asyncio.StreamReader) -> bytes:
    """One request or answer, as it came; nothing where the other side has left."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        _, found, rest = head.lower().partition(b"\r\ncontent-length:")
        length = int(rest.partition(b"\r\n")[0]) if found else 0
        return head + await reader.readexactly(length)
    except (asyncio.IncompleteReadError, ConnectionError):
        return b""


def refusal(fault: Fault) -> bytes:
    """The answer of a service that will not do it now."""
    status, code = _ANSWERS[fault]
    body = json.dumps({"__type": f"com.amazonaws#{code}", "message": "injected"}).encode()
    head = f"HTTP/1.1 {status} Injected\r\nContent-Type: application/x-amz-json-1.0\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"\r\n" + body


@dataclass(frozen=True, kw_only=True)
class Proxy:
    """Passes calls on to a port of this machine, or does not. `stall`: seconds that a stalled one waits."""

    target: int
    faults: Iterator[Fault]
    stall: float = STALL
    counts: Counter[Fault] = field(default_factory=Counter)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection of a caller."""
        try:
            while request := await read_message(reader):
                fault = next(self.faults)
                self.counts[fault] += 1
                if not await self._answered(request, fault, writer):
                    break
        except ConnectionError:
            pass
        finally:
            writer.close()

    async def _answered(self, request: bytes, fault: Fault, writer: asyncio.StreamWriter) -> bool:
        """Whether the connection goes on."""
        match fault:
            case Fault.RESET:
                writer.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
                return False
            case Fault.ERROR | Fault.THROTTLED:
                answer = refusal(fault)
            case Fault.STALLED:
                await asyncio.sleep(self.stall)
                answer = await self._ask(request)
            case Fault.NONE | Fault.LOST_REPLY:
                answer = await self._ask(request)
        if fault is Fault.LOST_REPLY or not answer:
            return False
        writer.write(answer)
        await writer.drain()
        return True

    async def _ask(self, request: bytes) -> bytes:
        """The engine's answer, over a connection of its own; nothing where there is none."""
        try:
            reader, writer = await asyncio.open_connection(HOST, self.target, limit=LONGEST_HEAD)
        except OSError:
            return b""
        try:
            writer.write(request)
            return await read_message(reader)
        finally:
            writer.close()


async def listen(proxy: Proxy) -> asyncio.Server:
    """On a free port."""
    return await asyncio.start_server(proxy.serve, HOST, 0, limit=LONGEST_HEAD)


async def _main(given: argparse.Namespace) -> None:
    proxy = Proxy(target=given.target, faults=faults(given.seed, given.share))
    server = await listen(proxy)
    print(json.dumps({"port": server.sockets[0].getsockname()[1]}), flush=True)
    while await asyncio.to_thread(sys.stdin.readline):
        print(json.dumps(proxy.counts), flush=True)


def main(arguments: Sequence[str]) -> None:
    """Serves until standard input ends."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.chaos.proxy", description=main.__doc__)
    parser.add_argument("--target", type=int, required=True, help="the engine's port")
    parser.add_argument("--seed", required=True)
    parser.add_argument("--share", type=float, required=True, help="of the calls, how many meet a fault: 0 to 1")
    asyncio.run(_main(parser.parse_args(arguments)))


if __name__ == "__main__":
    main(sys.argv[1:])
