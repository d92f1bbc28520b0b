"""PartiQL statements on the stand-in: one by one, and in batches with a verdict for each."""

from typing import Any

import pytest

from benchmarks.standin.dynamo import Dynamo
from benchmarks.standin.errors import AwsError
from tests.benchmarks.standin import TABLE, a_dynamo, item, put, stored, value

UPDATE = 'UPDATE "t" SET n=? WHERE pk=? AND sk=? AND n=?'


def a_filled_dynamo() -> Dynamo:
    dynamo = a_dynamo()
    put(dynamo, n=1, claim={"nonce": "old"}, spare="x")
    return dynamo


def statement(text: str, *parameters: Any, **options: Any) -> dict[str, Any]:
    return {"Statement": text, "Parameters": [value(one) for one in parameters]} | options


def batch(dynamo: Dynamo, *statements: dict[str, Any]) -> list[dict[str, Any]]:
    answer = dynamo.dispatch("BatchExecuteStatement", {"Statements": list(statements)})
    responses: list[dict[str, Any]] = answer["Responses"]
    return responses


@pytest.mark.parametrize(
    ("text", "parameters", "changed"),
    [
        (UPDATE, (2, "a", "1", 1), {"n": 2}),
        ('UPDATE t SET n=? WHERE sk=? AND "pk"=?', (2, "1", "a"), {"n": 2}),
        ('UPDATE "t" SET claim.nonce=? SET "m"=? REMOVE spare WHERE pk=? AND sk=?', ("new", {"a": 1}, "a", "1"), None),
        (
            """UPDATE "t" SET s='it''s' SET flag=true SET k=7 WHERE pk='a' AND sk='1'""",
            (),
            {"s": "it's", "flag": True, "k": 7},
        ),
        ('UPDATE "t" SET n=n+? WHERE pk=? AND sk=? AND (n<? OR attribute_exists(gone))', (4, "a", "1", 9), {"n": 5}),
    ],
    ids=["with a condition", "keys in any order", "maps and removals", "literals", "arithmetic"],
)
def test_an_update_changes_the_item(text: str, parameters: tuple[Any, ...], changed: dict[str, Any] | None) -> None:
    dynamo = a_filled_dynamo()
    expected = item(pk="a", sk="1", n=1, claim={"nonce": "old"}, spare="x") | item(**(changed or {}))
    if changed is None:
        expected |= item(claim={"nonce": "new"}, m={"a": 1})
        del expected["spare"]
    assert dynamo.dispatch("ExecuteStatement", statement(text, *parameters)) == {"Items": []}
    assert stored(dynamo) == expected


def test_a_statement_returns_the_item_where_it_is_asked_to() -> None:
    dynamo = a_filled_dynamo()
    old = stored(dynamo)
    [new, gone] = [
        dynamo.dispatch("ExecuteStatement", statement(text, *parameters))["Items"]
        for text, parameters in [
            (f"{UPDATE} RETURNING ALL NEW *", (2, "a", "1", 1)),
            ('DELETE FROM "t" WHERE pk=? AND sk=? RETURNING ALL OLD *', ("a", "1")),
        ]
    ]
    assert old
    assert new == gone == [old | item(n=2)]
    assert stored(dynamo) is None


def test_items_are_inserted_once_selected_and_deleted_any_number_of_times() -> None:
    dynamo = a_dynamo()
    insert = statement("""INSERT INTO "t" VALUE {'pk': ?, 'sk': '1', 'n': 7}""", "a")
    select = statement('SELECT * FROM "t" WHERE pk=? AND sk=?', "a", "1")
    delete = statement('DELETE FROM "t" WHERE pk=? AND sk=?', "a", "1")
    codes = [response.get("Error", {}).get("Code") for one in (insert, insert) for response in batch(dynamo, one)]
    assert codes == [None, "DuplicateItem"]
    expected = item(pk="a", sk="1", n=7)
    assert batch(dynamo, select) == [{"TableName": TABLE, "Item": expected}]
    named = statement('SELECT n, gone FROM "t" WHERE pk=? AND sk=?', "a", "1")
    assert dynamo.dispatch("ExecuteStatement", named) == {"Items": [item(n=7)]}
    assert [batch(dynamo, delete), batch(dynamo, delete), batch(dynamo, select)] == [[{"TableName": TABLE}]] * 3


def test_each_statement_of_a_batch_has_a_verdict_of_its_own() -> None:
    dynamo = a_filled_dynamo()
    put(dynamo, sk="2", n=5)
    responses = batch(
        dynamo,
        statement(UPDATE, 2, "a", "1", 1),
        statement(UPDATE, 2, "a", "2", 1, ReturnValuesOnConditionCheckFailure="ALL_OLD"),
        statement(UPDATE, 2, "a", "3", 1, ReturnValuesOnConditionCheckFailure="ALL_OLD"),
        statement('UPDATE "t" SET n=? WHERE pk=?', 2, "a"),
        statement('UPDATE "gone" SET n=? WHERE pk=? AND sk=?', 2, "a", "4"),
    )
    failed = {"Code": "ConditionalCheckFailed", "Message": "The conditional request failed"}
    assert responses[:3] == [
        {"TableName": TABLE},
        {"TableName": TABLE, "Error": failed | {"Item": item(pk="a", sk="2", n=5)}},
        {"TableName": TABLE, "Error": failed},
    ]
    assert [response["Error"]["Code"] for response in responses[3:]] == ["ValidationError", "ResourceNotFound"]
    assert [stored(dynamo, sk=sk) is None for sk in ("1", "2", "3")] == [False, False, True]


