"""Who may send a firing: the decision a worker takes from what it finds, and when the express lane is used.

A claim is one conditional write that moves a job on to its next firing and leaves the claimant's mark: the id of the
message that carried the firing, and a nonce of the one invocation that received it. When the condition fails, the mark
that stands there tells what happened:

    mine                             my write arrived and its reply was lost: I hold it
    my message, another nonce        I am the redelivery of a worker that died, once its lease is over: take it over
    another message                  a twin message was faster: drop mine
    a later firing of the same job   somebody claimed mine before: only its record can say, see operations.overtaken
    another revision                 the job was changed since, which cancelled this firing: drop it

The lease is the worker's own time-out, after which it is dead for certain. Not the queue's visibility time-out: the
redelivery comes that long after the receipt, a moment before it has passed since the claim.
"""

from datetime import datetime, timedelta
from enum import StrEnum

from chalicelib.scheduling.job import Claim

MARGIN = timedelta(seconds=10)
REACH = timedelta(seconds=120)


def horizon(now: datetime) -> datetime:
    """All that is due before this travels on the express lane as soon as it is written.

    Ticks read as far as REACH past their minute. The margin covers the index's lag and the clocks' difference.
    """
    return floor_to_minute(now + MARGIN) + REACH


def floor_to_minute(moment: datetime) -> datetime:
    """The start of a moment's minute."""
    return moment.replace(second=0, microsecond=0)


class Verdict(StrEnum):
    """What to do with a message."""

    CLAIM = "claim"  # it stands in the index as the message says: try the conditional write
    HELD = "held"  # it is ours: send
    TAKE_OVER = "take_over"  # ours from an invocation that died, unless its record is there
    CHECK = "check"  # ours or another's, long past: its record decides
    BUSY = "busy"  # a twin may be at work: leave the message in the queue
    DROP = "drop"  # another has it, or it was cancelled


def judge(claim: Claim, *, stands: bool, current: bool, held: Claim | None, lease: timedelta) -> Verdict:
    """Decides for the claim we would write, made now.

    `stands`: what is stored is due just when the message says, under its revision. `current`: the revision at least is
    still that of the message. `held`: the mark that stands there.
    """
    if stands:
        return Verdict.CLAIM
    if held is None:
        return Verdict.DROP
    if held.due_at == claim.due_at and held.message_id == claim.message_id:
        return _own(claim, held, current=current, lease=lease)
    return Verdict.CHECK if current and held.due_at > claim.due_at else Verdict.DROP


def _own(claim: Claim, held: Claim, *, current: bool, lease: timedelta) -> Verdict:
    if held.nonce == claim.nonce:
        return Verdict.HELD
    if not current:
        return Verdict.DROP
    return Verdict.BUSY if claim.claimed_at < held.claimed_at + lease else Verdict.TAKE_OVER
