"""After the attempt: record it, send its retry on its way, call back, clear away."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from chalicelib.operations.express import dispatch, retry_of
from chalicelib.operations.fire import Loaded, call_back
from chalicelib.ports import Services
from chalicelib.scheduling.errors import BelltowerError, Unavailable
from chalicelib.scheduling.execution import Execution, ExecutionState
from chalicelib.scheduling.job import Ending, Job, JobState
from chalicelib.scheduling.lane import Lane


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """A firing after an attempt, or after it was given up."""

    job: Job
    execution: Execution
    loaded: Loaded


def conclude(services: Services, settled: Sequence[Settled]) -> frozenset[str]:
    """Records a batch and does what follows; returns the ids of the firings that could not be recorded or cleared away.

    The callback comes after the record: a worker that dies in between loses the callback, which its API allows, and
    does not repeat the firing, which it must not.
    """
    held = [one.execution.ref.account_id for one in settled if _held(one.execution)]
    services.holds.note(held, services.clock.now())
    unrecorded = _record(services, [one.execution for one in settled])
    recorded = [one for one in settled if one.execution.firing_id not in unrecorded]
    for one in recorded:
        _report(services, one)
        _move(services, one)
    dispatch(services, (retry_of(one.execution) for one in recorded), now=services.clock.now())
    final = [one for one in recorded if one.execution.final]
    owed = [one for one in final if one.job.definition.callback and one.execution.state in CALLED_BACK]
    _record(services, services.crew.map(lambda one: _called_back(services, one), owed, hands=LARGEST_BATCH))
    unpurged = frozenset(one.execution.firing_id for one in final if not purge(services, one.job, one.execution))
    return unrecorded | unpurged


def ids_of(execution: Execution) -> Mapping[str, str]:
    """What every line of the log about a firing bears. Its id is its execution's, at every attempt."""
    return {"account": execution.ref.account_id, "job": execution.ref.job_id, "firing": execution.firing_id}


PROMPT = timedelta(seconds=5)  # a receiver that takes longer to say yes holds a worker as one that hangs does


def lane_after(execution: Execution, lane: Lane) -> Lane:
    """By which lane a job that travelled by `lane` goes on, after an attempt or after it was given up."""
    if execution.state is ExecutionState.PARKED:
        return Lane.SECOND
    if execution.state is ExecutionState.MISSED or not execution.attempts:
        return lane
    well = execution.attempts[-1].outcome.delivered and not _held(execution)
    return Lane.FIRST if well else Lane.SECOND


def _held(execution: Execution) -> bool:
    """Whether the last attempt kept its worker waiting."""
    return bool(execution.attempts) and execution.attempts[-1].outcome.took >= PROMPT


LARGEST_BATCH = 50  # as BatchSize allows in infra/resources.yaml
CALLED_BACK = frozenset({ExecutionState.DELIVERED, ExecutionState.FAILED, ExecutionState.PARKED})


def purge(services: Services, job: Job, execution: Execution) -> bool:
    """Deletes a job that has fired for the last time, where that was asked, and unless it was rescheduled meanwhile.

    False: the database would not, and the message has to come again for it.
    """
    if not (execution.final and job.definition.ending is Ending.PURGE and job.standing.state is JobState.FINISHED):
        return True
    try:
        services.jobs.remove(job, rev=job.standing.rev)
    except Unavailable:
        services.events.emit("purge_failed", account=job.ref.account_id, job=job.ref.job_id)
        return False
    return True


def _move(services: Services, one: Settled) -> None:
    """A job that fires again keeps whether it failed; only a change is written. Lost, the next attempt writes it."""
    standing = one.job.standing
    lane = lane_after(one.execution, standing.lane)
    if standing.state is not JobState.ACTIVE or lane is standing.lane:
        return
    try:
        services.firings.move(one.job.ref, lane)
    except Unavailable:
        services.events.emit("move_failed", account=one.job.ref.account_id, job=one.job.ref.job_id)


def _record(services: Services, executions: Sequence[Execution]) -> frozenset[str]:
    if not executions:
        return frozenset()
    try:
        left = services.firings.record(executions)
    except BelltowerError:
        left = executions
    if left:
        services.events.emit("record_failed", executions=len(left))
    return frozenset(one.firing_id for one in left)


def _called_back(services: Services, one: Settled) -> Execution:
    callback = one.job.definition.callback
    if callback is None:
        return one.execution
    outcome = call_back(services, callback, one.loaded, execution=one.execution)
    return replace(one.execution, callback=outcome)


def _report(services: Services, one: Settled) -> None:
    """One event for each attempt, or for a firing that was given up."""
    execution, ids = one.execution, ids_of(one.execution)
    if execution.state in {ExecutionState.MISSED, ExecutionState.PARKED}:
        services.events.emit(execution.state.value, **ids, reason=execution.reason)
        return
    attempt = execution.attempts[-1]
    services.events.emit(
        "fired",
        **ids,
        attempt=len(execution.attempts),
        state=execution.state.value,
        outcome=attempt.outcome.kind.value,
        status=attempt.outcome.status,
        late_ms=round((attempt.sent_at - attempt.due_at).total_seconds() * 1000),
        took_ms=round(attempt.outcome.took.total_seconds() * 1000),
    )
