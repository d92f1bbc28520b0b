"""Express: whoever writes a due time that the ticks have read past sends its message as well."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from chalicelib.ports import Due, FiringRef, Services
from chalicelib.scheduling.claiming import floor_to_minute, horizon
from chalicelib.scheduling.errors import Unavailable
from chalicelib.scheduling.execution import Execution
from chalicelib.scheduling.job import JobRef, Standing
from chalicelib.scheduling.lane import Lane, Share


def entry_of(ref: JobRef, standing: Standing) -> Due | None:
    """What a standing puts into the index, if anything."""
    if standing.due_at is None:
        return None
    return Due(subject=ref, due_at=standing.due_at, rev=standing.rev, lane=standing.lane)


def retry_of(execution: Execution) -> Due | None:
    """What an execution puts into the index, if anything. A first attempt, asked for beside the schedule, is no retry.

    Only whoever made it knows that: what the tick finds of it later travels as a retry.
    """
    if execution.retry_at is None:
        return None
    ref = FiringRef(account_id=execution.ref.account_id, firing_id=execution.firing_id)
    lane = Lane.SECOND if execution.attempts else Lane.FIRST
    return Due(subject=ref, due_at=execution.retry_at, rev=execution.rev, lane=lane)


def following(before: Standing, due: Due | None, message: Due) -> Due | None:
    """The next firing, sent while this one's message is at work: by the lane that the job's last attempt earned.

    A job that fires for the first time has earned none: part of a flood, it does not come back to the first lane yet.
    """
    return replace(due, lane=message.lane) if due and before.claim is None else due


def within(share: Share, due: Due, minute: datetime) -> Due:
    """By the first lane as long as the account has something left of its share; what has to take the second, does."""
    if due.lane is Lane.SECOND or share.lane(due.subject.account_id, minute) is Lane.FIRST:
        return due
    return replace(due, lane=Lane.SECOND)


def express(services: Services, due: Due | None, *, now: datetime) -> Sequence[Due]:
    """Dispatches what an account asked for, which it may do thousands of times in a minute."""
    if due is None or due.due_at >= horizon(now):
        return []
    return dispatch(services, [within(services.share, due, floor_to_minute(now))], now=now)


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
