"""The worker: claim, send, record, on a whole batch of messages; and what is done with messages that were given up.

Every step may be the last: the worker is killed, a reply is lost, a service is away. What is left in the queue comes
back after the visibility time-out, and `scheduling.claiming` decides from the claim and the record what is still to be
done. So a message only leaves the queue when its firing is recorded, or is somebody else's.
"""

from collections.abc import Sequence
from datetime import timedelta
from functools import partial

from chalicelib.operations.claim import Disposal, Shot, read, take
from chalicelib.operations.conclude import Settled, conclude, in_parallel
from chalicelib.operations.express import dispatch, entry_of
from chalicelib.operations.fire import fire
from chalicelib.ports import Received, Services
from chalicelib.scheduling.errors import Unavailable
from chalicelib.scheduling.execution import Attempt, ExecutionState, Outcome, OutcomeKind
from chalicelib.scheduling.retry import Misfire

GRACE = timedelta(minutes=1)  # a firing that can only be sent later than this was missed


def deliver(services: Services, batch: Sequence[Received], *, nonce: str) -> frozenset[str]:
    """Sends what is due and returns the ids of the messages to leave in the queue."""
    taken = _claim(services, batch, nonce)
    shots = {message_id: shot for message_id, shot in taken.items() if isinstance(shot, Shot)}
    settled = in_parallel(partial(_shoot, services), list(shots.values()))
    left = _left(services, taken, settled)
    services.events.emit("batch", messages=len(batch), sent=len(shots), left=len(left))
    return left


def park(services: Services, batch: Sequence[Received], *, nonce: str) -> frozenset[str]:
    """Records the firings of dead letters as given up and moves their jobs on; returns what to leave, as `deliver`."""
    readable = [message for message in batch if message.due]
    for message in batch:
        services.events.emit("dead_letter", message=message.message_id, readable=str(message.due is not None))
    taken = _claim(services, readable, nonce)
    settled = [_given_up(shot) for shot in taken.values() if isinstance(shot, Shot)]
    return _left(services, taken, settled)


Taken = dict[str, Shot | Disposal]


def _claim(services: Services, batch: Sequence[Received], nonce: str) -> Taken:
    """Claims the batch, and sends the messages of the firings that come next while this one is still to be sent."""
    singles = _singles(batch)
    try:
        finds = read(services, [message.due for message in singles if message.due])
    except Unavailable as error:
        services.events.emit("read_failed", messages=len(batch), reason=str(error))
        return {message.message_id: Disposal.LEFT for message in batch}
    shots = in_parallel(partial(take, services, finds, nonce), singles)
    nexts = [entry_of(shot.job.ref, shot.job.standing) for shot in shots if isinstance(shot, Shot)]
    dispatch(services, nexts, now=services.clock.now())
    doubles: Taken = {message.message_id: Disposal.DONE for message in batch}
    return doubles | {message.message_id: shot for message, shot in zip(singles, shots, strict=True)}


def _singles(batch: Sequence[Received]) -> Sequence[Received]:
    """One message for each firing: its twin in the same batch has nothing to add, whatever becomes of the first."""
    firsts = {message.due: message for message in reversed(batch) if message.due}
    return [message for message in batch if message.due is None or firsts[message.due] is message]


def _shoot(services: Services, shot: Shot) -> Settled:
    """Waits the last fraction of a second, then sends."""
    definition, due_at = shot.job.definition, shot.claim.due_at
    late = services.clock.now() - due_at
    if late > GRACE and shot.job.standing.misfire is Misfire.SKIP and not shot.execution.attempts:
        missed = shot.execution.closed(ExecutionState.MISSED, f"{late.total_seconds():.0f} s late")
        return Settled(job=shot.job, execution=missed, loaded=shot.loaded)
    services.clock.sleep_until(due_at)
    sent_at = services.clock.now()
    try:
        outcome = fire(services, definition, shot.loaded, firing_id=shot.execution.firing_id, sent_at=sent_at)
    except Exception as error:  # noqa: BLE001 - our own bug must not cost the other firings of the batch their record
        fault = type(error).__name__
        services.events.emit("fault", firing=shot.execution.firing_id, error=fault)
        outcome = Outcome(kind=OutcomeKind.FAULT, took=services.clock.now() - sent_at, detail=fault)
    attempt = Attempt(
        due_at=due_at,
        claimed_at=shot.claim.claimed_at,
        sent_at=sent_at,
        answered_at=services.clock.now(),
        outcome=outcome,
    )
    return Settled(job=shot.job, execution=shot.execution.attempted(attempt, definition.retry), loaded=shot.loaded)


def _given_up(shot: Shot) -> Settled:
    parked = shot.execution.closed(ExecutionState.PARKED, "given up by the queue after its last receipt")
    return Settled(job=shot.job, execution=parked, loaded=shot.loaded)


def _left(services: Services, taken: Taken, settled: Sequence[Settled]) -> frozenset[str]:
    unrecorded = conclude(services, settled)
    return frozenset(
        message_id
        for message_id, shot in taken.items()
        if shot is Disposal.LEFT or (isinstance(shot, Shot) and shot.execution.firing_id in unrecorded)
    )
