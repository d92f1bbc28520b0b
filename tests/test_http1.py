"""The heads of requests and answers: what is written is one request, and what is read is what was said."""

import io
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPException

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.http1 import MAX_HEADERS, MAX_LINE, Connection, FinalAnswer, read_head, request_head

WELL = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
VALUES = st.text(st.characters(max_codepoint=255), max_size=20)
NAMES = st.text("abcXYZ-09_", min_size=1, max_size=10)


# --- requests ---------------------------------------------------------------------------------------------------------


def test_a_head_is_its_line_and_its_headers() -> None:
    head = request_head("GET", "/a?b=c", [("Host", "example.com"), ("X-A", "ä")])
    assert head == b"GET /a?b=c HTTP/1.1\r\nHost: example.com\r\nX-A: \xe4\r\n\r\n"


@pytest.mark.parametrize(
    ("method", "target", "pairs"),
    [
        pytest.param("GET", "/ HTTP/1.1\r\nX: 1\r\n\r\nGET /", [], id="a target with a request in it"),
        pytest.param("GET", "/a b", [], id="a target with a space in it"),
        pytest.param("GET /x", "/", [], id="a method with a space in it"),
        pytest.param("GET", "/", [("X", "a\r\nY: b")], id="a value with a header in it"),
        pytest.param("GET", "/", [("X", "a\nb")], id="a value with half a line's end"),
        pytest.param("GET", "/", [("X", "a\rb")], id="a value with the other half"),
        pytest.param("GET", "/", [("X", "a\0b")], id="a value with a NUL"),
        pytest.param("GET", "/", [("X\r\nY", "a")], id="a name with a header in it"),
        pytest.param("GET", "/", [("X", "\N{SNOWMAN}")], id="a value that has no bytes"),
        pytest.param("GET", "/\N{SNOWMAN}", [], id="a target that has no bytes"),
    ],
)
def test_what_is_more_than_one_request_is_not_written(method: str, target: str, pairs: list[tuple[str, str]]) -> None:
    with pytest.raises(ValueError, match=r"control characters|codec can't encode"):
        request_head(method, target, pairs)


@given(st.lists(st.tuples(NAMES, VALUES), max_size=8))
def test_what_is_written_is_read_as_it_was_meant_or_not_written(pairs: list[tuple[str, str]]) -> None:
    unsafe = any(set(value) & set("\r\n\0") for _, value in pairs)
    try:
        head = request_head("POST", "/", pairs)
    except ValueError:
        assert unsafe
        return
    assert not unsafe
    stream = io.BytesIO(head.partition(b"\r\n")[2])
    assert list(read_head(stream).items()) == [(name, value.strip(" \t")) for name, value in pairs]
    assert stream.read() == b""


# --- the heads of answers ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        pytest.param(b"", [], id="nothing"),
        pytest.param(b"A: 1\r\nB:2\r\n\r\nrest", [("A", "1"), ("B", "2")], id="with and without a space"),
        pytest.param(b"A: 1\nB: 2\n\n", [("A", "1"), ("B", "2")], id="bare newlines"),
        pytest.param(b"A: 1", [("A", "1")], id="an end that came too soon"),
        pytest.param(b"A:  1 \t\r\n\r\n", [("A", "1")], id="spaces around the value"),
        pytest.param(b"A:\r\n\r\n", [("A", "")], id="no value"),
        pytest.param(b"A: b:c\r\n\r\n", [("A", "b:c")], id="a colon in the value"),
        pytest.param(b"A: \xe4\r\n\r\n", [("A", "ä")], id="Latin-1"),
        pytest.param(b"A: 1\r\n  2\r\n\t3\r\nB: 4\r\n\r\n", [("A", "1 2 3"), ("B", "4")], id="lines that go on"),
        pytest.param(b" 1\r\nA: 2\r\n\r\n", [("A", "2")], id="a line that goes on with nothing"),
        pytest.param(b"no colon\r\nA: 1\r\n\r\n", [("A", "1")], id="no colon"),
        pytest.param(b": 1\r\nA: 2\r\n\r\n", [("A", "2")], id="no name"),
        pytest.param(b"A : 1\r\nB: 2\r\n\r\n", [("B", "2")], id="a space before the colon"),
        pytest.param(b"\xc3\xa4: 1\r\nB: 2\r\n\r\n", [("B", "2")], id="a name that is not ASCII"),
        pytest.param(b"A: 1\r\nA: 2\r\n\r\n", [("A", "1"), ("A", "2")], id="twice"),
        pytest.param(b"A: 1\r\n" * MAX_HEADERS + b"\r\n", [("A", "1")] * MAX_HEADERS, id="as many as there may be"),
    ],
)
def test_a_head_is_read(text: bytes, pairs: list[tuple[str, str]]) -> None:
    assert list(read_head(io.BytesIO(text)).items()) == pairs


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(b"A: 1\r\n" * (MAX_HEADERS + 1) + b"\r\n", id="one more"),
        pytest.param(b"A: " + b"x" * MAX_LINE, id="a line that is too long"),
        pytest.param(b"x" * (MAX_LINE + 1), id="a line that is too long and no header"),
    ],
)
def test_a_head_that_does_not_end_is_refused(text: bytes) -> None:
    with pytest.raises(HTTPException):
        read_head(io.BytesIO(text))


