"""DynamoDB's expression language, as the stand-in reads it."""

from typing import Any

import pytest

from benchmarks.standin.errors import AwsError
from benchmarks.standin.expressions import program
from benchmarks.standin.values import item_size, number_size
from tests.benchmarks.standin import item, value

ITEM = item(pk="a", n=5, s="bcd", b=b"\x01\x02", flag=True, m={"x": {"y": "deep"}}, l=["one", 2])
VALUES: dict[str, Any] = {
    ":five": 5,
    ":ten": 10,
    ":minus": -1,
    ":bc": "bc",
    ":bcd": "bcd",
    ":deep": "deep",
    ":yes": True,
}
VALUES |= {":one": "one", ":bytes": b"\x01", ":tenth": 4.5}


def used(text: str) -> dict[str, Any]:
    """The values whose placeholders stand in a text."""
    return {
        place: value(plain)
        for place, plain in VALUES.items()
        if place in text.replace(")", " ").replace(",", " ").split()
    }


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("n = :five", True),
        ("n <> :five", False),
        ("n < :ten", True),
        ("n < :five", False),
        ("n <= :five", True),
        ("n > :minus", True),
        ("n >= :ten", False),
        ("n > :tenth", True),
        ("n BETWEEN :minus AND :five", True),
        ("n between :ten and :ten", False),
        ("s BETWEEN :bc AND :bcd", True),
        ("n = :bc", False),
        ("n < :bc", False),
        ("flag = :yes", True),
        ("m.x.y = :deep", True),
        ("m.x.z = :deep", False),
        ("m.x.z <> :deep", True),
        ("gone = :five", False),
        ("gone < :five", False),
        ("gone <> :five", True),
        ("NOT gone = :five", True),
        ("l[0] = :one", True),
        ("l[7] = :one", False),
        ("attribute_exists(m.x)", True),
        ("attribute_exists (gone)", False),
        ("attribute_not_exists(gone)", True),
        ("begins_with(s, :bc)", True),
        ("begins_with(b, :bytes)", True),
        ("begins_with(n, :bc)", False),
        ("contains(s, :bc)", True),
        ("contains(l, :one)", True),
        ("contains(n, :one)", False),
        ("n = :ten OR n = :five AND s = :bcd", True),
        ("(n = :ten OR n = :five) AND s = :bc", False),
        ("NOT (n = :ten OR s = :bc)", True),
        ("(#1 = :five AND (s = :bcd AND attribute_exists (pk)))", True),
    ],
    ids=lambda given: given if isinstance(given, str) else str(given),
)
def test_a_condition_holds_or_does_not(text: str, holds: bool) -> None:  # noqa: FBT001 - an expected value
    names = {"#1": "n"} if "#1" in text else {}
    read = program({"ConditionExpression": text, "ExpressionAttributeNames": names})
    assert read.condition
    assert read.condition.holds(ITEM, read.checked(used(text))) is holds


@pytest.mark.parametrize(
    ("text", "changed"),
    [
        ("SET n = :ten", {"n": value(10)}),
        ("SET n = :ten, s = :one", {"n": value(10), "s": value("one")}),
        ("SET new = s", {"new": value("bcd")}),
        ("SET n = n + :five", {"n": value(10)}),
        ("SET n = n - :ten", {"n": value(-5)}),
        ("SET n = n + :tenth", {"n": value(9.5)}),
        ("SET n = :tenth + :tenth", {"n": value(9)}),
        ("SET n = s, s = n", {"n": value("bcd"), "s": value(5)}),
        ("SET n = if_not_exists(n, :ten)", {"n": value(5)}),
        ("SET new = if_not_exists(new, :ten) + :five", {"new": value(15)}),
        ("SET m.x.y = :one", {"m": value({"x": {"y": "one"}})}),
        ("SET m.z = :one REMOVE n", {"m": value({"x": {"y": "deep"}, "z": "one"}), "n": None}),
        ("REMOVE m.x.y, gone", {"m": value({"x": {}})}),
        ("REMOVE m.x.z", {}),
    ],
    ids=lambda given: given if isinstance(given, str) else "",
)
def test_an_update_changes_a_copy(text: str, changed: dict[str, Any]) -> None:
    before = repr(ITEM)
    read = program({"UpdateExpression": text})
    assert read.update
    after = read.update.applied(ITEM, read.checked(used(text)))
    assert after == {name: one for name, one in (ITEM | changed).items() if one is not None}
    assert repr(ITEM) == before


