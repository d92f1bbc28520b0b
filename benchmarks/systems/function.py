"""A process of ours, as Lambda would run it: `deliver`, `tick`, or one that creates jobs.

    python -m benchmarks.systems.function deliver <port of the event source>
    python -m benchmarks.systems.function tick
    python -m benchmarks.systems.function create

The handlers are those of app.py, wired as deployed. `deliver` takes its events from the stand-in's pollers; the others
take lines of JSON on standard input and answer each with one. What is logged goes to standard error.
"""

import json
import resource
import socket
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final

import app
from benchmarks.work import HEADERS, path, payload
from chalicelib import wiring
from chalicelib.operations.accounts import NewAccount, open_account_with_key
from chalicelib.operations.jobs import create_job
from chalicelib.ports import Depth, Due
from chalicelib.scheduling.job import Definition, JobRef
from chalicelib.scheduling.retry import Misfire
from chalicelib.scheduling.schedule import Once
from chalicelib.scheduling.target import Webhook

TIME_LIMIT: Final = 60.0


@dataclass(frozen=True, slots=True)
class Context:
    """What Lambda tells a handler."""

    aws_request_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    began: float = field(default_factory=time.monotonic)

    def get_remaining_time_in_millis(self) -> int:
        """Of the function's time-out."""
        return int((TIME_LIMIT - (time.monotonic() - self.began)) * 1000)


class Nowhere:
    """A queue that takes everything and sends nothing: for jobs that only a tick shall find."""

    def send(self, _dues: object, *, now: datetime) -> list[Due]:  # noqa: ARG002 - the port's
        """All taken."""
        return []

    def depth(self) -> Depth:
        """Empty."""
        return Depth(lanes={})


def deliver(port: int) -> None:
    """Batch after batch, until the event source is gone."""
    wiring.worker_services()
    with socket.create_connection(("127.0.0.1", port)) as source:
        source.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for line in source.makefile("rb"):
            answer = app.deliver(json.loads(line), Context())
            source.sendall(json.dumps(answer).encode() + b"\n")


def tick(order: dict[str, Any]) -> dict[str, Any]:
    """One tick; how many messages it sent, and the CPU seconds it took."""
    before = _cpu()
    sent = app.tick({"time": order["minute"]}, Context())["sent"]
    return {"sent": sent, "cpu": _cpu() - before}


def create(order: dict[str, Any]) -> dict[str, Any]:
    """Jobs for one second, through the operation behind every API; the seconds it took."""
    services = replace(wiring.api_services(), queue=Nowhere())
    account, issued = open_account_with_key(services, NewAccount(email=f"{uuid.uuid4()}@example.com"))
    due, began = datetime.fromtimestamp(order["due"], UTC), time.perf_counter()
    for number in range(order["first"], order["count"], order["step"]):
        definition = Definition(
            ref=JobRef(account_id=account.account_id, job_id=str(uuid.uuid4())),
            dialect="bench",
            key=issued.key.key,
            name="",
            target=Webhook(url=order["url"] + path(number), body=payload(number), content_type=HEADERS["Content-Type"]),
            created_at=datetime.now(UTC),
        )
        create_job(services, definition, Once(at=due), misfire=Misfire.LATEST)
    return {"seconds": time.perf_counter() - began}


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _orders() -> Iterator[dict[str, Any]]:
    for line in sys.stdin:
        yield json.loads(line)


def main(arguments: list[str]) -> None:
    """The command."""
    role, answers = arguments[0], sys.stdout
    with redirect_stdout(sys.stderr):
        if role == "deliver":
            print("ready", file=answers, flush=True)
            deliver(int(arguments[1]))
            return
        does: Callable[[dict[str, Any]], dict[str, Any]] = {"tick": tick, "create": create}[role]
        print("ready", file=answers, flush=True)
        for order in _orders():
            print(json.dumps(does(order)), file=answers, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
