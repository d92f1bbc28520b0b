"""PartiQL statements, run: one at a time, or up to 25 in a batch, each with a verdict of its own."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from benchmarks.standin.capacity import Bill, Units, write_units
from benchmarks.standin.changes import NO_ITEM, Change, Request, updated
from benchmarks.standin.errors import AwsError, condition_failed, invalid
from benchmarks.standin.nodes import Operand
from benchmarks.standin.partiql import ALL_NEW, ALL_OLD, Delete, Insert, Select, Statement, Where, located, parsed
from benchmarks.standin.partiql import Change as Set
from benchmarks.standin.reads import Answer, one
from benchmarks.standin.store import Key, StoredTable
from benchmarks.standin.values import Item, Value, item_size

MOST_STATEMENTS = 25
REACHED = ("ConditionalCheckFailedException", "DuplicateItemException")
Tables = Mapping[str, StoredTable]
Parameters = Sequence[Value]


class Prepared(NamedTuple):
    """A statement with its table and the key of its item."""

    statement: Statement
    table: StoredTable
    key: Key
    item: Item
    where: Where | None
    parameters: Parameters


class Done(NamedTuple):
    """What a statement returned, and consumed."""

    item: Item | None
    units: Units


def execute(tables: Tables, request: Request) -> tuple[str, Answer, Bill]:
    """ExecuteStatement, on one item."""
    prepared = _prepared(tables, request)
    done = _run(prepared, request)
    bill = Bill()
    bill.add(done.units)
    return prepared.table.schema.name, {"Items": [done.item] if done.item else []}, bill


def batch(tables: Tables, request: Request) -> tuple[Answer, dict[str, Bill]]:
    """BatchExecuteStatement. Refuses as a whole what mixes reads and writes, or names an item twice."""
    requests = request["Statements"]
    if not 1 <= len(requests) <= MOST_STATEMENTS:
        raise invalid(f"a batch has 1 to {MOST_STATEMENTS} statements, not {len(requests)}")
    prepared = [_attempt(tables, one_request) for one_request in requests]
    _check_batch([one for one in prepared if isinstance(one, Prepared)])
    bills: dict[str, Bill] = {}
    responses = [_verdict(ready, asked, bills) for ready, asked in zip(prepared, requests, strict=True)]
    return {"Responses": responses}, {name: bill for name, bill in bills.items() if bill.table}


def _check_batch(prepared: Sequence[Prepared]) -> None:
    if len({isinstance(one.statement, Select) for one in prepared}) > 1:
        raise invalid("Read and write requests together in the same batch is not supported.")
    if len({(one.table.schema.name, one.key) for one in prepared}) < len(prepared):
        raise invalid("Provided list of item keys contains duplicates")


def _attempt(tables: Tables, request: Request) -> Prepared | AwsError:
    try:
        return _prepared(tables, request)
    except AwsError as error:
        return error


def _verdict(prepared: Prepared | AwsError, request: Request, bills: dict[str, Bill]) -> Answer:
    """One response of a batch. A statement that reached its table says so, and consumes even when it fails."""
    if isinstance(prepared, AwsError):
        return {"Error": _batch_error(prepared)}
    name = prepared.table.schema.name
    bill = bills.setdefault(name, Bill())
    try:
        done = _run(prepared, request)
    except AwsError as error:
        if error.code not in REACHED:
            return {"Error": _batch_error(error)}
        old = prepared.table.rows.get(prepared.key)
        bill.failed += write_units(max(old.size if old else 0, item_size(prepared.item)))
        return {"Error": _batch_error(error), "TableName": name}
    bill.add(done.units)
    return {"TableName": name} | ({"Item": done.item} if done.item else {})


def _batch_error(error: AwsError) -> Answer:
    code = error.code.removesuffix("Exception")
    return {"Code": "ValidationError" if code == "Validation" else code, "Message": error.message} | error.details


def _prepared(tables: Tables, request: Request) -> Prepared:
    statement, parameters = parsed(request["Statement"]), request.get("Parameters", ())
    if len(parameters) != statement.parameters:
        raise invalid("Number of parameters in request and statement don't match.")
    table = tables.get(statement.table)
    if table is None:
        raise AwsError("ResourceNotFoundException", "Requested resource not found")
    where = located(request["Statement"], table.schema.hash, table.schema.range)
    item = _item(table, statement, where, parameters)
    return Prepared(statement, table, table.key_of(item), item, where, parameters)


def _item(table: StoredTable, statement: Statement, where: Where | None, parameters: Parameters) -> Item:
    """What an INSERT writes; of the others, the key."""
    if isinstance(statement, Insert):
        return {name: _value(operand, parameters) for name, operand in statement.members}
    if where is None:
        raise invalid("a statement without WHERE")
    names = ((table.schema.hash, where.hash), (table.schema.range, where.range))
    return {name: _value(operand, parameters) for name, operand in names}


def _run(prepared: Prepared, request: Request) -> Done:
    statement = prepared.statement
    match statement:
        case Select():
            return _selected(prepared, statement, request)
        case Insert():
            return _written(_inserted(prepared), returning="")
        case Set():
            return _written(_changed(prepared, statement, request), returning=statement.returning)
        case Delete():
            return _written(_deleted(prepared, request), returning=statement.returning)


def _written(change: Change, *, returning: str) -> Done:
    units = change.table.replace(change.key, change.new)
    row = {ALL_NEW: change.new, ALL_OLD: change.old}.get(returning)
    return Done(row.item if row else None, units)


def _selected(prepared: Prepared, statement: Select, request: Request) -> Done:
    row, amount = one(prepared.table, prepared.item, {"ConsistentRead": request.get("ConsistentRead", False)})
    units = Units(amount, {})
    if row is None or not _holds(prepared, row.item):
        return Done(None, units)
    names = statement.names
    return Done({name: row.item[name] for name in names if name in row.item} if names else row.item, units)


def _inserted(prepared: Prepared) -> Change:
    if prepared.key in prepared.table.rows:
        raise AwsError("DuplicateItemException", "Duplicate primary key exists in table")
    return Change(prepared.table, prepared.key, None, prepared.table.measured(prepared.key, prepared.item))


def _changed(prepared: Prepared, statement: Set, request: Request) -> Change:
    """Unlike UpdateItem, it makes no item."""
    table, key = prepared.table, prepared.key
    old = table.rows.get(key)
    if old is None:
        raise condition_failed()
    if not _holds(prepared, old.item):
        raise condition_failed(old.item if _wants_old(request) else None)
    return Change(table, key, old, updated(table, key, old.item, statement.update, prepared.parameters))


def _deleted(prepared: Prepared, request: Request) -> Change:
    """Of an item that is not there: nothing, whatever the condition."""
    old = prepared.table.rows.get(prepared.key)
    if old is not None and not _holds(prepared, old.item):
        raise condition_failed(old.item if _wants_old(request) else None)
    return Change(prepared.table, prepared.key, old, None)


def _holds(prepared: Prepared, item: Item) -> bool:
    condition = prepared.where.condition if prepared.where else None
    return condition is None or condition.holds(item, prepared.parameters)


def _wants_old(request: Request) -> bool:
    return bool(request.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD")


def _value(operand: Operand, parameters: Any) -> Value:  # noqa: ANN401 - by position
    value = operand.value(NO_ITEM, parameters)
    if value is None:
        raise invalid("a key, or a member of an item, must be a parameter or a literal")
    return value
