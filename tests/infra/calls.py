"""What one request asks of IAM.

`READERS` says for each operation what is checked. Source: AWS's Service Authorization Reference, and for transactions
and PartiQL the developer guide of DynamoDB. An operation without a reader becomes a call that no role allows.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

Body = dict[str, Any]

HASH: Final = re.compile(r"(#\w+) = (:\w+)")
STATEMENT: Final = re.compile(r'(SELECT|INSERT|UPDATE|DELETE)\b[^"]*"([^"]+)"(?:\."([^"]+)")?', re.IGNORECASE)
PARTS: Final = {
    "ConditionCheck": "dynamodb:ConditionCheckItem",
    "Delete": "dynamodb:DeleteItem",
    "Put": "dynamodb:PutItem",
    "Update": "dynamodb:UpdateItem",
}


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Call:
    """One thing that IAM checks. `key`: an item's hash key, or the names of a KMS encryption context; else empty.

    Of a scan: the attributes it asks for.
    """

    action: str
    resource: str
    key: str = ""


def calls_of(operation: str, body: Body) -> Iterator[Call]:
    """The calls in a request. `operation`: the name that a service signs with, a dot, the operation."""
    reader = READERS.get(operation)
    if reader:
        yield from reader(body)
    else:
        yield Call(action=operation.replace(".", ":"), resource="of an operation without a reader")


# --- readers: one for each operation ----------------------------------------------------------------------------------


def _item(action: str) -> Callable[[Body], Iterator[Call]]:
    def read(body: Body) -> Iterator[Call]:
        yield Call(action=action, resource=body["TableName"], key=_hash_of(body.get("Key") or body["Item"]))

    return read


def _query(body: Body) -> Iterator[Call]:
    """Of an index the leading key is the index's own."""
    index = f"/index/{body['IndexName']}" if "IndexName" in body else ""
    [(_, placeholder)] = HASH.findall(body["KeyConditionExpression"])[:1]
    [key] = body["ExpressionAttributeValues"][placeholder].values()
    yield Call(action="dynamodb:Query", resource=body["TableName"] + index, key=key)


def _scan(body: Body) -> Iterator[Call]:
    """Its key is what it may see: it reads every item."""
    seen = body["ProjectionExpression"].replace(" ", "") if body.get("Select") == "SPECIFIC_ATTRIBUTES" else "all"
    yield Call(action="dynamodb:Scan", resource=body["TableName"], key=seen)


def _batch_get(body: Body) -> Iterator[Call]:
    for table, asked in body["RequestItems"].items():
        for key in asked["Keys"]:
            yield Call(action="dynamodb:BatchGetItem", resource=table, key=_hash_of(key))


def _batch_write(body: Body) -> Iterator[Call]:
    """One action, whatever it writes."""
    for table, entries in body["RequestItems"].items():
        for [asked] in (entry.values() for entry in entries):
            yield Call(
                action="dynamodb:BatchWriteItem", resource=table, key=_hash_of(asked.get("Item") or asked["Key"])
            )


def _transaction(body: Body) -> Iterator[Call]:
    """A transaction has no action of its own: each part is checked as what it does."""
    for [(part, asked)] in (entry.items() for entry in body["TransactItems"]):
        yield from _item(PARTS[part])(asked)


def _statements(body: Body) -> Iterator[Call]:
    """PartiQL has actions of its own. The key of such a call is left open: a role that names keys does not fit it."""
    for statement in body["Statements"]:
        [(verb, table, index)] = STATEMENT.findall(statement["Statement"])[:1]
        resource = f"{table}/index/{index}" if index else table
        yield Call(action=f"dynamodb:PartiQL{verb.capitalize()}", resource=resource)


def _queue(action: str) -> Callable[[Body], Iterator[Call]]:
    def read(body: Body) -> Iterator[Call]:
        yield Call(action=action, resource=body["QueueUrl"])

    return read


def _kms(action: str) -> Callable[[Body], Iterator[Call]]:
    def read(body: Body) -> Iterator[Call]:
        yield Call(action=action, resource=body["KeyId"], key=" ".join(sorted(body.get("EncryptionContext", {}))))

    return read


def _hash_of(item: Mapping[str, Any]) -> str:
    return str(item["pk"]["S"])


READERS: Final[Mapping[str, Callable[[Body], Iterator[Call]]]] = {
    "dynamodb.BatchExecuteStatement": _statements,
    "dynamodb.BatchGetItem": _batch_get,
    "dynamodb.BatchWriteItem": _batch_write,
    "dynamodb.DeleteItem": _item("dynamodb:DeleteItem"),
    "dynamodb.GetItem": _item("dynamodb:GetItem"),
    "dynamodb.PutItem": _item("dynamodb:PutItem"),
    "dynamodb.Query": _query,
    "dynamodb.Scan": _scan,
    "dynamodb.TransactWriteItems": _transaction,
    "dynamodb.UpdateItem": _item("dynamodb:UpdateItem"),
    "kms.Decrypt": _kms("kms:Decrypt"),
    "kms.GenerateDataKey": _kms("kms:GenerateDataKey"),
    "sqs.GetQueueAttributes": _queue("sqs:GetQueueAttributes"),
    "sqs.SendMessageBatch": _queue("sqs:SendMessage"),
}
