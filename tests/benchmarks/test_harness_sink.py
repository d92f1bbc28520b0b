"""The sink, and the work it receives: requests in whatever pieces they come."""

import json

import pytest

from benchmarks.sink import Ledger, next_request
from benchmarks.work import LENGTH, path, payload


def a_request(number: int, *, body: bytes = b"", more: str = "") -> bytes:
    body = body or payload(number)
    return f"POST {path(number)} HTTP/1.1\r\nHost: x\r\ncontent-LENGTH: {len(body)}\r\n{more}\r\n".encode() + body


@pytest.mark.parametrize("number", [0, 7, 999, 9_999, 123_456])
def test_every_job_posts_the_same_number_of_bytes_and_says_who_it_is(number: int) -> None:
    assert len(payload(number)) == LENGTH
    assert json.loads(payload(number))["id"] == number


def test_the_sink_reads_requests_one_behind_the_other() -> None:
    data = a_request(1) + a_request(22, more="Connection: close\r\n")
    first = next_request(data, 0)
    assert first
    second = next_request(data, first.end)
    assert second
    assert (first.path, first.length, first.closes) == (b"/1", LENGTH, False)
    assert (second.path, second.end, second.closes) == (b"/22", len(data), True)


@pytest.mark.parametrize("missing", [1, LENGTH, LENGTH + 1, LENGTH + 3, LENGTH + 30])
def test_the_sink_waits_for_the_rest_of_a_request(missing: int) -> None:
    data = a_request(1)
    assert next_request(data[:-missing], 0) is None
    assert next_request(data, 0) is not None


def test_the_sink_keeps_the_first_arrival_and_counts_the_others() -> None:
    ledger = Ledger()
    ledger.answer("expect 3")
    for at, number in enumerate([b"/2", b"/0", b"/2", b"/2"]):
        ledger.arrive(number, length=LENGTH, at=float(at))
    for odd in (b"/3", b"/-1", b"/x", b"/"):
        ledger.arrive(odd, length=LENGTH, at=9.0)
    ledger.arrive(b"/1", length=LENGTH - 1, at=9.0)
    assert ledger.answer("arrivals") == [1.0, None, 0.0]
    assert ledger.answer("progress") == {"arrived": 2, "doubled": 2, "malformed": 5, "last": 1.0}
    ledger.answer("expect 1")
    assert ledger.answer("progress") == {"arrived": 0, "doubled": 0, "malformed": 0, "last": None}
