"""What a scenario runs on: the packaged app, deployed into an engine process of its own, and our own code beside it.

Jobs are made with the operations that stand behind the API, by this process: the embedded engine takes few requests a
second, and its API Gateway is not what is tried here.
"""

import contextlib
import json
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from botocore.exceptions import BotoCoreError, ClientError

from benchmarks.processes import descendants, environment
from benchmarks.services import Service, free_port, running
from chalicelib import settings, wiring
from chalicelib.delivery.clock import SystemClock
from chalicelib.operations.accounts import NewAccount, open_account_with_key
from chalicelib.ports import Services
from chalicelib.scheduling.account import Principal
from chalicelib.storage.accounts import DynamoKeys, RecentAccounts
from chalicelib.storage.logins import DynamoLogins
from chalicelib.storage.tables import Table
from chalicelib.wire import DYNAMODB, Surroundings, Wire
from infra.deploy import Deployment
from infra.local.stack import LOCAL_CONCURRENCY, deploy_locally
from infra.package import Artifact

if TYPE_CHECKING:
    import subprocess

KEY: Final = "test"
WORKER_SECONDS: Final = 10
"""The worker's time-out: the visibility time-out is six times that, the shortest a deployment may have."""


class Engine:
    """The embedded AWS as a process that may be killed, and started again on the same ports and data."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.port, self._front_port = free_port(), free_port()
        self._stack = contextlib.ExitStack()
        self._process: subprocess.Popen[str] | None = None
        self._starts = 0

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def endpoint(self) -> str:
        """Where AWS answers."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Waits until it answers."""
        ports = ("--port", str(self.port), "--front-port", str(self._front_port))
        command = (sys.executable, "-m", "infra.local.engine", "--home", str(self.home), *ports)
        self._starts += 1
        log = self.home.with_name(f"engine-{self._starts}.log")
        self._process = self._stack.enter_context(running(Service(command=command, ready='"endpoint"'), log))

    def kill(self) -> None:
        """As a crash would; the processes of its functions end by themselves."""
        if self._process:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
        self._stack.close()

    def processes_of(self, function: str) -> Sequence[int]:
        """Those that run a function now, or wait to."""
        mine = descendants([self._process.pid]) if self._process else ()
        return sorted(pid for pid in mine if function in environment(pid).get("AWS_LAMBDA_FUNCTION_NAME", ""))

    def written_at(self) -> datetime:
        """The time of its oldest snapshot of what firings need: what happened since is lost when it is killed."""
        files = [self.home / "state" / f"{service}.json" for service in ("dynamodb", "sqs")]
        return datetime.fromtimestamp(min(file.stat().st_mtime for file in files if file.exists()), UTC)


def killed(pid: int) -> bool:
    """Kills a process; false: it was gone."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


class Silence:
    """Events that nobody hears: those of the functions are in the engine's log."""

    def emit(self, event: str, **facts: str | float | None) -> None:
        """Says nothing."""

    def bound(self, **_facts: str | float | None) -> Self:
        """Itself."""
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """A deployed app: its engine, and our operations on its tables and queues.

    `reconcile`: its daily reconciliation, now, of what was claimed so long ago.
    """

    engine: Engine
    services: Services
    reconcile: Callable[[timedelta], None]

    def open_account(self, email: str) -> Principal:
        """A tenant."""
        account, issued = open_account_with_key(self.services, NewAccount(email=email))
        return Principal(account_id=account.account_id, key=issued.key.key)


def deployed(engine: Engine, artifact: Artifact, *, through: str = "") -> Stack:
    """Deploys, and has workers started: they import before the first jobs are due, not while.

    `through`: the address under which the functions reach the engine, where it is not its own.
    """
    parameters = {"WorkerTimeout": str(WORKER_SECONDS), **({"LocalEndpoint": through} if through else {})}
    deployment = Deployment(
        artifact=artifact, endpoint=engine.endpoint, key=KEY, parameters=parameters, say=lambda _line: None
    )
    outputs = deploy_locally(deployment)
    for _ in range(int(LOCAL_CONCURRENCY)):
        deployment.client("lambda").invoke(
            FunctionName=outputs["DeliverName"], InvocationType="Event", Payload=b'{"Records": []}'
        )
    reconciler = partial(_reconcile, deployment, outputs["ReconcileName"])
    return Stack(engine=engine, services=_services(engine.endpoint, outputs), reconcile=reconciler)


def _reconcile(deployment: Deployment, function: str, age: timedelta) -> None:
    """As an operator does who knows that a queue lost messages; a call that fails is made again by who asked."""
    payload = json.dumps({"age": age.total_seconds()}).encode()
    with contextlib.suppress(BotoCoreError, ClientError):
        deployment.client("lambda").invoke(FunctionName=function, Payload=payload)


def _services(endpoint: str, outputs: Mapping[str, str]) -> Services:
    now = settings.from_environment(
        {
            "BELLTOWER_STAGE": outputs["Stage"],
            "BELLTOWER_ACCOUNTS_TABLE": outputs["AccountsTableName"],
            "BELLTOWER_JOBS_TABLE": outputs["JobsTableName"],
            "BELLTOWER_QUEUE_URL": outputs["FiringsQueueUrl"],
            "BELLTOWER_RETRY_QUEUE_URL": outputs["RetriesQueueUrl"],
            "BELLTOWER_KEY_ID": outputs["KeyArn"],
            "BELLTOWER_WORKER_TIMEOUT": str(WORKER_SECONDS),
            "BELLTOWER_LOCAL": "1",
            "BELLTOWER_AWS_ENDPOINT": endpoint,
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": "test",
        }
    )
    surroundings = Surroundings(region=now.region, credentials=now.credentials, endpoint=endpoint)
    accounts, clock = Table(Wire(DYNAMODB, surroundings), now.accounts_table), SystemClock()
    built = wiring.build(
        now, accounts=RecentAccounts(accounts, clock), keys=DynamoKeys(accounts), logins=DynamoLogins(accounts)
    )
    return replace(built, events=Silence())
