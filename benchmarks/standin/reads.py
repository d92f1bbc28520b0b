"""Reads: one item, many by key, a range of one hash key, and everything."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from operator import itemgetter
from typing import Any, NamedTuple

from benchmarks.standin.capacity import Bill, read_units
from benchmarks.standin.changes import NO_ITEM, Request, given_key
from benchmarks.standin.errors import invalid
from benchmarks.standin.expressions import KeyRange, key_range, program
from benchmarks.standin.nodes import Operand, Path
from benchmarks.standin.store import Index, Key, Order, Place, Row, StoredTable
from benchmarks.standin.values import Item, Scalar, key_value

PAGE_BYTES = 1024 * 1024
LAST_CHARACTER = "\U0010ffff"

Answer = dict[str, Any]
first = itemgetter(0)


class Source(NamedTuple):
    """What is read in order: a table or an index, with the names and kinds of its keys."""

    order: Order
    rows: Mapping[Key, Row]
    hash: str
    range: str
    kinds: Mapping[str, str]


class Span(NamedTuple):
    """Some of the places of one hash key, from `low` up to `high`: nothing is copied."""

    places: Sequence[Place]
    low: int
    high: int


class Page(NamedTuple):
    """The items of one answer. `last`: the place where it ended before the end."""

    rows: Sequence[Row]
    last: Key | None
    size: int


def get(table: StoredTable, request: Request) -> tuple[Answer, Bill]:
    """GetItem."""
    row, units = one(table, request["Key"], request)
    return ({"Item": row.item} if row else {}), Bill(table=units)


def batch_get(table: StoredTable, request: Request) -> tuple[list[Item], Bill]:
    """One table's part of a BatchGetItem: in the order asked, each item rounded up by itself."""
    bill, found, keys = Bill(), [], set()
    for key in request["Keys"]:
        keys.add(given_key(table, key))
        row, units = one(table, key, request)
        bill.table += units
        if row:
            found.append(row.item)
    if len(keys) < len(request["Keys"]):
        raise invalid("Provided list of item keys contains duplicates")
    return found, bill


def one(table: StoredTable, key: Item, request: Request) -> tuple[Row | None, float]:
    """An item and the units its reading consumes."""
    row = table.rows.get(given_key(table, key))
    units = read_units(row.size if row else 0, consistent=request.get("ConsistentRead", False))
    return (_shown(row, program(request).projection) if row else None), units


def query(table: StoredTable, request: Request) -> tuple[Answer, Bill]:
    """Query."""
    source = _source(table, request)
    read = program(request, "KeyConditionExpression")
    if read.condition is None:
        raise invalid("Either the KeyConditions or KeyConditionExpression parameter must be specified in the request.")
    values = read.checked(request.get("ExpressionAttributeValues", NO_ITEM))
    span = _span(source, key_range(read.condition, source.hash, source.range), values)
    forward = request.get("ScanIndexForward", True)
    start = _start(source, table, request.get("ExclusiveStartKey"))
    page = _page(source, _after(span, start, forward=forward), request.get("Limit"))
    return _answer(source, table, page, request, read.projection)


def scan(table: StoredTable, request: Request) -> tuple[Answer, Bill]:
    """Scan: in the order of the hash keys themselves, where DynamoDB has that of their hashes."""
    source = _source(table, request)
    page = _page(source, _behind(source, table, request.get("ExclusiveStartKey")), request.get("Limit"))
    return _answer(source, table, page, request, program(request).projection)


def _behind(source: Source, table: StoredTable, key: Item | None) -> Iterator[Place]:
    """Every place, hash key after hash key, from behind one that may be gone."""
    order, start = source.order, _start(source, table, key)
    hashes = sorted(order.hashes())
    if key is None or start is None:
        return chain.from_iterable(map(order.of, hashes))
    there = key_value(key, source.hash, source.kinds[source.hash])
    own = order.of(there)
    return chain(own[bisect_right(own, start) :], *map(order.of, hashes[bisect_right(hashes, there) :]))


def _source(table: StoredTable, request: Request) -> Source:
    schema, name = table.schema, request.get("IndexName")
    if name is None:
        return Source(table.order, table.rows, schema.hash, schema.range, schema.kinds)
    index: Index | None = table.indexes.get(name)
    if index is None:
        raise invalid(f"The table does not have the specified index: {name}")
    if request.get("ConsistentRead"):
        raise invalid("Consistent reads are not supported on global secondary indexes")
    return Source(index.order, index.rows, index.schema.hash, index.schema.range, schema.kinds)


def _span(source: Source, wanted: KeyRange, values: Any) -> Span:  # noqa: ANN401 - by name
    def scalar(operand: Operand, name: str) -> Scalar:
        value = operand.value(NO_ITEM, values)
        return key_value({name: value} if value else NO_ITEM, name, source.kinds[name])

    places = source.order.of(scalar(wanted.hash, source.hash))
    low, high = 0, len(places)
    if wanted.prefix is not None:
        prefix = str(scalar(wanted.prefix, source.range))
        low = bisect_left(places, prefix, key=first)
        high = bisect_left(places, prefix + LAST_CHARACTER, key=first)
    if wanted.low is not None:
        cut = bisect_left if wanted.low_included else bisect_right
        low = cut(places, scalar(wanted.low, source.range), key=first)
    if wanted.high is not None:
        cut = bisect_right if wanted.high_included else bisect_left
        high = cut(places, scalar(wanted.high, source.range), key=first)
    return Span(places, low, high)


def _start(source: Source, table: StoredTable, key: Item | None) -> Place | None:
    """The place behind which a page begins."""
    if key is None:
        return None
    return (key_value(key, source.range, source.kinds[source.range]), *table.key_of(key))


def _after(span: Span, start: Place | None, *, forward: bool) -> Iterator[Place]:
    places, low, high = span
    if start is not None and forward:
        low = max(low, bisect_right(places, start))
    if start is not None and not forward:
        high = min(high, bisect_left(places, start))
    return map(places.__getitem__, range(low, high) if forward else range(high - 1, low - 1, -1))


def _page(source: Source, places: Iterator[Place], limit: int | None) -> Page:
    """Up to `limit` items and up to a megabyte; what would exceed it begins the next page."""
    rows: list[Row] = []
    size, last = 0, None
    for place in places:
        key = place[1:]
        row = source.rows[key]
        if rows and size + row.size > PAGE_BYTES:
            return Page(rows, last, size)
        rows.append(row)
        size, last = size + row.size, key
        if len(rows) == limit:
            return Page(rows, last, size)
    return Page(rows, None, size)


def _answer(
    source: Source, table: StoredTable, page: Page, request: Request, projection: tuple[Path, ...]
) -> tuple[Answer, Bill]:
    answer: Answer = {"Count": len(page.rows), "ScannedCount": len(page.rows)}
    if request.get("Select") != "COUNT":
        answer["Items"] = [_shown(row, projection).item for row in page.rows]
    if page.last is not None:
        names = dict.fromkeys((source.hash, source.range, table.schema.hash, table.schema.range))
        answer["LastEvaluatedKey"] = {name: page.rows[-1].item[name] for name in names}
    units = read_units(page.size, consistent=request.get("ConsistentRead", False))
    name = request.get("IndexName")
    return answer, Bill(indexes={name: units}) if name else Bill(table=units)


def _shown(row: Row, projection: tuple[Path, ...]) -> Row:
    if not projection:
        return row
    names = {path[0] for path in projection}
    return Row({name: value for name, value in row.item.items() if name in names}, row.size)
