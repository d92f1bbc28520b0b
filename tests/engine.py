"""The embedded AWS for tests: a process of its own on free ports, the same code that `make run` serves.

`engine` is one for the whole session. Isolation costs nothing: each test takes `engine.account()`, twelve digits that
are access key and account number in one, and sees tables and queues of its own. What is deployed with CloudFormation
lives in the default account (`DEFAULT`), because API Gateway answers unsigned calls there only.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import random
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import boto3
import pytest
from botocore.config import Config

from chalicelib.signing import AwsCredentials
from chalicelib.wire import DYNAMODB, Surroundings, Wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT: Final = Path(__file__).resolve().parent.parent
DEFAULT: Final = "test"
"""The access key of the default account, 000000000000."""
REGION: Final = "us-east-1"

T = TypeVar("T")
_accounts = itertools.count(random.SystemRandom().randrange(10**11, 9 * 10**11))


@dataclass(kw_only=True)
class RunningEngine:
    """An engine process and how to reach it. `endpoint` is AWS, `front` the deployed API at its root."""

    home: Path
    port: int
    front_port: int
    auth: bool = False
    process: subprocess.Popen[str] | None = field(default=None, repr=False)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def front(self) -> str:
        return f"http://127.0.0.1:{self.front_port}"

    def account(self) -> str:
        """A fresh account: use it as the access key."""
        return str(next(_accounts))

    def client(self, service: str, *, key: str = DEFAULT) -> Any:
        make: Any = boto3.client
        return make(
            service,
            region_name=REGION,
            endpoint_url=self.endpoint,
            aws_access_key_id=key,
            aws_secret_access_key="test",
            config=Config(retries={"max_attempts": 1}, s3={"addressing_style": "path"}),
        )

    @contextlib.contextmanager
    def wire(self, key: str = DEFAULT) -> Iterator[Wire]:
        """Its DynamoDB, as our stores take it."""
        keys = AwsCredentials(access_key_id=key, secret_access_key="test")
        wire = Wire(DYNAMODB, Surroundings(region=REGION, credentials=keys, endpoint=self.endpoint))
        try:
            yield wire
        finally:
            wire.close()

    def start(self) -> None:
        command = [sys.executable, "-m", "infra.local.engine", "--home", str(self.home)]
        command += ["--port", str(self.port), "--front-port", str(self.front_port), *(["--auth"] if self.auth else [])]
        self.process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)  # noqa: S603 - our own interpreter and arguments
        assert self.process.stdout
        line = self.process.stdout.readline()
        assert line, f"the engine did not start, see {self.home / 'log'}"
        assert json.loads(line)["endpoint"] == self.endpoint

    def stop(self) -> int:
        """Ends it in good order: all its data is written."""
        return self._end(signal.SIGTERM)

    def kill(self) -> int:
        """Ends it as a crash would."""
        return self._end(signal.SIGKILL)

    def _end(self, number: signal.Signals) -> int:
        if self.process is None:
            return 0
        self.process.send_signal(number)
        code = self.process.wait(timeout=20)
        assert self.process.stdout
        self.process.stdout.close()
        self.process = None
        return code


@contextlib.contextmanager
def an_engine(home: Path, *, auth: bool = False) -> Iterator[RunningEngine]:
    """Starts an engine that keeps its data in `home`. `auth` makes it enforce IAM policies."""
    running = RunningEngine(home=home, port=free_port(), front_port=free_port(), auth=auth)
    running.start()
    try:
        yield running
    finally:
        running.stop()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def eventually(ask: Callable[[], T | None], *, within: float = 10.0) -> T:
    """The first truthy answer; fails with the last one when time is up."""
    deadline = time.monotonic() + within
    while True:
        answer = ask()
        if answer:
            return answer
        assert time.monotonic() < deadline, f"still {answer!r} after {within} s"
        time.sleep(0.05)


def process_exists(pid: int) -> bool:
    """Whether it runs; one that has ended and waits for its parent to notice does not."""
    state = subprocess.run(  # noqa: S603 - our own arguments
        ["/bin/ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False
    ).stdout.strip()
    return bool(state) and not state.startswith("Z")


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningEngine]:
    """The session's engine."""
    with an_engine(tmp_path_factory.mktemp("engine")) as running:
        yield running
