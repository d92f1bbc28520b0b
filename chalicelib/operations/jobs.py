"""Jobs: create, read, list, change, delete. What differs between the APIs arrives here as data."""

import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from chalicelib.operations.claim import BESIDE
from chalicelib.operations.conclude import ids_of
from chalicelib.operations.express import entry_of, express, retry_of
from chalicelib.operations.fire import sealed
from chalicelib.ports import FiringRef, Services
from chalicelib.scheduling.account import Principal
from chalicelib.scheduling.audit import AuditEntry, AuditEvent
from chalicelib.scheduling.claiming import MARGIN
from chalicelib.scheduling.errors import Invalid, NotFound, QuotaExceeded, TooLarge, Unavailable
from chalicelib.scheduling.execution import Execution, ExecutionState
from chalicelib.scheduling.job import Definition, Job, JobRef, Standing, firing_id, first_due
from chalicelib.scheduling.retry import Misfire
from chalicelib.scheduling.schedule import Schedule

JOB_ID = re.compile(r"[A-Za-z0-9-]{1,64}", re.ASCII)
MOST_LISTED = 10_000  # a list is one answer, whole
TRIES = 5
ID_DIGITS, TIME_DIGITS = 32, 12  # of a firing id


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """An edit: the new definition, and the new schedule where that was asked for. `description`: for the audit log."""

    definition: Definition
    schedule: Schedule | None = None
    description: str = ""


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
    if express(services, entry_of(ref, standing), now=now):
        services.jobs.remove(job)
        raise Unavailable("the queue")
    _audit(services, job, AuditEvent.ADDED, user=definition.key)
    return job


def get_job(services: Services, principal: Principal, job_id: str, *, dialect: str) -> Job:
    """One job of the principal's, made through the same API. Raises NotFound, whoever else has it."""
    if JOB_ID.fullmatch(job_id):
        job = services.jobs.get(JobRef(account_id=principal.account_id, job_id=job_id))
        if job and job.definition.dialect == dialect:
            return job
    raise NotFound("Job", job_id)


def list_jobs(services: Services, principal: Principal, *, dialect: str) -> Sequence[Job]:
    """The principal's jobs made through one API, in order of creation. Raises TooLarge rather than to list some."""
    if services.jobs.count(principal.account_id, dialect) > MOST_LISTED:
        raise TooLarge("", f"There are more than {MOST_LISTED} jobs, the most that can be listed: ask for single ones")
    return services.jobs.list(principal.account_id, dialect)


def count_jobs(services: Services, principal: Principal, *, dialect: str) -> int:
    """How many there are."""
    return services.jobs.count(principal.account_id, dialect)


def edit_job(
    services: Services, principal: Principal, job_id: str, *, dialect: str, edit: Callable[[Job], Change]
) -> Job:
    """Applies `edit` to the job as it is; asked again where the job fired or was changed meanwhile.

    From then on it is signed with the key that edited it: no key's signature is on what another one wrote. A new
    schedule cancels the firing that waits and the retry that waits. Where it begins with a firing of the job that
    was there already, it goes on after that; a job that was finished begins anew. Raises NotFound, Invalid for a
    schedule that never fires, and what `edit` raises.
    """
    for _ in range(TRIES):
        now = services.clock.now()
        before = get_job(services, principal, job_id, dialect=dialect)
        change = edit(before)
        standing = before.standing
        if change.schedule:
            if first_due(change.schedule, now) is None:
                raise Invalid("", "the schedule never fires")
            standing = standing.rescheduled(change.schedule, now)
            due_at = standing.due_at
            if before.standing.due_at and due_at and _has_fired(services, before.ref, due_at, now=now):
                standing = standing.skipped(max(now, due_at))
        definition = replace(change.definition, key=principal.key, version=before.definition.version + 1)
        job = Job(definition=definition, standing=standing)
        if services.jobs.replace(job, before=before):
            if change.schedule:
                cancel_retry(services, before)
                if express(services, entry_of(job.ref, standing), now=now):
                    raise Unavailable("the queue")
            _audit(services, job, AuditEvent.MODIFIED, user=principal.key, description=change.description)
            return job
    raise Unavailable("the job")


def _has_fired(services: Services, ref: JobRef, due_at: datetime, *, now: datetime) -> bool:
    """Whether a firing has its record. One that is under way has none: to send it twice is better than never.

    A worker's clock may be ahead of ours, and have fired what is not due yet here.
    """
    if due_at > now + MARGIN:
        return False
    record = services.executions.get(FiringRef(account_id=ref.account_id, firing_id=firing_id(ref, due_at)))
    return record is not None and record.tried


def delete_job(services: Services, principal: Principal, job_id: str, *, dialect: str, description: str = "") -> Job:
    """Deletes a job: nothing of it is claimed after this returned. Raises NotFound."""
    job = get_job(services, principal, job_id, dialect=dialect)
    if not services.jobs.remove(job):
        raise NotFound("Job", job_id)
    cancel_retry(services, job)
    _audit(services, job, AuditEvent.DELETED, user=principal.key, description=description)
    return job


