"""What a call consumes, by AWS's rules.

write   one unit for each started KB of the larger of the old and the new item
index   one for an entry put, deleted or rewritten in place; one each for its old and its new place where a key
        changed; nothing where nothing that is projected changed; by the size of the entry
transaction   double on the table, single on the indexes
read    one unit for each started 4 KB, half of it where the read is eventually consistent
statement that failed   what it would have written on the table, if another statement of the batch succeeded
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

WRITE_BYTES, READ_BYTES = 1024, 4096


@dataclass(frozen=True, slots=True)
class Units:
    """What one write consumed on its table and on each index."""

    table: float
    indexes: Mapping[str, float]


@dataclass(slots=True)
class Bill:
    """What a call has consumed so far on one table. `failed`: by statements whose write did not take place."""

    table: float = 0.0
    failed: float = 0.0
    indexes: dict[str, float] = field(default_factory=dict)

    def add(self, units: Units, *, factor: int = 1) -> None:
        """One more write; `factor` is a transaction's two."""
        self.table += factor * units.table
        for name, amount in units.indexes.items():
            self.indexes[name] = self.indexes.get(name, 0.0) + amount

    def report(self, name: str, mode: str) -> dict[str, Any]:
        """As the answer has it. `mode`: TOTAL, or INDEXES for the parts as well."""
        total = self.table + self.failed + sum(self.indexes.values())
        answer: dict[str, Any] = {"TableName": name, "CapacityUnits": total}
        if mode == "INDEXES":
            answer["Table"] = {"CapacityUnits": self.table}
            if self.indexes:
                answer["GlobalSecondaryIndexes"] = {
                    index: {"CapacityUnits": amount} for index, amount in self.indexes.items()
                }
        return answer


def write_units(size: int) -> float:
    """Of an item, or an entry, of so many bytes."""
    return float(max(1, -(-size // WRITE_BYTES)))


def read_units(size: int, *, consistent: bool) -> float:
    """Of so many bytes read in one go; nothing found costs as much as something small."""
    return max(1, -(-size // READ_BYTES)) * (1.0 if consistent else 0.5)
