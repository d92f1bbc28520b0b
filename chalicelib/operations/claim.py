"""Claiming: from messages to the firings that are ours to send, or to what becomes of a message instead.

A batch is claimed in one write, in which each firing has its own condition and its own verdict (`FiringStore.claim`).
Secrets are opened before, so that while the key service is away nothing is claimed that could not be sent.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar

from chalicelib.operations.conclude import LARGEST_BATCH, purge
from chalicelib.operations.disposal import LOGGED, Disposal, report, subject_of
from chalicelib.operations.express import dispatch
from chalicelib.operations.find import Finds
from chalicelib.operations.fire import Loaded, load
from chalicelib.operations.overtaken import abandoned, inherit
from chalicelib.ports import Claimed, FiringRef, JobClaim, Received, RetryClaim, Services
from chalicelib.scheduling.claiming import Verdict, judge
from chalicelib.scheduling.errors import Unavailable, told
from chalicelib.scheduling.execution import Execution, ExecutionState
from chalicelib.scheduling.job import Claim, Job, JobRef, JobState, Standing, firing_id
from chalicelib.scheduling.lane import Lane

T = TypeVar("T")

BESIDE = 0  # the job_rev of a firing that was asked for beside the schedule: pausing or editing does not cancel it
EARLY = timedelta(seconds=5)  # a message that comes earlier than this goes back for the rest of its wait


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """A firing that is ours to send. `execution` is its record so far, `claim` bears the due time of this attempt."""

    job: Job
    execution: Execution
    claim: Claim
    loaded: Loaded


@dataclass(frozen=True, slots=True, kw_only=True)
class Aim:
    """A message whose firing may be ours: what it speaks of, as it stands, and the claim we make for it.

    `retry`: the record of the firing, where the message is about a further attempt.
    """

    message: Received
    job: Job
    claim: Claim
    rev: int
    loaded: Loaded
    retry: Execution | None = None

    @property
    def subject(self) -> JobRef | FiringRef:
        """Whose item bears the claim."""
        return self.firing if self.retry else self.job.ref

    @property
    def firing(self) -> FiringRef:
        """The firing's name."""
        name = self.retry.firing_id if self.retry else firing_id(self.job.ref, self.claim.due_at)
        return FiringRef(account_id=self.job.ref.account_id, firing_id=name)

    @property
    def held(self) -> Claim | None:
        """The claim that stands there."""
        return self.retry.claim if self.retry else self.job.standing.claim

    def verdict(self, lease: timedelta) -> Verdict:
        """What to do with the message."""
        if self.retry:
            return judge_retry(self.retry, self.claim, rev=self.rev, lease=lease)
        return judge_job(self.job.standing, self.claim, rev=self.rev, lease=lease)


def take(services: Services, finds: Finds, nonce: str, batch: Sequence[Received]) -> Sequence[Shot | Disposal]:
    """What each message of a batch came to, in their order."""
    aims = _side_by_side(services, batch, partial(_guarded, services, finds, partial(_aimed, services, finds, nonce)))
    stands = _claimed(services, finds, [aim for aim in aims if isinstance(aim, Aim)])
    taken = [
        _guarded(services, finds, partial(_settled, services, stands[message.message_id]), message)
        if isinstance(aim, Aim)
        else aim
        for message, aim in zip(batch, aims, strict=True)
    ]
    for message, one in zip(batch, taken, strict=True):
        if isinstance(one, Disposal) and one not in LOGGED:
            report(services, message, one, executions=finds.executions)
    return taken


def judge_job(standing: Standing, claim: Claim, *, rev: int, lease: timedelta) -> Verdict:
    """What to do with a message about a job."""
    current = standing.rev == rev
    stands = current and standing.state is JobState.ACTIVE and standing.due_at == claim.due_at
    return judge(claim, stands=stands, current=current, held=standing.claim, lease=lease)


def judge_retry(execution: Execution, claim: Claim, *, rev: int, lease: timedelta) -> Verdict:
    """What to do with a message about an execution that waits for its next attempt."""
    current = execution.rev == rev and execution.state is ExecutionState.WAITING
    stands = current and execution.retry_at == claim.due_at
    return judge(claim, stands=stands, current=current, held=execution.claim, lease=lease)


def _side_by_side(services: Services, batch: Sequence[Received], do: Callable[[Received], T]) -> Sequence[T]:
    """At once where there are several tenants, whose secrets may have to be fetched."""
    tenants = {message.due.subject.account_id for message in batch if message.due}
    return services.crew.map(do, batch, hands=LARGEST_BATCH if len(tenants) > 1 else 1)


def _guarded(
    services: Services, finds: Finds, do: Callable[[Received], T | Disposal], message: Received
) -> T | Disposal:
    """Whatever becomes of one message, it must not cost the rest of the batch its firing."""
    try:
        return do(message)
    except Exception as error:  # noqa: BLE001 - see above
        return _broken(services, finds, message, error)


def _broken(services: Services, finds: Finds, message: Received, error: Exception) -> Disposal:
    ids = subject_of(message, finds.executions)
    services.events.emit("claim_failed", **ids, error=type(error).__name__, reason=told(error))
    return Disposal.BROKEN


