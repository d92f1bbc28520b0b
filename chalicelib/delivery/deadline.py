"""One deadline and one allowance per call, kept by the socket itself.

A read time-out bounds one `recv`, not a call: a receiver that drips a byte a second holds the caller for ever, and
http.client skips `100 Continue` in a loop without end. So the sockets of this module know when the whole call must be
over: each operation may take only what is left, whoever asks for it (http.client's `readline`, a body read, TLS). That
needs no watchdog thread, and no thread can shut a descriptor that was closed and given out again meanwhile.

It holds for TLS as well. `SSLContext.sslsocket_class` puts the same methods on the TLS socket; a handshake, and a read
that spans several records, run under one time-out that the `ssl` module counts down itself.

The allowance bounds what one answer may make us read, in time's stead when a receiver is fast: endless `100 Continue`,
chunks of nothing but extensions, and a chunk size of -1, on which http.client would read to the end.
"""

import math
import socket
import ssl
import time
from datetime import timedelta
from http.client import HTTPException
from typing import Any


class TooMuch(HTTPException):
    """An answer that is not the answer of an HTTP server: it goes on and on."""


class Deadline:
    """The end of one call, on the monotonic clock."""

    def __init__(self, limit: timedelta) -> None:
        self._started = time.monotonic()
        self._ends = self._started + limit.total_seconds()

    def left(self) -> float:
        """Seconds until the end; raises TimeoutError once it has come."""
        left = self._ends - time.monotonic()
        if left <= 0:
            raise TimeoutError("the deadline has passed")
        return left

    def took(self) -> timedelta:
        """How long the call has run."""
        return timedelta(seconds=time.monotonic() - self._started)


class DeadlineSocket(socket.socket):
    """A socket whose every operation ends with the call it serves."""

    deadline: Deadline
    allowance: float = math.inf

    def serve(self, deadline: Deadline, allowance: int) -> None:
        """Begins a call: until `deadline`, for at most `allowance` bytes of answer."""
        self.deadline = deadline
        self.allowance = allowance

    def recv_into(self, *args: Any, **kwargs: Any) -> int:  # noqa: ANN401 - socket's and ssl's own differ
        """Receives in the time that is left."""
        self.settimeout(self.deadline.left())
        received = super().recv_into(*args, **kwargs)
        self.allowance -= received
        if self.allowance < 0:
            raise TooMuch
        return received

    def send(self, *args: Any, **kwargs: Any) -> int:  # noqa: ANN401 - as above
        """Sends in the time that is left."""
        self.settimeout(self.deadline.left())
        return super().send(*args, **kwargs)

    def sendall(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - as above
        """Sends all in the time that is left; on TLS the same, piece by piece through `send`."""
        self.settimeout(self.deadline.left())
        super().sendall(*args, **kwargs)


class DeadlineTlsSocket(DeadlineSocket, ssl.SSLSocket):
    """The same under TLS: the methods above, then ssl's."""


def tls_context(*, ca_pem: str = "") -> ssl.SSLContext:
    """What every TLS connection shares, for making one takes 40 ms: verified, TLS 1.2 at least.

    The system's authorities are trusted; where `ca_pem` is given, that one and no other.
    """
    context = ssl.create_default_context(cadata=ca_pem or None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.sslsocket_class = DeadlineTlsSocket
    return context
