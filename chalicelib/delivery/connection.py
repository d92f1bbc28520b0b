"""Connections to a pinned address, and the few that are kept alive.

A connection goes to the address the guard chose, while the Host header, SNI and the certificate's name stay the host's.
It never dials by itself: no second look-up, no proxy.

A kept-alive connection can be closed by the receiver just as the next request leaves, and then nobody can know whether
the request was processed. The firing would fail for what we did to save time, so it is sent once more on a fresh one,
under the same id (`delivery.exchange`). The race is made rare: a connection is used again within one second only, which
is less than the servers we know wait (gunicorn 2 s; Node, Apache and uvicorn 5 s), and only if nothing, not even an
end, has arrived on it since: before anything is sent, taking a fresh one is free.

Connections belong to an owner, the account whose job it was: what a receiver says too late is never taken for the
answer to another's call.
"""

import socket
import ssl
import threading
import time
from ipaddress import ip_address
from typing import NamedTuple

from urllib3.util.wait import wait_for_read

from chalicelib.delivery.deadline import Deadline, DeadlineSocket
from chalicelib.delivery.guard import Blocked
from chalicelib.http1 import Connection
from chalicelib.scheduling.address import IPAddress

IDLE_LIMIT = 1.0  # seconds
KEPT_AT_MOST = 64


class HandshakeFailed(Exception):
    """No TLS connection came about: a certificate that does not hold, or no end of the handshake."""


class Route(NamedTuple):
    """What makes two connections interchangeable."""

    owner: str
    scheme: str
    host: str
    port: int
    address: IPAddress


class PinnedConnection(Connection):
    """One connection, plain or TLS, to one address."""

    kept = False
    """Whether it has served a call before this one."""

    def __init__(self, route: Route) -> None:
        self.route = route

    def open(self, deadline: Deadline, *, tls: ssl.SSLContext | None) -> None:
        """Connects: plain without `tls`. Raises OSError, HandshakeFailed, or Blocked if it came out elsewhere."""
        sock = dial(self.route.address, self.route.port, deadline)
        self.sock = shake_hands(sock, tls, self.route.host) if tls else sock

    @property
    def is_open(self) -> bool:
        """Whether it could take another request: nothing has arrived on it, not even an end."""
        return self.sock is not None and not wait_for_read(self.sock, timeout=0.0)

    def serve(self, deadline: Deadline, allowance: int) -> None:
        """Begins a call on the open connection."""
        if isinstance(self.sock, DeadlineSocket):
            self.sock.serve(deadline, allowance)

    def heard(self, allowance: int) -> bool:
        """Whether anything has come since the call began with this allowance."""
        return isinstance(self.sock, DeadlineSocket) and self.sock.allowance < allowance


def dial(address: IPAddress, port: int, deadline: Deadline) -> DeadlineSocket:
    """A TCP connection to an address, checked to have arrived there."""
    sock = DeadlineSocket(socket.AF_INET6 if address.version == 6 else socket.AF_INET)  # noqa: PLR2004 - a name by itself
    try:
        sock.settimeout(deadline.left())
        sock.connect((str(address), port))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.settimeout(deadline.left())
        check_peer(sock, address)
    except BaseException:
        sock.close()
        raise
    return sock


def check_peer(sock: socket.socket, address: IPAddress) -> None:
    """Refuses (Blocked) a connection that did not arrive where it was sent."""
    if ip_address(sock.getpeername()[0]) != address:
        raise Blocked("the connection came out at another address")


def shake_hands(sock: DeadlineSocket, tls: ssl.SSLContext, host: str) -> ssl.SSLSocket:
    """TLS on top, in the time set on the socket; whatever goes wrong is a failed handshake."""
    try:
        return tls.wrap_socket(sock, server_hostname=host)
    except TimeoutError as error:
        raise HandshakeFailed("the handshake did not end in time") from error
    except ssl.SSLCertVerificationError as error:
        raise HandshakeFailed(error.verify_message) from error
    except OSError as error:
        raise HandshakeFailed("the handshake failed") from error
    finally:
        sock.close()  # the TLS socket has taken the descriptor over, or there is none


class KeptAlive:
    """Connections waiting to be used again: few, not for long, the oldest closed first. Shared between threads."""

    def __init__(self, *, idle_limit: float = IDLE_LIMIT, at_most: int = KEPT_AT_MOST) -> None:
        self._idle_limit = idle_limit
        self._at_most = at_most
        self._lock = threading.Lock()
        self._kept: list[tuple[float, PinnedConnection]] = []  # in order of their last use

    def take(self, route: Route) -> PinnedConnection | None:
        """A live connection of a route, which is the caller's from now on."""
        self._close_before(time.monotonic() - self._idle_limit)
        while connection := self._pop(route):
            if connection.is_open:
                return connection
            connection.close()
        return None

    def keep(self, connection: PinnedConnection) -> None:
        """Takes a connection back whose last answer was read to its end."""
        connection.kept = True
        with self._lock:
            self._kept.append((time.monotonic(), connection))
            surplus, self._kept = self._kept[: -self._at_most], self._kept[-self._at_most :]
        for _, old in surplus:
            old.close()

    def close(self) -> None:
        """Closes all of them."""
        self._close_before(float("inf"))

    def _pop(self, route: Route) -> PinnedConnection | None:
        with self._lock:
            for place in range(len(self._kept) - 1, -1, -1):
                if self._kept[place][1].route == route:
                    return self._kept.pop(place)[1]
        return None

    def _close_before(self, moment: float) -> None:
        with self._lock:
            old = [entry for entry in self._kept if entry[0] < moment]
            self._kept = self._kept[len(old) :]
        for _, connection in old:
            connection.close()
