"""No scheduler at all: when the time has come, one process writes requests made beforehand to kept connections.

One request is on its way on each connection, as with any HTTP client, but nothing is looked up, decided or recorded.
"""

import socket
import threading
import time
from typing import Final
from urllib.parse import urlsplit

from benchmarks.peers.creator import Jobs, serve
from benchmarks.work import HEADERS, path, payload

CONNECTIONS: Final = 64
ENOUGH: Final = 65_536


def create(jobs: Jobs) -> None:
    """Makes the requests and waits in the background."""
    address = urlsplit(jobs.url)
    requests = [_request(address.netloc, number) for number in range(jobs.count)]
    where = (address.hostname or "", address.port or 80)
    connections = [socket.create_connection(where) for _ in range(min(CONNECTIONS, jobs.count))]
    threading.Thread(target=_send, args=(jobs.due, connections, requests), daemon=True).start()


def _request(host: str, number: int) -> bytes:
    body = payload(number)
    fields = {"Host": host, "Content-Length": str(len(body)), **HEADERS}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"POST {path(number)} HTTP/1.1\r\n{head}\r\n".encode() + body


def _send(due: float, connections: list[socket.socket], requests: list[bytes]) -> None:
    time.sleep(max(0.0, due - time.time()))
    for start in range(0, len(requests), len(connections)):
        pairs = list(zip(connections, requests[start:], strict=False))
        for connection, request in pairs:
            connection.sendall(request)
        for connection, _ in pairs:
            connection.recv(ENOUGH)


if __name__ == "__main__":
    serve(create)
