"""The whole way, through the deployed artifact: requests in at the front, calls out to real sockets.

One deployment, one timeline of about five minutes: the tests run in the order they stand in.
"""

import json
import os
import signal
import time
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import quote

import pytest
import urllib3

from chalicelib import signing
from chalicelib.delivery.queue import encode
from chalicelib.ports import Due
from chalicelib.scheduling.execution import Execution, ExecutionState, Outcome, OutcomeKind
from chalicelib.scheduling.job import JobRef
from tests.engine import eventually
from tests.story.conftest import (
    WORKER_SECONDS,
    Arrival,
    Sink,
    Stack,
    Subscriber,
    User,
    function_processes,
    subscribe,
)

pytestmark = [pytest.mark.engine, pytest.mark.story]

PAUSE = 120
OLD = "202001010000"


def in_seconds(seconds: float) -> datetime:
    now = datetime.now(UTC) + timedelta(seconds=seconds)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


def iso(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds")


@pytest.fixture(scope="module")
def subscriber(stack: Stack) -> Subscriber:
    return subscribe(stack, "story-minutes")


@pytest.fixture(scope="module", autouse=True)
def each_minute(alice: User, subscriber: Subscriber) -> dict[str, Any]:
    """A Cronally job for every minute, made before anything else and left to run."""
    status, said = alice.cronally(
        "POST",
        "/cronjob/",
        name="each minute",
        cron="* * * * *",
        sns_topic=subscriber.topic,
        sns_message="tick-tock",
        sns_region="us-east-1",
        sns_access_key_id="test",
        sns_secret_access_key="test",
    )
    assert status == 200, said
    document: dict[str, Any] = said["response"]
    return document


def test_a_rlatr_job_due_in_five_seconds_arrives_within_its_second_signed(alice: User, sink: Sink) -> None:
    at, url = in_seconds(5), sink.url("on-time")
    status, said = alice.rlatr("POST", uri=url, at=iso(at), method="post")
    assert status == 200, said
    [arrival] = eventually(lambda: sink.at("on-time"), within=10)
    assert 0 <= arrival.at - at.timestamp() < 1
    assert arrival.method == "POST"
    assert arrival.headers["X-RLatr-Signature"] == signing.url_secret_sha1(url, alice.secret)
    execution = eventually(lambda: alice.execution_of(said["success"]["id"]), within=5)
    assert (execution.state, execution.due_at) == (ExecutionState.DELIVERED, at)
    assert arrival.headers["webhook-id"] == execution.firing_id
    expected = signing.standard_webhook(
        signing.webhook_key(alice.secret),
        message_id=execution.firing_id,
        timestamp=int(arrival.headers["webhook-timestamp"]),
        body=arrival.body,
    )
    assert arrival.headers["webhook-signature"] == expected


def test_a_job_due_in_two_seconds_and_one_due_at_once_are_not_late_either(alice: User, sink: Sink) -> None:
    for seconds in (0, 2):
        at = in_seconds(seconds)
        alice.rlatr("POST", uri=sink.url(f"soon-{seconds}"), at=iso(at))
        [arrival] = eventually(partial(sink.at, f"soon-{seconds}"), within=8)
        assert 0 <= arrival.at - at.timestamp() < 1.5


def test_a_job_to_a_server_that_answers_500_is_tried_ten_seconds_later_then_called_back(
    alice: User, sink: Sink
) -> None:
    sink.behave = lambda arrival, count: 500 if arrival.path == "/broken-once" and count == 1 else 200
    status, said = alice.rlatr(
        "POST", uri=sink.url("broken-once"), at=iso(in_seconds(1)), callback_uri=sink.url("called-back")
    )
    assert status == 200, said
    [callback] = eventually(lambda: sink.at("called-back"), within=25)
    first, second = sink.at("broken-once")
    assert 10 <= second.at - first.at < 11.5
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert callback.at > second.at
    assert callback.body == b'{"status": "success", "id": %d}' % said["success"]["id"]

    def noted() -> tuple[Execution, Outcome] | None:
        execution = alice.execution_of(said["success"]["id"])
        return (execution, execution.callback) if execution and execution.callback else None

    execution, outcome = eventually(noted, within=5)
    assert [attempt.outcome.status for attempt in execution.attempts] == [500, 200]
    assert outcome.kind is OutcomeKind.DELIVERED


def test_a_payload_of_any_bytes_arrives_as_it_was_sent(stack: Stack, alice: User, sink: Sink) -> None:
    payload = bytes(range(256)) * 8
    when, callback = (quote(text, safe="") for text in (iso(in_seconds(2)), sink.url("bytes")))
    headers = urllib3.make_headers(basic_auth=f"{alice.key}:{alice.secret}")
    headers |= {"Content-Type": "application/x-anything", "X-Content-Signature": "opaque"}
    url = f"{stack.engine.front}/1/jobs/{when}/{callback}"
    answer = urllib3.request("POST", url, headers=headers, body=payload, retries=False, timeout=30)
    assert answer.status == 201, answer.data
    [arrival] = eventually(partial(sink.at, "bytes"), within=8)
    assert arrival.body == payload
    sent = (arrival.headers["Content-Type"], arrival.headers["X-Content-Signature"])
    assert sent == ("application/x-anything", "opaque")


def test_what_is_not_signed_right_is_refused(alice: User, bob: User, each_minute: dict[str, Any]) -> None:
    name = each_minute["cronjob_id"]
    assert alice.cronally("GET", "/cronjobs/")[1]["response"] == [each_minute]
    assert bob.cronally("GET", "/cronjobs/")[1]["response"] == []
    assert alice.cronally("GET", "/cronjobs/", secret=bob.secret)[0] == 401
    assert alice.cronally("GET", "/cronjobs/", date=OLD)[0] == 401
    foreign, unknown = (bob.cronally("DELETE", f"/cronjob/{one}/") for one in (name, "0" * 36))
    assert foreign == unknown
    assert foreign[0] == 404
    assert alice.cronally("GET", "/account/")[1]["response"]["cronjob_count"] == 1


def test_a_worker_killed_between_claim_and_record_loses_nothing(stack: Stack, alice: User, sink: Sink) -> None:
    def hang_once(arrival: Arrival, count: int) -> int:
        if arrival.path == "/killed" and count == 1:
            time.sleep(WORKER_SECONDS)
        return 200

    sink.behave = hang_once
    _, said = alice.rlatr("POST", uri=sink.url("killed"), at=iso(in_seconds(1)))
    [first] = eventually(lambda: sink.at("killed"), within=10)
    workers = function_processes(stack.engine, "Deliver")
    assert workers
    for worker in workers:
        os.kill(worker, signal.SIGKILL)
    assert alice.execution_of(said["success"]["id"]) is None, "it died before its record"
    _, second = eventually(lambda: (calls := sink.at("killed"))[1:] and calls, within=WORKER_SECONDS * 6 + 30)
    assert second.headers["webhook-id"] == first.headers["webhook-id"]
    execution = eventually(lambda: alice.execution_of(said["success"]["id"]), within=10)
    assert execution.state is ExecutionState.DELIVERED


def test_the_subscriber_has_a_message_for_each_minute(
    alice: User, subscriber: Subscriber, each_minute: dict[str, Any]
) -> None:
    got: list[dict[str, Any]] = []

    def two() -> bool:
        got.extend(subscriber.messages())
        return len(got) >= 2

    eventually(two, within=130)
    assert {message["Message"] for message in got} == {"tick-tock"}
    fired = [one for one in alice.stack.executions(alice.account_id) if one.ref.job_id == each_minute["cronjob_id"]]
    minutes = [one.due_at for one in fired]
    assert minutes == [minutes[0] + timedelta(minutes=number) for number in range(len(minutes))]
    assert [one.state for one in fired] == [ExecutionState.DELIVERED] * len(fired)


def test_a_worker_paused_for_two_minutes_loses_nothing_and_what_is_given_up_is_recorded(
    stack: Stack, alice: User, sink: Sink
) -> None:
    functions = stack.engine.client("lambda")
    mappings = [
        mapping["UUID"]
        for mapping in functions.list_event_source_mappings()["EventSourceMappings"]
        if "Deliver" in mapping["FunctionArn"]
    ]
    assert len(mappings) == 2
    for mapping in mappings:
        functions.update_event_source_mapping(UUID=mapping, Enabled=False)
    time.sleep(2)
    names = [f"paused-{number}" for number in range(5)]
    jobs = [alice.rlatr("POST", uri=sink.url(name), at=iso(in_seconds(5)))[1]["success"]["id"] for name in names]
    parked_at = in_seconds(5)
    parked = alice.rlatr("POST", uri=sink.url("parked"), at=iso(parked_at))[1]["success"]["id"]
    time.sleep(PAUSE)
    assert [sink.at(name) for name in names] == [[]] * 5
    letter = Due(subject=JobRef(account_id=alice.account_id, job_id=str(parked)), due_at=parked_at, rev=1)
    stack.engine.client("sqs").send_message(QueueUrl=stack.outputs["DeadLettersQueueUrl"], MessageBody=encode(letter))
    given_up = eventually(lambda: alice.execution_of(parked), within=20)
    assert given_up.state is ExecutionState.PARKED
    for mapping in mappings:
        functions.update_event_source_mapping(UUID=mapping, Enabled=True)
    eventually(lambda: all(sink.at(name) for name in names), within=30)
    eventually(lambda: all(alice.execution_of(job) for job in jobs), within=10)
    assert [len(sink.at(name)) for name in names] == [1] * 5
    assert sink.at("parked") == [], "what was given up is not sent after all"


def test_what_was_sent_to_be_deleted_is_gone(alice: User, subscriber: Subscriber, each_minute: dict[str, Any]) -> None:
    status, said = alice.cronally("DELETE", f"/cronjob/{each_minute['cronjob_id']}/")
    assert (status, said["response"]["deleted"]) == (200, True)
    subscriber.messages()
    assert alice.cronally("GET", "/cronjobs/")[1]["response"] == []
    assert alice.cronally("DELETE", f"/cronjob/{each_minute['cronjob_id']}/")[0] == 404


def test_a_firing_whose_message_is_purged_after_its_claim_is_found_and_fires(
    stack: Stack, alice: User, sink: Sink
) -> None:
    """No redelivery comes, and the job has moved on: only the reconciliation sees it."""

    def hang_once(arrival: Arrival, count: int) -> int:
        if arrival.path == "/purged" and count == 1:
            time.sleep(WORKER_SECONDS)
        return 200

    def unproved() -> int:
        asked = json.dumps({"age": WORKER_SECONDS}).encode()
        answer = stack.engine.client("lambda").invoke(FunctionName=stack.outputs["ReconcileName"], Payload=asked)
        return int(json.load(answer["Payload"])["unproved"])

    sink.behave = hang_once
    _, said = alice.rlatr("POST", uri=sink.url("purged"), at=iso(in_seconds(1)))
    [first] = eventually(lambda: sink.at("purged"), within=10)
    for worker in function_processes(stack.engine, "Deliver"):
        os.kill(worker, signal.SIGKILL)
    for queue in ("FiringsQueueUrl", "RetriesQueueUrl"):
        stack.engine.client("sqs").purge_queue(QueueUrl=stack.outputs[queue])
    assert eventually(unproved, within=WORKER_SECONDS * 3) == 1
    _, second = eventually(lambda: (calls := sink.at("purged"))[1:] and calls, within=10)
    assert second.headers["webhook-id"] == first.headers["webhook-id"]
    execution = eventually(lambda: alice.execution_of(said["success"]["id"]), within=10)
    assert execution.state is ExecutionState.DELIVERED
    told = [line for line in stack.printed("reconcile") if line["event"] == "unproved"]
    assert [(line["firing"], line["given_back"]) for line in told] == [(execution.firing_id, "True")]
    assert unproved() == 0