@given(st.binary(max_size=300))
def test_whatever_is_sent_is_a_head_or_no_http(text: bytes) -> None:
    for name, value in read_head(io.BytesIO(text)).items():
        assert not set(name + value) & set("\r\n")


def test_headers_are_found_in_any_case() -> None:
    head = read_head(io.BytesIO(b"Set-Cookie: a\r\nSET-cookie: b\r\n\r\n"))
    assert (head.get("set-cookie"), [*head.all("set-cookie")], head.get("x"), head.get("x", "-")) == (
        "a",
        ["a", "b"],
        "",
        "-",
    )


# --- answers ----------------------------------------------------------------------------------------------------------


@contextmanager
def answered(said: bytes, method: str = "GET") -> Iterator[tuple[Connection, FinalAnswer]]:
    """A connection whose other side says this, and stays."""
    ours, theirs = socket.socketpair()
    with closing(theirs), closing(ours):
        threading.Thread(target=theirs.sendall, args=(said,), daemon=True).start()
        connection = Connection()
        connection.sock = ours
        with closing(connection.answer(method)) as answer:
            yield connection, answer


KEPT = [
    pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", True, 2, id="with a length"),
    pytest.param(b"HTTP/1.1 200 OK\r\n\r\n", False, None, id="without one"),
    pytest.param(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n0\r\n\r\n", True, None, id="in chunks"),
    pytest.param(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        True,
        None,
        id="in chunks, whatever the length says",
    ),
    pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: Close\r\n\r\nok", False, 2, id="that closes"),
    pytest.param(b"HTTP/1.1 204 No Content\r\n\r\n", True, 0, id="without a body"),
    pytest.param(b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", True, 0, id="of a body it does not send"),
    pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nok", False, None, id="with less than nothing"),
    pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok", False, None, id="with a sign"),
    pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 1_0\r\n\r\nok", False, None, id="with a number of Python's"),
    pytest.param(
        b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\nok", False, None, id="with 5,000 digits"
    ),
    pytest.param(b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", False, 2, id="of HTTP/1.0"),
    pytest.param(
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\nok", True, 2, id="of 1.0 that stays"
    ),
    pytest.param(b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\nKeep-Alive: 5\r\n\r\nok", True, 2, id="of 1.0, in seconds"),
    pytest.param(b"HTTP/1.9 200 OK\r\nContent-Length: 2\r\n\r\nok", True, 2, id="of a later 1"),
    pytest.param(b"HTTP/1.1 100 Continue\r\n\r\n" + WELL, True, 2, id="after an interim one"),
]


@pytest.mark.parametrize(("said", "lasts", "length"), KEPT)
def test_a_connection_lasts_where_the_end_of_the_answer_is_known(
    said: bytes, *, lasts: bool, length: int | None
) -> None:
    with answered(said) as (connection, answer):
        assert (connection.lasts, answer.length) == (lasts, length)


def test_the_answer_to_head_has_no_body() -> None:
    with answered(WELL, "HEAD") as (connection, answer):
        assert (answer.length, answer.read(), connection.lasts) == (0, b"", True)


@pytest.mark.parametrize("said", [b"HTTP/2 200 OK\r\n\r\n", b"HTTP/1.1 20x OK\r\n\r\n", b"SSH-2.0-x\r\n\r\n"])
def test_what_is_no_http_is_refused(said: bytes) -> None:
    with pytest.raises(HTTPException), answered(said):
        pass


@pytest.mark.parametrize("size", [0, 2, 64 * 1024, 64 * 1024 + 1])
def test_a_request_arrives_whole_whatever_its_size(size: int) -> None:
    ours, theirs = socket.socketpair()
    with closing(theirs), closing(ours):
        connection = Connection()
        connection.sock = ours
        asking = threading.Thread(target=connection.ask, args=("POST", "/", [("Host", "h")], b"x" * size))
        asking.start()
        head = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % size
        arrived = b""
        while len(arrived) < len(head) + size:
            arrived += theirs.recv(65536)
        asking.join()
    assert arrived == head + b"x" * size


def test_a_connection_that_was_closed_says_so() -> None:
    connection = Connection()
    connection.close()
    with pytest.raises(OSError, match="not connected"):
        connection.ask("GET", "/", [], b"")
    with pytest.raises(OSError, match="not connected"):
        connection.answer("GET")
