"""Claiming: from a message to a firing that is ours to send, or to what becomes of the message instead.

Secrets are opened before the claim, so that while the key service is away nothing is claimed that could not be sent.

A message that is not sent leaves one line in the log: what it spoke of, whether it was `dropped` or `left`, and why.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from chalicelib.operations.conclude import purge
from chalicelib.operations.express import dispatch
from chalicelib.operations.fire import Loaded, load
from chalicelib.ports import Due, FiringRef, Received, Services
from chalicelib.scheduling.claiming import Verdict, judge
from chalicelib.scheduling.execution import Execution, ExecutionState
from chalicelib.scheduling.job import Claim, Job, JobRef, JobState, firing_id

BESIDE = 0  # the job_rev of a firing that was asked for beside the schedule: pausing or editing does not cancel it
EARLY = timedelta(seconds=5)  # a message that comes earlier than this goes back for the rest of its wait


class Disposal(StrEnum):
    """Why a message is not sent: it is dropped from the queue, or left there for its redelivery."""

    GONE = "gone"  # there is no such job or execution any more
    CANCELLED = "cancelled"  # the job was paused or edited since
    TAKEN = "taken"  # another message has the firing
    RECORDED = "recorded"  # the firing's record is there already
    ORPHAN = "orphan"  # its account was removed
    EARLY = "early"  # it was sent again, for the rest of its wait
    BUSY = "busy"  # a twin may be at work
    UNSENT = "unsent"  # too early, and the queue would not take it again
    UNREAD = "unread"  # the database would not say what it speaks of
    BROKEN = "broken"  # its claim broke off
    UNRECORDED = "unrecorded"  # it was sent, and the database would not take the record
    POISON = "poison"  # it says nothing

    @property
    def left(self) -> bool:
        """Whether the message stays in the queue."""
        return self in LEFT


LEFT = frozenset(
    {Disposal.BUSY, Disposal.UNSENT, Disposal.UNREAD, Disposal.BROKEN, Disposal.UNRECORDED, Disposal.POISON}
)
LOGGED = frozenset({Disposal.ORPHAN, Disposal.BROKEN, Disposal.POISON})  # by an event of their own


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """A firing that is ours to send. `execution` is its record so far, `claim` bears the due time of this attempt."""

    job: Job
    execution: Execution
    claim: Claim
    loaded: Loaded


@dataclass(frozen=True, slots=True, kw_only=True)
class Finds:
    """What the batched reads found for a batch."""

    jobs: Mapping[JobRef, Job]
    executions: Mapping[FiringRef, Execution]


def read(services: Services, dues: Iterable[Due]) -> Finds:
    """The jobs and executions that messages speak of, and the jobs of the executions."""
    subjects = [due.subject for due in dues]
    refs = [subject for subject in subjects if isinstance(subject, FiringRef)]
    executions = services.firings.executions(refs) if refs else {}
    job_refs = {subject for subject in subjects if isinstance(subject, JobRef)}
    job_refs |= {execution.ref for execution in executions.values()}
    return Finds(jobs=services.firings.jobs(job_refs) if job_refs else {}, executions=executions)


def take(services: Services, finds: Finds, nonce: str, message: Received) -> Shot | Disposal:
    """Claims one message's firing. A message that says nothing is left: after its last receipt it is parked."""
    if message.due is None:
        services.events.emit("poison", message=message.message_id, receives=message.receives)
        return Disposal.POISON
    taken = _taken(services, finds, nonce, message, due=message.due)
    if isinstance(taken, Disposal) and taken not in LOGGED:
        report(services, message, taken, finds=finds)
    return taken


def report(services: Services, message: Received, disposal: Disposal, *, finds: Finds | None = None) -> None:
    """The one line about a message that is not sent."""
    services.events.emit("left" if disposal.left else "dropped", **subject_of(message, finds), why=disposal.value)


def subject_of(message: Received, finds: Finds | None = None) -> Mapping[str, str]:
    """What a message speaks of, for the log; the job of a retry is known by its execution."""
    ids = {"message": message.message_id}
    match message.due:
        case Due(subject=JobRef() as ref, due_at=due_at):
            return ids | {"account": ref.account_id, "job": ref.job_id, "firing": firing_id(ref, due_at)}
        case Due(subject=FiringRef() as ref):
            execution = finds.executions.get(ref) if finds else None
            job = {"job": execution.ref.job_id} if execution else {}
            return ids | {"account": ref.account_id, **job, "firing": ref.firing_id}
    return ids


def _taken(services: Services, finds: Finds, nonce: str, message: Received, *, due: Due) -> Shot | Disposal:
    now = services.clock.now()
    if due.due_at > now + EARLY:
        return Disposal.UNSENT if dispatch(services, [due], now=now) else Disposal.EARLY
    claim = Claim(message_id=message.message_id, nonce=nonce, due_at=due.due_at, claimed_at=now)
    try:
        if isinstance(due.subject, JobRef):
            return _take_job(services, finds.jobs.get(due.subject), claim, rev=due.rev)
        execution = finds.executions.get(due.subject)
        return _take_retry(services, finds, execution, claim, rev=due.rev) if execution else Disposal.GONE
    except Exception as error:  # noqa: BLE001 - whatever it is, it must not cost the rest of the batch its firing
        ids = subject_of(message, finds)
        services.events.emit("claim_failed", **ids, error=type(error).__name__, reason=str(error))
        return Disposal.BROKEN


