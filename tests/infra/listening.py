"""Between the functions and the engine: a proxy that writes down every request, whichever client made it.

A request tells what is deployed, and by its signature whose key it was made with.
"""

from __future__ import annotations

import json
import re
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs

from tests.infra.calls import Call, calls_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SCOPE: Final = re.compile(r"Credential=([^/]+)/\d+/[\w-]+/([\w-]+)/")
HOP: Final = frozenset({"connection", "content-length", "date", "keep-alive", "server", "transfer-encoding"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """A call, the function that made it, and the access key that signed it."""

    function: str
    signer: str
    call: Call


@dataclass
class Recorder:
    """What was heard while one of the functions ran; what happens in between is nobody's."""

    port: int = 0
    heard: set[Heard] = field(default_factory=set)
    _function: str = ""

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @contextmanager
    def running(self, function: str) -> Iterator[None]:
        """All that comes in meanwhile is this function's."""
        self._function = function
        try:
            yield
        finally:
            self._function = ""

    def by(self, function: str, signer: str) -> frozenset[Call]:
        """A function's calls under one access key."""
        return frozenset(one.call for one in self.heard if (one.function, one.signer) == (function, signer))

    def hear(self, headers: Mapping[str, str], body: bytes) -> None:
        """Writes a request down. The JSON protocol names the operation in a header, the query protocol in the body."""
        if not self._function:
            return
        [(signer, service)] = SCOPE.findall(headers["Authorization"])
        target = headers.get("X-Amz-Target", "").rpartition(".")[2]
        operation = target or parse_qs(body.decode())["Action"][0]
        calls = calls_of(f"{service}.{operation}", json.loads(body) if target else {})
        self.heard |= {Heard(function=self._function, signer=signer, call=call) for call in calls}


@contextmanager
def listening(upstream: int) -> Iterator[Recorder]:
    """A recorder in front of the engine's port."""
    recorder = Recorder()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            recorder.hear(dict(self.headers), body)
            status, headers, answer = _forwarded(upstream, self.path, dict(self.headers), body)
            self.send_response_only(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_args: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    recorder.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield recorder
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _forwarded(port: int, path: str, headers: Mapping[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("POST", path, body=body, headers=dict(headers))
        answer = connection.getresponse()
        kept = {name: value for name, value in answer.getheaders() if name.lower() not in HOP}
        return answer.status, kept, answer.read()
    finally:
        connection.close()
