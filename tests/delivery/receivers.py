"""A kit of receivers, friendly and hostile: raw sockets on 127.0.0.1, one thread per connection, no patching anywhere.

A script gets the accepted connection and does as it likes; what the sender does about its closing is the sender's.
"""

import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator, Sequence

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Connection:
    """One accepted connection."""

    def __init__(self, sock: socket.socket, stopping: threading.Event, requests: list[bytes]) -> None:
        self.sock = sock
        self.stopping = stopping
        self.requests = requests

    def read_request(self) -> bytes:
        """One request, head and body as sent; nothing if the sender has left."""
        data = b""
        while b"\r\n\r\n" not in data:
            piece = self.sock.recv(65536)
            if not piece:
                return b""
            data += piece
        head, _, body = data.partition(b"\r\n\r\n")
        lengths = [line.split(b":")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
        while len(body) < int(lengths[0] if lengths else 0):
            body += self.sock.recv(65536)
        self.requests.append(head + b"\r\n\r\n" + body)
        return self.requests[-1]

    def drip(self, data: bytes, *, every: float = 0.05) -> None:
        """Byte by byte, for ever: the data again and again."""
        while True:
            for byte in data:
                if self.stopping.wait(every):
                    return
                self.sock.sendall(bytes([byte]))

    def flood(self, data: bytes, *, times: int) -> None:
        """As fast as it goes."""
        for _ in range(times):
            self.sock.sendall(data)

    def linger(self) -> None:
        """Stays, and says nothing more."""
        self.stopping.wait()

    def reset(self) -> None:
        """Ends with RST instead of FIN."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


Script = Callable[[Connection], None]


class Receiver:
    """A listening socket whose connections follow a script."""

    def __init__(self, script: Script, *, tls: ssl.SSLContext | None = None, family: int = socket.AF_INET) -> None:
        self.requests: list[bytes] = []
        self.accepted = 0
        self.server_names: list[str | None] = []
        self._script = script
        self._tls = tls
        self._stopping = threading.Event()
        self._socks: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        if tls:
            tls.sni_callback = lambda _sock, name, _context: self.server_names.append(name)
        home = "::1" if family == socket.AF_INET6 else "127.0.0.1"
        self._listener = socket.create_server((home, 0), family=family)
        self.port: int = self._listener.getsockname()[1]
        self._start(self._accept)

    def url(self, path: str = "/hook", *, host: str = "127.0.0.1", scheme: str = "") -> str:
        """Where to send."""
        return f"{scheme or ('https' if self._tls else 'http')}://{host}:{self.port}{path}"

    def close(self) -> None:
        """Ends all scripts and closes all sockets."""
        self._stopping.set()
        for sock in (self._listener, *self._socks):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()
        for thread in self._threads:
            thread.join(5)
        for sock in self._socks:
            sock.close()

    def _start(self, run: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=run, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._stopping.is_set():
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self._socks.append(sock)
            self.accepted += 1
            self._start(self._run, sock)

    def _run(self, sock: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError):
            if self._tls:
                sock = self._tls.wrap_socket(sock, server_side=True)
                self._socks.append(sock)
            self._script(Connection(sock, self._stopping, self.requests))
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)
        sock.close()


@contextlib.contextmanager
def receiver(script: Script, *, tls: ssl.SSLContext | None = None, family: int = socket.AF_INET) -> Iterator[Receiver]:
    """A receiver for the length of a test."""
    running = Receiver(script, tls=tls, family=family)
    try:
        yield running
    finally:
        running.close()


@contextlib.contextmanager
def never_accepting() -> Iterator[str]:
    """A listener with a full backlog: connections to it are not even established."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(0)
    waiting = [socket.socket() for _ in range(4)]
    try:
        for sock in waiting:
            sock.settimeout(0)
            sock.connect_ex(listener.getsockname())
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
    finally:
        for sock in (listener, *waiting):
            sock.close()


def answering(*answers: bytes) -> Script:
    """The answers in order, one per request on a connection; then keeps answering with the last."""

    def script(connection: Connection) -> None:
        for answer in answers:
            if not connection.read_request():
                return
            connection.sock.sendall(answer)
        while connection.read_request():
            connection.sock.sendall(answers[-1])

    return script


def saying(data: bytes) -> Script:
    """One answer, then the end of the connection."""

    def script(connection: Connection) -> None:
        connection.read_request()
        connection.sock.sendall(data)

    return script


def silent(connection: Connection) -> None:
    connection.linger()


def dripping_headers(connection: Connection) -> None:
    connection.sock.sendall(b"HTTP/1.1 200 OK\r\n")
    connection.drip(b"X-Slow: 1\r\n")


def dripping_status(connection: Connection) -> None:
    connection.drip(b"HTTP/1.1 200 Oh well")


def dripping_body(connection: Connection) -> None:
    connection.read_request()
    connection.sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    connection.drip(b"x")


def dripping_chunks(connection: Connection) -> None:
    connection.read_request()
    connection.sock.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    connection.drip(b"1\r\nx\r\n", every=0.02)


def endless_continue_slowly(connection: Connection) -> None:
    connection.drip(b"HTTP/1.1 100 Continue\r\n\r\n", every=0.01)


def endless_continue_fast(connection: Connection) -> None:
    connection.flood(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000, times=1_000_000)


def a_gigabyte(connection: Connection) -> None:
    connection.read_request()
    connection.sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n")
    connection.flood(b"x" * 65536, times=16384)


def a_gigabyte_without_length(connection: Connection) -> None:
    connection.read_request()
    connection.sock.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    connection.flood(b"x" * 65536, times=16384)


def a_chunk_of_minus_one(connection: Connection) -> None:
    connection.read_request()
    connection.sock.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n")
    connection.flood(b"x" * 65536, times=16384)


def endless_chunk_extensions(connection: Connection) -> None:
    connection.read_request()
    connection.sock.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    connection.flood(b"1;" + b"e" * 60000 + b"\r\nx\r\n", times=20000)


def endless_trailers(connection: Connection) -> None:
    connection.read_request()
    connection.sock.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n")
    connection.flood(b"X-Trailer: 1\r\n" * 4000, times=20000)


def reset_after_request(connection: Connection) -> None:
    connection.read_request()
    connection.reset()


def reset_in_the_body(connection: Connection) -> None:
    connection.read_request()
    connection.sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
    connection.stopping.wait(0.1)
    connection.reset()


def half_closing(connection: Connection) -> None:
    connection.read_request()
    connection.sock.shutdown(socket.SHUT_WR)
    connection.linger()


def half_closing_after_the_answer(connection: Connection) -> None:
    connection.read_request()
    connection.sock.sendall(b"HTTP/1.1 200 OK\r\n\r\ndone")
    connection.sock.shutdown(socket.SHUT_WR)
    connection.linger()


class Names:
    """A resolver of a test's own: answers per host, in order, and then the last one again."""

    def __init__(self, answers: dict[str, Sequence[Sequence[str]]] | None = None) -> None:
        self.answers = {host: list(given) for host, given in (answers or {}).items()}
        self.asked: list[str] = []

    def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        given = self.answers.get(host)
        if given is None:
            raise socket.gaierror(socket.EAI_NONAME, f"no such name, port {port}")
        return given.pop(0) if len(given) > 1 else given[0]
