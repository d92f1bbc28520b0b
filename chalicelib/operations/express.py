"""The express lane: whoever writes a due time that the ticks have read past sends its message as well."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from chalicelib.ports import Due, FiringRef, Services
from chalicelib.scheduling.claiming import horizon
from chalicelib.scheduling.errors import Unavailable
from chalicelib.scheduling.execution import Execution
from chalicelib.scheduling.job import JobRef, Standing


def entry_of(ref: JobRef, standing: Standing) -> Due | None:
    """What a standing puts into the index, if anything."""
    return Due(subject=ref, due_at=standing.due_at, rev=standing.rev) if standing.due_at else None


def retry_of(execution: Execution) -> Due | None:
    """What an execution puts into the index, if anything."""
    if execution.retry_at is None:
        return None
    ref = FiringRef(account_id=execution.ref.account_id, firing_id=execution.firing_id)
    return Due(subject=ref, due_at=execution.retry_at, rev=execution.rev)


def dispatch(services: Services, entries: Iterable[Due | None], *, now: datetime) -> Sequence[Due]:
    """Sends what is due before the horizon; returns what the queue did not take, which the sweep will find."""
    soon = [entry for entry in entries if entry and entry.due_at < horizon(now)]
    if not soon:
        return []
    try:
        left = services.queue.send(soon, now=now)
    except Unavailable:
        left = soon
    if left:
        services.events.emit("dispatch_failed", messages=len(left))
    return left
