"""A job: its definition (what was asked) and its standing (when it fires next, and who holds the last firing).

The two are stored apart, because every firing rewrites the standing and must pay for the whole item: the standing stays
well under 1 KB. `rev` is the schedule's version: raised by a change of schedule or state, not of payload, and not by
firing. A message names (job, due_at, rev), so a firing that an edit cancelled finds nothing to claim.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from chalicelib.scheduling.errors import Completed
from chalicelib.scheduling.lane import Lane
from chalicelib.scheduling.retry import NEVER, Misfire, RetryPolicy
from chalicelib.scheduling.schedule import Cron, Every, Once, Schedule
from chalicelib.scheduling.target import Callback, Target

EPOCH = datetime.fromtimestamp(0, UTC)
MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRef:
    """The only name of a job: without its account there is no way to say it."""

    account_id: str
    job_id: str


class JobState(StrEnum):
    """Only an active job stands in the next-fire index."""

    ACTIVE = "active"
    PAUSED = "paused"
    FINISHED = "finished"  # it has no next firing; its last execution may still be waiting for a retry


class Move(StrEnum):
    """What can happen to a job's state."""

    PAUSE = "pause"
    RESUME = "resume"
    RESCHEDULE = "reschedule"
    EXHAUST = "exhaust"


MOVES: Mapping[tuple[JobState, Move], JobState] = {
    (JobState.ACTIVE, Move.PAUSE): JobState.PAUSED,
    (JobState.PAUSED, Move.PAUSE): JobState.PAUSED,
    (JobState.ACTIVE, Move.RESUME): JobState.ACTIVE,
    (JobState.PAUSED, Move.RESUME): JobState.ACTIVE,
    (JobState.ACTIVE, Move.RESCHEDULE): JobState.ACTIVE,
    (JobState.PAUSED, Move.RESCHEDULE): JobState.PAUSED,
    (JobState.FINISHED, Move.RESCHEDULE): JobState.ACTIVE,
    (JobState.ACTIVE, Move.EXHAUST): JobState.FINISHED,
}


def moved(state: JobState, move: Move) -> JobState:
    """The state after a move; an illegal one raises Completed, the only way to be illegal."""
    try:
        return MOVES[state, move]
    except KeyError:
        raise Completed(f"A {state} job cannot {move}") from None


class Ending(StrEnum):
    """What becomes of a job after its last firing."""

    KEEP = "keep"  # it stays listed
    PURGE = "purge"  # it is deleted once that firing's outcome is recorded
    EXPIRE = "expire"  # it stays readable as long as its executions do


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """What was asked. `echo` holds the caller's own words where a dialect must give them back as sent.

    `version` counts the edits, so that of two at the same time one is told to look again.
    """

    ref: JobRef
    dialect: str
    key: str
    name: str
    target: Target
    created_at: datetime
    retry: RetryPolicy = NEVER
    ending: Ending = Ending.KEEP
    callback: Callback | None = None
    echo: Mapping[str, str] = field(default_factory=dict)
    version: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """Who holds the firing of `due_at`: the message that carried it, and the one invocation that received it."""

    message_id: str
    nonce: str
    due_at: datetime
    claimed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where a job stands. `due_at` is None unless it is active; `claim` is the last firing that was claimed.

    `lane`: the second while it fails.
    """

    schedule: Schedule
    misfire: Misfire = Misfire.LATEST
    state: JobState = JobState.ACTIVE
    rev: int = 1
    due_at: datetime | None = None
    claim: Claim | None = None
    lane: Lane = Lane.FIRST

    def paused(self) -> "Standing":
        """Out of the index; a second pause changes nothing."""
        if self.state is JobState.PAUSED:
            return self
        return replace(self, state=moved(self.state, Move.PAUSE), due_at=None, rev=self.rev + 1)

    def resumed(self, now: datetime) -> "Standing":
        """Back on schedule from now on: what passed while paused is not made up for."""
        if self.state is JobState.ACTIVE:
            return self
        state = moved(self.state, Move.RESUME)
        due_at = self.schedule.next_after(now)
        return replace(self, state=state if due_at else JobState.FINISHED, due_at=due_at, rev=self.rev + 1)

    def rescheduled(self, schedule: Schedule, now: datetime) -> "Standing":
        """On another schedule; a paused job stays paused, a finished one is active again."""
        state = moved(self.state, Move.RESCHEDULE)
        due_at = first_due(schedule, now) if state is JobState.ACTIVE else None
        return replace(self, schedule=schedule, state=state, due_at=due_at, rev=self.rev + 1)

    def skipped(self, now: datetime) -> "Standing":
        """Past what was due by now, of an active job."""
        due_at = self.schedule.next_after(now)
        return replace(self, state=self.state if due_at else moved(self.state, Move.EXHAUST), due_at=due_at)

    def fired(self, claim: Claim) -> "Standing":
        """After `claim`: on to the next firing, missed times coalesced unless the policy wants every one."""
        since = claim.due_at if self.misfire is Misfire.ALL else max(claim.due_at, claim.claimed_at)
        due_at = self.schedule.next_after(since)
        state = self.state if due_at else moved(self.state, Move.EXHAUST)
        return replace(self, state=state, due_at=due_at, claim=claim)

    def unclaimed(self) -> "Standing | None":
        """As it stood before its claim; None where the job was changed since, or was never claimed."""
        if self.claim is None or self.schedule.next_after(self.claim.due_at - MILLISECOND) != self.claim.due_at:
            return None
        before = replace(self, state=JobState.ACTIVE, due_at=self.claim.due_at, claim=None)
        return before if before.fired(self.claim) == self else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A definition and its standing."""

    definition: Definition
    standing: Standing

    @property
    def ref(self) -> JobRef:
        """The job's name."""
        return self.definition.ref


def first_due(schedule: Schedule, now: datetime) -> datetime | None:
    """When a schedule that starts now fires first. A time that has passed is due at once: refusing it is the edge's."""
    match schedule:
        case Once(at=at):
            return at
        case Every(start=start):
            return start
        case Cron():
            return schedule.next_after(now)


def firing_id(ref: JobRef, due_at: datetime) -> str:
    """The id of the firing (job, due_at), 32 hex digits: the due time in ms, then a hash of the two and nothing else.

    The same over retries, double ticks and redelivered messages; ids of one account sort by due time.
    """
    millis = to_millis(due_at)
    digest = hashlib.sha256(f"{ref.account_id}/{ref.job_id}/{millis}".encode()).hexdigest()
    return f"{millis:012x}{digest[:20]}"


def due_of(firing: str) -> datetime:
    """The due time that a firing id opens with."""
    return from_millis(int(firing[:12], 16))


def to_millis(moment: datetime) -> int:
    """Unix milliseconds of an aware moment, rounded down."""
    return (moment - EPOCH) // MILLISECOND  # a float of seconds is off by a second in far-away years


def from_millis(millis: int) -> datetime:
    """The UTC moment of Unix milliseconds."""
    return datetime.fromtimestamp(millis // 1000, UTC).replace(microsecond=millis % 1000 * 1000)
