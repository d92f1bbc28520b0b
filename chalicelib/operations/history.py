"""What happened: executions and audit entries, as their account may read them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from chalicelib.ports import FiringRef, Services
from chalicelib.scheduling.account import Principal
from chalicelib.scheduling.audit import AuditEntry
from chalicelib.scheduling.errors import NotFound
from chalicelib.scheduling.execution import Execution
from chalicelib.scheduling.job import Job, JobRef

ID_LENGTH = 32
HEX = frozenset("0123456789abcdef")
BEGINNING = datetime.fromtimestamp(0, UTC)
INSTANT = timedelta(milliseconds=1)
SPANS = (timedelta(hours=1), timedelta(days=1), timedelta(days=7))
AHEAD = timedelta(days=1)  # nothing has happened later than now, whatever the clocks of two machines say


def executions_between(
    services: Services, principal: Principal, start: datetime, end: datetime, *, dialect: str
) -> Sequence[Execution]:
    """Of the account's jobs made through one API: due in [start, end], by due time."""
    start, end = _bounded(services, start, end)
    found = services.executions.between(principal.account_id, start, end) if start <= end else []
    return [execution for execution in found if execution.dialect == dialect]


def latest_executions(
    services: Services, principal: Principal, *, dialect: str, keep: Callable[[Execution], bool], most: int
) -> Sequence[Execution]:
    """Those to `keep`, the `most` that were sent last, in order of their sending.

    A firing may have been due long before it was sent, where its job was made with a time that had passed: so all that
    was due before the retention is read, which is little, and of the rest the last hour, day, ... until it is enough.
    """
    now, retention = services.clock.now(), services.rules.retention
    starts = [now - span for span in (*SPANS, retention) if span <= retention]
    found = [*filter(keep, executions_between(services, principal, BEGINNING, starts[-1] - INSTANT, dialect=dialect))]
    long_past = len(found)
    for start, end in zip(starts, [now, *(start - INSTANT for start in starts)], strict=False):
        found += filter(keep, executions_between(services, principal, start, end, dialect=dialect))
        if len(found) - long_past >= most:
            break
    return sorted(found, key=_sent_at)[-most:]


def get_execution(services: Services, principal: Principal, execution_id: str, *, dialect: str) -> Execution:
    """By id. Raises NotFound, whoever else has it."""
    if len(execution_id) == ID_LENGTH and set(execution_id) <= HEX:
        found = services.executions.get(FiringRef(account_id=principal.account_id, firing_id=execution_id))
        if found and found.dialect == dialect:
            return found
    raise NotFound("Execution", execution_id)


def jobs_of(services: Services, executions: Iterable[Execution]) -> Mapping[JobRef, Job]:
    """The jobs of executions that were read for their account, as they are now; those deleted since are missing."""
    refs = {execution.ref for execution in executions}
    return services.firings.jobs(refs) if refs else {}


def audit_between(services: Services, principal: Principal, start: datetime, end: datetime) -> Sequence[AuditEntry]:
    """The account's audit entries created in [start, end], the oldest first."""
    start, end = _bounded(services, start, end)
    return services.audit.between(principal.account_id, start, end) if start <= end else []


def _bounded(services: Services, start: datetime, end: datetime) -> tuple[datetime, datetime]:
    """The part of a range in which something can have happened: keys count milliseconds from 1970 in 13 digits."""
    return max(start, BEGINNING), min(end, services.clock.now() + AHEAD)


def _sent_at(execution: Execution) -> datetime:
    return execution.attempts[-1].sent_at if execution.attempts else execution.due_at
