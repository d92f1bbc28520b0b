"""Our own system as a user has it with `make run`: the packaged app on the embedded AWS engine.

The engine bounds it, so it shows what a developer's machine does, not what we cost: see systems/standin.py for that.
"""

import base64
import contextlib
import json
import sys
import time
import tomllib
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Final, Self
from urllib.parse import quote, urlencode

import urllib3

from benchmarks.processes import descendants, environment
from benchmarks.services import ROOT, Service, ServiceError, free_port, running
from benchmarks.system import About, Earlier, Jobs, Processes, Running
from benchmarks.work import HEADERS, path, payload

CREATORS: Final = 8
"""Clients that create jobs at a time."""
OPENED: Final = 200
CREATED: Final = 201

ON_ENGINE: Final = About(
    name="belltower-engine",
    title="Belltower on the embedded engine",
    creates=30,
    most=1_000,
    because="the embedded engine takes too few creates a second",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """Our API as a client has it, with the account it opened."""

    url: str
    key: str
    secret: str

    @classmethod
    def opened(cls, url: str) -> Self:
        """Opens an account."""
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        body = urlencode({"email": "bench@example.com"})
        try:
            answer = urllib3.request("POST", f"{url}/account/", headers=form, body=body, timeout=60)
        except urllib3.exceptions.HTTPError as error:
            raise ServiceError(f"no account: {error}") from error
        if answer.status != OPENED:
            raise ServiceError(f"no account: {answer.status} {answer.data[:200]!r}")
        given = json.loads(answer.data)["response"]
        return cls(url=url, key=given["api_key"], secret=given["api_secret"])

    def create(self, jobs: Jobs) -> float:
        """Creates jobs in one line each, several clients at a time. The seconds it took; raises ServiceError."""
        pool = urllib3.PoolManager(maxsize=CREATORS, retries=False, timeout=60)
        basic = base64.b64encode(f"{self.key}:{self.secret}".encode()).decode()
        headers = {"Authorization": f"Basic {basic}", **HEADERS}
        when = quote(datetime.fromtimestamp(jobs.due, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"), safe="")

        def one(number: int) -> int:
            target = f"{self.url}/1/jobs/{when}/{quote(jobs.url + path(number), safe='')}"
            return pool.request("POST", target, headers=headers, body=payload(number)).status

        began = time.perf_counter()
        with ThreadPoolExecutor(CREATORS) as clients:
            answers = list(clients.map(one, range(jobs.count)))
        if refused := [status for status in answers if status != CREATED]:
            raise ServiceError(f"{len(refused)} of {jobs.count} jobs were refused, the first with {refused[0]}")
        return time.perf_counter() - began


@dataclass(frozen=True, slots=True, kw_only=True)
class OnEngine:
    """`make run`, on ports and data of its own."""

    about: About = ON_ENGINE

    def prepare(self) -> Mapping[str, str]:
        """Everything is there already: the project's own environment."""
        return {"belltower": version_of_ours(), "ministack": version("ministack"), "urllib3": version("urllib3")}

    @contextlib.contextmanager
    def running(self, folder: Path) -> Iterator[Running]:
        """Packages, starts and deploys as `make run` does, then opens an account."""
        port, front_port = free_port(), free_port()
        service = Service(
            command=(sys.executable, "-m", "infra.local.run", "--home", str(folder / "home")),
            environment={"PORT": str(front_port), "ENGINE_PORT": str(port)},
            ready="READY",
        )
        with running(service, folder / "run.log") as process:
            yield RunningOnEngine(pid=process.pid, api=Api.opened(f"http://127.0.0.1:{front_port}"))


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningOnEngine:
    """The engine's process is AWS; those below it that run a Lambda function are ours."""

    pid: int
    api: Api

    def create(self, jobs: Jobs) -> float:
        """By the Job Scheduler API."""
        return self.api.create(jobs)

    def processes(self) -> Processes:
        """Ours and the engine's, told apart by their environment."""
        everyone = descendants([self.pid])
        own = descendants(pid for pid in everyone if "AWS_LAMBDA_FUNCTION_NAME" in environment(pid))
        return Processes(own=own, standins=everyone - own)

    def requests(self) -> int | None:
        """The engine does not count."""
        return None

    def earlier(self) -> Earlier:
        """Nothing is told apart."""
        return Earlier()


def version_of_ours() -> str:
    """The version of the project."""
    ours: str = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    return ours
