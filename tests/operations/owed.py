"""What a job's owner may expect after a time without bad luck: which due times no firing has made up for."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from chalicelib.scheduling.execution import Execution, ExecutionState
from chalicelib.scheduling.job import first_due
from chalicelib.scheduling.schedule import Schedule


def owed(schedule: Schedule, *, since: datetime, until: datetime, firings: Sequence[Execution]) -> list[datetime]:
    """The due times of a schedule in [since, until] that were not attempted.

    A firing that is sent late makes up for all that was missed in between: from its due time to its claim.
    """
    spans = [(one.due_at, _until(one)) for one in firings if one.attempts or one.state is ExecutionState.PARKED]
    return [due for due in _dues(schedule, since, until) if not any(start <= due <= end for start, end in spans)]


def _dues(schedule: Schedule, since: datetime, until: datetime) -> Iterator[datetime]:
    due = first_due(schedule, since)
    while due and due <= until:
        if due >= since:
            yield due
        due = schedule.next_after(due)


def _until(firing: Execution) -> datetime:
    """Until when it makes up: given up, it stands for itself alone."""
    return max(firing.due_at, firing.attempts[0].claimed_at) if firing.attempts else firing.due_at
