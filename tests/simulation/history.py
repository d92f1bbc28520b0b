"""What happened, in order: all that the oracle is told.

The witness of the table sees every standing and every record as they are written, by whom; the receivers see every
call; the users tell what they asked and what they were answered. `log` has a line for each of these and for every
fault, so that two runs of one seed can be compared word for word.
"""

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from chalicelib.scheduling.execution import Execution
from chalicelib.scheduling.job import JobRef, Standing
from tests.simulation.loop import Process


class Asked(StrEnum):
    """What a user may ask for."""

    CREATE = "create"
    EDIT = "edit"
    PAUSE = "pause"
    RESUME = "resume"
    DELETE = "delete"
    RUN = "run now"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stood:
    """A job's standing was written: before and after; None where there was, or is, none."""

    at: int
    ref: JobRef
    before: Standing | None
    after: Standing | None
    by: Process


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """A record was written."""

    at: int
    ref: JobRef
    firing_id: str
    before: Execution | None
    after: Execution
    by: Process


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A call reached a receiver. `known`: the record that stood there. `owners`: whom what it carries belongs to."""

    at: int
    ref: JobRef
    firing_id: str
    known: Execution | None
    owners: frozenset[str]
    by: Process


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """A user was told that it is done. `firing_id`: of a firing asked for beside the schedule."""

    asked_at: int
    at: int
    ref: JobRef
    what: Asked
    firing_id: str = ""


Event = Stood | Recorded | Sent | Answered


@dataclass(slots=True)
class History:
    """The events, and the log with what caused them. Milliseconds since `beginning`."""

    beginning: datetime
    events: list[Event] = field(default_factory=list)
    log: list[tuple[int, str, str]] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def add(self, event: Event, *, line: str) -> None:
        """An event, and its line."""
        self.events.append(event)
        self.note(event.at, line, of=name_of(event.ref))

    def note(self, at: int, line: str, *, of: str = "") -> None:
        """A line alone."""
        self.log.append((at, of, line))

    def fault(self, at: int, kind: str, what: str) -> None:
        """Something that went wrong on purpose."""
        self.counts[kind] += 1
        self.note(at, f"{kind}: {what}")

    def lines(self) -> list[str]:
        """All of it."""
        return [_line(*entry) for entry in self.log]

    @property
    def digest(self) -> str:
        """The same for the same log, and for no other."""
        return hashlib.sha256("\n".join(self.lines()).encode()).hexdigest()

    def of(self, name: str, *, until: int, last: int) -> list[str]:
        """The last lines about a job up to a moment."""
        return [_line(*entry) for entry in self.log if entry[1] == name and entry[0] <= until][-last:]


def _line(at: int, of: str, line: str) -> str:
    return f"{at / 1000:10.3f} {of} {line}"


def name_of(ref: JobRef) -> str:
    """How a job is called in the log."""
    return f"{ref.account_id}/{ref.job_id}"
