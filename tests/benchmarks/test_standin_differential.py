"""The stand-in against the embedded engine: random calls give equal answers and leave equal tables and indexes.

Each example has a hash key and an index shard of its own, so that all of them share one table on the engine. Left out
is what the engine prices or takes in a way of its own: the capacity of PartiQL and of long reads, and batches that mix
reads and writes or name an item twice.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from botocore import xform_name
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.standin.dynamo import Dynamo
from benchmarks.standin.errors import AwsError
from benchmarks.standin.schema import table_schema

if TYPE_CHECKING:
    from tests.engine import RunningEngine

TABLE = "differential"
DECLARED: dict[str, Any] = {
    "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
    "AttributeDefinitions": [
        {"AttributeName": "pk", "AttributeType": "S"},
        {"AttributeName": "sk", "AttributeType": "S"},
        {"AttributeName": "shard", "AttributeType": "N"},
        {"AttributeName": "due_at", "AttributeType": "N"},
    ],
    "GlobalSecondaryIndexes": [
        {
            "IndexName": "next-fire",
            "KeySchema": [
                {"AttributeName": "shard", "KeyType": "HASH"},
                {"AttributeName": "due_at", "KeyType": "RANGE"},
            ],
            "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["rev"]},
        }
    ],
}
SETTINGS = settings(
    max_examples=50, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
NUMBERS = st.integers(0, 2)


@dataclass(frozen=True)
class Both:
    """The same table twice."""

    engine: Any
    standin: Dynamo
    example: int

    def call(self, operation: str, **kwargs: Any) -> tuple[Any, Any]:
        method = getattr(self.engine, xform_name(operation))
        return of_engine(method, kwargs), of_standin(self.standin, operation, kwargs)


def of_engine(method: Any, kwargs: dict[str, Any]) -> Any:
    try:
        answer = method(**kwargs)
    except ClientError as error:
        return error.response["Error"]["Code"], error.response.get("Item"), reasons(error.response)
    for bill in answer.get("ConsumedCapacity", []) if isinstance(answer.get("ConsumedCapacity"), list) else []:
        bill.pop("WriteCapacityUnits", None)
    return {name: part for name, part in answer.items() if name not in ("ResponseMetadata", "UnprocessedItems")}


def of_standin(standin: Dynamo, operation: str, kwargs: dict[str, Any]) -> Any:
    try:
        answer = standin.dispatch(operation, kwargs)
    except AwsError as error:
        return error.code, error.details.get("Item"), reasons(error.details)
    return {name: part for name, part in answer.items() if name != "UnprocessedItems"}


def reasons(details: Any) -> list[str]:
    return [reason["Code"] for reason in details.get("CancellationReasons", [])]


@pytest.fixture(scope="module")
def twice(request: pytest.FixtureRequest) -> Any:
    engine: RunningEngine = request.getfixturevalue("engine")
    client = engine.client("dynamodb", key=engine.account())
    client.create_table(TableName=TABLE, BillingMode="PAY_PER_REQUEST", **DECLARED)
    standin = Dynamo([table_schema(TABLE, DECLARED)], lambda: 0)
    examples = itertools.count(1)
    return lambda: Both(client, standin, next(examples))


def key(both: Both, sk: str) -> dict[str, Any]:
    return {"pk": {"S": f"example-{both.example}"}, "sk": {"S": sk}}


def item(both: Both, sk: str, *, due: int | None, rev: int) -> dict[str, Any]:
    placed = {} if due is None else {"shard": {"N": str(both.example)}, "due_at": {"N": str(due)}}
    return key(both, sk) | placed | {"rev": {"N": str(rev)}, "claim": {"M": {"nonce": {"S": f"n{rev}"}}}}


def moves() -> st.SearchStrategy[tuple[Any, ...]]:
    """One step: what is done, to which items, with which numbers."""
    sks = st.sampled_from("abc")
    return st.one_of(
        st.tuples(st.just("put"), sks, NUMBERS, st.none() | NUMBERS),
        st.tuples(st.just("insert"), sks, NUMBERS, st.none() | NUMBERS),
        st.tuples(st.just("touch"), sks, NUMBERS, st.none()),
        st.tuples(st.just("claim"), sks, NUMBERS, st.none() | NUMBERS),
        st.tuples(st.just("delete"), sks, NUMBERS, st.none()),
        st.tuples(st.just("transact"), sks, NUMBERS, st.none() | NUMBERS),
        st.tuples(st.just("batch"), st.lists(sks, min_size=1, max_size=3, unique=True), NUMBERS, st.none() | NUMBERS),
    )


def taken(both: Both, move: tuple[Any, ...]) -> tuple[Any, Any]:
    match move:
        case "put", sk, rev, due:
            return both.call("PutItem", TableName=TABLE, Item=item(both, sk, due=due, rev=rev), **asked())
        case "insert", sk, rev, due:
            condition: dict[str, Any] = {"ConditionExpression": "attribute_not_exists(pk)"}
            return both.call("PutItem", TableName=TABLE, Item=item(both, sk, due=due, rev=rev), **condition, **asked())
        case "touch", sk, rev, _:
            change: dict[str, Any] = {
                "UpdateExpression": "SET note = :n",
                "ExpressionAttributeValues": {":n": {"N": str(rev)}},
            }
            return both.call("UpdateItem", TableName=TABLE, Key=key(both, sk), **change, **asked())
        case "claim", sk, rev, due:
            return both.call("UpdateItem", ReturnValues="ALL_NEW", **claiming(both, sk, rev=rev, due=due), **asked())
        case "delete", sk, rev, _:
            values = {":rev": {"N": str(rev)}}
            condition = {"ConditionExpression": "NOT rev < :rev", "ExpressionAttributeValues": values}
            return both.call(
                "DeleteItem", TableName=TABLE, Key=key(both, sk), ReturnValues="ALL_OLD", **condition, **asked()
            )
        case "transact", sk, rev, due:
            other = {"Put": {"TableName": TABLE, "Item": item(both, f"{sk}2", due=due, rev=rev)}}
            update = {"Update": claiming(both, sk, rev=rev, due=due)}
            return both.call("TransactWriteItems", TransactItems=[update, other], **asked("TOTAL"))
    _, sks, rev, due = move
    return both.call("BatchExecuteStatement", Statements=[statement(both, sk, rev=rev, due=due) for sk in sks])


def asked(mode: str = "INDEXES") -> dict[str, Any]:
    return {"ReturnConsumedCapacity": mode}


def claiming(both: Both, sk: str, *, rev: int, due: int | None) -> dict[str, Any]:
    values = {":rev": {"N": str(rev)}, ":next": {"N": str(rev + 1)}, ":nonce": {"S": f"m{rev}"}}
    moved = "REMOVE due_at, #shard" if due is None else "REMOVE gone"
    placed = "" if due is None else ", due_at = :due, #shard = :shard"
    if due is not None:
        values |= {":due": {"N": str(due)}, ":shard": {"N": str(both.example)}}
    return {
        "TableName": TABLE,
        "Key": key(both, sk),
        "UpdateExpression": f"SET claim.nonce = :nonce, rev = :next{placed} {moved}",
        "ConditionExpression": "attribute_exists(pk) AND (rev = :rev OR claim.nonce = :nonce)",
        "ExpressionAttributeNames": {"#shard": "shard"},
        "ExpressionAttributeValues": values,
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }


def statement(both: Both, sk: str, *, rev: int, due: int | None) -> dict[str, Any]:
    placed = 'REMOVE due_at REMOVE "shard"' if due is None else 'SET due_at=? SET "shard"=?'
    wanted = [] if due is None else [{"N": str(due)}, {"N": str(both.example)}]
    text = f'UPDATE "{TABLE}" SET claim.nonce=? {placed} WHERE pk=? AND sk=? AND rev=? RETURNING ALL NEW *'  # noqa: S608 - PartiQL
    hash_value, range_value = key(both, sk).values()
    return {
        "Statement": text,
        "Parameters": [{"S": f"p{rev}"}, *wanted, hash_value, range_value, {"N": str(rev)}],
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }


def state(both: Both) -> tuple[list[Any], list[Any]]:
    """Table and index of this example, on each."""
    table = {"TableName": TABLE, "KeyConditionExpression": "pk = :pk", "ConsistentRead": True}
    index = {"TableName": TABLE, "KeyConditionExpression": "#s = :s", "IndexName": "next-fire"}
    rows = both.call("Query", **table, ExpressionAttributeValues={":pk": key(both, "")["pk"]})
    entries = both.call(
        "Query",
        **index,
        ExpressionAttributeNames={"#s": "shard"},
        ExpressionAttributeValues={":s": {"N": str(both.example)}},
    )
    engine, standin = zip(rows, entries, strict=True)
    return [in_order(answer) for answer in engine], [in_order(answer) for answer in standin]


def in_order(answer: Any) -> Any:
    """Of one due time, an index returns entries in any order."""

    def place(found: Any) -> tuple[str, str]:
        return found.get("due_at", {"N": ""})["N"], found["sk"]["S"]

    return sorted(answer["Items"], key=place)


@SETTINGS
@given(steps=st.lists(moves(), min_size=4, max_size=16))
def test_random_calls_are_answered_alike_and_leave_the_same_behind(twice: Any, steps: list[tuple[Any, ...]]) -> None:
    both = twice()
    placed = [("put", sk, 0, 1) for sk in "abc"]
    for step in placed + steps:
        engine, standin = taken(both, step)
        assert engine == standin, step
    engine, standin = state(both)
    assert engine == standin
