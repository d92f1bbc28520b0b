"""The smoke test itself, against a server that answers as it is told: it has to fail where the system does."""

from __future__ import annotations

import http.server
import json
import threading
from typing import TYPE_CHECKING, Any

import pytest

from infra.smoke import SmokeError, smoke
from tests.engine import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Answers = dict[str, tuple[int, object]]

DUE = "2026-11-22T12:00:00+00:00"
EXECUTION = {"state": "succeeded", "description": "", "updated_time": DUE, "job": {"job_id": "j"}}
WELL: Answers = {
    "PUT /users/": (201, {}),
    "PUT /users/x/apikeys/smoke": (201, {"public": "smoke", "private": "secret"}),
    "GET /api/v1/jobs": (200, {}),
    "POST /api/v1/jobs": (201, {"job_id": "j"}),
    "GET /api/v1/executions": (200, {"executions": [EXECUTION]}),
    "DELETE /api/v1/jobs/j": (200, {}),
    "DELETE /users/x": (200, {}),
}


@pytest.fixture
def serve() -> Iterator[Callable[[Answers], tuple[str, list[str]]]]:
    """Starts a server with these answers: its address, and the list of what it is asked. `x` stands for the account."""
    servers: list[http.server.ThreadingHTTPServer] = []

    def start(answers: Answers) -> tuple[str, list[str]]:
        asked: list[str] = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def serve(self) -> None:
                parts = [("x" if part.startswith("smoke-") else part) for part in self.path.split("/")]
                asked.append(f"{self.command} {'/'.join(parts)}")
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                status, document = answers[asked[-1]]
                body = json.dumps(document).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = do_PUT = do_DELETE = serve  # noqa: N815 - names of the library

            def log_message(self, *_args: Any) -> None:
                """Quiet."""

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.block_on_close = False
        servers.append(server)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        return f"http://127.0.0.1:{server.server_address[1]}", asked

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def test_a_system_that_works_passes_and_is_left_as_it_was(
    serve: Callable[[Answers], tuple[str, list[str]]],
) -> None:
    url, asked = serve(WELL)
    assert smoke(url, say=lambda _: None).total_seconds() < 0, "the answer was long ago"
    assert asked == list(WELL)


@pytest.mark.parametrize(
    ("what", "answer", "said", "removed"),
    [
        pytest.param("PUT /users/", (400, {"err": "no"}), "the account was answered with 400", [], id="no account"),
        pytest.param(
            "PUT /users/x/apikeys/smoke",
            (400, {}),
            "the API key was answered with 400",
            ["DELETE /users/x"],
            id="no key",
        ),
        pytest.param("POST /api/v1/jobs", (500, {}), "the job was answered with 500", ["DELETE /users/x"], id="no job"),
        pytest.param(
            "GET /api/v1/executions",
            (200, {"executions": [{**EXECUTION, "state": "scheduled error", "description": "unknown class"}]}),
            "the job ended as scheduled error: unknown class",
            ["DELETE /api/v1/jobs/j", "DELETE /users/x"],
            id="a job that did not succeed",
        ),
        pytest.param(
            "DELETE /api/v1/jobs/j",
            (500, {}),
            "the removal of the job was answered with 500",
            ["DELETE /users/x"],
            id="a job that stays",
        ),
    ],
)
def test_what_does_not_work_is_named_and_what_was_made_is_removed(
    serve: Callable[[Answers], tuple[str, list[str]]],
    what: str,
    answer: tuple[int, object],
    said: str,
    removed: list[str],
) -> None:
    url, asked = serve({**WELL, what: answer})
    with pytest.raises(SmokeError, match=said):
        smoke(url, say=lambda _: None)
    assert [one for one in asked[asked.index(what) + 1 :] if one.startswith("DELETE")] == removed


def test_where_nothing_answers_that_is_said() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(SmokeError, match=f"PUT {url}/users/ got no answer"):
        smoke(url, say=lambda _: None)
