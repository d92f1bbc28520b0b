"""The record of a firing: its attempts, their outcomes, and what happens next."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from chalicelib.scheduling.job import Claim, JobRef
from chalicelib.scheduling.retry import RetryPolicy


class OutcomeKind(StrEnum):
    """How one attempt ended."""

    DELIVERED = "delivered"
    REFUSED = "refused"  # an answer that says no: its status is kept
    TIMED_OUT = "timed_out"
    BLOCKED_ADDRESS = "blocked_address"
    TLS = "tls"
    CONNECTION = "connection"
    PROTOCOL = "protocol"  # an answer that is not HTTP
    UNREADABLE = "unreadable"  # the job's own secrets could not be opened
    RAISED = "raised"  # a job class ended with an exception
    UNKNOWN_CLASS = "unknown_class"  # no job class of that name may run here
    FAULT = "fault"  # a bug of ours


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How one attempt ended and how long it took. `body`: the first 8 KiB of the answer, as received.

    `headers` of the answer are kept only where the job's API shows them: every kilobyte is a write unit.
    """

    kind: OutcomeKind
    took: timedelta
    status: int | None = None
    detail: str = ""
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()

    @property
    def delivered(self) -> bool:
        """Whether the receiver said yes."""
        return self.kind is OutcomeKind.DELIVERED


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try, with its four times: due, claimed, sent, answered."""

    due_at: datetime
    claimed_at: datetime
    sent_at: datetime
    answered_at: datetime
    outcome: Outcome


class ExecutionState(StrEnum):
    """Only a waiting execution stands in the next-fire index."""

    WAITING = "waiting"  # for its next attempt
    DELIVERED = "delivered"
    FAILED = "failed"
    MISSED = "missed"  # skipped by the job's misfire policy
    PARKED = "parked"  # the queue gave its message up
    CANCELLED = "cancelled"  # the job was deleted, or fires at another time now


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """The record of a firing. `rev` counts the writes that put it into the index; `retry_at` stands there.

    `job_rev` is the job's revision when it was claimed: a retry of what was edited since is cancelled. `dialect` and
    `key` are the job's, because the record outlives it.
    """

    firing_id: str
    ref: JobRef
    dialect: str
    key: str
    due_at: datetime
    state: ExecutionState
    attempts: tuple[Attempt, ...] = ()
    retry_at: datetime | None = None
    rev: int = 0
    job_rev: int = 1
    claim: Claim | None = None
    reason: str = ""
    callback: Outcome | None = None

    @property
    def final(self) -> bool:
        """Whether nothing will be sent for it any more."""
        return self.state is not ExecutionState.WAITING

    @property
    def tried(self) -> bool:
        """Whether an attempt or its end is in it: a record without either only says who is at it."""
        return self.final or bool(self.attempts)

    def attempted(self, attempt: Attempt, policy: RetryPolicy) -> "Execution":
        """After one more attempt: delivered, waiting for the next one, or failed."""
        attempts = (*self.attempts, attempt)
        after = replace(
            self, attempts=attempts, retry_at=None, claim=None, state=STATE_AFTER[attempt.outcome.delivered]
        )
        if attempt.outcome.delivered:
            return after
        retry_at = policy.next_attempt(made=len(attempts), ended=attempt.answered_at)
        if retry_at is None:
            return after
        return replace(after, state=ExecutionState.WAITING, retry_at=retry_at, rev=self.rev + 1)

    def closed(self, state: ExecutionState, reason: str) -> "Execution":
        """Ended without another attempt."""
        return replace(self, state=state, retry_at=None, claim=None, reason=reason)


STATE_AFTER: Mapping[bool, ExecutionState] = {True: ExecutionState.DELIVERED, False: ExecutionState.FAILED}
