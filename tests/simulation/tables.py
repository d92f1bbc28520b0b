"""The stand-in's tables with a witness for every write, and with indexes that are behind.

An index entry is shown some time after its item was written, each at its own pace; the changes of one item stay in
their order, as DynamoDB's do.
"""

import heapq
from collections.abc import Callable

from benchmarks.standin.capacity import Units
from benchmarks.standin.store import Entry, Index, IndexSchema, Key, Row, StoredTable, TableSchema

Witness = Callable[[Key, Row | None, Row | None], None]
"""Told of each write: the key, what stood there, and what stands there now."""


class LaggingIndex(Index):
    """An index in which a change shows `lag()` milliseconds after it was made; `now()` is the time."""

    def __init__(self, schema: IndexSchema, table: TableSchema, now: Callable[[], int], lag: Callable[[], int]) -> None:
        super().__init__(schema, table)
        self._now, self._lag = now, lag
        self._coming: list[tuple[int, int, Key, Entry | None, Entry | None]] = []
        self._shows: dict[Key, int] = {}
        self._changes = 0

    def replace(self, key: Key, old: Entry | None, new: Entry | None) -> float:
        """Takes note of the change. What it consumes is of no interest here."""
        if old != new:
            self._changes += 1
            shows = max(self._now() + self._lag(), self._shows.get(key, 0))
            self._shows[key] = shows
            heapq.heappush(self._coming, (shows, self._changes, key, old, new))
        return 0.0

    def catch_up(self) -> None:
        """Shows what is to be seen by now."""
        while self._coming and self._coming[0][0] <= self._now():
            _, _, key, old, new = heapq.heappop(self._coming)
            super().replace(key, old, new)
            if self._shows.get(key, 0) <= self._now():
                self._shows.pop(key, None)


class WatchedTable(StoredTable):
    """A table whose writes are seen, and whose indexes lag."""

    def __init__(self, schema: TableSchema, witness: Witness, now: Callable[[], int], lag: Callable[[], int]) -> None:
        super().__init__(schema)
        self._witness = witness
        self.lagging = {index.name: LaggingIndex(index, schema, now, lag) for index in schema.indexes}
        self.indexes.update(self.lagging)

    def replace(self, key: Key, new: Row | None) -> Units:
        """Writes or deletes one item."""
        old = self.rows.get(key)
        units = super().replace(key, new)
        self._witness(key, old, new)
        return units

    def catch_up(self) -> None:
        """Before an index is read."""
        for index in self.lagging.values():
            index.catch_up()
