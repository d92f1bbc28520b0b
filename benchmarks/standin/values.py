"""DynamoDB's values: how large they are, how they compare, and which of them are keys.

An item is what the API takes: a dict of `{"S": ...}`, `{"N": "1"}`, `{"B": bytes}`, `BOOL`, `NULL`, `M`, `L`. Items are
values here: whoever passes one in or gets one out does not change it, so nothing is copied. Sets and numbers that are
not written in their shortest form are refused: DynamoDB would store the number differently from how it came.
"""

import re
from decimal import Decimal
from typing import Any

from benchmarks.standin.errors import invalid

Value = dict[str, Any]
Item = dict[str, Value]
Scalar = str | int | Decimal | bytes

CANONICAL = re.compile(r"0|-?[1-9]\d*|-?(?:0|[1-9]\d*)\.\d*[1-9]")
MOST_DIGITS = 38
PAIR = 2
OVERHEAD = 3  # bytes of a map or a list, whatever is in it; and one for each entry


def item_size(item: Item) -> int:
    """Bytes, as DynamoDB bills them: names and values."""
    return sum(_text_size(name) + value_size(value) for name, value in item.items())


def value_size(value: Value) -> int:
    """Bytes of one value without its name."""
    [(kind, content)] = value.items()
    match kind:
        case "S":
            return _text_size(content)
        case "N":
            return number_size(content)
        case "M":
            return OVERHEAD + len(content) + item_size(content)
        case "L":
            return OVERHEAD + len(content) + sum(map(value_size, content))
        case "B":
            return len(content)
        case "BOOL" | "NULL":
            return 1
    raise invalid(f"the type {kind} is not played here")


def number_size(text: str) -> int:
    """One byte, one for each pair of significant digits (pairs are counted from the decimal point), one for a minus."""
    _check(text)
    minus = text.startswith("-")
    whole, _, fraction = (text[1:] if minus else text).partition(".")
    if fraction:
        leading = 0 if whole != "0" else (len(fraction) - len(fraction.lstrip("0"))) // PAIR
        pairs = (0 if whole == "0" else _pairs(whole)) + _pairs(fraction) - leading
    else:
        pairs = _pairs(whole) - (len(whole) - len(whole.rstrip("0"))) // PAIR if whole != "0" else 0
    return 1 + pairs + minus


def number(text: str) -> int | Decimal:
    """The number. Refuses what is not in its shortest form."""
    _check(text)
    return Decimal(text) if "." in text else int(text)


def key_value(item: Item, name: str, kind: str) -> Scalar:
    """The value of a key attribute, ready to be ordered by."""
    value = item.get(name)
    if value is None:
        raise invalid(f"One of the required keys was not given a value: {name}")
    if kind not in value:
        raise invalid(f"One or more parameter values were invalid: Type mismatch for key {name} expected: {kind}")
    content: Scalar = value[kind]
    if content in ("", b""):
        raise invalid(f"One or more parameter values are not valid: empty value for key {name}")
    return number(str(content)) if kind == "N" else content


def same(left: Value, right: Value) -> bool:
    """Whether two values are of one type and equal."""
    return left == right


def ordered(symbol: str, left: Value, right: Value) -> bool:
    """`<`, `<=`, `>`, `>=`. Values of two types are in no order."""
    [(kind, given)], [(found_kind, found)] = right.items(), left.items()
    if kind not in ("S", "N", "B"):
        raise invalid(f"Incorrect operand type for operator or function; operator: {symbol}, operand type: {kind}")
    if found_kind != kind:
        return False
    one, other = (number(found), number(given)) if kind == "N" else (found, given)
    match symbol:
        case "<":
            return bool(one < other)
        case "<=":
            return bool(one <= other)
        case ">":
            return bool(one > other)
    return bool(one >= other)


def _check(text: str) -> None:
    if not CANONICAL.fullmatch(text) or len(text.strip("-0").replace(".", "")) > MOST_DIGITS:
        raise invalid(f"the number {text!r} is not in the form in which it is stored")


def _pairs(digits: str) -> int:
    return (len(digits) + 1) // PAIR


def _text_size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())
