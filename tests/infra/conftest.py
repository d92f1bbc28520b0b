"""The stand-in app, packaged once and deployed into an engine of its own."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
import urllib3

from infra.deploy import Deployment
from infra.local.stack import deploy_locally
from infra.package import Artifact, package
from tests.engine import DEFAULT, ROOT, RunningEngine, an_engine

if TYPE_CHECKING:
    from collections.abc import Iterator

STANDIN: Final = Path(__file__).parent / "standin"
REAL: Final = ROOT if (ROOT / "app.py").exists() else STANDIN
HTTP: Final = urllib3.PoolManager(retries=False, timeout=30)


@dataclass(frozen=True, kw_only=True)
class Standin:
    """The deployed stand-in: send it requests and messages, read what it noted."""

    engine: RunningEngine
    outputs: dict[str, str]

    def get(self, path: str, **options: Any) -> dict[str, Any]:
        answer = self.request("GET", path, **options)
        assert answer.status == 200, answer.data
        said: dict[str, Any] = answer.json()
        return said

    def request(self, method: str, path: str, **options: Any) -> urllib3.BaseHTTPResponse:
        """Through a socket-level path: nothing normalises what is written here."""
        connection = urllib3.HTTPConnectionPool("127.0.0.1", self.engine.front_port, retries=False, timeout=30)
        answer = connection.urlopen(method, path, **options)
        connection.close()
        return answer

    def send(self, order: dict[str, Any], *, queue: str = "FiringsQueueUrl", delay: int = 0) -> None:
        self.engine.client("sqs").send_message(
            QueueUrl=self.outputs[queue], MessageBody=json.dumps(order), DelaySeconds=delay
        )

    def notes(self, kind: str) -> list[dict[str, Any]]:
        """What the functions wrote down, oldest first."""
        found = self.engine.client("dynamodb").query(
            TableName=self.outputs["JobsTableName"],
            KeyConditionExpression="pk = :kind",
            ExpressionAttributeValues={":kind": {"S": f"note#{kind}"}},
        )
        return [json.loads(item["note"]["S"]) for item in found["Items"]]

    def delivered(self, name: str) -> list[dict[str, Any]]:
        return [note for note in self.notes("deliver") if note["order"]["name"] == name]

    def waiting(self, queue: str = "FiringsQueueUrl") -> tuple[int, int]:
        """Messages of a queue that can be received, and those a worker holds."""
        found = self.engine.client("sqs").get_queue_attributes(QueueUrl=self.outputs[queue], AttributeNames=["All"])
        counts = found["Attributes"]
        return int(counts["ApproximateNumberOfMessages"]), int(counts["ApproximateNumberOfMessagesNotVisible"])


@pytest.fixture(scope="session")
def artifact() -> Artifact:
    return package(STANDIN)


@pytest.fixture(scope="session")
def template() -> dict[str, Any]:
    """The packaged template of the app itself."""
    packaged: dict[str, Any] = json.loads(package(REAL).template.read_text())
    return packaged


@pytest.fixture(scope="session")
def standin(artifact: Artifact, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standin]:
    with an_engine(tmp_path_factory.mktemp("standin")) as running:
        yield Standin(engine=running, outputs=deploy_locally(the_deployment(running, artifact)))


def the_deployment(running: RunningEngine, artifact: Artifact) -> Deployment:
    parameters = {"WorkerTimeout": "10", "MaxReceiveCount": "2"}
    return Deployment(artifact=artifact, endpoint=running.endpoint, key=DEFAULT, parameters=parameters)
