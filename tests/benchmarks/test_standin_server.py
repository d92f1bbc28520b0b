"""The stand-in as a process: real clients, our own wiring, and what a socket may do to it."""

import json
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from benchmarks.standin.schema import names
from chalicelib import settings, wiring
from chalicelib.operations.accounts import NewAccount, open_account_with_key
from chalicelib.operations.jobs import create_job
from chalicelib.ports import Services
from chalicelib.scheduling.job import Definition, JobRef
from chalicelib.scheduling.retry import Misfire
from chalicelib.scheduling.schedule import Once
from chalicelib.scheduling.target import Webhook
from chalicelib.storage.accounts import DynamoAccounts, DynamoKeys
from chalicelib.storage.logins import DynamoLogins
from chalicelib.storage.tables import Table
from chalicelib.wire import DYNAMODB, Surroundings, Wire
from tests.engine import ROOT
from tests.world import START

KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "us-east-1"}


@pytest.fixture(scope="module")
def server() -> Iterator[dict[str, str]]:
    command = [sys.executable, "-m", "benchmarks.standin.server", "--port", "0", "--stage", "test"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)  # noqa: S603 - our own arguments
    assert process.stdout
    yield json.loads(process.stdout.readline())
    process.terminate()
    assert process.wait(timeout=10) == 0
    process.stdout.close()


def client(server: dict[str, str], service: str) -> Any:
    make: Any = boto3.client
    options = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "us-east-1"}
    return make(service, endpoint_url=server["endpoint"], **options)


def services(server: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Services:
    """Ours, wired as in a deployment."""
    for name, word in KEYS.items():
        monkeypatch.setenv(name, word)
    now = settings.from_environment(
        KEYS
        | {
            "BELLTOWER_STAGE": "test",
            "BELLTOWER_ACCOUNTS_TABLE": server["accounts_table"],
            "BELLTOWER_JOBS_TABLE": server["jobs_table"],
            "BELLTOWER_QUEUE_URL": server["queue_url"],
            "BELLTOWER_RETRY_QUEUE_URL": server["retry_queue_url"],
            "BELLTOWER_KEY_ID": server["key_id"],
            "BELLTOWER_AWS_ENDPOINT": server["endpoint"],
        }
    )
    around = Surroundings(region=now.region, credentials=now.credentials, endpoint=now.aws_endpoint)
    table = Table(Wire(DYNAMODB, around), now.accounts_table)
    return wiring.build(now, accounts=DynamoAccounts(table), keys=DynamoKeys(table), logins=DynamoLogins(table))


def test_a_boto3_client_writes_reads_and_is_refused(server: dict[str, str]) -> None:
    dynamodb = client(server, "dynamodb")
    table, key = {"TableName": server["jobs_table"]}, {"pk": {"S": "é"}, "sk": {"S": "1"}}
    item = key | {"B": {"B": b"\x00\xff"}, "in": {"M": {"B": {"S": "text"}, "b": {"L": [{"B": b"x"}]}}}}
    dynamodb.put_item(**table, Item=item)
    assert dynamodb.get_item(**table, Key=key, ConsistentRead=True)["Item"] == item
    with pytest.raises(ClientError) as refused:
        dynamodb.put_item(
            **table,
            Item=key,
            ConditionExpression="attribute_not_exists(pk)",
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )
    response: Any = refused.value.response
    assert (response["Error"]["Code"], response["Item"]) == ("ConditionalCheckFailedException", item)


def test_a_boto3_client_runs_statements_and_transactions(server: dict[str, str]) -> None:
    dynamodb = client(server, "dynamodb")
    key = {"pk": {"S": "statements"}, "sk": {"S": "1"}}
    put = {"Put": {"TableName": server["jobs_table"], "Item": key, "ConditionExpression": "attribute_not_exists(pk)"}}
    dynamodb.transact_write_items(TransactItems=[put])
    with pytest.raises(ClientError) as refused:
        dynamodb.transact_write_items(TransactItems=[put])
    response: Any = refused.value.response
    assert [reason["Code"] for reason in response["CancellationReasons"]] == ["ConditionalCheckFailed"]
    text = f'UPDATE "{server["jobs_table"]}" SET n=? WHERE pk=? AND sk=? AND attribute_not_exists(n)'  # noqa: S608 - PartiQL
    statement = {
        "Statement": text,
        "Parameters": [{"N": "1"}, *key.values()],
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }
    [done] = dynamodb.batch_execute_statement(Statements=[statement])["Responses"]
    [failed] = dynamodb.batch_execute_statement(Statements=[statement])["Responses"]
    assert (done, failed["Error"]["Item"]) == ({"TableName": server["jobs_table"]}, key | {"n": {"N": "1"}})


def test_a_boto3_client_sends_receives_and_deletes(server: dict[str, str]) -> None:
    sqs, url = client(server, "sqs"), server["retry_queue_url"]
    sqs.send_message_batch(QueueUrl=url, Entries=[{"Id": "1", "MessageBody": "hé", "MessageGroupId": "a"}])
    attributes = {"MessageSystemAttributeNames": ["All"]}
    [message] = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, **attributes)["Messages"]
    assert (message["Body"], message["Attributes"]["MessageGroupId"]) == ("hé", "a")
    entries = [{"Id": "1", "ReceiptHandle": message["ReceiptHandle"]}]
    assert sqs.delete_message_batch(QueueUrl=url, Entries=entries)["Successful"] == [{"Id": "1"}]
    with pytest.raises(sqs.exceptions.QueueDoesNotExist):
        sqs.receive_message(QueueUrl=f"{server['endpoint']}/000000000000/gone")


