"""The packaged app, deployed into an engine of its own, and a real web server to call."""

import base64
import hashlib
import hmac
import http.server
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import urllib3

from chalicelib.scheduling.execution import Execution
from chalicelib.storage.executions import DynamoExecutions
from chalicelib.storage.tables import Table, connect
from infra.deploy import Deployment
from infra.local.stack import deploy_locally
from infra.package import package
from tests.engine import DEFAULT, RunningEngine, an_engine

WORKER_SECONDS = 10  # the visibility time-out is six times that, the shortest a deployment may have


@dataclass
class Arrival:
    """One request that the web server got."""

    at: float
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Sink:
    """A web server on this machine. `behave` says what a path answers, and may take its time."""

    port: int = 0
    arrivals: list[Arrival] = field(default_factory=list)
    behave: Callable[[Arrival, int], int] = lambda _arrival, _count: 200

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}/{path}"

    def at(self, path: str) -> list[Arrival]:
        return [arrival for arrival in self.arrivals if arrival.path == f"/{path}"]


@pytest.fixture(scope="session")
def sink() -> Iterator[Sink]:
    one = Sink()

    class Handler(http.server.BaseHTTPRequestHandler):
        def serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            arrival = Arrival(time.time(), self.command, self.path, dict(self.headers), body)
            one.arrivals.append(arrival)
            try:
                self.send_response(one.behave(arrival, len(one.at(self.path[1:]))))
                self.end_headers()
            except OSError:
                self.close_connection = True

        do_GET = do_POST = do_PUT = serve  # noqa: N815 - names of the library

        def log_message(self, *_args: object) -> None:
            """Quiet."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    one.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield one
    server.shutdown()
    thread.join()
    server.server_close()


@dataclass(kw_only=True)
class Stack:
    """The deployed app: its API at `url`, its tables and queues on the engine."""

    engine: RunningEngine
    outputs: dict[str, str]

    def request(
        self, method: str, path: str, *, headers: Mapping[str, str], fields: Mapping[str, str]
    ) -> tuple[int, Any]:
        """A form, as all of these APIs take it; no body where there are no fields."""
        given = dict(headers)
        if fields:
            given["Content-Type"] = "application/x-www-form-urlencoded"
        url, body = self.engine.front + path, urlencode(fields) if fields else None
        answer = urllib3.request(method, url, headers=given, body=body, retries=False, timeout=30)
        return answer.status, answer.json()

    def executions(self, account_id: str) -> list[Execution]:
        """The account's history, as the store reads it."""
        connection = connect("us-east-1", endpoint=self.engine.endpoint, credentials=(DEFAULT, "test"))
        history = DynamoExecutions(Table(connection, self.outputs["JobsTableName"]))
        return list(history.between(account_id, datetime.fromtimestamp(0, UTC), datetime.now(UTC)))


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """With every role's policy enforced: a permission too few shows here."""
    with an_engine(tmp_path_factory.mktemp("story"), auth=True) as engine:
        parameters = {"WorkerTimeout": str(WORKER_SECONDS)}
        deployment = Deployment(artifact=package(), endpoint=engine.endpoint, key=DEFAULT, parameters=parameters)
        yield Stack(engine=engine, outputs=deploy_locally(deployment))


@dataclass(kw_only=True)
class User:
    """An account, opened over HTTP, and how its owner signs."""

    stack: Stack
    account_id: str
    key: str
    secret: str

    def cronally(self, method: str, path: str, *, secret: str = "", date: str = "", **fields: str) -> tuple[int, Any]:
        date = date or time.strftime("%Y%m%d%H%M", time.gmtime())
        key = base64.b64decode(secret or self.secret)
        signature = base64.b64encode(hmac.digest(key, f"{path}{method}{date}".encode(), hashlib.sha256)).decode()
        headers = {"X-Cron-Key": self.key, "X-Cron-Date": date, "X-Cron-Signature": signature}
        return self.stack.request(method, path, headers=headers, fields=fields)

    def rlatr(self, verb: str, path: str = "", **fields: str) -> tuple[int, Any]:
        headers = urllib3.make_headers(basic_auth=f"{self.key}:{self.secret}")
        return self.stack.request(verb, f"/api/v1ish/schedule{path}", headers=headers, fields=fields)

    def execution_of(self, job_id: object) -> Execution | None:
        found = [one for one in self.stack.executions(self.account_id) if one.ref.job_id == str(job_id)]
        return found[0] if found else None


def open_account(stack: Stack, email: str) -> User:
    status, said = stack.request("POST", "/account/", headers={}, fields={"email": email})
    assert status == 200, said
    given = said["response"]
    return User(stack=stack, account_id=given["account_id"], key=given["api_key"], secret=given["api_secret"])


@pytest.fixture(scope="session")
def alice(stack: Stack) -> User:
    return open_account(stack, "alice@example.com")


@pytest.fixture(scope="session")
def bob(stack: Stack) -> User:
    return open_account(stack, "bob@example.com")


def function_processes(engine: RunningEngine, name: str) -> list[int]:
    """The engine's worker processes that run a function."""
    assert engine.process
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            environment = (entry / "environ").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        if parent == engine.process.pid and any(
            line.startswith("AWS_LAMBDA_FUNCTION_NAME=") and name in line for line in environment
        ):
            found.append(int(entry.name))
    return found


def parsed(message: dict[str, Any]) -> dict[str, Any]:
    """What SNS put into a queue's message."""
    said: dict[str, Any] = json.loads(message["Body"])
    return said
