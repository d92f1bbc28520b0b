"""After the attempt: record it, send its retry on its way, call back, clear away."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cache
from typing import TypeVar

from chalicelib.operations.express import dispatch, retry_of
from chalicelib.operations.fire import Loaded, call_back
from chalicelib.ports import Services
from chalicelib.scheduling.errors import BelltowerError, Unavailable
from chalicelib.scheduling.execution import Execution, ExecutionState
from chalicelib.scheduling.job import Ending, Job, JobState

T = TypeVar("T")
U = TypeVar("U")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """A firing after an attempt, or after it was given up."""

    job: Job
    execution: Execution
    loaded: Loaded


def conclude(services: Services, settled: Sequence[Settled]) -> frozenset[str]:
    """Records a batch and does what follows; returns the ids of the firings that could not be recorded.

    The callback comes after the record: a worker that dies in between loses the callback, which its API allows, and
    does not repeat the firing, which it must not.
    """
    unrecorded = _record(services, [one.execution for one in settled])
    recorded = [one for one in settled if one.execution.firing_id not in unrecorded]
    for one in recorded:
        _report(services, one)
    dispatch(services, (retry_of(one.execution) for one in recorded), now=services.clock.now())
    final = [one for one in recorded if one.execution.final]
    owed = [one for one in final if one.job.definition.callback and one.execution.state in CALLED_BACK]
    _record(services, in_parallel(lambda one: _called_back(services, one), owed))
    for one in final:
        purge(services, one.job, one.execution)
    return unrecorded


def ids_of(execution: Execution) -> Mapping[str, str]:
    """What every line of the log about a firing bears. Its id is its execution's, at every attempt."""
    return {"account": execution.ref.account_id, "job": execution.ref.job_id, "firing": execution.firing_id}


LARGEST_BATCH = 50  # as BatchSize allows in infra/resources.yaml
CALLED_BACK = frozenset({ExecutionState.DELIVERED, ExecutionState.FAILED, ExecutionState.PARKED})


def in_parallel(do: Callable[[T], U], things: Sequence[T]) -> list[U]:
    """The results in order, all begun at once: a batch is a few dozen at most, and its receivers are slow.

    `do` must not call this again: the threads are shared, and might wait for each other.
    """
    if len(things) <= 1:
        return [do(thing) for thing in things]
    return list(_threads().map(do, things))


@cache
def _threads() -> ThreadPoolExecutor:
    """Kept over the invocations of a process: to begin a thread costs more than to send."""
    return ThreadPoolExecutor(LARGEST_BATCH, thread_name_prefix="batch")


def purge(services: Services, job: Job, execution: Execution) -> None:
    """Deletes a job that has fired for the last time, where that was asked, and unless it was rescheduled meanwhile."""
    if not (execution.final and job.definition.ending is Ending.PURGE and job.standing.state is JobState.FINISHED):
        return
    try:
        services.jobs.remove(job, rev=job.standing.rev)
    except Unavailable:
        services.events.emit("purge_failed", account=job.ref.account_id, job=job.ref.job_id)


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
    delivered = one.execution.state is ExecutionState.DELIVERED
    outcome = call_back(services, callback, one.loaded, firing_id=one.execution.firing_id, delivered=delivered)
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
