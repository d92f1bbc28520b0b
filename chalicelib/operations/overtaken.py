"""A firing that somebody claimed before the one that is claimed now, and that has no record.

Its worker may be at it yet or have died: the job's claim is another's by now, and tells nothing of it. So whoever would
send the firing instead writes a mark in place of its record, with a claim of its own, and only one can. Then

    it was claimed a lease ago at least      its worker is dead: whoever wrote the mark sends
    nobody knows when it was claimed         the message is left; the mark's own time tells whoever receives it next

The firing after it was claimed later than it was, and is recorded as a rule: from then on the lease is counted.
"""

from datetime import datetime

from chalicelib.operations.disposal import Disposal
from chalicelib.ports import Due, FiringRef, Received, Services
from chalicelib.scheduling.execution import Execution
from chalicelib.scheduling.job import Claim, Job, firing_id


def inherit(services: Services, job: Job, firing: Execution, *, claim: Claim, held: Claim) -> Disposal | None:
    """None: the firing is ours to send. `held`: the claim of the later one."""
    lease = services.rules.lease
    found = services.firings.mark(firing, claim)
    if found.tried:
        return Disposal.RECORDED
    if found.claim == claim:
        alive_until = _claimed_by(services, job, claim.due_at, held) + lease
        return Disposal.BUSY if claim.claimed_at < alive_until else None
    if found.claim is None or claim.claimed_at < found.claim.claimed_at + lease:
        return Disposal.BUSY
    ref = FiringRef(account_id=firing.ref.account_id, firing_id=firing.firing_id)
    return None if services.firings.take_over(ref, claim, dead=found.claim) else Disposal.BUSY


def abandoned(services: Services, message: Received, why: Disposal) -> Disposal:
    """What becomes of a message; ends the mark that an earlier receipt may have left for a firing now cancelled."""
    if message.receives > 1 and why in {Disposal.GONE, Disposal.CANCELLED} and message.due:
        ref = _named(message.due)
        found = services.executions.get(ref) if ref else None
        if found and not found.tried:
            services.executions.cancel(found)
    return why


def _named(due: Due) -> FiringRef | None:
    """The firing of the schedule that a message speaks of."""
    job = due.subject
    if isinstance(job, FiringRef):
        return None
    return FiringRef(account_id=job.account_id, firing_id=firing_id(job, due.due_at))


def _claimed_by(services: Services, job: Job, due_at: datetime, held: Claim) -> datetime:
    """No later than this a firing was claimed."""
    following = job.standing.schedule.next_after(due_at)
    if following is None or following == held.due_at:
        return held.claimed_at
    name = firing_id(job.ref, following)
    record = services.executions.get(FiringRef(account_id=job.ref.account_id, firing_id=name))
    return record.attempts[0].claimed_at if record and record.attempts else held.claimed_at