def test_a_failed_condition_keeps_the_item_to_itself_unless_asked() -> None:
    dynamo = a_filled_dynamo()
    [response] = batch(dynamo, statement(UPDATE, 2, "a", "1", 9))
    assert "Item" not in response["Error"]
    with pytest.raises(AwsError) as refused:
        dynamo.dispatch(
            "ExecuteStatement", statement(UPDATE, 2, "a", "1", 9, ReturnValuesOnConditionCheckFailure="ALL_OLD")
        )
    assert (refused.value.code, refused.value.details["Item"]) == ("ConditionalCheckFailedException", stored(dynamo))


SELECT = statement('SELECT * FROM "t" WHERE pk=? AND sk=?', "a", "2")


@pytest.mark.parametrize(
    ("statements", "says"),
    [
        ([statement(UPDATE, 2, "a", "1", 1), SELECT], "Read and write requests together"),
        ([statement(UPDATE, 2, "a", "1", 1)] * 2, "duplicates"),
        ([SELECT] * 26, "25"),
        ([], "25"),
    ],
    ids=["reads and writes", "one item twice", "too many", "none"],
)
def test_a_batch_is_refused_as_a_whole(statements: list[dict[str, Any]], says: str) -> None:
    dynamo = a_filled_dynamo()
    before = stored(dynamo)
    with pytest.raises(AwsError, match=says):
        batch(dynamo, *statements)
    assert stored(dynamo) == before


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('UPDATE "t" SET shard=1 WHERE pk=? AND sk=?', "reserved keyword"),
        ('UPDATE "t" SET n=list_append(n, ?) WHERE pk=? AND sk=?', "Syntax error"),
        ('UPDATE "t" SET n=1 WHERE pk=? AND sk=? RETURNING MODIFIED NEW *', "returning clause"),
        ('UPDATE "t" SET sk=1 WHERE pk=? AND sk=?', "part of the key"),
        ('UPDATE "t" WHERE pk=? AND sk=?', "empty"),
        ('DELETE FROM "t" WHERE pk=? AND sk=? RETURNING ALL NEW *', "returning clause"),
        ('SELECT * FROM "t"."next-fire" WHERE pk=? AND sk=?', "Syntax error"),
        ('SELECT * FROM "t" WHERE pk=? AND sk>?', "mandatory equality"),
        ('SELECT * FROM "t" WHERE pk=? AND sk=? AND n=?', "parameters"),
        ("UPSERT ? ?", "Syntax error"),
    ],
)
def test_a_statement_that_is_not_known_is_refused(text: str, says: str) -> None:
    dynamo = a_filled_dynamo()
    with pytest.raises(AwsError, match=says) as refused:
        dynamo.dispatch("ExecuteStatement", statement(text, "a", "1"))
    assert refused.value.code == "ValidationException"


@pytest.mark.parametrize(
    ("statements", "units"),
    [
        ([statement(UPDATE, 2, "a", "1", 1)], 1),
        ([statement('UPDATE "t" SET "shard"=1 SET due_at=5 WHERE pk=? AND sk=?', "a", "1")], 2),
        ([statement(UPDATE, 2, "a", "1", 1), statement(UPDATE, 2, "a", "2", 9)], 4),
        ([statement(UPDATE, 2, "a", "2", 9)], None),
        ([SELECT], 0.5),
        ([SELECT | {"ConsistentRead": True}], 1),
        ([statement("""INSERT INTO "t" VALUE {'pk': 'b', 'sk': '1', 's': ?}""", "x" * 2000)], 2),
    ],
    ids=["a write", "into the index", "one of two failed", "all failed", "a read", "consistently", "by size"],
)
def test_statements_consume_like_the_calls_they_stand_for(
    statements: list[dict[str, Any]], units: float | None
) -> None:
    """What failed is billed by the item that stands there, here of 2 KB and more, if anything succeeded at all."""
    dynamo = a_filled_dynamo()
    if any("2" in str(one["Parameters"][1:]) and one["Statement"] == UPDATE for one in statements):
        put(dynamo, sk="2", n=1, s="x" * 2500)
    answer = dynamo.dispatch("BatchExecuteStatement", {"Statements": statements, "ReturnConsumedCapacity": "TOTAL"})
    assert answer.get("ConsumedCapacity") == (units and [{"TableName": TABLE, "CapacityUnits": units}])