def _aimed(services: Services, finds: Finds, nonce: str, message: Received) -> Aim | Disposal:
    """What a message speaks of. One that says nothing is left: after its last receipt it is parked."""
    due, now = message.due, services.clock.now()
    if due is None:
        services.events.emit("poison", message=message.message_id, receives=message.receives)
        return Disposal.POISON
    if due.due_at > now + EARLY:
        return Disposal.UNSENT if dispatch(services, [due], now=now) else Disposal.EARLY
    claim = Claim(message_id=message.message_id, nonce=nonce, due_at=due.due_at, claimed_at=now)
    retry, job = finds.subject(due.subject)
    if retry and (job is None or retry.job_rev not in {job.standing.rev, BESIDE}):
        return _cancelled(services, retry, now=now)
    if job is None:
        return abandoned(services, message, Disposal.GONE)
    loaded = load(services, job.definition)
    if loaded is None:
        return _orphan(services, job, retry)
    aim = Aim(message=message, job=job, claim=claim, rev=due.rev, loaded=loaded, retry=retry)
    if due.lane is Lane.FIRST and _changes_over(services, aim):
        left = dispatch(services, [replace(due, lane=Lane.SECOND)], now=now)
        return Disposal.UNSENT if left else Disposal.MOVED
    return aim


def _changes_over(services: Services, aim: Aim) -> bool:
    """Whether a message has to take the second lane after all. What is claimed already stays with its message."""
    closed = services.holds.closed(aim.job.ref.account_id, aim.claim.claimed_at)
    return (closed or aim.job.standing.lane is Lane.SECOND) and aim.verdict(services.rules.lease) is Verdict.CLAIM


def _cancelled(services: Services, retry: Execution, *, now: datetime) -> Disposal:
    """Ends a retry that an edit or a delete cancelled; one whose worker may be alive is left to it."""
    if retry.claim and not retry.retry_at and now < retry.claim.claimed_at + services.rules.lease:
        return Disposal.BUSY
    services.executions.cancel(retry)
    return Disposal.CANCELLED


def _orphan(services: Services, job: Job, retry: Execution | None) -> Disposal:
    """A job whose account was removed goes after it, the next time it would fire."""
    if retry:
        services.executions.cancel(retry)
    services.jobs.remove(job)
    services.events.emit("orphan_removed", account=job.ref.account_id, job=job.ref.job_id)
    return Disposal.ORPHAN


def _claimed(services: Services, finds: Finds, aims: Sequence[Aim]) -> Mapping[str, Aim | Disposal]:
    """Each aim as it stands once all were claimed that could be, whoever has them; by message."""
    asked = [aim for aim in aims if aim.verdict(services.rules.lease) is Verdict.CLAIM]
    try:
        found = services.firings.claim([_claim_of(aim) for aim in asked]) if asked else []
    except Unavailable as error:
        found = [error] * len(asked)
    stands = (_as_found(services, finds, aim, one) for aim, one in zip(asked, found, strict=True))
    return {aim.message.message_id: aim for aim in aims} | dict(
        zip((aim.message.message_id for aim in asked), stands, strict=True)
    )


def _claim_of(aim: Aim) -> JobClaim | RetryClaim:
    if aim.retry:
        return RetryClaim(execution=aim.retry, claim=aim.claim, rev=aim.rev)
    return JobClaim(ref=aim.job.ref, after=aim.job.standing.fired(aim.claim), rev=aim.rev)


def _as_found(services: Services, finds: Finds, aim: Aim, found: Claimed) -> Aim | Disposal:
    match found:
        case Standing():
            return replace(aim, job=replace(aim.job, standing=found))
        case Execution():
            return replace(aim, retry=found)
        case Unavailable():
            return _broken(services, finds, aim.message, found)
    return Disposal.GONE


def _settled(services: Services, aim: Aim | Disposal, message: Received) -> Shot | Disposal:
    """Whether the firing is ours. Only a long-lost claim asks for the record, so the usual path pays no read."""
    if isinstance(aim, Disposal):
        return aim
    claim, held = aim.claim, aim.held
    match aim.verdict(services.rules.lease):
        case Verdict.HELD:
            return _shot(aim)
        case Verdict.TAKE_OVER if held:
            if _recorded(services, aim):
                return Disposal.RECORDED
            return _shot(aim) if services.firings.take_over(aim.subject, claim, dead=held) else Disposal.BUSY
        case Verdict.CHECK if held:
            if _recorded(services, aim):
                return Disposal.RECORDED
            shot = _shot(aim)
            return inherit(services, aim.job, shot.execution, claim=claim, held=held) or shot
        case Verdict.DROP:
            if aim.retry:
                return _lost_retry(aim.retry, rev=aim.rev)
            return abandoned(services, message, _lost_job(aim.job.standing, rev=aim.rev))
    return Disposal.BUSY


def _shot(aim: Aim) -> Shot:
    definition = aim.job.definition
    execution = aim.retry or Execution(
        firing_id=aim.firing.firing_id,
        ref=aim.job.ref,
        dialect=definition.dialect,
        key=definition.key,
        due_at=aim.claim.due_at,
        state=ExecutionState.WAITING,
        job_rev=aim.rev,
    )
    return Shot(job=aim.job, execution=execution, claim=aim.claim, loaded=aim.loaded)


def _lost_job(standing: Standing, *, rev: int) -> Disposal:
    """Why a firing is not to be had."""
    return Disposal.TAKEN if standing.rev == rev else Disposal.CANCELLED


def _lost_retry(execution: Execution, *, rev: int) -> Disposal:
    """Why a retry is not to be had: its attempt is in the record, or another message is at it."""
    if execution.state is ExecutionState.CANCELLED:
        return Disposal.CANCELLED
    return Disposal.TAKEN if execution.rev == rev and not execution.final else Disposal.RECORDED


def _recorded(services: Services, aim: Aim) -> bool:
    """Whether a firing's record is there; what its worker had no time to clear away is cleared now.

    Raises Unavailable where it cannot be.
    """
    execution = None if aim.retry else services.executions.get(aim.firing)
    if execution and not purge(services, aim.job, execution):
        raise Unavailable("the database")
    return execution is not None and execution.tried
