"""The sender of webhooks: one HTTP exchange, or a few where redirects are followed, under one deadline.

Guard, then connect to the address it chose, then send, then read at most 8 KiB of the answer as it comes. What a
receiver does wrong is an Outcome, never an exception: see `ending`. The deadline is kept by the socket
(`delivery.deadline`), the address by the guard and the connection (`delivery.guard`, `delivery.connection`), what a
redirect may carry on by `delivery.hop`.

An answer's status decides as soon as it is there, but 2xx counts only with a body that keeps to HTTP and to the
deadline, as far as it is read. Proxies, netrc and cookies do not exist here. urllib3's connection is used without its
pool: the pool would send again on its own, and knows connections by host, not by address.
"""

import logging
import ssl
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from http.client import HTTPException

from urllib3.exceptions import HTTPError

from chalicelib.delivery.connection import HandshakeFailed, KeptAlive, PinnedConnection, Route
from chalicelib.delivery.deadline import Deadline, tls_context
from chalicelib.delivery.guard import Blocked, Guard, Resolver
from chalicelib.delivery.hop import REDIRECTS, Hop, absolute, first_hop, host_of
from chalicelib.scheduling.address import PUBLIC_ONLY, AddressPolicy, Place
from chalicelib.scheduling.errors import Invalid
from chalicelib.scheduling.execution import Outcome, OutcomeKind
from chalicelib.scheduling.secret import Secret
from chalicelib.scheduling.target import Webhook

MAX_BODY = 8 * 1024
MAX_KEPT_HEADERS = 4 * 1024
ALLOWANCE = MAX_BODY + 128 * 1024  # with status line, headers and chunk sizes: what one exchange may make us read
SUCCESS = range(200, 300)
FAILURES = (Blocked, HandshakeFailed, OSError, HTTPException, HTTPError)

# urllib3 warns about odd headers with the URL of the request in the text, and the URL may hold the owner's secrets.
logging.getLogger("urllib3.connection").setLevel(logging.ERROR)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back. `location`: absolute, of a redirect only; `broken`: what ended the body before its end."""

    status: int
    location: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    broken: Exception | None

    @property
    def whole(self) -> bool:
        """Whether the body was read to its end, so that the connection is clean."""
        return self.broken is None and len(self.body) < MAX_BODY


class HttpSender:
    """Sends webhooks. Safe to share between threads, meant to be shared: it owns the TLS context and the connections.

    `resolver` and `ca_pem` (one trusted authority instead of the system's) are for tests and closed networks.
    """

    def __init__(
        self, policy: AddressPolicy = PUBLIC_ONLY, *, resolver: Resolver | None = None, ca_pem: str = ""
    ) -> None:
        self._policy = policy
        self._guard = Guard(policy, resolver=resolver)
        self._kept = KeptAlive()
        self._ca_pem = ca_pem

    def send(self, webhook: Webhook, *, message_id: str, timestamp: datetime, secret: Secret | None) -> Outcome:
        """Sends once and says how it ended; `timestamp` is the time of this attempt. Without a secret: unsigned."""
        deadline = Deadline(webhook.timeout)
        try:
            hop = first_hop(webhook, self._policy, message_id=message_id, timestamp=timestamp, secret=secret)
        except Invalid as refused:
            detail = refused.problems[0].text
            return Outcome(kind=OutcomeKind.BLOCKED_ADDRESS, detail=detail, took=deadline.took())
        try:
            answer = self._follow(hop, webhook.redirects, deadline)
        except FAILURES as error:
            kind, detail = ending(error)
            return Outcome(kind=kind, detail=detail, took=deadline.took())
        headers = answer.headers if webhook.keeps_headers else ()
        return outcome(answer, headers, took=deadline.took())

    def close(self) -> None:
        """Closes the connections that are kept and lets go of the resolver's threads."""
        self._kept.close()
        self._guard.close()

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        return tls_context(ca_pem=self._ca_pem)

    def _follow(self, hop: Hop, redirects: int, deadline: Deadline) -> Answer:
        answer = self._exchange(hop, deadline)
        for _ in range(redirects):
            if not answer.location:
                break
            try:
                hop = hop.redirected(answer.status, answer.location, self._policy)
                answer = self._exchange(hop, deadline)
            except (Invalid, Blocked) as refused:
                raise Blocked(
                    f"redirect to {host_of(answer.location)} not followed: no webhook may go there"
                ) from refused
        return answer

    def _exchange(self, hop: Hop, deadline: Deadline) -> Answer:
        connection = self._connect(hop.place, deadline)
        try:
            connection.serve(deadline, ALLOWANCE)
            body, headers = hop.body or None, hop.wire_headers()
            connection.request(hop.method, hop.place.target, body, headers, preload_content=False, decode_content=False)
            answer = read_answer(connection, hop.place)
        except BaseException:
            connection.close()
            raise
        if answer.whole and not connection.is_closed:
            self._kept.keep(connection)
        else:
            connection.close()
        return answer

    def _connect(self, place: Place, deadline: Deadline) -> PinnedConnection:
        address = self._guard.choose(place, deadline)
        kept = self._kept.take(Route(place.scheme, place.host, place.port, address))
        if kept:
            return kept
        connection = PinnedConnection(place, address)
        connection.open(deadline, tls=self._tls if place.scheme == "https" else None)
        return connection


def read_answer(connection: PinnedConnection, place: Place) -> Answer:
    """The answer to the request just sent; raises one of FAILURES if not even its head can be read."""
    try:
        response = connection.getresponse()
    except ValueError as error:  # a number that is none, somewhere in the head
        raise HTTPException from error
    with closing(response):
        location = response.headers.get("Location", "") if response.status in REDIRECTS else ""
        body, broken = bytearray(), None
        try:
            while len(body) < MAX_BODY and (piece := response.read1(MAX_BODY - len(body), decode_content=False)):
                body += piece
        except (*FAILURES, ValueError) as error:
            broken = error
        return Answer(
            status=response.status,
            location=absolute(place, location) if location else "",
            headers=kept_headers(response.headers.items()),
            body=bytes(body[:MAX_BODY]),
            broken=broken,
        )


def kept_headers(pairs: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """The first of an answer's headers, as many as fit into 4 KiB."""
    kept, size = [], 0
    for name, value in pairs:
        size += len(name) + len(value)
        if size > MAX_KEPT_HEADERS:
            break
        kept.append((name, value))
    return tuple(kept)


def outcome(answer: Answer, headers: tuple[tuple[str, str], ...], *, took: timedelta) -> Outcome:
    """What an answer means: 2xx is success, everything else a refusal, a redirect that was not followed too."""
    kind, detail = OutcomeKind.REFUSED, ""
    if answer.location:
        detail = f"redirect to {host_of(answer.location)} not followed"
    if answer.status in SUCCESS:
        kind, detail = ending(answer.broken) if answer.broken else (OutcomeKind.DELIVERED, "")
    return Outcome(kind=kind, detail=detail, status=answer.status, headers=headers, body=answer.body, took=took)


def ending(error: BaseException) -> tuple[OutcomeKind, str]:
    """What a failure means to the job's owner; urllib3's own errors mean what caused them."""
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
        case HTTPError(__cause__=BaseException() as cause):
            return ending(cause)
        case _:
            return OutcomeKind.PROTOCOL, "the answer is not valid HTTP"
