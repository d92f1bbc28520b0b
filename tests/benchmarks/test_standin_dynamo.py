"""The stand-in's DynamoDB: what calls consume, pages, transactions, batches and refusals."""

from typing import Any

import pytest

from benchmarks.standin import dynamo as operations
from benchmarks.standin.dynamo import Dynamo
from benchmarks.standin.errors import AwsError
from tests.benchmarks.standin import INDEX, TABLE, Hands, a_dynamo, item, key, put, stored, value

KB = 1024
DUE = {"shard": 1, "due_at": 5, "rev": 1}


def units(answer: dict[str, Any]) -> tuple[float, float]:
    """What a call consumed on the table, and on the index."""
    consumed = answer["ConsumedCapacity"]
    index = consumed.get("GlobalSecondaryIndexes", {}).get(INDEX, {"CapacityUnits": 0})["CapacityUnits"]
    assert consumed["CapacityUnits"] == consumed["Table"]["CapacityUnits"] + index
    return consumed["Table"]["CapacityUnits"], index


@pytest.mark.parametrize(
    ("before", "after", "consumed"),
    [
        (None, {"n": 1}, (1, 0)),
        ({"s": "x" * 3 * KB}, {"n": 1}, (4, 0)),
        (None, {"s": "x" * (KB - 8)}, (1, 0)),
        (None, {"s": "x" * (KB - 6)}, (2, 0)),
        (None, DUE, (1, 1)),
        (DUE, {"n": 1}, (1, 1)),
        (DUE, DUE | {"n": 1}, (1, 0)),
        (DUE, DUE | {"rev": 2}, (1, 1)),
        (DUE, DUE | {"due_at": 6}, (1, 2)),
        (DUE, DUE | {"shard": 2}, (1, 2)),
        ({"n": 1}, {"shard": 1}, (1, 0)),
    ],
    ids=[
        "a small item",
        "a large item made small",
        "a kilobyte",
        "a kilobyte and a bit",
        "into the index",
        "out of the index",
        "what the index does not project",
        "what it projects",
        "to another time",
        "to another shard",
        "half a key is none",
    ],
)
def test_a_write_consumes_by_size_and_by_what_it_does_to_the_index(
    before: dict[str, Any] | None, after: dict[str, Any], consumed: tuple[float, float]
) -> None:
    dynamo = a_dynamo()
    if before is not None:
        put(dynamo, **before)
    assert units(put(dynamo, **after)) == consumed


@pytest.mark.parametrize(
    ("size", "consistent", "consumed"),
    [(0, True, 1), (0, False, 0.5), (3 * KB, True, 1), (5 * KB, True, 2), (9 * KB, False, 1.5)],
)
def test_a_read_consumes_by_four_kilobytes(size: int, consistent: bool, consumed: float) -> None:  # noqa: FBT001 - a column
    dynamo = a_dynamo()
    if size:
        put(dynamo, s="x" * size)
    request = {"TableName": TABLE, "Key": key(), "ConsistentRead": consistent, "ReturnConsumedCapacity": "INDEXES"}
    assert units(dynamo.dispatch("GetItem", request)) == (consumed, 0)


def test_a_transaction_doubles_the_table_and_not_the_index() -> None:
    dynamo = a_dynamo()
    action = {"Put": {"TableName": TABLE, "Item": key() | item(**DUE)}}
    answer = dynamo.dispatch("TransactWriteItems", {"TransactItems": [action], "ReturnConsumedCapacity": "TOTAL"})
    assert answer["ConsumedCapacity"] == [{"TableName": TABLE, "CapacityUnits": 3}]


def query(dynamo: Dynamo, condition: str = "pk = :pk", **options: Any) -> dict[str, Any]:
    values = {":pk": value("a")} | options.pop("values", {})
    request = {"TableName": TABLE, "KeyConditionExpression": condition, "ExpressionAttributeValues": values}
    return dynamo.dispatch("Query", request | options)


