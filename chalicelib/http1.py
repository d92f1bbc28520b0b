"""HTTP/1.1 as a client speaks it: one request, one answer, on a socket that somebody else opened.

The body's reader is http.client's. The heads are our own: http.client reads each through the parser for e-mail, and
writes each header by itself, which took a fifth of all that a firing costs. What may go wrong is what http.client
raises: HTTPException, or OSError from the socket.
"""

import re
import socket
from collections.abc import Iterable, Iterator
from http.client import HTTPException, HTTPResponse, UnknownProtocol
from typing import BinaryIO

MAX_HEADERS, MAX_LINE = 100, 64 * 1024
ENDS_OF_HEAD = (b"\r\n", b"\n", b"")
NAME = re.compile(rb"[\x21-\x39\x3b-\x7e]+")
LENGTH = re.compile(r"[0-9]{1,18}")
INTERIM = frozenset(range(100, 200)) - {101}
BODILESS = frozenset((204, 304)) | frozenset(range(100, 200))
BODIED = frozenset(("POST", "PUT", "PATCH"))  # methods that say how long their body is even when it is empty
AT_ONCE = 64 * 1024  # bytes of a body that travel in one piece with the head


class Headers:
    """The headers of an answer, in their order; names in any case."""

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        self._pairs = [(name, value, name.lower()) for name, value in pairs]

    def get(self, name: str, default: str = "") -> str:
        """The first of a name."""
        return next(self.all(name), default)

    def all(self, name: str) -> Iterator[str]:
        """Every one of a name, which is given in lower case."""
        return (value for _, value, lower in self._pairs if lower == name)

    def items(self) -> Iterator[tuple[str, str]]:
        """As they came."""
        return ((name, value) for name, value, _ in self._pairs)


class FinalAnswer(HTTPResponse):
    """An answer whose head is read at once, and that passes over what is said before it: 100, 102, 103.

    101 ends the conversation: nobody asked for another protocol. However many interim answers come, the socket's
    deadline and allowance bound them. http.client's own `headers` stay empty: these are `head`.
    """

    head: Headers

    def begin(self) -> None:
        """Reads the head, and decides where the body ends and whether the connection goes on. Source: RFC 9112, 6.3."""
        version, self.status, reason = self._read_status()
        self.code, self.reason = self.status, reason.strip()
        if not version.startswith(("HTTP/1.", "HTTP/0.9")):
            raise UnknownProtocol(version)
        self.version = 10 if version in {"HTTP/1.0", "HTTP/0.9"} else 11
        self.head = read_head(self.fp)
        self.chunked = self.head.get("transfer-encoding").lower() == "chunked"
        self.chunk_left = None
        self.length = self._length()
        self.will_close = self._closes() or (self.length is None and not self.chunked)

    def _read_status(self) -> tuple[str, int, str]:
        version, status, reason = super()._read_status()  # type: ignore[misc] # typeshed has public names alone
        while status in INTERIM:
            read_head(self.fp)
            version, status, reason = super()._read_status()  # type: ignore[misc] # as above
        return version, status, reason

    def _length(self) -> int | None:
        """Of the body; None: nobody knows. A length that is none says nothing."""
        if self.status in BODILESS or self._method == "HEAD":  # type: ignore[attr-defined] # as above
            return 0
        said = self.head.get("content-length")
        return int(said) if not self.chunked and LENGTH.fullmatch(said) else None

    def _closes(self) -> bool:
        """Whether the other side said that it would, or in HTTP/1.0 did not say that it would not."""
        said = self.head.get("connection").lower()
        if self.version == 10:  # noqa: PLR2004 - http.client's way to write 1.0
            return not ("keep-alive" in said or self.head.get("keep-alive"))
        return "close" in said


class Connection:
    """A socket, and the question whether it may be used again."""

    sock: socket.socket | None = None
    lasts = False
    """Whether the last answer, once it is read to its end, leaves the connection open."""

    def ask(self, method: str, target: str, headers: Iterable[tuple[str, str]], body: bytes) -> None:
        """Sends a request; the headers are all that it has, but for the length of the body."""
        if self.sock is None:
            raise OSError("not connected")
        self.lasts = False
        length = (("Content-Length", str(len(body))),) if body or method in BODIED else ()
        head = request_head(method, target, (*headers, *length))
        if len(body) <= AT_ONCE:
            self.sock.sendall(head + body)
        else:
            self.sock.sendall(head)
            self.sock.sendall(body)

    def answer(self, method: str) -> FinalAnswer:
        """The answer to the request just sent, its head read; whoever reads the body closes it."""
        if self.sock is None:
            raise OSError("not connected")
        answer = FinalAnswer(self.sock, method=method)
        try:
            answer.begin()
        except BaseException:
            answer.close()
            raise
        self.lasts = not answer.will_close
        return answer

    def close(self) -> None:
        """Lets go of the socket."""
        sock, self.sock, self.lasts = self.sock, None, False
        if sock is not None:
            sock.close()


def request_head(method: str, target: str, headers: Iterable[tuple[str, str]]) -> bytes:
    """The head of a request. Raises ValueError for what would be more than one, or more headers than were given."""
    lines = [f"{method} {target} HTTP/1.1", *map(": ".join, headers), "", ""]
    head = "\r\n".join(lines).encode("latin-1")
    ends = len(lines) - 1
    if head.count(b"\r") != ends or head.count(b"\n") != ends or b"\0" in head or lines[0].count(" ") != 2:  # noqa: PLR2004 - method, target, version
        raise ValueError("a request with control characters in it")
    return head


def read_head(stream: BinaryIO) -> Headers:
    """The lines up to an empty one, or to the end. Raises HTTPException where that is more than a head may have.

    A line that is no header is passed over; one that goes on with the header before it is added to that.
    """
    pairs: list[tuple[str, str]] = []
    for _ in range(MAX_HEADERS + 1):
        line = stream.readline(MAX_LINE + 1)
        if len(line) > MAX_LINE:
            raise HTTPException("a header is too long")
        if line in ENDS_OF_HEAD:
            return Headers(pairs)
        if line[:1] in {b" ", b"\t"} and pairs:
            name, value = pairs[-1]
            pairs[-1] = (name, f"{value} {_text(line)}".strip())
            continue
        begin, colon, rest = line.partition(b":")
        if colon and NAME.fullmatch(begin):
            pairs.append((begin.decode("ascii"), _text(rest)))
    raise HTTPException("too many headers")


def _text(value: bytes) -> str:
    return str(value.strip(b" \t\r\n"), "latin-1")
