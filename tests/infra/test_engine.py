"""The embedded engine, seen through a deployed stand-in: where it has to be AWS's equal, it is."""

from __future__ import annotations

import base64
import os
import time
from typing import TYPE_CHECKING

import pytest
from urllib3 import HTTPHeaderDict

from infra.local.stack import deploy_locally
from tests.engine import DEFAULT, RunningEngine, an_engine, eventually, process_exists
from tests.infra.conftest import HTTP, Standin, the_deployment

if TYPE_CHECKING:
    from pathlib import Path

    from infra.package import Artifact

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def patient(standin: Standin) -> Standin:
    """The stand-in with queues that show a failed message again after two seconds instead of sixty."""
    for queue in ("FiringsQueueUrl", "RetriesQueueUrl"):
        standin.engine.client("sqs").set_queue_attributes(
            QueueUrl=standin.outputs[queue], Attributes={"VisibilityTimeout": "2"}
        )
    return standin


# --- requests ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "one", "two"),
    [
        ("/echo/plain", "plain", ""),
        ("/echo/a%2Fb", "a%2Fb", ""),
        ("/echo/a%252Fb", "a%252Fb", ""),
        ("/echo/a+b%20c", "a+b%20c", ""),
        ("/echo/%C3%A9", "%C3%A9", ""),
        ("/echo/when/http%3A%2F%2Fexample.com%2Fx%3Fy%3D1", "when", "http%3A%2F%2Fexample.com%2Fx%3Fy%3D1"),
    ],
)
@pytest.mark.parametrize("end", ["", "/"], ids=["bare", "trailing slash"])
def test_a_path_arrives_as_it_was_sent(standin: Standin, path: str, one: str, two: str, end: str) -> None:
    said = standin.get(path + end)
    assert (said["one"], said["two"], said["path"], said["context_path"]) == (one, two, path + end, path + end)


def test_the_invoke_url_has_the_stage_in_its_context_only(standin: Standin) -> None:
    url = f"{standin.engine.endpoint}/_aws/execute-api/{standin.outputs['RestAPIId']}/dev/echo/a%2Fb/"
    said = HTTP.request("GET", url).json()
    assert (said["one"], said["path"], said["context_path"]) == ("a%2Fb", "/echo/a%2Fb/", "/dev/echo/a%2Fb/")


def test_a_query_is_decoded_once_and_keeps_every_value(standin: Standin) -> None:
    assert standin.get("/echo/x?q=1&q=%2520&empty=")["query"] == {"q": ["1", "%20"], "empty": [""]}


def test_a_header_that_comes_twice_arrives_twice(standin: Standin) -> None:
    headers = HTTPHeaderDict([("X-Twice", "one"), ("X-Twice", "two")])
    assert standin.get("/echo/x", headers=headers)["headers"]["x-twice"] == ["one", "two"]


def test_bytes_come_back_as_they_went(standin: Standin) -> None:
    body = os.urandom(2000)
    binary = {"Content-Type": "application/octet-stream", "Accept": "application/octet-stream"}
    assert standin.request("POST", "/bytes", body=body, headers=binary).data == body
    said = standin.request("POST", "/echo/x", body=body, headers=binary).json()
    assert base64.b64decode(said["body"]) == body


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/nothing/here"), ("DELETE", "/echo/x"), ("GET", "/"), ("GET", "/_ministack/health"), ("POST", "/")],
)
def test_what_is_not_there_is_json_and_404(standin: Standin, method: str, path: str) -> None:
    answer = standin.request(method, path)
    assert (answer.status, answer.headers["content-type"]) == (404, "application/json")
    assert answer.json() == {"message": "Not found"}


def test_an_api_that_is_not_deployed_is_json_and_404(engine: RunningEngine) -> None:
    answer = HTTP.request("GET", f"{engine.front}/account/")
    assert (answer.status, answer.json()) == (404, {"message": "Not found"})


def test_a_preflight_is_answered_by_the_gateway(standin: Standin) -> None:
    answer = standin.request("OPTIONS", "/shared")
    assert (answer.status, answer.headers["Access-Control-Allow-Methods"]) == (200, "GET,OPTIONS")


def test_a_body_longer_than_the_gateway_takes_is_refused(standin: Standin) -> None:
    assert standin.request("POST", "/echo/x", body=b"x" * (10 * 1024 * 1024 + 1)).status == 413


# --- functions --------------------------------------------------------------------------------------------------------


