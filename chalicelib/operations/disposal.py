"""What becomes of a message that is not sent, and the one line in the log that says so."""

from collections.abc import Mapping
from enum import StrEnum

from chalicelib.ports import Due, FiringRef, Received, Services
from chalicelib.scheduling.execution import Execution
from chalicelib.scheduling.job import JobRef, firing_id

Executions = Mapping[FiringRef, Execution]
NONE_FOUND: Executions = {}


class Disposal(StrEnum):
    """Why a message is not sent: it is dropped from the queue, or left there for its redelivery."""

    GONE = "gone"  # there is no such job or execution any more
    CANCELLED = "cancelled"  # the job was paused or edited since
    TAKEN = "taken"  # another message has the firing
    RECORDED = "recorded"  # the firing's record is there already
    ORPHAN = "orphan"  # its account was removed
    EARLY = "early"  # it was sent again, for the rest of its wait
    MOVED = "moved"  # it was sent again, by the second lane
    BUSY = "busy"  # a twin may be at work
    UNSENT = "unsent"  # too early or in the wrong lane, and the queue would not take it again
    UNREAD = "unread"  # the database would not say what it speaks of
    BROKEN = "broken"  # its claim broke off
    UNRECORDED = "unrecorded"  # it was sent, and the database would not take the record, or let go of the job
    NO_TIME = "no_time"  # it is claimed, and so little of the worker's time is left that the call might not end in it
    POISON = "poison"  # it says nothing

    @property
    def left(self) -> bool:
        """Whether the message stays in the queue."""
        return self in LEFT


LEFT = frozenset(
    {Disposal.BUSY, Disposal.UNSENT, Disposal.UNREAD, Disposal.BROKEN, Disposal.POISON}
    | {Disposal.UNRECORDED, Disposal.NO_TIME}
)
SENT_AGAIN = frozenset({Disposal.EARLY, Disposal.MOVED})
LOGGED = frozenset({Disposal.ORPHAN, Disposal.BROKEN, Disposal.POISON})  # by an event of their own


def report(services: Services, message: Received, disposal: Disposal, *, executions: Executions = NONE_FOUND) -> None:
    """The one line about a message that is not sent."""
    services.events.emit("left" if disposal.left else "dropped", **subject_of(message, executions), why=disposal.value)


def subject_of(message: Received, executions: Executions = NONE_FOUND) -> Mapping[str, str]:
    """What a message speaks of, for the log; the job of a retry is known by its execution."""
    ids = {"message": message.message_id}
    match message.due:
        case Due(subject=JobRef() as ref, due_at=due_at):
            return ids | {"account": ref.account_id, "job": ref.job_id, "firing": firing_id(ref, due_at)}
        case Due(subject=FiringRef() as ref):
            execution = executions.get(ref)
            job = {"job": execution.ref.job_id} if execution else {}
            return ids | {"account": ref.account_id, **job, "firing": ref.firing_id}
    return ids
