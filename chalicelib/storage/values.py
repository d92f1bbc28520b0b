"""Items to DynamoDB's own JSON and back.

An item is a dict of plain values: str, int, bytes, bool, dict, list. None stands for "not there" and is not written.
"""

import base64
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Item = dict[str, Any]


def dumped(item: Mapping[str, Any]) -> dict[str, Any]:
    """An item as DynamoDB's API takes it. Most values are texts, which need no further call."""
    return {
        name: {"S": value} if type(value) is str else value_of(value)
        for name, value in item.items()
        if value is not None
    }


def loaded(item: Mapping[str, Any]) -> Item:
    """An item from DynamoDB's API."""
    return {name: value["S"] if "S" in value else _plain(value) for name, value in item.items()}


def value_of(value: Any) -> dict[str, Any]:
    """One attribute value. By its exact type, which costs a third of asking for one after the other."""
    written = WRITTEN.get(type(value))
    if written:
        return written(value)
    if isinstance(value, str | Mapping):  # an enumeration's text, or a map of another kind
        return {"S": str(value)} if isinstance(value, str) else {"M": dumped(value)}
    raise TypeError(f"no attribute value for {type(value).__name__}")


def _plain(value: Mapping[str, Any]) -> Any:
    [(kind, content)] = value.items()
    return content if kind == "S" else READ[kind](content)


def _bytes(content: str | bytes) -> bytes:
    """The wire has them in base64."""
    return base64.b64decode(content) if isinstance(content, str) else content


def _listed(values: Sequence[Any]) -> dict[str, Any]:
    return {"L": [value_of(value) for value in values]}


WRITTEN: Mapping[type, Callable[[Any], dict[str, Any]]] = {
    str: lambda value: {"S": value},
    int: lambda value: {"N": str(value)},
    bool: lambda value: {"BOOL": value},
    bytes: lambda value: {"B": value},
    dict: lambda value: {"M": dumped(value)},
    list: _listed,
    tuple: _listed,
}
READ: Mapping[str, Callable[[Any], Any]] = {
    "N": int,
    "B": _bytes,
    "BOOL": bool,
    "M": loaded,
    "L": lambda values: [_plain(value) for value in values],
}
