"""What a stage costs a month when nothing happens in it: computed from list prices, never measured on a bill.

Idle, the tick still runs each minute, Lambda still asks the queues for messages, and what is kept is kept. The free
tier is not counted, so a bill may be lower. Firings and requests come on top; so do pollers that are set aside, and the
alarms that auto scaling makes where capacity is provisioned.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from chalicelib.observability import FEEDS
from chalicelib.operations.tick import AGES
from infra.values import Parameters, Template, properties_of

AS_OF: Final = "us-east-1, mid 2026"

# US dollars
LAMBDA_GB_SECOND: Final = {"x86_64": 0.0000166667, "arm64": 0.0000133334}
LAMBDA_REQUEST: Final = 0.20e-6
DYNAMODB_READ: Final = 0.125e-6
DYNAMODB_WRITE: Final = 0.625e-6
DYNAMODB_READ_UNIT_HOUR: Final = 0.00013
DYNAMODB_WRITE_UNIT_HOUR: Final = 0.00065
SQS_REQUEST: Final = 0.40e-6
ALARM_METRIC: Final = 0.10
CUSTOM_METRIC: Final = 0.30
DASHBOARD: Final = 3.00
KMS_KEY: Final = 1.00
KMS_REQUEST: Final = 0.03 / 10_000
LOG_GB: Final = 0.50 + 0.03
"""Taken in, and kept for a month."""

HOURS: Final = 720
TICKS: Final = HOURS * 60
QUERIES: Final = 1 + len(AGES) + 1
"""Of one shard, by one tick: what is due, the ages of the sweep, what is overdue. Half a read unit each."""
MARKS: Final = 40
"""Shards whose watermarks fit into a kilobyte, which is a write unit."""
POLLS: Final = 15
"""Requests a minute to a queue without messages: five of Lambda's pollers, each waiting 20 s."""
DEPTHS: Final = 2
"""Requests of one tick that ask how many messages wait, one for each queue it sends to."""
TABLE_KEY_USES: Final = 8_640
"""A month's requests for the key of an encrypted table that is in use: one every five minutes."""

# Assumptions
TICK_SECONDS: Final = 0.5
TICK_LOG_BYTES: Final = 1_200

Resources = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A line of the bill: US dollars a month."""

    what: str
    dollars: float


def idle(template: Template, parameters: Parameters) -> list[Item]:
    """What the stack of a template costs a month with these parameters, the most expensive first."""

    def those(kind: str) -> Resources:
        return properties_of(template, parameters, f"AWS::{kind}")

    tables, queues = those("DynamoDB::Table"), those("Lambda::EventSourceMapping")
    items = {
        "KMS": len(those("KMS::Key")) * KMS_KEY + len(tables) * TABLE_KEY_USES * KMS_REQUEST,
        "Lambda, the tick": TICKS * _tick(those("Serverless::Function")["Tick"]),
        "DynamoDB, the tick": _tables(tables, shards=int(parameters["Shards"])),
        "SQS, asked for messages": TICKS * (len(queues) * POLLS + DEPTHS) * SQS_REQUEST,
        "CloudWatch, alarms": sum(map(_alarm_metrics, those("CloudWatch::Alarm").values())) * ALARM_METRIC,
        "CloudWatch, metrics of the tick": len(FEEDS["tick"]) * CUSTOM_METRIC,
        "CloudWatch, dashboard": len(those("CloudWatch::Dashboard")) * DASHBOARD,
        "CloudWatch, logs": TICKS * TICK_LOG_BYTES / 1e9 * LOG_GB,
    }
    lines = [Item(what=what, dollars=dollars) for what, dollars in items.items() if dollars]
    return sorted(lines, key=lambda item: -item.dollars)


def _tick(function: Mapping[str, Any]) -> float:
    gigabytes = int(function["MemorySize"]) / 1024
    return LAMBDA_REQUEST + TICK_SECONDS * gigabytes * LAMBDA_GB_SECOND[function["Architectures"][0]]


def _tables(tables: Resources, *, shards: int) -> float:
    """What the tick reads and writes; or, where capacity is provisioned, the units that are there at least."""
    units = [one for table in tables.values() for one in _throughputs(table)]
    if units:
        reads, writes = (sum(int(one[f"{kind}CapacityUnits"]) for one in units) for kind in ("Read", "Write"))
        return HOURS * (reads * DYNAMODB_READ_UNIT_HOUR + writes * DYNAMODB_WRITE_UNIT_HOUR)
    return TICKS * ((shards * QUERIES / 2 + 1) * DYNAMODB_READ + (1 + shards // MARKS) * DYNAMODB_WRITE)


def _throughputs(table: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    places = [table, *(table.get("GlobalSecondaryIndexes") or [])]
    return [one["ProvisionedThroughput"] for one in places if one.get("ProvisionedThroughput")]


def _alarm_metrics(alarm: Mapping[str, Any]) -> int:
    """An alarm is paid for by the metrics it looks at: one that computes has several."""
    return sum("MetricStat" in metric for metric in alarm.get("Metrics", [])) or 1
