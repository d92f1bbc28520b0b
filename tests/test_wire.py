"""AWS's JSON protocol: signatures as botocore makes them, and answers of every kind from a real socket."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from chalicelib import signing
from chalicelib.scheduling.errors import Unavailable
from chalicelib.wire import DYNAMODB, Refusal, Surroundings, Wire, own_endpoint

KEYS = signing.AwsCredentials(access_key_id="AKIDEXAMPLE", secret_access_key="wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
THROTTLED = (400, {"__type": "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException"})
BROKEN = (500, {"__type": "com.amazonaws.dynamodb.v20120810#InternalServerError"})
OK = (200, {"Item": {"pk": {"S": "é"}}})

Answer = tuple[int, Mapping[str, Any]] | bytes | None
"""A status and a body, raw bytes, or None: the connection is closed without an answer."""


class Service:
    """A service on a real socket that answers what it is told, one answer for each request, over kept connections."""

    def __init__(self, answers: list[Answer]) -> None:
        self.answers, self.requests, self.connections = answers, list[tuple[bytes, bytes]](), 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.listener.getsockname()[1]}"

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            with connection, connection.makefile("rb") as stream:
                while self._answer(connection, stream.readline, stream.read):
                    pass

    def _answer(self, connection: socket.socket, readline: Callable[[], bytes], read: Callable[[int], bytes]) -> bool:
        head = b""
        while (line := readline()) not in {b"\r\n", b""}:
            head += line
        if not head:
            return False
        length = int(
            next(line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")).split()[1]
        )
        self.requests.append((head, read(length)))
        answer = self.answers.pop(0)
        if answer is None:
            return False
        if isinstance(answer, bytes):
            connection.sendall(answer)
            return False
        body = json.dumps(answer[1]).encode()
        connection.sendall(b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n" % (answer[0], len(body)) + body)
        return True


@contextmanager
def serving(*answers: Answer) -> Iterator[tuple[Service, Wire, list[float]]]:
    service, pauses = Service(list(answers)), list[float]()
    around = Surroundings(region="eu-central-1", credentials=KEYS, endpoint=service.endpoint)
    wire = Wire(DYNAMODB, around, sleep=pauses.append)
    try:
        yield service, wire, pauses
    finally:
        wire.close()
        service.listener.close()


@given(
    body=st.binary(max_size=200),
    token=st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=40),
    secret=st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=40),
)
def test_a_signature_is_the_one_that_botocore_makes(body: bytes, token: str, secret: str) -> None:
    headers = {"Host": "dynamodb.eu-central-1.amazonaws.com", "X-Amz-Target": "DynamoDB_20120810.GetItem"}
    ours = signing.aws_headers(
        signing.AwsCredentials(access_key_id="AKID", secret_access_key=secret, session_token=token),
        signing.AwsScope(region="eu-central-1", service="dynamodb"),
        headers=headers,
        body=body,
        now=time.time(),
    )
    request = AWSRequest("POST", f"https://{headers['Host']}/", headers=dict(headers), data=body)
    request.headers["X-Amz-Date"] = ours["X-Amz-Date"]
    request.context["timestamp"] = ours["X-Amz-Date"]
    if token:
        request.headers["X-Amz-Security-Token"] = token
    theirs = SigV4Auth(Credentials("AKID", secret, token or None), "dynamodb", "eu-central-1")
    text = theirs.string_to_sign(request, theirs.canonical_request(request))
    assert ours["Authorization"].endswith(f"Signature={theirs.signature(text, request)}")


def test_a_call_is_a_signed_post_and_its_answer_is_json() -> None:
    with serving(OK) as (service, wire, _):
        assert wire.call("GetItem", {"TableName": "jobs"}) == OK[1]
        [(head, body)] = service.requests
    assert json.loads(body) == {"TableName": "jobs"}
    assert head.startswith(b"POST / HTTP/1.1\r\n")
    assert b"X-Amz-Target: DynamoDB_20120810.GetItem\r\n" in head
    assert b"Authorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/" in head


def test_connections_are_kept() -> None:
    with serving(OK, OK, OK) as (service, wire, _):
        for _ in range(3):
            wire.call("GetItem", {})
        assert (service.connections, len(service.requests)) == (1, 3)


@pytest.mark.parametrize(
    "first",
    [THROTTLED, BROKEN, (503, {}), None, b"garbage\r\n\r\n", b"HTTP/1.1 502 X\r\nContent-Length: 6\r\n\r\n<html>"],
    ids=["throttled", "broken", "away", "closed", "garbage", "a page"],
)
def test_t47_what_may_pass_is_tried_again_after_a_pause(first: Answer) -> None:
    with serving(first, OK) as (service, wire, pauses):
        assert wire.call("GetItem", {}) == OK[1]
        assert len(service.requests) == 2
        assert all(0 <= pause <= 0.1 for pause in pauses)
        assert len(pauses) == 1


@pytest.mark.parametrize(
    "half",
    [
        pytest.param(b'HTTP/1.1 200 X\r\nContent-Length: 40\r\n\r\n{"Item": {', id="a length that is not reached"),
        pytest.param(b"HTTP/1.1 200 X\r\nContent-Length: 40\r\n\r\n", id="a length, and nothing"),
        pytest.param(b"HTTP/1.1 200 X\r\nContent-Length: 40\r\n\r\n{}", id="what would be an answer by itself"),
        pytest.param(b'HTTP/1.1 200 X\r\n\r\n{"Item": {', id="no length, and half an answer"),
        pytest.param(b'HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n{"It', id="half a chunk"),
        pytest.param(b"HTTP/1.1 200 X\r\nContent-Length: 9\r\n\r\n<html/>\r\n", id="somebody else's page"),
        pytest.param(b"HTTP/1.1 200 X\r\nContent-Length: 2\r\n\r\n[]", id="another kind of JSON"),
    ],
)
def test_t47_half_an_answer_is_none(half: bytes) -> None:
    """Taken for an empty one it would say that an item is not there, and its firing would be dropped."""
    with serving(half, OK) as (service, wire, pauses):
        assert wire.call("GetItem", {}) == OK[1]
    assert (len(service.requests), len(pauses)) == (2, 1)


def test_a_kept_connection_that_was_closed_meanwhile_costs_no_try() -> None:
    with serving(OK, None, OK) as (service, wire, pauses):
        wire.call("GetItem", {})
        assert wire.call("GetItem", {}) == OK[1]
        assert (len(service.requests), pauses) == (3, [])


def test_what_does_not_pass_is_told_as_unavailable() -> None:
    with serving(None, BROKEN, THROTTLED) as (service, wire, pauses):
        with pytest.raises(Unavailable):
            wire.call("GetItem", {})
        assert (len(service.requests), len(pauses)) == (3, 2)


def test_a_refusal_is_told_at_once_with_what_the_service_said() -> None:
    body: dict[str, object] = {"__type": "x#ConditionalCheckFailedException", "Item": {"pk": {"S": "1"}}}
    with serving((400, body)) as (service, wire, _):
        with pytest.raises(Refusal) as refusal:
            wire.call("UpdateItem", {})
        assert (refusal.value.code, refusal.value.body) == ("ConditionalCheckFailedException", body)
        assert len(service.requests) == 1


@pytest.mark.parametrize(
    ("reasons", "tries"),
    [(["None", "TransactionConflict"], 2), (["ConditionalCheckFailed", "TransactionConflict"], 1)],
    ids=["a conflict alone passes", "a condition does not"],
)
def test_t47_a_cancelled_transaction_is_tried_again_unless_a_condition_failed(reasons: list[str], tries: int) -> None:
    said = [{"Code": code} for code in reasons]
    answers: list[Answer] = [(400, {"__type": "x#TransactionCanceledException", "CancellationReasons": said}), OK]
    with serving(*answers) as (service, wire, _):
        if tries == 1:
            with pytest.raises(Refusal):
                wire.call("TransactWriteItems", {})
        else:
            wire.call("TransactWriteItems", {})
        assert len(service.requests) == tries


def test_nobody_there_is_unavailable() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        around = Surroundings(region="x", credentials=KEYS, endpoint=f"http://127.0.0.1:{taken.getsockname()[1]}")
        with pytest.raises(Unavailable):
            Wire(DYNAMODB, around, sleep=lambda _: None).call("GetItem", {})


@pytest.mark.parametrize(
    ("region", "expected"),
    [
        ("eu-central-1", "https://sqs.eu-central-1.amazonaws.com"),
        ("cn-north-1", "https://sqs.cn-north-1.amazonaws.com.cn"),
    ],
)
def test_a_service_answers_in_its_region(region: str, expected: str) -> None:
    assert own_endpoint("sqs", region) == expected


def test_credentials_do_not_print() -> None:
    assert "wJalr" not in repr(KEYS)