def test_a_function_sees_the_settings_and_no_more_of_aws_than_the_engine(standin: Standin) -> None:
    seen = standin.get("/echo/x")["environment"]
    expected = {
        "BELLTOWER_STAGE": "dev",
        "BELLTOWER_ACCOUNTS_TABLE": "belltower-accounts-dev",
        "BELLTOWER_JOBS_TABLE": "belltower-jobs-dev",
        "BELLTOWER_QUEUE_URL": standin.outputs["FiringsQueueUrl"],
        "BELLTOWER_RETRY_QUEUE_URL": standin.outputs["RetriesQueueUrl"],
        "BELLTOWER_KEY_ID": standin.outputs["KeyArn"],
        "BELLTOWER_SHARDS": "16",
        "BELLTOWER_WORKER_TIMEOUT": "10",
        "BELLTOWER_RETENTION_DAYS": "30",
        "BELLTOWER_LOCAL": "1",
        "BELLTOWER_AWS_ENDPOINT": standin.engine.endpoint,
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "000000000000",
        "AWS_SECRET_ACCESS_KEY": "test",
    }
    assert {name: seen.get(name) for name in expected} == expected


def test_a_function_has_the_packages_of_the_artifact_only(standin: Standin) -> None:
    assert "site-packages" not in standin.get("/echo/x")["modules"]


def test_what_a_function_prints_is_in_the_log(standin: Standin) -> None:
    standin.send({"name": "printed"})
    eventually(lambda: "deliver 1" in (standin.engine.home / "log").read_text())


# --- messages ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("queue", ["FiringsQueueUrl", "RetriesQueueUrl"])
def test_messages_leave_the_queue_once_they_are_handled(patient: Standin, queue: str) -> None:
    patient.send({"name": f"drained {queue}"}, queue=queue)
    eventually(lambda: patient.delivered(f"drained {queue}"))
    eventually(lambda: patient.waiting(queue) == (0, 0))


def test_a_message_with_a_delay_comes_on_time(patient: Standin) -> None:
    eventually(lambda: patient.waiting() == (0, 0))
    due = time.time() + 1
    patient.send({"name": "punctual"}, delay=1)
    (note,) = eventually(lambda: patient.delivered("punctual"))
    assert 0 <= note["at"] - due < 0.5


def test_only_what_failed_comes_back(patient: Standin) -> None:
    patient.send({"name": "fails once", "fail": 1})
    patient.send({"name": "succeeds"})
    eventually(lambda: len(patient.delivered("fails once")) == 2)
    assert [note["received"] for note in patient.delivered("fails once")] == [1, 2]
    assert [note["received"] for note in patient.delivered("succeeds")] == [1]


def test_a_worker_that_dies_loses_no_message(patient: Standin) -> None:
    patient.send({"name": "dies", "die": True})
    eventually(lambda: len(patient.delivered("dies")) == 2)
    eventually(lambda: patient.waiting() == (0, 0))


def test_a_message_that_fails_too_often_is_parked(patient: Standin) -> None:
    patient.send({"name": "hopeless", "fail": 99})
    parked = eventually(lambda: [note for note in patient.notes("parked") if note["order"]["name"] == "hopeless"])
    assert (len(parked), len(patient.delivered("hopeless"))) == (1, 2)


def test_two_workers_work_at_once(patient: Standin) -> None:
    for name in ("together one", "together two"):
        patient.send({"name": name, "sleep": 1.5})
        time.sleep(0.1)
    eventually(lambda: patient.delivered("together one") and patient.delivered("together two"))
    (one,), (two,) = patient.delivered("together one"), patient.delivered("together two")
    assert one["pid"] != two["pid"]
    assert two["at"] - one["at"] < 1.4


# --- what stays -------------------------------------------------------------------------------------------------------


def test_accounts_are_strangers_to_each_other(engine: RunningEngine) -> None:
    ours, theirs = (engine.client("sqs", key=engine.account()) for _ in range(2))
    ours.create_queue(QueueName="ours")
    assert theirs.list_queues().get("QueueUrls", []) == []
    assert len(ours.list_queues()["QueueUrls"]) == 1


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_everything_is_there_after(artifact: Artifact, tmp_path: Path, end: str) -> None:
    with an_engine(tmp_path) as running:
        outputs = deploy_locally(the_deployment(running, artifact))
        deployed = Standin(engine=running, outputs=outputs)
        assert deployed.request("PUT", "/notes/written").status == 200
        deployed.send({"name": "later"}, delay=4)
        worker = deployed.get("/echo/x")["pid"]
        if end == "kill":
            time.sleep(2.5)  # what is promised: two seconds
        {"stop": running.stop, "kill": running.kill}[end]()
        eventually(lambda: not process_exists(worker), within=2)
        running.start()
        assert deploy_locally(the_deployment(running, artifact)) == outputs
        key = {"pk": {"S": "written"}, "sk": {"S": "written"}}
        table = running.client("dynamodb", key=DEFAULT)
        assert table.get_item(TableName=outputs["JobsTableName"], Key=key)["Item"] == key
        assert deployed.get("/echo/x")["one"] == "x"
        eventually(lambda: deployed.delivered("later"))