def sks(answer: dict[str, Any]) -> str:
    return "".join(found["sk"]["S"] for found in answer["Items"])


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        ("pk = :pk", "abcdef"),
        ("pk = :pk AND sk = :b", "b"),
        ("pk = :pk AND sk > :b", "cdef"),
        ("pk = :pk AND sk >= :b", "bcdef"),
        ("sk < :b AND pk = :pk", "a"),
        ("pk = :pk AND sk <= :b", "ab"),
        ("pk = :pk AND sk BETWEEN :b AND :d", "bcd"),
        ("pk = :pk AND begins_with(sk, :b)", "b"),
    ],
)
@pytest.mark.parametrize("limit", [1, 2, 6, None])
@pytest.mark.parametrize("forward", [True, False], ids=["forward", "backward"])
def test_pages_join_to_the_whole_range(condition: str, found: str, limit: int | None, *, forward: bool) -> None:
    dynamo = a_dynamo()
    for sk in "fcadbe":
        put(dynamo, sk=sk)
        put(dynamo, "other", sk)
    values = {place: value(place[1]) for place in (":b", ":d") if place in condition}
    options: dict[str, Any] = {"ScanIndexForward": forward} | ({"Limit": limit} if limit else {})
    read, pages = "", 0
    while True:
        answer = query(dynamo, condition, values=values, **options)
        read, pages = read + sks(answer), pages + 1
        if "LastEvaluatedKey" not in answer:
            break
        options["ExclusiveStartKey"] = answer["LastEvaluatedKey"]
    assert read == (found if forward else found[::-1])
    assert pages == (len(found) // limit + 1 if limit else 1), "a full page does not know that it is the last"


def test_a_page_ends_before_a_megabyte_is_exceeded() -> None:
    dynamo = a_dynamo()
    for sk in "abcd":
        put(dynamo, sk=sk, s="x" * 300 * KB)
    page = query(dynamo, ReturnConsumedCapacity="TOTAL", ConsistentRead=True)
    assert (sks(page), page["LastEvaluatedKey"]) == ("abc", key(sk="c"))
    assert page["ConsumedCapacity"]["CapacityUnits"] == 226
    assert sks(query(dynamo, ExclusiveStartKey=page["LastEvaluatedKey"])) == "d"
    assert query(dynamo, Select="COUNT", Limit=2)["Count"] == 2


@pytest.mark.parametrize("limit", [1, 2, 5, 6, None])
def test_the_pages_of_a_scan_join_to_the_whole_table_also_behind_an_item_that_is_gone(limit: int | None) -> None:
    dynamo = a_dynamo()
    for pk, sk in ("b2", "a1", "b1", "c1", "a2"):
        put(dynamo, pk, sk)
    request: dict[str, Any] = {"TableName": TABLE} | ({"Limit": limit} if limit else {})
    read: list[Any] = []
    while True:
        answer = dynamo.dispatch("Scan", request)
        read += answer["Items"]
        if "LastEvaluatedKey" not in answer:
            break
        request["ExclusiveStartKey"] = answer["LastEvaluatedKey"]
        dynamo.dispatch("DeleteItem", {"TableName": TABLE, "Key": answer["LastEvaluatedKey"]})
    assert read == [key(pk, sk) for pk, sk in ("a1", "a2", "b1", "b2", "c1")]


def test_an_index_shows_its_own_order_and_what_it_projects() -> None:
    dynamo = a_dynamo()
    for sk, due in [("a", 10), ("b", 9), ("c", 9), ("d", 100)]:
        put(dynamo, sk=sk, shard=1, due_at=due, rev=1, n=1)
    condition, values = "shard_ = :s AND due_at BETWEEN :low AND :high", {":s": 1, ":low": 9, ":high": 10}
    request = {
        "TableName": TABLE,
        "IndexName": INDEX,
        "KeyConditionExpression": condition.replace("shard_", "#s"),
        "ExpressionAttributeNames": {"#s": "shard"},
        "ExpressionAttributeValues": item(**values),
        "Limit": 2,
    }
    first = dynamo.dispatch("Query", request)
    rest = dynamo.dispatch("Query", request | {"ExclusiveStartKey": first["LastEvaluatedKey"]})
    assert (sks(first), sks(rest)) == ("bc", "a")
    assert rest["Items"] == [key(sk="a") | item(shard=1, due_at=10, rev=1)]
    with pytest.raises(AwsError, match="Consistent reads"):
        dynamo.dispatch("Query", request | {"ConsistentRead": True})


def action(kind: str, sk: str, condition: str = "", **plain: Any) -> dict[str, Any]:
    target = {"Item": key(sk=sk) | item(**plain)} if kind == "Put" else {"Key": key(sk=sk)}
    return {kind: {"TableName": TABLE} | target | ({"ConditionExpression": condition} if condition else {})}


def test_a_transaction_does_all_or_nothing_and_says_why() -> None:
    dynamo = a_dynamo()
    put(dynamo, n=1)
    asked = action("Put", "1", "attribute_not_exists(pk)")
    asked["Put"]["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD"
    with pytest.raises(AwsError, match=r"\[None, ConditionalCheckFailed, None\]") as refused:
        transact(dynamo, action("Put", "2"), asked, action("Delete", "3"))
    [nothing, failed, _] = refused.value.details["CancellationReasons"]
    assert (refused.value.code, nothing) == ("TransactionCanceledException", {"Code": "None"})
    assert (failed["Code"], failed["Item"]) == ("ConditionalCheckFailed", item(pk="a", sk="1", n=1))
    assert stored(dynamo, sk="2") is None
    transact(dynamo, action("ConditionCheck", "1", "attribute_exists(pk)"), action("Put", "2"), action("Delete", "3"))
    assert stored(dynamo, sk="2") == key(sk="2")


def transact(dynamo: Dynamo, *actions: dict[str, Any], **options: Any) -> dict[str, Any]:
    return dynamo.dispatch("TransactWriteItems", {"TransactItems": list(actions)} | options)


def test_a_transaction_sent_again_within_ten_minutes_is_done_once() -> None:
    clock = Hands()
    dynamo = a_dynamo(clock)
    once = action("Put", "1", "attribute_not_exists(pk)")
    for _ in range(2):
        assert transact(dynamo, once, ClientRequestToken="token") == {}
    with pytest.raises(AwsError, match="IdempotentParameterMismatch"):
        transact(dynamo, action("Put", "2"), ClientRequestToken="token")
    clock.forward(601)
    with pytest.raises(AwsError, match="TransactionCanceled"):
        transact(dynamo, once, ClientRequestToken="token")


def test_batches_read_and_write_many_items() -> None:
    dynamo = a_dynamo()
    writes = [{"PutRequest": {"Item": key(sk=sk)}} for sk in "abc"]
    dynamo.dispatch("BatchWriteItem", {"RequestItems": {TABLE: writes}})
    dynamo.dispatch("BatchWriteItem", {"RequestItems": {TABLE: [{"DeleteRequest": {"Key": key(sk="b")}}]}})
    asked = {"Keys": [key(sk=sk) for sk in "cba"], "ConsistentRead": True}
    answer = dynamo.dispatch("BatchGetItem", {"RequestItems": {TABLE: asked}, "ReturnConsumedCapacity": "TOTAL"})
    assert answer["Responses"] == {TABLE: [key(sk="c"), key(sk="a")]}
    assert answer["ConsumedCapacity"] == [{"TableName": TABLE, "CapacityUnits": 3}]
    assert dynamo.dispatch("Scan", {"TableName": TABLE})["Items"] == [key(sk="a"), key(sk="c")]


def many(request: str, count: int, *, distinct: bool = True) -> dict[str, Any]:
    keys = [key(sk=str(number if distinct else 1)) for number in range(count)]
    match request:
        case "BatchGetItem":
            return {"RequestItems": {TABLE: {"Keys": keys}}}
        case "BatchWriteItem":
            return {"RequestItems": {TABLE: [{"DeleteRequest": {"Key": one}} for one in keys]}}
    return {"TransactItems": [{"Delete": {"TableName": TABLE, "Key": one}} for one in keys]}


@pytest.mark.parametrize(
    ("operation", "request_"),
    [
        ("BatchGetItem", many("BatchGetItem", 101)),
        ("BatchGetItem", many("BatchGetItem", 2, distinct=False)),
        ("BatchWriteItem", many("BatchWriteItem", 26)),
        ("BatchWriteItem", many("BatchWriteItem", 2, distinct=False)),
        ("TransactWriteItems", many("TransactWriteItems", 101)),
        ("TransactWriteItems", many("TransactWriteItems", 2, distinct=False)),
        ("PutItem", {"TableName": TABLE, "Item": key() | item(s="x" * 400 * KB)}),
        ("PutItem", {"TableName": TABLE, "Item": item(pk="a")}),
        ("PutItem", {"TableName": TABLE, "Item": item(pk="a", sk=1)}),
        ("PutItem", {"TableName": TABLE, "Item": item(pk="a", sk="")}),
        ("PutItem", {"TableName": TABLE, "Item": key() | item(shard="1", due_at=1)}),
        ("PutItem", {"TableName": TABLE}),
        ("GetItem", {"TableName": TABLE, "Key": key() | item(n=1)}),
        ("GetItem", {"TableName": TABLE, "Key": key(), "AttributesToGet": ["n"]}),
        ("UpdateItem", {"TableName": TABLE, "Key": key(), "UpdateExpression": "SET sk = pk"}),
        ("UpdateItem", {"TableName": TABLE, "Key": key(), "ReturnValues": "UPDATED_NEW"}),
        ("Query", {"TableName": TABLE, "KeyConditionExpression": "attribute_exists(pk)"}),
        ("Query", {"TableName": TABLE, "KeyConditionExpression": "pk = sk AND sk = pk AND sk = sk"}),
        ("Query", {"TableName": TABLE, "IndexName": "gone", "KeyConditionExpression": "pk = sk"}),
        ("Scan", {"TableName": TABLE, "FilterExpression": "n = n"}),
    ],
    ids=[
        "too many reads",
        "one read twice",
        "too many writes",
        "one written twice",
        "too many actions",
        "one item twice",
        "too large",
        "a key too few",
        "a key of another type",
        "an empty key",
        "an index key of another type",
        "no item",
        "a key too many",
        "an old parameter",
        "a change of the key",
        "returned values that are not played",
        "no hash key",
        "too many tests of the range key",
        "an index that is not there",
        "a filter",
    ],
)
def test_what_aws_refuses_or_is_not_played_is_refused(operation: str, request_: dict[str, Any]) -> None:
    with pytest.raises(AwsError) as refused:
        a_dynamo().dispatch(operation, request_)
    assert refused.value.code == "ValidationException"


def test_tables_and_operations_that_are_not_there_are_refused_by_name() -> None:
    with pytest.raises(AwsError) as no_table:
        a_dynamo().dispatch("GetItem", {"TableName": "gone", "Key": key()})
    with pytest.raises(AwsError) as no_operation:
        a_dynamo().dispatch("CreateTable", {})
    codes = (no_table.value.code, no_operation.value.code)
    assert codes == ("ResourceNotFoundException", "UnknownOperationException")


def test_every_operation_that_is_known_is_there() -> None:
    assert a_dynamo()._operations.keys() == operations.KNOWN.keys()  # noqa: SLF001 - the two tables of one module