def _take_job(services: Services, job: Job | None, claim: Claim, *, rev: int) -> Shot | Disposal:
    if job is None:
        return Disposal.GONE
    loaded = load(services, job.definition)
    if loaded is None:
        return _orphan(services, job)
    verdict = judge_job(services, job, claim, rev=rev)
    if verdict is Verdict.CLAIM:
        after = services.firings.claim_job(job.ref, job.standing.fired(claim), rev=rev)
        if after is None:
            return Disposal.GONE
        job = Job(definition=job.definition, standing=after)
        verdict = judge_job(services, job, claim, rev=rev)
    ref = FiringRef(account_id=job.ref.account_id, firing_id=firing_id(job.ref, claim.due_at))
    standing = job.standing
    record, lost = _recorded(services, ref, job), Disposal.TAKEN if standing.rev == rev else Disposal.CANCELLED
    disposal = _resolve(services, verdict, job.ref, claim, held=standing.claim, record=record, lost=lost)
    if disposal:
        return disposal
    state = ExecutionState.WAITING
    execution = Execution(
        firing_id=ref.firing_id,
        ref=job.ref,
        dialect=job.definition.dialect,
        key=job.definition.key,
        due_at=claim.due_at,
        state=state,
        job_rev=rev,
    )
    return Shot(job=job, execution=execution, claim=claim, loaded=loaded)


def _take_retry(services: Services, finds: Finds, execution: Execution, claim: Claim, *, rev: int) -> Shot | Disposal:
    ref = FiringRef(account_id=execution.ref.account_id, firing_id=execution.firing_id)
    job = finds.jobs.get(execution.ref)
    if job is None or execution.job_rev not in {job.standing.rev, BESIDE}:
        services.executions.cancel(execution)
        return Disposal.CANCELLED
    loaded = load(services, job.definition)
    if loaded is None:
        services.executions.cancel(execution)
        return _orphan(services, job)
    verdict = judge_retry(services, execution, claim, rev=rev)
    if verdict is Verdict.CLAIM:
        after = services.firings.claim_retry(ref, claim, rev=rev)
        if after is None:
            return Disposal.GONE
        execution = after
        verdict = judge_retry(services, execution, claim, rev=rev)
    lost = _lost_retry(execution, rev=rev)
    disposal = _resolve(services, verdict, ref, claim, held=execution.claim, record=lambda: False, lost=lost)
    return disposal or Shot(job=job, execution=execution, claim=claim, loaded=loaded)


def _orphan(services: Services, job: Job) -> Disposal:
    """A job whose account was removed goes after it, the next time it would fire."""
    services.jobs.remove(job)
    services.events.emit("orphan_removed", account=job.ref.account_id, job=job.ref.job_id)
    return Disposal.ORPHAN


def judge_job(services: Services, job: Job, claim: Claim, *, rev: int) -> Verdict:
    """What to do with a message about a job."""
    standing = job.standing
    current = standing.rev == rev
    stands = current and standing.state is JobState.ACTIVE and standing.due_at == claim.due_at
    return judge(claim, stands=stands, current=current, held=standing.claim, lease=services.rules.lease)


def judge_retry(services: Services, execution: Execution, claim: Claim, *, rev: int) -> Verdict:
    """What to do with a message about an execution that waits for its next attempt."""
    current = execution.rev == rev and execution.state is ExecutionState.WAITING
    stands = current and execution.retry_at == claim.due_at
    return judge(claim, stands=stands, current=current, held=execution.claim, lease=services.rules.lease)


def _resolve(
    services: Services,
    verdict: Verdict,
    subject: JobRef | FiringRef,
    claim: Claim,
    *,
    held: Claim | None,
    record: Callable[[], bool],
    lost: Disposal,
) -> Disposal | None:
    """None where the firing is ours, `lost` where it is not to be had.

    Only a long-lost claim asks for the record, so the usual path pays no read.
    """
    match verdict:
        case Verdict.HELD:
            return None
        case Verdict.TAKE_OVER if held:
            if record():
                return Disposal.RECORDED
            return None if services.firings.take_over(subject, claim, dead=held) else Disposal.BUSY
        case Verdict.CHECK:
            if record():
                return Disposal.RECORDED
            return Disposal.BUSY if claim.claimed_at < claim.due_at + services.rules.lease else None
        case Verdict.DROP:
            return lost
    return Disposal.BUSY


def _lost_retry(execution: Execution, *, rev: int) -> Disposal:
    """Why a retry is not to be had: its attempt is in the record, or another message is at it."""
    if execution.state is ExecutionState.CANCELLED:
        return Disposal.CANCELLED
    return Disposal.TAKEN if execution.rev == rev and not execution.final else Disposal.RECORDED


def _recorded(services: Services, ref: FiringRef, job: Job) -> Callable[[], bool]:
    """Whether the firing's record is there; what its worker had no time to clear away is cleared now."""

    def recorded() -> bool:
        execution = services.executions.get(ref)
        if execution:
            purge(services, job, execution)
        return execution is not None

    return recorded
