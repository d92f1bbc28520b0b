"""Our own system on a stand-in for DynamoDB, SQS and Lambda's pollers: what our tick and our workers take.

The jobs are created by the operation behind every API, as jobs of long before: no message of theirs is on the express
lane, so the tick has to find and send them all. It runs before the due second, as on AWS, where it is up to two
minutes ahead; what it took is told apart (`earlier`) and counted.
"""

import contextlib
import json
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from benchmarks.processes import descendants
from benchmarks.services import Service, ServiceError, running
from benchmarks.system import About, Earlier, Jobs, Processes, Running
from benchmarks.systems.belltower import version_of_ours

if TYPE_CHECKING:
    import subprocess

CREATORS: Final = 2
ABOUT: Final = About(name="belltower", title="Belltower on the stand-in", creates=400)


@dataclass(frozen=True, slots=True, kw_only=True)
class OnStandIn:
    """Our handlers on the stand-in. `workers`: how many batches are delivered at a time; `batch`: messages in each."""

    about: About = ABOUT
    workers: int = 2
    batch: int = 10

    def prepare(self) -> Mapping[str, str]:
        """Everything is there already."""
        return {"belltower": version_of_ours()}

    @contextlib.contextmanager
    def running(self, folder: Path) -> Iterator[Running]:
        """The stand-in, then the workers, the tick and the creators, all waiting."""
        with contextlib.ExitStack() as stack:
            server = Service(command=(sys.executable, "-m", "benchmarks.standin.server", "--batch", str(self.batch)))
            standin = stack.enter_context(running(server, folder / "standin.log"))
            told = json.loads(_line(standin))
            environment = surroundings(told)

            def start(name: str, *role: str) -> "subprocess.Popen[str]":
                command = (sys.executable, "-m", "benchmarks.systems.function", *role)
                service = Service(command=command, environment=environment)
                process = stack.enter_context(running(service, folder / f"{name}.log"))
                _line(process)
                return process

            workers = [start(f"worker-{n}", "deliver", told["firings_source"]) for n in range(self.workers)]
            workers.append(start("retrier", "deliver", told["retries_source"]))
            creators = [start(f"creator-{n}", "create") for n in range(CREATORS)]
            yield RunningOnStandIn(
                endpoint=told["endpoint"],
                standin=standin,
                workers=tuple(workers),
                ticker=start("tick", "tick"),
                creators=tuple(creators),
            )


@dataclass(slots=True, kw_only=True)
class RunningOnStandIn:
    """Our processes, waiting."""

    endpoint: str
    standin: "subprocess.Popen[str]"
    workers: tuple["subprocess.Popen[str]", ...]
    ticker: "subprocess.Popen[str]"
    creators: tuple["subprocess.Popen[str]", ...]
    before: Earlier = field(default_factory=Earlier)

    def create(self, jobs: Jobs) -> float:
        """Creates, then ticks for the minute that reaches the due second."""
        for first, creator in enumerate(self.creators):
            order = {"due": jobs.due, "url": jobs.url, "count": jobs.count, "first": first, "step": len(self.creators)}
            _order(creator, order)
        seconds = max(json.loads(_line(creator))["seconds"] for creator in self.creators)
        requests = self.requests()
        minute = datetime.fromtimestamp(jobs.due // 60 * 60, UTC)
        _order(self.ticker, {"minute": minute.isoformat()})
        ticked = json.loads(_line(self.ticker))
        if ticked["sent"] != jobs.count:
            raise ServiceError(f"the tick sent {ticked['sent']} of {jobs.count} messages")
        self.before = Earlier(cpu=ticked["cpu"], requests=self.requests() - requests)
        return float(seconds)

    def processes(self) -> Processes:
        """The workers are ours; the stand-in plays AWS. The tick is over by now, see `earlier`."""
        own = descendants(process.pid for process in self.workers)
        return Processes(own=own, standins=frozenset({self.standin.pid}))

    def requests(self) -> int:
        """What the stand-in has answered."""
        request = urllib.request.Request(self.endpoint, b"{}", {"X-Amz-Target": "Standin.Count"})  # noqa: S310 - loopback
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - loopback
            return int(json.loads(answer.read())["answered"])

    def earlier(self) -> Earlier:
        """The tick's part."""
        return self.before


def surroundings(told: Mapping[str, str]) -> dict[str, str]:
    """The environment that the functions of a deployment have."""
    return {
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "BELLTOWER_STAGE": "bench",
        "BELLTOWER_ACCOUNTS_TABLE": told["accounts_table"],
        "BELLTOWER_JOBS_TABLE": told["jobs_table"],
        "BELLTOWER_QUEUE_URL": told["queue_url"],
        "BELLTOWER_RETRY_QUEUE_URL": told["retry_queue_url"],
        "BELLTOWER_KEY_ID": told["key_id"],
        "BELLTOWER_LOCAL": "1",
        "BELLTOWER_AWS_ENDPOINT": told["endpoint"],
        "BELLTOWER_SERVES_API": "0",
        "BELLTOWER_SHARE": "0",  # one account is all there is
    }


def _order(process: "subprocess.Popen[str]", order: Mapping[str, Any]) -> None:
    if process.stdin is None:
        raise ServiceError("a process without input")
    process.stdin.write(json.dumps(order) + "\n")
    process.stdin.flush()


def _line(process: "subprocess.Popen[str]") -> str:
    line = process.stdout.readline() if process.stdout else ""
    if not line:
        raise ServiceError(f"{' '.join(map(str, process.args))} ended early")  # type: ignore[arg-type]
    return line
