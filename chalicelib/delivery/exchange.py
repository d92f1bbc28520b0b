"""One HTTP exchange: a connection to the address that was chosen, a request, and as much of the answer as is kept.

All of it ends with one deadline, the sending as well as the reading: the socket keeps it (`delivery.deadline`).
Connections are kept by account and address (`delivery.connection`), where a library's pool knows them by host. Proxies,
netrc and cookies do not exist here.
"""

import ssl
from collections.abc import Callable, Iterable
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import cached_property
from http.client import HTTPException, IncompleteRead

from chalicelib.delivery.connection import HandshakeFailed, KeptAlive, PinnedConnection, Route
from chalicelib.delivery.deadline import Deadline, tls_context
from chalicelib.delivery.guard import Blocked
from chalicelib.http1 import FinalAnswer, Headers
from chalicelib.scheduling.address import IPAddress, Place
from chalicelib.scheduling.execution import OutcomeKind

MAX_BODY = 8 * 1024
ALLOWANCE = MAX_BODY + 128 * 1024  # with status line, headers and chunk sizes: what one exchange may make us read
BREAKS = (ConnectionError, ssl.SSLEOFError, ssl.SSLZeroReturnError)  # what a peer that has left looks like
FAILURES = (Blocked, HandshakeFailed, OSError, HTTPException)

Pairs = Iterable[tuple[str, str]]
Choose = Callable[[Place, Deadline], IPAddress]
"""Where to connect for a place. Raises Blocked, OSError."""


class Stale(ConnectionError):
    """A kept connection that the other side had left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is asked, and on whose behalf: only the owner's own connections are used again."""

    place: Place
    method: str
    headers: Pairs
    body: bytes
    owner: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back. `broken`: what ended the body before its end."""

    status: int
    headers: Headers
    body: bytes
    broken: Exception | None

    @property
    def whole(self) -> bool:
        """Whether the body was read to its end, so that the connection is clean."""
        return self.broken is None and len(self.body) < MAX_BODY


class Exchanges:
    """Makes exchanges. Safe to share between threads, meant to be shared: it owns the TLS context and the connections.

    `ca_pem`: one trusted authority instead of the system's.
    """

    def __init__(self, choose: Choose, *, ca_pem: str = "") -> None:
        self._kept = KeptAlive()
        self._choose = choose
        self._ca_pem = ca_pem

    def make(self, request: Request, deadline: Deadline) -> Answer:
        """One request to a place. Raises FAILURES where not even the head of an answer can be read.

        A kept connection that breaks before a byte has come is not the receiver's answer: another one is opened, once.
        """
        place = request.place
        route = Route(request.owner, place.scheme, place.host, place.port, self._choose(place, deadline))
        kept = self._kept.take(route)
        if kept:
            with suppress(Stale):
                return self._ask(kept, request, deadline)
        fresh = PinnedConnection(route)
        fresh.open(deadline, tls=self._tls if place.scheme == "https" else None)
        return self._ask(fresh, request, deadline)

    def _ask(self, connection: PinnedConnection, request: Request, deadline: Deadline) -> Answer:
        try:
            connection.serve(deadline, ALLOWANCE)
            connection.ask(request.method, request.place.target, request.headers, request.body)
            answer = read_answer(connection.answer(request.method))
        except BaseException as error:
            stale = connection.kept and isinstance(error, BREAKS) and not connection.heard(ALLOWANCE)
            connection.close()
            if stale:
                raise Stale from error
            raise
        if answer.whole and connection.lasts:
            self._kept.keep(connection)
        else:
            connection.close()
        return answer

    def close(self) -> None:
        """Closes the connections that are kept."""
        self._kept.close()

    def __del__(self) -> None:
        """Nobody has it any more."""
        self.close()

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        return tls_context(ca_pem=self._ca_pem)


def read_answer(response: FinalAnswer) -> Answer:
    """As much of an answer as is kept. Raises HTTPException where nobody can say where its body ends."""
    with closing(response):
        check_length(response.head)
        body, broken = bytearray(), None
        try:
            while len(body) < MAX_BODY and (piece := response.read1(MAX_BODY - len(body))):
                body += piece
            if len(body) < MAX_BODY and response.length:
                raise IncompleteRead(b"", response.length)
        except (*FAILURES, ValueError) as error:
            broken = error
        return Answer(status=response.status, headers=response.head, body=bytes(body[:MAX_BODY]), broken=broken)


def check_length(head: Headers) -> None:
    """Raises HTTPException where an answer has several lengths: whoever stands between us may have read another one."""
    if len({length.strip() for value in head.all("content-length") for length in value.split(",")}) > 1:
        raise HTTPException


def ending(error: BaseException) -> tuple[OutcomeKind, str]:
    """What a failure means to the job's owner."""
    match error:
        case Blocked():
            return OutcomeKind.BLOCKED_ADDRESS, str(error)
        case HandshakeFailed():
            return OutcomeKind.TLS, str(error)
        case ssl.SSLError():
            return OutcomeKind.TLS, "the TLS connection broke"
        case TimeoutError():
            return OutcomeKind.TIMED_OUT, "no complete answer in time"
        case OSError():
            return OutcomeKind.CONNECTION, (error.strerror or "the connection was closed without an answer").lower()
        case _:
            return OutcomeKind.PROTOCOL, "the answer is not valid HTTP"
