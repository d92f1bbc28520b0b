"""What a stack's own traces say: the engine's log, with the lines our functions printed, and the records it keeps."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.chaos.reckoning import Record
from chalicelib.operations.disposal import Disposal
from chalicelib.ports import ExecutionStore
from chalicelib.scheduling.execution import Execution


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What the log says of firings: which it names, how often the record of one was not taken, and the ticks.

    `given_back`: those that the reconciliation found without a record.
    """

    spoken_of: frozenset[str]
    refused: Mapping[str, int]
    given_back: frozenset[str]
    ticks: int


def told(log: Path) -> Told:
    """Reads the log and the one that was rotated away."""
    files = [file for file in (log.with_name("log.1"), log) if file.exists()]
    events = [event for file in files for event in _events(file.read_text(errors="replace").splitlines())]
    return Told(
        spoken_of=frozenset(event["firing"] for event in events if "firing" in event),
        refused=Counter(event["firing"] for event in events if event.get("why") == Disposal.UNRECORDED),
        given_back=frozenset(event["firing"] for event in events if event.get("event") == "unproved"),
        ticks=sum(event.get("event") == "tick" for event in events),
    )


def _events(lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    """The JSON objects at the ends of lines; a process that was killed may leave half of one."""
    for line in lines:
        _, found, rest = line.partition(" {")
        if not found or " belltower.functions " not in line:
            continue
        try:
            event = json.loads("{" + rest)
        except ValueError:
            continue
        if isinstance(event, dict):
            yield event


def records(store: ExecutionStore, account_id: str, *, until: datetime) -> Mapping[str, Record]:
    """An account's executions that were due before then."""
    found = store.between(account_id, datetime.fromtimestamp(0, UTC), until)
    return {one.firing_id: record_of(one) for one in found if one.attempts}


def record_of(execution: Execution) -> Record:
    """What of an execution counts here."""
    first = execution.attempts[0]
    return Record(
        attempts=len(execution.attempts),
        claimed_at=first.claimed_at,
        sent_at=first.sent_at,
        waits=not execution.final,
    )
