"""Single writes, decided and not yet done: a condition is checked and the new item computed before anything is written.

That is why all of a transaction's writes can be decided first, and none done where one is refused.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from benchmarks.standin.errors import condition_failed, invalid
from benchmarks.standin.expressions import Program, program
from benchmarks.standin.nodes import Update, Values
from benchmarks.standin.store import Key, Row, StoredTable
from benchmarks.standin.values import Item

Request = Mapping[str, Any]
NO_ITEM: Item = {}


class Change(NamedTuple):
    """What will stand at a key. `old`, `new`: None where there is nothing."""

    table: StoredTable
    key: Key
    old: Row | None
    new: Row | None


def putting(table: StoredTable, request: Request) -> Change:
    """PutItem."""
    key = table.key_of(request["Item"])
    old = _old(table, key, request, program(request))
    return Change(table, key, old, table.measured(key, request["Item"]))


def deleting(table: StoredTable, request: Request) -> Change:
    """DeleteItem."""
    key = given_key(table, request["Key"])
    return Change(table, key, _old(table, key, request, program(request)), None)


def updating(table: StoredTable, request: Request) -> Change:
    """UpdateItem: of an item that is not there as well, which it makes."""
    key, read = given_key(table, request["Key"]), program(request)
    old = _old(table, key, request, read)
    before = old.item if old else dict(request["Key"])
    if read.update is None:
        return Change(table, key, old, old or table.measured(key, before))
    values = request.get("ExpressionAttributeValues", NO_ITEM)
    return Change(table, key, old, updated(table, key, before, read.update, values))


def checking(table: StoredTable, request: Request) -> Change:
    """ConditionCheck, in a transaction."""
    key = given_key(table, request["Key"])
    old = _old(table, key, request, program(request))
    return Change(table, key, old, old)


DECIDED: Mapping[str, Callable[[StoredTable, Request], Change]] = {
    "Put": putting,
    "Update": updating,
    "Delete": deleting,
    "ConditionCheck": checking,
}


def given_key(table: StoredTable, key: Item) -> Key:
    """A key that has what it needs and nothing else."""
    if key.keys() != {table.schema.hash, table.schema.range}:
        raise invalid("The provided key element does not match the schema")
    return table.key_of(key)


def updated(table: StoredTable, key: Key, before: Item, update: Update, values: Values) -> Row:
    """An item after an update, which may not touch its key."""
    for path in update.paths:
        if path[0] in (table.schema.hash, table.schema.range):
            raise invalid(f"Cannot update attribute {path[0]}. This attribute is part of the key")
    return table.measured(key, update.applied(before, values))


def _old(table: StoredTable, key: Key, request: Request, read: Program) -> Row | None:
    """What stands there, if the condition holds on it."""
    old = table.rows.get(key)
    values = read.checked(request.get("ExpressionAttributeValues", NO_ITEM))
    if read.condition is not None and not read.condition.holds(old.item if old else NO_ITEM, values):
        asked = request.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD"
        raise condition_failed(old.item if old and asked else None)
    return old
