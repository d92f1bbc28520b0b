"""The packaged app, deployed into an engine of its own, and a real web server to call."""

import http.server
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import urllib3

from chalicelib.scheduling.execution import Execution
from chalicelib.storage.executions import DynamoExecutions
from chalicelib.storage.tables import Table
from infra.deploy import Deployment
from infra.local.stack import deploy_locally
from infra.package import package
from tests.api.client import FORM, Headers, basic, cron_date, cron_signed, form, typed
from tests.api.runlater import signature
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

    def request(self, method: str, path: str, *, headers: Headers, body: str = "") -> tuple[int, Any]:
        """The answer's status and its document."""
        url, sent = self.engine.front + path, body.encode() or None
        answer = urllib3.request(method, url, headers=dict(headers), body=sent, retries=False, timeout=30)
        return answer.status, answer.json()

    def queued(self) -> int:
        """Messages in all queues: to be seen, being worked on, or delayed."""
        sqs = self.engine.client("sqs")
        urls = [url for name, url in self.outputs.items() if name.endswith("QueueUrl")]
        counts = [sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"] for url in urls]
        return sum(int(one[name]) for one in counts for name in one if name.startswith("ApproximateNumberOf"))

    def printed(self, function: str) -> list[dict[str, Any]]:
        """The lines of JSON in a function's log group, the oldest first."""
        group = f"/aws/lambda/belltower-{function}-{self.outputs['Stage']}"
        lines = [
            event["message"] for event in self.engine.client("logs").filter_log_events(logGroupName=group)["events"]
        ]
        return [json.loads(line) for line in lines if line.startswith("{")]

    def executions(self, account_id: str) -> list[Execution]:
        """The account's history, as the store reads it."""
        with self.engine.wire() as wire:
            history = DynamoExecutions(Table(wire, self.outputs["JobsTableName"]))
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

    def runlater(self, method: str, path: str, /, **document: Any) -> tuple[int, Any]:
        whole, body = f"/users/{self.account_id}{path}", json.dumps(document) if document else ""
        proof = signature(self.secret, body or whole)
        headers = [("runlaterkey", self.key), ("runlaterhash", proof), typed("application/json")]
        return self.stack.request(method, whole, headers=headers, body=body)

    def rlatr(self, method: str, path: str = "", /, **fields: str) -> tuple[int, Any]:
        headers = [basic(self.key, self.secret), typed(FORM)]
        return self.stack.request(method, f"/api/v1ish/schedule{path}", headers=headers, body=form(fields))

    def job_scheduler(self, method: str, path: str = "", /, **document: Any) -> tuple[int, Any]:
        return self._documents(method, f"/1/jobs{path}", document)

    def cronally(
        self, method: str, path: str, /, *, secret: str = "", date: str = "", **fields: str
    ) -> tuple[int, Any]:
        date = date or cron_date(datetime.now(UTC))
        proof = cron_signed(self.key, secret or self.secret, method=method, path=path, date=date)
        return self.stack.request(method, path, headers=[*proof, typed(FORM)], body=form(fields))

    def ndscheduler(self, method: str, path: str, /, **document: Any) -> tuple[int, Any]:
        return self._documents(method, f"/api/v1{path}", document)

    def _documents(self, method: str, path: str, document: dict[str, Any]) -> tuple[int, Any]:
        headers = [basic(self.key, self.secret), typed("application/json"), ("Accept", "application/json")]
        return self.stack.request(method, path, headers=headers, body=json.dumps(document) if document else "")

    def execution_of(self, job_id: object) -> Execution | None:
        found = [one for one in self.stack.executions(self.account_id) if one.ref.job_id == str(job_id)]
        return found[0] if found else None


def open_account(stack: Stack, email: str) -> User:
    status, said = stack.request("POST", "/account/", headers=[typed(FORM)], body=form({"email": email}))
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


@dataclass(frozen=True)
class Subscriber:
    """A queue of the user's own that subscribes to a topic of the user's own."""

    stack: Stack
    topic: str
    queue: str

    def messages(self) -> list[dict[str, Any]]:
        """What SNS said since it was asked last."""
        sqs = self.stack.engine.client("sqs")
        found = sqs.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10).get("Messages", [])
        for message in found:
            sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=message["ReceiptHandle"])
        return [json.loads(message["Body"]) for message in found]


def subscribe(stack: Stack, name: str, *, topic: str = "") -> Subscriber:
    """A new queue of that name, and where no topic is given a new one as well."""
    sns, sqs = stack.engine.client("sns"), stack.engine.client("sqs")
    topic = topic or sns.create_topic(Name=name)["TopicArn"]
    queue = sqs.create_queue(QueueName=name)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sender = {"Service": "sns.amazonaws.com"}
    allow = {"Effect": "Allow", "Principal": sender, "Action": "sqs:SendMessage", "Resource": arn}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": policy})
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    return Subscriber(stack, topic, queue)
