"""What the operator sees: one line of JSON for each event, with its name, ids and numbers. Never a secret, never lost.

Lines are escaped to ASCII, so that a name with a newline, a terminal's escape code or half a surrogate stays one line
of valid JSON.

Metrics are made of the events, as FEEDS says, and cost no call: what was counted since an event last closed an
invocation goes out with the next that does, as properties of its own line in CloudWatch's embedded metric format
(EMF). Of counts the sum goes out; of durations every value, because percentiles are made of them: more of them than
one line may carry go ahead in lines of their own, the event `metrics`. An invocation that ends without a closing event
leaves its counts to the next one of its process, and a process that is killed takes them along; their lines stand.
"""

import json
import math
import sys
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, TextIO

from chalicelib.scheduling.execution import OutcomeKind

NAMESPACE = "Belltower"
MOST_VALUES = 100  # of one metric in one line, says CloudWatch
CLOSING = frozenset({"tick", "batch", "parked_batch", "reconciled", "request"})

Facts = Mapping[str, str | float]
Values = Mapping[str, Sequence[float]]
Reading = Callable[[Facts], float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """Its unit as CloudWatch spells it, and the facts of a closing event that its values are told apart by."""

    unit: str
    dimensions: tuple[tuple[str, ...], ...] = (("stage",),)


BY_API = (("stage",), ("stage", "api"))
COUNTS = (
    *("Ticks", "Due", "Resent", "Overdue", "Backlog", "Unfinished"),
    *("Claimed", "LostClaims", "Left"),
    *("Fired", "Delivered", "Refused", "TimedOut", "Failed", "Retried", "Missed", "Parked"),
    *("DeadLetters", "Poison", "ClaimsFailed", "RecordsFailed", "SendsFailed", "Tampered", "Faults", "Unproved"),
)
METRICS: Mapping[str, Metric] = {
    **dict.fromkeys(COUNTS, Metric(unit="Count")),
    **dict.fromkeys(("TickDuration", "Late", "Took"), Metric(unit="Milliseconds")),
    **dict.fromkeys(("Requests", "Refusals", "Errors"), Metric(unit="Count", dimensions=BY_API)),
    "Latency": Metric(unit="Milliseconds", dimensions=BY_API),
}


def _once(_facts: Facts) -> float:
    return 1


def _fact(name: str) -> Reading:
    """The fact as it is; nothing where it is not known."""

    def read(facts: Facts) -> float | None:
        value = facts.get(name)
        return value if isinstance(value, int | float) else None

    return read


def _among(name: str, values: Collection[str]) -> Reading:
    """1 where the fact is one of the values, else 0: a metric with a line of zeros is known to be well."""
    return lambda facts: int(facts.get(name) in values)


def _within(name: str, least: float, end: float = math.inf) -> Reading:
    """1 where the fact is a number in [least, end), else 0."""

    def read(facts: Facts) -> float:
        value = facts.get(name)
        return int(isinstance(value, int | float) and least <= value < end)

    return read


def _kind(facts: Facts) -> str:
    """What an answer was. 501 is a refusal: who asks for what an API never did must not wake anybody."""
    status = facts.get("status")
    if not isinstance(status, int | float) or status < 400:  # noqa: PLR2004 - the least of the refusals
        return "answer"
    return "error" if status >= 500 and status != 501 else "refusal"  # noqa: PLR2004 - see above


FEEDS: Mapping[str, Mapping[str, Reading]] = {
    "tick": {
        "Ticks": _once,
        "Due": _fact("sent"),
        "Resent": _fact("resent"),
        "Overdue": _fact("overdue"),
        "Backlog": _fact("backlog"),
        "Unfinished": _fact("unfinished"),
        "TickDuration": _fact("took_ms"),
    },
    "batch": {"Claimed": _fact("claimed"), "LostClaims": _fact("lost"), "Left": _fact("left")},
    "fired": {
        "Fired": _once,
        "Late": _fact("late_ms"),
        "Took": _fact("took_ms"),
        "Delivered": _among("outcome", {OutcomeKind.DELIVERED}),
        "Refused": _among("outcome", {OutcomeKind.REFUSED}),
        "TimedOut": _among("outcome", {OutcomeKind.TIMED_OUT}),
        "Failed": _among(
            "outcome", {*OutcomeKind} - {OutcomeKind.DELIVERED, OutcomeKind.REFUSED, OutcomeKind.TIMED_OUT}
        ),
        "Retried": _within("attempt", 2),
    },
    "missed": {"Missed": _once},
    "parked": {"Parked": _once},
    "dead_letter": {"DeadLetters": _once},
    "poison": {"Poison": _once},
    "claim_failed": {"ClaimsFailed": _once},
    "read_failed": {"ClaimsFailed": _fact("messages")},
    "record_failed": {"RecordsFailed": _fact("executions")},
    "dispatch_failed": {"SendsFailed": _fact("messages")},
    "unproved": {"Unproved": _once},
    "tampered": {"Tampered": _once},
    "fault": {"Faults": _once},
    "request": {
        "Requests": _once,
        "Refusals": lambda facts: int(_kind(facts) == "refusal"),
        "Errors": lambda facts: int(_kind(facts) == "error"),
        "Latency": _fact("took_ms"),
    },
}


def measured(event: str, facts: Facts) -> Sequence[tuple[str, float]]:
    """The values that an event adds to its metrics."""
    read = ((name, reading(facts)) for name, reading in FEEDS.get(event, {}).items())
    return [(name, value) for name, value in read if value is not None]


class MeteredLog:
    """A stream, and what was counted since an event last closed an invocation. Any thread may write."""

    def __init__(self, stage: str, stream: TextIO | None = None) -> None:
        self._stage, self._stream = stage, stream
        self._lock = threading.Lock()
        self._values: dict[str, list[float]] = {}

    def write(self, event: str, facts: Facts) -> None:
        """One line; it takes the metrics along where it closes an invocation."""
        lines: Sequence[Mapping[str, Any]] = [{"event": event, **facts}]
        with self._lock:
            for name, value in measured(event, facts):
                self._count(name, value)
            if event in CLOSING:
                lines = embedded(event, facts, self._values, stage=self._stage)
                self._values = {}
            stream = self._stream or sys.stdout
            stream.write("".join(f"{json.dumps(line)}\n" for line in lines))
            stream.flush()

    def _count(self, name: str, value: float) -> None:
        values = self._values.setdefault(name, [])
        if values and METRICS[name].unit == "Count":
            values[0] += value
        else:
            values.append(value)


class JsonEvents:
    """The Events on a log, with the facts that each line bears: Lambda's standard output goes to its log group."""

    def __init__(self, log: MeteredLog, **always: str | float | None) -> None:
        self._log, self._always = log, always

    def emit(self, event: str, **facts: str | float | None) -> None:
        """One line."""
        known = {name: fact for name, fact in {**self._always, **facts}.items() if fact is not None}
        self._log.write(event, known)

    def bound(self, **facts: str | float | None) -> "JsonEvents":
        """The same log, with these facts on every line."""
        return JsonEvents(self._log, **{**self._always, **facts})


def embedded(event: str, facts: Facts, values: Values, *, stage: str) -> list[dict[str, Any]]:
    """The lines that carry what was counted; the event's own comes last and has the first values of each metric."""
    pages = range(0, max(map(len, values.values()), default=0), MOST_VALUES)
    parts = [{name: some for name in values if (some := values[name][page : page + MOST_VALUES])} for page in pages]
    if not parts:
        return [{"event": event, **facts}]
    first, *more = parts
    ids = {name: facts[name] for name in ("request", "api") if name in facts}
    ahead = [_with_metrics({"event": "metrics", **ids, "stage": stage}, part) for part in more]
    return [*ahead, _with_metrics({"event": event, **facts, "stage": stage}, first)]


def _with_metrics(line: Facts, values: Values) -> dict[str, Any]:
    """The line as an EMF document: one directive for all metrics that have their dimensions in common."""
    names = sorted(values, key=lambda name: METRICS[name].dimensions)
    whole: dict[str, Any] = dict(line)
    directives: list[Any] = []
    for dimensions, group in groupby(names, key=lambda name: METRICS[name].dimensions):
        document = _document(line, {name: values[name] for name in group}, dimensions)
        directives += document["_aws"]["CloudWatchMetrics"]
        whole |= document
    whole["_aws"] = {**whole["_aws"], "CloudWatchMetrics": directives}
    return whole


def _document(line: Facts, values: Values, dimensions: Sequence[Sequence[str]]) -> dict[str, Any]:
    # imported with the first metrics, after a worker's first firings: what only reports makes none of them late
    from aws_lambda_powertools.metrics.provider.cloudwatch_emf.cloudwatch import (  # noqa: PLC0415
        AmazonCloudWatchEMFProvider,
    )

    provider = AmazonCloudWatchEMFProvider(namespace=NAMESPACE)
    first, *others = [{name: str(line[name]) for name in names} for names in dimensions]
    for other in others:
        provider.add_dimensions(**other)
    metrics = {name: {"Unit": METRICS[name].unit, "Value": list(some)} for name, some in values.items()}
    return dict(provider.serialize_metric_set(metrics=metrics, dimensions=first, metadata={}))
