"""The fault proxy, in front of a stub of an engine: each fault does what it says."""

import asyncio
from collections import Counter
from itertools import islice, repeat

import pytest

from benchmarks.chaos.proxy import HOST, INJECTED, Fault, Proxy, faults, listen, read_message

REQUEST = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


class Stub:
    """An engine that answers everything, and remembers it."""

    def __init__(self) -> None:
        self.requests: list[bytes] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while request := await read_message(reader):
            self.requests.append(request)
            writer.write(ANSWER)
        writer.close()


async def through_a_proxy(*kinds: Fault) -> tuple[list[bytes], list[bytes], Counter[Fault]]:
    """Calls that meet these faults, one after the other: what was answered, what the engine got, what was counted."""
    stub = Stub()
    engine = await asyncio.start_server(stub.serve, HOST, 0)
    proxy = Proxy(target=engine.sockets[0].getsockname()[1], faults=iter(kinds), stall=0.01)
    server = await listen(proxy)
    async with engine, server:
        answers = [await _call(server.sockets[0].getsockname()[1]) for _ in kinds]
    return answers, stub.requests, proxy.counts


async def _call(port: int) -> bytes:
    reader, writer = await asyncio.open_connection(HOST, port)
    writer.write(REQUEST)
    try:
        return await read_message(reader)
    finally:
        writer.close()


@pytest.mark.parametrize(
    ("fault", "answer", "done"),
    [
        pytest.param(Fault.NONE, b"{}", True, id="passed on"),
        pytest.param(Fault.LOST_REPLY, b"", True, id="done, and nothing said"),
        pytest.param(Fault.STALLED, b"{}", True, id="done, late"),
        pytest.param(Fault.ERROR, b"InternalServerError", False, id="not done: 500"),
        pytest.param(Fault.THROTTLED, b"ThrottlingException", False, id="not done: throttled"),
        pytest.param(Fault.RESET, b"", False, id="not done, and nothing said"),
    ],
)
def test_each_fault_does_what_it_says(fault: Fault, answer: bytes, *, done: bool) -> None:
    answers, requests, counts = asyncio.run(through_a_proxy(fault))
    assert answer in answers[0]
    assert bool(answer) == bool(answers[0])
    assert requests == ([REQUEST] if done else [])
    assert counts == {fault: 1}


def test_a_stalled_call_waits_before_the_engine_has_it() -> None:
    async def scenario() -> tuple[list[bytes], bytes]:
        stub = Stub()
        engine = await asyncio.start_server(stub.serve, HOST, 0)
        server = await listen(Proxy(target=engine.sockets[0].getsockname()[1], faults=repeat(Fault.STALLED), stall=60))
        async with engine, server:
            call = asyncio.create_task(_call(server.sockets[0].getsockname()[1]))
            await asyncio.wait([call], timeout=0.1)
            call.cancel()
            [answer] = await asyncio.gather(call, return_exceptions=True)
            return stub.requests, b"" if isinstance(answer, asyncio.CancelledError) else b"answered"

    assert asyncio.run(scenario()) == ([], b"")


def test_a_kept_connection_carries_one_call_after_the_other() -> None:
    async def scenario() -> list[bytes]:
        stub = Stub()
        engine = await asyncio.start_server(stub.serve, HOST, 0)
        kinds = iter([Fault.NONE, Fault.THROTTLED, Fault.NONE])
        server = await listen(Proxy(target=engine.sockets[0].getsockname()[1], faults=kinds))
        async with engine, server:
            reader, writer = await asyncio.open_connection(HOST, server.sockets[0].getsockname()[1])
            writer.write(REQUEST * 3)
            answers = [(await read_message(reader)).split(b"\r\n")[0] for _ in range(3)]
            writer.close()
        return answers

    assert asyncio.run(scenario()) == [b"HTTP/1.1 200 OK", b"HTTP/1.1 400 Injected", b"HTTP/1.1 200 OK"]


def test_an_engine_that_is_away_is_no_answer() -> None:
    async def scenario() -> bytes:
        server = await listen(Proxy(target=1, faults=repeat(Fault.NONE)))
        async with server:
            return await _call(server.sockets[0].getsockname()[1])

    assert asyncio.run(scenario()) == b""


def test_the_seed_chooses_the_faults() -> None:
    assert list(islice(faults("seed", 0.5), 50)) == list(islice(faults("seed", 0.5), 50))
    assert list(islice(faults("seed", 0.5), 50)) != list(islice(faults("other", 0.5), 50))


@pytest.mark.parametrize(("share", "broken"), [pytest.param(0.0, 0, id="none"), pytest.param(1.0, 1_000, id="all")])
def test_as_many_calls_are_broken_as_asked(share: float, broken: int) -> None:
    found = Counter(islice(faults("seed", share), 1_000))
    assert 1_000 - found[Fault.NONE] == broken


def test_a_tenth_of_the_calls_meets_every_kind_of_fault() -> None:
    found = Counter(islice(faults("seed", 0.1), 10_000))
    assert 900 < 10_000 - found[Fault.NONE] < 1_100
    assert all(150 < found[kind] < 250 for kind in INJECTED)