def test_a_data_key_opens_under_its_own_context(server: dict[str, str]) -> None:
    kms = client(server, "kms")
    context = {"account": "alice"}
    made = kms.generate_data_key(KeyId=server["key_id"], KeySpec="AES_256", EncryptionContext=context)
    other = kms.generate_data_key(KeyId=server["key_id"], KeySpec="AES_256", EncryptionContext=context)
    opened = kms.decrypt(CiphertextBlob=made["CiphertextBlob"], EncryptionContext=context)
    assert (len(made["Plaintext"]), opened["Plaintext"]) == (32, made["Plaintext"])
    assert other["Plaintext"] != made["Plaintext"]
    with pytest.raises(kms.exceptions.InvalidCiphertextException):
        kms.decrypt(CiphertextBlob=made["CiphertextBlob"], EncryptionContext={"account": "bob"})


def test_our_wiring_works_against_it(server: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    ours = services(server, monkeypatch)
    account, issued = open_account_with_key(ours, NewAccount(email="me@example.com"))
    ref = JobRef(account_id=account.account_id, job_id="job-1")
    asked = Definition(
        ref=ref,
        dialect="test",
        key=issued.key.key,
        name="a job",
        target=Webhook(url="https://example.com", body=b"\x00"),
        created_at=START,
    )
    job = create_job(ours, asked, Once(at=ours.clock.now()), misfire=Misfire.LATEST)
    assert ours.jobs.get(ref) == job
    assert ours.vault.open(account, f"key/{issued.key.key}/secret", issued.key.secret) == issued.secret
    assert ours.queue.depth().visible == 1


def answers(server: dict[str, str], parts: list[bytes], count: int) -> bytes:
    """What comes back for bytes that are sent part by part."""
    port = int(server["endpoint"].rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        for part in parts:
            connection.sendall(part)
        read = b""
        while read.count(b"HTTP/1.1 ") < count or not read.endswith(b"}"):
            read += connection.recv(65536)
    return read


def request(target: str, body: bytes) -> bytes:
    head = f"POST / HTTP/1.1\r\nhost: x\r\nX-AMZ-target: {target}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


ATTRIBUTES = json.dumps({"QueueUrl": names("test").dead_letters, "AttributeNames": ["VisibilityTimeout"]}).encode()


@pytest.mark.parametrize(
    ("parts", "statuses"),
    [
        ([request("AmazonSQS.GetQueueAttributes", ATTRIBUTES)], ["200"]),
        ([request("AmazonSQS.GetQueueAttributes", ATTRIBUTES) * 3], ["200", "200", "200"]),
        ([bytes([one]) for one in request("AmazonSQS.GetQueueAttributes", ATTRIBUTES)], ["200"]),
        ([request("DynamoDB_20120810.GetItem", b"{")], ["400"]),
        ([request("Lambda.Invoke", b"{}"), request("AmazonSQS.GetQueueAttributes", ATTRIBUTES)], ["400", "200"]),
    ],
    ids=["whole", "pipelined", "byte by byte", "no JSON", "an unknown service"],
)
def test_requests_are_answered_in_order_however_their_bytes_come(
    server: dict[str, str], parts: list[bytes], statuses: list[str]
) -> None:
    read = answers(server, parts, len(statuses))
    assert re.findall(r"HTTP/1\.1 (\d+)", read.decode()) == statuses
