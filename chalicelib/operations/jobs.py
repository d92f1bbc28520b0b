"""Jobs: create, read, list, change, delete. What differs between the APIs arrives here as data."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from chalicelib.operations.express import dispatch, entry_of
from chalicelib.operations.fire import sealed
from chalicelib.ports import FiringRef, Services
from chalicelib.scheduling.account import Principal
from chalicelib.scheduling.audit import AuditEntry, AuditEvent
from chalicelib.scheduling.errors import Invalid, NotFound, QuotaExceeded, Unavailable
from chalicelib.scheduling.execution import Execution
from chalicelib.scheduling.job import Definition, Job, JobRef, Standing, firing_id, first_due
from chalicelib.scheduling.retry import Misfire
from chalicelib.scheduling.schedule import Schedule

JOB_ID = re.compile(r"[A-Za-z0-9-]{1,64}", re.ASCII)
TRIES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """An edit: the new definition, and the new schedule where that was asked for."""

    definition: Definition
    schedule: Schedule | None = None


def create_job(services: Services, definition: Definition, schedule: Schedule, *, misfire: Misfire) -> Job:
    """Stores a job; one that is due soon is on the express lane before this returns.

    Raises Invalid for a schedule that never fires, QuotaExceeded, Taken, and Unavailable with nothing kept.
    """
    now, ref = services.clock.now(), definition.ref
    due_at = first_due(schedule, now)
    if due_at is None:
        raise Invalid("", "the schedule never fires")
    _check_quota(services, definition)
    account = services.accounts.account(ref.account_id)
    if account is None:
        raise NotFound("Account")
    standing = Standing(schedule=schedule, misfire=misfire, due_at=due_at)
    job = Job(definition=sealed(services, account, replace(definition, created_at=now)), standing=standing)
    services.jobs.add(job)
    if dispatch(services, [entry_of(ref, standing)], now=now):
        services.jobs.remove(job)
        raise Unavailable("the queue")
    _audit(services, job, AuditEvent.ADDED)
    return job


def get_job(services: Services, principal: Principal, job_id: str, *, dialect: str) -> Job:
    """One job of the principal's, made through the same API. Raises NotFound, whoever else has it."""
    if JOB_ID.fullmatch(job_id):
        job = services.jobs.get(JobRef(account_id=principal.account_id, job_id=job_id))
        if job and job.definition.dialect == dialect:
            return job
    raise NotFound("Job", job_id)


def list_jobs(services: Services, principal: Principal, *, dialect: str) -> Sequence[Job]:
    """The principal's jobs made through one API, in order of creation."""
    return services.jobs.list(principal.account_id, dialect)


def count_jobs(services: Services, principal: Principal, *, dialect: str) -> int:
    """How many there are."""
    return services.jobs.count(principal.account_id, dialect)


def edit_job(
    services: Services, principal: Principal, job_id: str, *, dialect: str, edit: Callable[[Job], Change]
) -> Job:
    """Applies `edit` to the job as it is; asked again where the job fired or was changed meanwhile.

    A new schedule cancels the firing that waits and the retry that waits. Raises NotFound, and what `edit` raises.
    """
    for _ in range(TRIES):
        now = services.clock.now()
        before = get_job(services, principal, job_id, dialect=dialect)
        change = edit(before)
        standing = before.standing
        if change.schedule:
            standing = standing.rescheduled(change.schedule, now)
        definition = replace(change.definition, version=before.definition.version + 1)
        job = Job(definition=definition, standing=standing)
        if services.jobs.replace(job, before=before):
            if change.schedule:
                cancel_retry(services, before)
                if dispatch(services, [entry_of(job.ref, standing)], now=now):
                    raise Unavailable("the queue")
            _audit(services, job, AuditEvent.MODIFIED)
            return job
    raise Unavailable("the job")


def delete_job(services: Services, principal: Principal, job_id: str, *, dialect: str) -> Job:
    """Deletes a job: nothing of it is claimed after this returned. Raises NotFound."""
    job = get_job(services, principal, job_id, dialect=dialect)
    if not services.jobs.remove(job):
        raise NotFound("Job", job_id)
    cancel_retry(services, job)
    _audit(services, job, AuditEvent.DELETED)
    return job


def last_execution(services: Services, job: Job) -> Execution | None:
    """The record of the firing claimed last; None while that is being sent, or before the first."""
    claim = job.standing.claim
    if claim is None:
        return None
    ref = FiringRef(account_id=job.ref.account_id, firing_id=firing_id(job.ref, claim.due_at))
    return services.executions.get(ref)


def cancel_retry(services: Services, job: Job) -> None:
    """Takes the retry of the last firing out of the index, if one waits."""
    execution = last_execution(services, job)
    if execution and not execution.final:
        services.executions.cancel(execution)


def _check_quota(services: Services, definition: Definition) -> None:
    most = services.rules.jobs_per_account
    if most is not None and services.jobs.count(definition.ref.account_id, definition.dialect) >= most:
        raise QuotaExceeded(f"An account may have {most} jobs")


def _audit(services: Services, job: Job, event: AuditEvent) -> None:
    entry = AuditEntry(
        account_id=job.ref.account_id,
        job_id=job.ref.job_id,
        job_name=job.definition.name,
        event=event,
        user=job.definition.key,
        description="",
        created_at=services.clock.now(),
    )
    try:
        services.audit.add(entry)
    except Unavailable:
        services.events.emit("audit_lost", account=job.ref.account_id, job=job.ref.job_id, change=event.value)