def pause_job(services: Services, principal: Principal, job_id: str, *, dialect: str) -> Job:
    """Nothing of its schedule is claimed after this returned; a second pause changes nothing.

    Raises NotFound, Completed.
    """
    return _move(services, principal, job_id, dialect=dialect, event=AuditEvent.PAUSED)


def resume_job(services: Services, principal: Principal, job_id: str, *, dialect: str) -> Job:
    """On schedule from now on, without what passed meanwhile.

    Raises NotFound, Completed, and Unavailable with the job as it was.
    """
    return _move(services, principal, job_id, dialect=dialect, event=AuditEvent.RESUMED)


def run_now(services: Services, principal: Principal, job_id: str, *, dialect: str) -> Execution:
    """One firing beside the schedule, at once; also of a paused job. Raises NotFound, Unavailable.

    It is an execution that waits for its first attempt: the index and the worker treat it as they do a retry. Its id
    opens with its due time as that of every firing and goes on at random: neither a second one in the same millisecond
    nor the schedule's own firing shares its record. Only deleting the job cancels it, see `claim.BESIDE`. When this
    raises, nothing runs: a record that was written stays in the history as cancelled.
    """
    now, job = services.clock.now(), get_job(services, principal, job_id, dialect=dialect)
    execution = Execution(
        firing_id=firing_id(job.ref, now)[:TIME_DIGITS] + secrets.token_hex((ID_DIGITS - TIME_DIGITS) // 2),
        ref=job.ref,
        dialect=dialect,
        key=job.definition.key,
        due_at=now,
        state=ExecutionState.WAITING,
        retry_at=now,
        rev=1,
        job_rev=BESIDE,
    )
    try:
        left = services.firings.record([execution])
    except Unavailable:  # the reply may be what was lost
        _withdraw(services, execution)
        raise
    if left:
        raise Unavailable("the database")
    if express(services, retry_of(execution), now=now):
        _withdraw(services, execution)
        raise Unavailable("the queue")
    _audit(services, job, AuditEvent.CUSTOM_RUN, user=principal.key, firing=execution.firing_id)
    return execution


def _withdraw(services: Services, execution: Execution) -> None:
    """Out of the index again, as far as the database lets us."""
    try:
        services.executions.cancel(execution)
    except Unavailable:
        services.events.emit("withdraw_failed", **ids_of(execution))


def _move(services: Services, principal: Principal, job_id: str, *, dialect: str, event: AuditEvent) -> Job:
    for _ in range(TRIES):
        now, before = services.clock.now(), get_job(services, principal, job_id, dialect=dialect)
        standing = before.standing.paused() if event is AuditEvent.PAUSED else before.standing.resumed(now)
        if standing == before.standing:
            return before
        job = _edited(before, standing)
        if services.jobs.replace(job, before=before):
            if event is AuditEvent.PAUSED:
                cancel_retry(services, before)
            if express(services, entry_of(job.ref, standing), now=now):
                undone = replace(before.standing, rev=standing.rev + 1)  # what the queue did take finds nothing
                services.jobs.replace(_edited(job, undone), before=job)
                raise Unavailable("the queue")
            _audit(services, job, event, user=principal.key)
            return job
    raise Unavailable("the job")


def _edited(before: Job, standing: Standing) -> Job:
    definition = replace(before.definition, version=before.definition.version + 1)
    return Job(definition=definition, standing=standing)


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
    if execution and execution.retry_at:
        services.executions.cancel(execution)


def _check_quota(services: Services, definition: Definition) -> None:
    most = services.rules.jobs_per_account
    if most is not None and services.jobs.count(definition.ref.account_id) >= most:
        raise QuotaExceeded(f"An account may have {most} jobs")


EVENTS: Mapping[AuditEvent, str] = {
    AuditEvent.ADDED: "job_added",
    AuditEvent.MODIFIED: "job_modified",
    AuditEvent.DELETED: "job_deleted",
    AuditEvent.PAUSED: "job_paused",
    AuditEvent.RESUMED: "job_resumed",
    AuditEvent.CUSTOM_RUN: "job_run",
}


def _audit(
    services: Services, job: Job, event: AuditEvent, *, user: str, description: str = "", firing: str | None = None
) -> None:
    """For the account in its audit log, and for the operator in ours."""
    ids = {"account": job.ref.account_id, "job": job.ref.job_id}
    services.events.emit(EVENTS[event], **ids, api=job.definition.dialect, firing=firing)
    entry = AuditEntry(
        account_id=job.ref.account_id,
        job_id=job.ref.job_id,
        job_name=job.definition.name,
        event=event,
        user=user,
        description=firing or description,
        created_at=services.clock.now(),
    )
    try:
        services.audit.add(entry)
    except Unavailable:
        services.events.emit("audit_lost", **ids, change=event.value)
