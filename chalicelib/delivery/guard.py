"""From a host name to the one address a call may connect to.

Names are not trusted, answers are: every address a name resolves to is judged, and one bad address refuses the name.
There is one look-up per hop, and the connection is made to the address it gave, so a name that changes its mind between
check and use (rebinding) gains nothing.

`getaddrinfo` has no time-out. It runs in a bounded pool of threads, and whoever waits gives up after the time limit;
the thread stays with the resolver until that gives up too.
"""

import socket
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address
from typing import Protocol

from chalicelib.delivery.deadline import Deadline
from chalicelib.scheduling.address import AddressPolicy, IPAddress, Place, is_allowed

LOOKUP_LIMIT = 5.0  # seconds
LOOKUPS_AT_ONCE = 64  # more than a batch has, so that names which hang hold up none beside them


class Resolver(Protocol):
    """Name resolution: all addresses of a host, in order of preference. Raises OSError when there is no answer."""

    def __call__(self, host: str, port: int, /) -> Sequence[str]:
        """The addresses as text, IPv4 and IPv6."""
        ...


class Blocked(Exception):
    """A place no webhook may go to; its text is for the job's owner."""


class Lookups:
    """Name resolution that ends. Safe to share between threads."""

    def __init__(self, resolver: Resolver | None = None, *, limit: float = LOOKUP_LIMIT) -> None:
        self._resolver = resolver or system_resolver
        self._limit = limit
        self._threads = ThreadPoolExecutor(LOOKUPS_AT_ONCE, thread_name_prefix="lookup")

    def addresses(self, place: Place, deadline: Deadline) -> Sequence[IPAddress]:
        """All addresses of a place; raises OSError where its name has no answer, or none in time."""
        if place.address:
            return [place.address]
        future = self._threads.submit(self._resolver, place.host, place.port)
        try:
            found = future.result(timeout=min(deadline.left(), self._limit))
        except UnicodeError as error:  # getaddrinfo encodes the name before it asks
            raise socket.gaierror(socket.EAI_NONAME, "the host name is malformed") from error
        finally:
            future.cancel()
        if not found:
            raise socket.gaierror(socket.EAI_NONAME, "the host name has no address")
        return [ip_address(text) for text in found]

    def close(self) -> None:
        """Lets go of the threads, without waiting for those that hang."""
        self._threads.shutdown(wait=False, cancel_futures=True)


class Guard:
    """Decides where to connect. Safe to share between threads."""

    def __init__(
        self, policy: AddressPolicy, *, resolver: Resolver | None = None, lookup_limit: float = LOOKUP_LIMIT
    ) -> None:
        self._policy = policy
        self._lookups = Lookups(resolver, limit=lookup_limit)

    def choose(self, place: Place, deadline: Deadline) -> IPAddress:
        """The address to connect to; raises Blocked, or OSError where the name has no answer, or none in time."""
        addresses = self._lookups.addresses(place, deadline)
        if not all(is_allowed(address, self._policy) for address in addresses):
            raise Blocked("the host has a private or special address")
        return preferred(addresses)

    def close(self) -> None:
        """Lets go of the look-ups that hang."""
        self._lookups.close()


def preferred(addresses: Iterable[IPAddress]) -> IPAddress:
    """The first IPv4 address, else the first of all: a Lambda has no way out by IPv6 unless somebody built one."""
    return min(addresses, key=lambda address: address.version)


def system_resolver(host: str, port: int) -> Sequence[str]:
    """What the operating system answers."""
    return [str(answer[4][0]) for answer in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
