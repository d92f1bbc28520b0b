"""What firings cost: from counts to dollars, by list prices. Pure; what is measured comes from benchmarks/cost.py.

The list prices are those of infra/prices.py and, for what only firings need, below: us-east-1, mid 2026, without the
free tier. Provisioned capacity is paid by the hour, whether it is used or not: `SHARE` of it is taken to be used.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from infra.prices import (
    DYNAMODB_READ,
    DYNAMODB_READ_UNIT_HOUR,
    DYNAMODB_WRITE,
    DYNAMODB_WRITE_UNIT_HOUR,
    KMS_REQUEST,
    LAMBDA_GB_SECOND,
    LAMBDA_REQUEST,
    LOG_GB,
    SQS_REQUEST,
)

SQS_FAIR: Final = 0.10e-6
"""On top of a request to a queue whose messages name their group; taken for every request, which is the most it is."""
DYNAMODB_GB_MONTH: Final = 0.25
SCHEDULER: Final = 1.00e-6
"""An invocation by EventBridge Scheduler, after the 14 million a month that are free."""

SHARE: Final = 0.7
SECONDS_AN_HOUR: Final = 3600
MILLION: Final = 1_000_000
ITEM_OVERHEAD: Final = 100
"""Bytes that DynamoDB adds to every stored item and to every entry of an index."""
EVENT_OVERHEAD: Final = 26
"""Bytes that CloudWatch adds to every line."""
PLATFORM_LINES: Final = 3
PLATFORM_BYTES: Final = 320
"""Lambda's own lines about an invocation: START, END, REPORT. Taken, not measured."""

WRITES: Final = frozenset(
    ("PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem", "TransactWriteItems", "BatchExecuteStatement")
)
READS: Final = frozenset(("GetItem", "BatchGetItem", "Query"))
SQS_CALLS: Final = frozenset(("SendMessageBatch", "GetQueueAttributes", "ReceiveMessage", "DeleteMessageBatch"))
KMS_CALLS: Final = frozenset(("Decrypt", "GenerateDataKey"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What some firings took: calls and units by operation, and what the log and the table got. `kept`: bytes."""

    firings: int
    calls: Mapping[str, int]
    units: Mapping[str, float]
    log_lines: int = 0
    log_bytes: int = 0
    invocations: int = 0
    kept: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Lambda:
    """How long an invocation lasts, in seconds, and with how much memory, in GB, on which processor."""

    seconds: float
    gigabytes: float = 0.5
    architecture: str = "arm64"

    @property
    def dollars(self) -> float:
        """One invocation."""
        return LAMBDA_REQUEST + self.seconds * self.gigabytes * LAMBDA_GB_SECOND[self.architecture]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tariff:
    """What a unit of capacity costs. `title` as the report has it."""

    title: str
    write: float
    read: float


ON_DEMAND: Final = Tariff(title="on demand", write=DYNAMODB_WRITE, read=DYNAMODB_READ)


def provisioned(share: float = SHARE) -> Tariff:
    """A unit out of hours of units, of which a share is used."""
    used = share * SECONDS_AN_HOUR
    return Tariff(
        title=f"provisioned, {share:.0%} used",
        write=DYNAMODB_WRITE_UNIT_HOUR / used,
        read=DYNAMODB_READ_UNIT_HOUR / used,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line of the bill: dollars for a million firings. `aimed`: whether the target in the report counts it."""

    what: str
    dollars: float
    aimed: bool = False


def less(busy: Counts, idle: Counts) -> Counts:
    """What was only there because of the firings."""
    names = sorted({*busy.units, *idle.units, *busy.calls, *idle.calls})
    units = {name: busy.units.get(name, 0.0) - idle.units.get(name, 0.0) for name in names}
    calls = {name: busy.calls.get(name, 0) - idle.calls.get(name, 0) for name in names}
    return Counts(
        firings=busy.firings - idle.firings,
        calls={name: count for name, count in calls.items() if count},
        units={name: amount for name, amount in units.items() if amount},
        log_lines=busy.log_lines - idle.log_lines,
        log_bytes=busy.log_bytes - idle.log_bytes,
        invocations=busy.invocations - idle.invocations,
        kept=busy.kept - idle.kept,
    )


def total_of(counts: Mapping[str, float], operations: frozenset[str]) -> float:
    """The sum over some operations."""
    return sum(count for operation, count in counts.items() if operation in operations)


def bill(counts: Counts, tariff: Tariff, function: Lambda, *, months: float = 1) -> Sequence[Line]:
    """A million firings like those counted. `months`: how long a record is kept."""
    each = MILLION / counts.firings
    lines, log = counts.log_lines + counts.invocations * PLATFORM_LINES, counts.log_bytes
    logged = log + counts.invocations * PLATFORM_BYTES + lines * EVENT_OVERHEAD
    return [
        Line(what="write units", dollars=each * total_of(counts.units, WRITES) * tariff.write, aimed=True),
        Line(what="read units", dollars=each * total_of(counts.units, READS) * tariff.read),
        Line(what="Lambda", dollars=each * counts.invocations * function.dollars, aimed=True),
        Line(what="SQS", dollars=each * total_of(counts.calls, SQS_CALLS) * SQS_REQUEST, aimed=True),
        Line(what="SQS, that its queues are fair", dollars=each * total_of(counts.calls, SQS_CALLS) * SQS_FAIR),
        Line(what="KMS", dollars=each * total_of(counts.calls, KMS_CALLS) * KMS_REQUEST),
        Line(what="logs", dollars=each * logged / 1e9 * LOG_GB),
        Line(what="the record, kept", dollars=each * counts.kept / 1e9 * DYNAMODB_GB_MONTH * months),
    ]


def in_all(lines: Sequence[Line]) -> float:
    """The sum of a bill."""
    return sum(line.dollars for line in lines)


def as_aimed(lines: Sequence[Line]) -> float:
    """The sum of the lines that the target counts."""
    return sum(line.dollars for line in lines if line.aimed)


def verdict(amount: float, target: float) -> str:
    """Whether a target is met, and by how much it is missed."""
    return "met" if amount <= target else f"missed by {amount - target:.2f}"


def largest(lines: Sequence[Line], count: int) -> str:
    """The lines that cost most, as words."""
    most = sorted(lines, key=lambda line: -line.dollars)[:count]
    return ", ".join(f"{line.what} ${line.dollars:.2f}" for line in most)
