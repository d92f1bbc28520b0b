"""The sender of webhooks: one HTTP exchange, or a few where redirects are followed, under one deadline.

Guard, then connect to the address it chose, then send, then read at most 8 KiB of the answer as it comes. What a
receiver does wrong is an Outcome, never an exception. The deadline is kept by the socket (`delivery.deadline`), the
address by the guard and the connection (`delivery.guard`, `delivery.connection`), what a redirect may carry on by
`delivery.hop`.

An answer's status decides as soon as it is there, but 2xx counts only with a body that keeps to HTTP and to the
deadline, as far as it is read.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

from chalicelib.delivery.deadline import Deadline
from chalicelib.delivery.exchange import FAILURES, Answer, Exchanges, Request, ending
from chalicelib.delivery.guard import Blocked, Guard, Resolver
from chalicelib.delivery.hop import REDIRECTS, Hop, absolute, first_hop, host_of
from chalicelib.scheduling.address import PUBLIC_ONLY, AddressPolicy, Place
from chalicelib.scheduling.errors import Invalid
from chalicelib.scheduling.execution import Outcome, OutcomeKind
from chalicelib.scheduling.secret import Secret
from chalicelib.scheduling.target import Webhook

MAX_KEPT_HEADERS = 4 * 1024
SUCCESS = range(200, 300)


class HttpSender:
    """Sends webhooks. Safe to share between threads, meant to be shared: it owns the connections.

    `resolver` and `ca_pem` (one trusted authority instead of the system's) are for tests and closed networks.
    """

    def __init__(
        self, policy: AddressPolicy = PUBLIC_ONLY, *, resolver: Resolver | None = None, ca_pem: str = ""
    ) -> None:
        self._policy = policy
        self._guard = Guard(policy, resolver=resolver)
        self._exchanges = Exchanges(self._guard.choose, ca_pem=ca_pem)

    def send(
        self, webhook: Webhook, *, message_id: str, timestamp: datetime, secrets: Sequence[Secret], owner: str = ""
    ) -> Outcome:
        """Sends once and says how it ended; `timestamp` is the time of this attempt. Without a secret: unsigned.

        `owner`: whose connections may be used again for it.
        """
        deadline = Deadline(webhook.timeout)
        try:
            hop = first_hop(webhook, self._policy, message_id=message_id, timestamp=timestamp, secrets=secrets)
        except Invalid as refused:
            detail = refused.problems[0].text
            return Outcome(kind=OutcomeKind.BLOCKED_ADDRESS, detail=detail, took=deadline.took())
        try:
            answer, location = self._follow(hop, webhook.redirects, deadline, owner)
        except FAILURES as error:
            kind, detail = ending(error)
            return Outcome(kind=kind, detail=detail, took=deadline.took())
        kind, detail = verdict(answer, location)
        headers = kept_headers(answer.headers.items()) if webhook.keeps_headers else ()
        return Outcome(
            kind=kind, detail=detail, status=answer.status, headers=headers, body=answer.body, took=deadline.took()
        )

    def close(self) -> None:
        """Closes the connections that are kept and lets go of the resolver's threads."""
        self._exchanges.close()
        self._guard.close()

    def _follow(self, hop: Hop, redirects: int, deadline: Deadline, owner: str) -> tuple[Answer, str]:
        """The last answer, and where it points to if it is a redirect still."""
        answer = self._exchange(hop, deadline, owner)
        location = location_of(answer, hop.place)
        for _ in range(redirects):
            if not location:
                break
            try:
                hop = hop.redirected(answer.status, location, self._policy)
                answer = self._exchange(hop, deadline, owner)
            except (Invalid, Blocked) as refused:
                raise Blocked(f"redirect to {host_of(location)} not followed: no webhook may go there") from refused
            location = location_of(answer, hop.place)
        return answer, location

    def _exchange(self, hop: Hop, deadline: Deadline, owner: str) -> Answer:
        headers = hop.wire_headers()
        request = Request(place=hop.place, method=hop.method, headers=headers, body=hop.body, owner=owner)
        return self._exchanges.make(request, deadline)


def location_of(answer: Answer, place: Place) -> str:
    """Where a redirect points to, as an absolute URL; nothing where it is none."""
    location = answer.headers.get("location") if answer.status in REDIRECTS else ""
    return absolute(place, location) if location else ""


def kept_headers(pairs: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """The first of an answer's headers, as many as fit into 4 KiB."""
    kept, size = [], 0
    for name, value in pairs:
        size += len(name) + len(value)
        if size > MAX_KEPT_HEADERS:
            break
        kept.append((name, value))
    return tuple(kept)


def verdict(answer: Answer, location: str) -> tuple[OutcomeKind, str]:
    """What an answer means: 2xx is success, everything else a refusal, a redirect that was not followed too."""
    if answer.status in SUCCESS:
        return ending(answer.broken) if answer.broken else (OutcomeKind.DELIVERED, "")
    return OutcomeKind.REFUSED, f"redirect to {host_of(location)} not followed" if location else ""
