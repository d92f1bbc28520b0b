"""Tables in memory: items by key, and what is needed to read them in order.

Every hash key has a list of places, `(range, pk, sk)`, kept sorted by bisection: an insertion moves what lies behind
it, which is cheap as long as one hash key does not hold hundreds of thousands (an index of a million over 16 shards
does not). An index keeps what it projects of an item, so that a page is read without touching the items.
"""

from bisect import bisect_left, insort
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from benchmarks.standin.capacity import Units, write_units
from benchmarks.standin.errors import invalid
from benchmarks.standin.values import Item, Scalar, item_size, key_value

LARGEST_ITEM = 400 * 1024
Key = tuple[Scalar, Scalar]
Place = tuple[Scalar, Scalar, Scalar]
EMPTY: Sequence[Place] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexSchema:
    """A secondary index. `projected`: the attributes beside the keys; None for all."""

    name: str
    hash: str
    range: str
    projected: frozenset[str] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TableSchema:
    """A table with a hash and a range key. `kinds`: S, N or B for every attribute that is a key somewhere."""

    name: str
    hash: str
    range: str
    kinds: Mapping[str, str]
    indexes: Sequence[IndexSchema] = ()


class Row(NamedTuple):
    """An item, or what an index projects of one, and its size. `entries`: an item's place in each index, or None."""

    item: Item
    size: int
    entries: "tuple[Entry | None, ...]" = ()


class Order:
    """The places of each hash key, in order."""

    def __init__(self) -> None:
        self._places: dict[Scalar, list[Place]] = {}

    def of(self, hash_value: Scalar) -> Sequence[Place]:
        """All of one hash key."""
        return self._places.get(hash_value, EMPTY)

    def hashes(self) -> Iterable[Scalar]:
        """Every hash key, in the order of their first item."""
        return self._places

    def add(self, hash_value: Scalar, place: Place) -> None:
        """Puts one in its place."""
        insort(self._places.setdefault(hash_value, []), place)

    def remove(self, hash_value: Scalar, place: Place) -> None:
        """Takes one out that is there."""
        places = self._places[hash_value]
        del places[bisect_left(places, place)]
        if not places:
            del self._places[hash_value]


class Entry(NamedTuple):
    """Where an item stands in an index, and as what."""

    hash: Scalar
    place: Place
    row: Row


class Index:
    """A sparse secondary index: only items that have both of its keys are in it."""

    def __init__(self, schema: IndexSchema, table: TableSchema) -> None:
        self.schema, self._kinds = schema, table.kinds
        self.order = Order()
        self.rows: dict[Key, Row] = {}
        keys = {table.hash, table.range, schema.hash, schema.range}
        self._shown = None if schema.projected is None else keys | schema.projected

    def entry(self, key: Key, item: Item, size: int) -> Entry | None:
        """What there is to write for an item. Refuses a key of another type."""
        schema = self.schema
        if schema.hash not in item or schema.range not in item:
            return None
        hash_value = key_value(item, schema.hash, self._kinds[schema.hash])
        range_value = key_value(item, schema.range, self._kinds[schema.range])
        return Entry(hash_value, (range_value, *key), self._projected(item, size))

    def replace(self, key: Key, old: Entry | None, new: Entry | None) -> float:
        """Writes an entry and returns the units it consumes."""
        if old == new:
            return 0.0
        if old and new and (old.hash, old.place) == (new.hash, new.place):
            self.rows[key] = new.row
            return max(write_units(old.row.size), write_units(new.row.size))
        return self._taken_out(key, old) + self._put_in(key, new)

    def _taken_out(self, key: Key, entry: Entry | None) -> float:
        if entry is None:
            return 0.0
        self.order.remove(entry.hash, entry.place)
        del self.rows[key]
        return write_units(entry.row.size)

    def _put_in(self, key: Key, entry: Entry | None) -> float:
        if entry is None:
            return 0.0
        self.order.add(entry.hash, entry.place)
        self.rows[key] = entry.row
        return write_units(entry.row.size)

    def _projected(self, item: Item, size: int) -> Row:
        if self._shown is None:
            return Row(item, size)
        view = {name: value for name, value in item.items() if name in self._shown}
        return Row(view, item_size(view))


class StoredTable:
    """The items of one table and of its indexes."""

    def __init__(self, schema: TableSchema) -> None:
        self.schema = schema
        self.rows: dict[Key, Row] = {}
        self.order = Order()
        self.indexes = {index.name: Index(index, schema) for index in schema.indexes}
        self._nowhere: tuple[Entry | None, ...] = (None,) * len(self.indexes)

    def key_of(self, item: Item) -> Key:
        """The key of an item."""
        schema = self.schema
        return (
            key_value(item, schema.hash, schema.kinds[schema.hash]),
            key_value(item, schema.range, schema.kinds[schema.range]),
        )

    def measured(self, key: Key, item: Item) -> Row:
        """An item that may be written: not too large, and of the types its indexes want."""
        size = item_size(item)
        if size > LARGEST_ITEM:
            raise invalid("Item size has exceeded the maximum allowed size")
        return Row(item, size, tuple(index.entry(key, item, size) for index in self.indexes.values()))

    def replace(self, key: Key, new: Row | None) -> Units:
        """Writes or deletes one item, and its entries in the indexes."""
        old = self.rows.get(key)
        if new is not None:
            self.rows[key] = new
        if old is None and new is not None:
            self.order.add(key[0], (key[1], *key))
        if old is not None and new is None:
            del self.rows[key]
            self.order.remove(key[0], (key[1], *key))
        before, after = (row.entries if row else self._nowhere for row in (old, new))
        moves = zip(self.indexes.items(), before, after, strict=True)
        amounts = {name: index.replace(key, gone, come) for (name, index), gone, come in moves}
        size = max(old.size if old else 0, new.size if new else 0)
        return Units(write_units(size), {name: amount for name, amount in amounts.items() if amount})