@pytest.mark.parametrize(
    ("request_", "says"),
    [
        ({"ConditionExpression": "size(n) = :five"}, "Invalid function name"),
        ({"ConditionExpression": "n IN (:five)"}, "Syntax error"),
        ({"ConditionExpression": "n = :five AND"}, "Syntax error"),
        ({"ConditionExpression": "(n = :five"}, "Syntax error"),
        ({"ConditionExpression": "n = :five n"}, "Syntax error"),
        ({"ConditionExpression": "n == :five"}, "Syntax error"),
        ({"ConditionExpression": "n % :five"}, "Syntax error"),
        ({"ConditionExpression": "state = :five"}, "reserved keyword"),
        ({"ConditionExpression": "#gone = :five"}, "not defined"),
        ({"ConditionExpression": "n = :unknown"}, "not defined: .':unknown'"),
        ({"UpdateExpression": "SET n = list_append(n, :five)"}, "Syntax error"),
        ({"UpdateExpression": "ADD n :five"}, "Syntax error|empty"),
        ({"UpdateExpression": "SET n = :five, n = :five"}, "overlap"),
        ({"UpdateExpression": "SET m.x = :five REMOVE m"}, "overlap"),
        ({"UpdateExpression": "SET l[0] = :five"}, "not played"),
        ({"UpdateExpression": "SET n = :five", "ExpressionAttributeNames": {"#1": "n"}}, "unused"),
        ({"ProjectionExpression": "m.x"}, "not played"),
    ],
    ids=lambda given: " ".join(map(str, given.values())) if isinstance(given, dict) else "",
)
def test_what_is_not_known_is_refused(request_: dict[str, Any], says: str) -> None:
    with pytest.raises(AwsError, match=says) as refused:
        program(request_).checked({":five": value(5)})
    assert refused.value.code == "ValidationException"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("SET n = gone", "does not exist in the item"),
        ("SET gone.x = :five", "invalid for update"),
        ("SET s = s + :five", "incorrect data type"),
        ("REMOVE gone.x", "invalid for update"),
    ],
)
def test_an_update_that_does_not_fit_the_item_is_refused(text: str, says: str) -> None:
    read = program({"UpdateExpression": text})
    assert read.update
    with pytest.raises(AwsError, match=says):
        read.update.applied(ITEM, used(text))


@pytest.mark.parametrize(
    ("number", "size"),
    [
        ("0", 1),
        ("7", 2),
        ("42", 2),
        ("100", 2),
        ("10", 2),
        ("123", 3),
        ("-5", 3),
        ("1795348830000", 6),
        ("0.5", 2),
        ("12.345", 4),
    ],
)
def test_a_number_is_billed_by_its_significant_digits(number: str, size: int) -> None:
    assert number_size(number) == size


@pytest.mark.parametrize("number", ["01", "1.0", "+1", "1e3", "", "-0", " 1", "1" * 39])
def test_a_number_in_another_form_than_the_stored_one_is_refused(number: str) -> None:
    with pytest.raises(AwsError, match="number"):
        number_size(number)


@pytest.mark.parametrize(
    ("plain", "size"),
    [
        ({"a": "xyz"}, 4),
        ({"é": "é"}, 4),
        ({"a": b"12345"}, 6),
        ({"a": True}, 2),
        ({"a": []}, 4),
        ({"a": ["x", "y"]}, 8),
        ({"a": {"b": "c"}}, 7),
        ({"a": {}}, 4),
    ],
    ids=str,
)
def test_an_item_is_as_large_as_its_names_and_values(plain: dict[str, Any], size: int) -> None:
    assert item_size(item(**plain)) == size


def test_sets_are_refused() -> None:
    with pytest.raises(AwsError, match="SS is not played here"):
        item_size({"a": {"SS": ["x"]}})
