"""The AWS of a benchmark: the stand-in, in this process or behind a socket, and what is called how in it."""

import contextlib
import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from benchmarks.services import Service, ServiceError, running
from benchmarks.standin import schema
from benchmarks.standin.door import InProcess
from benchmarks.standin.dynamo import Dynamo
from benchmarks.standin.kms import Kms
from benchmarks.standin.sqs import ACCOUNT, Sqs
from chalicelib.ports import Clock
from chalicelib.scheduling.job import to_millis
from chalicelib.signing import AwsCredentials
from chalicelib.wire import DYNAMODB, KMS, SQS, Surroundings, Wire

STAGE: Final = "bench"
STANDIN: Final = Service(command=(sys.executable, "-m", "benchmarks.standin.server"))


class Door(Protocol):
    """One service, in memory or over the wire."""

    def call(self, operation: str, request: Mapping[str, Any], /) -> dict[str, Any]:
        """One call."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Cloud:
    """The three services, and what is called how in them. `dynamo`: the tables themselves, where they are in reach."""

    dynamodb: Door
    sqs: Door
    kms: Door
    accounts_table: str
    jobs_table: str
    queue_url: str
    retry_queue_url: str
    key_id: str
    dynamo: Dynamo | None = None
    queues: Sqs | None = None


def in_memory(clock: Clock) -> Cloud:
    """The stand-in in this process, by our clock."""

    def now() -> int:
        return to_millis(clock.now())

    named, key_id = schema.names(STAGE), "key"
    dynamo = Dynamo(schema.tables(STAGE), now)
    queues = Sqs(schema.queues(STAGE, visibility=360, most_receives=5), now)
    return Cloud(
        dynamodb=InProcess(dynamo),
        sqs=InProcess(queues),
        kms=InProcess(Kms(key_id)),
        accounts_table=named.accounts,
        jobs_table=named.jobs,
        queue_url=f"memory:/{ACCOUNT}/{named.firings}",
        retry_queue_url=f"memory:/{ACCOUNT}/{named.retries}",
        key_id=key_id,
        dynamo=dynamo,
        queues=queues,
    )


def over_http(told: Mapping[str, str]) -> Cloud:
    """The stand-in's server, by what it tells when it is ready."""
    keys = AwsCredentials(access_key_id="bench", secret_access_key="bench")  # noqa: S106 - the stand-in has no secrets
    place = Surroundings(region="us-east-1", credentials=keys, endpoint=told["endpoint"])
    return Cloud(
        dynamodb=Wire(DYNAMODB, place),
        sqs=Wire(SQS, place),
        kms=Wire(KMS, place),
        accounts_table=told["accounts_table"],
        jobs_table=told["jobs_table"],
        queue_url=told["queue_url"],
        retry_queue_url=told["retry_queue_url"],
        key_id=told["key_id"],
    )


@contextlib.contextmanager
def a_standin(folder: Path) -> Iterator[Mapping[str, str]]:
    """Runs the stand-in's server; yields what it tells. Its process is `pid`."""
    with running(STANDIN, folder / "standin.log") as process:
        line = process.stdout.readline() if process.stdout else ""
        if not line:
            raise ServiceError("the stand-in did not start")
        yield json.loads(line)
