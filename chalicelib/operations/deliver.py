"""The worker: claim, send, record, on a whole batch of messages; and what is done with messages that were given up.

Every step may be the last: the worker is killed, a reply is lost, a service is away. What is left in the queue comes
back after the visibility time-out, and `scheduling.claiming` decides from the claim and the record what is still to be
done. So a message only leaves the queue when its firing is recorded, or is somebody else's.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial

from chalicelib.operations.claim import Shot, take
from chalicelib.operations.conclude import LARGEST_BATCH, Settled, conclude, ids_of
from chalicelib.operations.disposal import NONE_FOUND, SENT_AGAIN, Disposal, Executions, report, subject_of
from chalicelib.operations.express import dispatch, entry_of, following
from chalicelib.operations.find import read
from chalicelib.operations.fire import BEGINS_WITHIN, fire
from chalicelib.ports import Received, Services
from chalicelib.scheduling.errors import Unavailable
from chalicelib.scheduling.execution import Attempt, ExecutionState, Outcome, OutcomeKind
from chalicelib.scheduling.job import JobRef
from chalicelib.scheduling.retry import Misfire

GRACE = timedelta(minutes=1)  # a firing that can only be sent later than this was missed


def deliver(services: Services, batch: Sequence[Received], *, nonce: str) -> frozenset[str]:
    """Sends what is due and returns the ids of the messages to leave in the queue.

    What was claimed so slowly that its call might outlive the worker is left too: its redelivery takes the claim over.
    """
    until = services.clock.now() + services.rules.lease * BEGINS_WITHIN
    taken = _claim(services, batch, nonce)
    shots = {message_id: shot for message_id, shot in taken.items() if isinstance(shot, Shot)}
    tried = services.crew.map(partial(_shoot, services, until), list(shots.values()), hands=LARGEST_BATCH)
    settled = [one for one in tried if one]
    left = _left(services, batch, taken, settled)
    services.events.emit("batch", messages=len(batch), claimed=len(shots), lost=_lost(taken), left=len(left))
    return left


def park(services: Services, batch: Sequence[Received], *, nonce: str) -> frozenset[str]:
    """Records the firings of dead letters as given up and moves their jobs on; returns what to leave, as `deliver`."""
    readable = [message for message in batch if message.due]
    for message in batch:
        services.events.emit("dead_letter", **subject_of(message), readable=str(message.due is not None))
    taken = _claim(services, readable, nonce)
    settled = [_given_up(shot) for shot in taken.values() if isinstance(shot, Shot)]
    left = _left(services, batch, taken, settled)
    claimed, lost = len(settled), _lost(taken)
    services.events.emit("parked_batch", messages=len(batch), claimed=claimed, lost=lost, left=len(left))
    return left


Taken = dict[str, Shot | Disposal]


def _claim(services: Services, batch: Sequence[Received], nonce: str) -> Taken:
    """Claims the batch, and sends the messages of the firings that come next while this one is still to be sent.

    Of several messages about one firing the first is tried. A twin has nothing to add where that is ours now, or never
    will be anybody's. But where another message has the firing, the twin may be that one, and is tried after it; and
    where nothing could be decided, it is left as well.
    """
    taken: Taken = {}
    waiting = list(batch)
    while waiting:
        firsts = {message.due: message for message in reversed(waiting) if message.due}
        singles = [message for message in waiting if message.due is None or firsts[message.due] is message]
        found, executions = _claim_singles(services, singles, nonce)
        taken |= found
        again = []
        for message in waiting:
            if message.message_id in taken or message.due is None:
                continue
            fate = taken[firsts[message.due].message_id]
            if fate is Disposal.TAKEN:
                again.append(message)
                continue
            double = fate if isinstance(fate, Disposal) and fate.left else Disposal.TAKEN
            report(services, message, double, executions=executions)
            taken[message.message_id] = double
        waiting = again
    return taken


def _claim_singles(services: Services, singles: Sequence[Received], nonce: str) -> tuple[Taken, Executions]:
    """The same of messages about a firing each, and the records that some speak of."""
    try:
        finds = read(services, [message.due for message in singles if message.due])
    except Unavailable as error:
        services.events.emit("read_failed", messages=len(singles), reason=str(error))
        for message in singles:
            report(services, message, Disposal.UNREAD)
        return {message.message_id: Disposal.UNREAD for message in singles}, NONE_FOUND
    shots = take(services, finds, nonce, singles)
    nexts = [
        following(finds.jobs[shot.job.ref].standing, entry_of(shot.job.ref, shot.job.standing), message.due)
        for message, shot in zip(singles, shots, strict=True)
        if isinstance(shot, Shot) and message.due and isinstance(message.due.subject, JobRef)
    ]
    dispatch(services, nexts, now=services.clock.now())
    return {message.message_id: shot for message, shot in zip(singles, shots, strict=True)}, finds.executions


def _shoot(services: Services, until: datetime, shot: Shot) -> Settled | None:
    """Waits the last fraction of a second, then sends; None where it is too late to begin."""
    definition, due_at = shot.job.definition, shot.claim.due_at
    late = services.clock.now() - due_at
    if late > GRACE and shot.job.standing.misfire is Misfire.SKIP and not shot.execution.attempts:
        missed = shot.execution.closed(ExecutionState.MISSED, f"{late.total_seconds():.0f} s late")
        return Settled(job=shot.job, execution=missed, loaded=shot.loaded)
    services.clock.sleep_until(due_at)
    sent_at = services.clock.now()
    if sent_at > until:
        return None
    try:
        outcome = fire(services, definition, shot.loaded, firing_id=shot.execution.firing_id, sent_at=sent_at)
    except Exception as error:  # noqa: BLE001 - our own bug must not cost the other firings of the batch their record
        fault = type(error).__name__
        services.events.emit("fault", **ids_of(shot.execution), error=fault)
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


def _left(services: Services, batch: Sequence[Received], taken: Taken, settled: Sequence[Settled]) -> frozenset[str]:
    """Concludes, and returns the ids of the messages to leave: their firings were not sent, or cannot be recorded."""
    unrecorded = conclude(services, settled)
    tried = {one.execution.firing_id for one in settled}
    unlucky: dict[str, Disposal] = {}
    for message_id, shot in taken.items():
        if isinstance(shot, Shot) and shot.execution.firing_id not in tried - unrecorded:
            unlucky[message_id] = Disposal.UNRECORDED if shot.execution.firing_id in tried else Disposal.NO_TIME
    for message in batch:
        if message.message_id in unlucky:
            report(services, message, unlucky[message.message_id])
    return frozenset(unlucky) | {one for one, shot in taken.items() if isinstance(shot, Disposal) and shot.left}


def _lost(taken: Taken) -> int:
    """Messages that were dropped because another had their firing, or it was cancelled."""
    return sum(isinstance(one, Disposal) and not one.left and one not in SENT_AGAIN for one in taken.values())
