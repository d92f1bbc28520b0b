"""Executions and audit entries to items and back; the keys are drawn at the top of codec.py."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from chalicelib.ports import Span
from chalicelib.scheduling.audit import AuditEntry, AuditEvent
from chalicelib.scheduling.execution import Attempt, Execution, ExecutionState, Outcome, OutcomeKind
from chalicelib.scheduling.job import JobRef, due_of, from_millis, to_millis
from chalicelib.storage.codec import (
    MILLISECOND,
    claim_map,
    claim_of,
    execution_key,
    job_hash,
    optional,
    to_seconds,
)
from chalicelib.storage.values import Item

LAST_HEX = "f" * 20


def ids_in(span: Span) -> tuple[str, str]:
    """The first and the last id that an execution of the span may have: ids open with the due time.

    DynamoDB refuses a range that ends before it begins. What it begins with is shorter than an id, so it is no id.
    """
    low, high = f"{to_millis(span.start):012x}", f"{to_millis(span.end):012x}{LAST_HEX}"
    high = min(high, f"{max(int(span.before, 16) - 1, 0):032x}") if span.before else high
    return low, max(low, high)


def execution_item(execution: Execution, *, shard: int, by_job: bool, expires_at: datetime) -> Item:
    """The record of a firing; in the next-fire index only while it waits for a retry."""
    pk, sk = execution_key(execution.ref.account_id, execution.firing_id)
    return {
        "pk": pk,
        "sk": sk,
        "job": job_hash(execution.ref) if by_job else None,
        "account": execution.ref.account_id,
        "job_id": execution.ref.job_id,
        "dialect": execution.dialect,
        "key": execution.key,
        "state": execution.state.value,
        "attempts": [attempt_map(attempt) for attempt in execution.attempts],
        "shard": shard if execution.retry_at else None,
        "due_at": optional(to_millis, execution.retry_at),
        "rev": execution.rev,
        "job_rev": execution.job_rev,
        "claim": optional(claim_map, execution.claim),
        "reason": execution.reason,
        "callback": optional(outcome_map, execution.callback),
        "expires_at": to_seconds(expires_at),
    }


def execution_of(item: Mapping[str, Any]) -> Execution:
    """The execution in an item."""
    return Execution(
        firing_id=item["sk"],
        ref=JobRef(account_id=item["account"], job_id=item["job_id"]),
        dialect=item["dialect"],
        key=item["key"],
        due_at=due_of(item["sk"]),
        state=ExecutionState(item["state"]),
        attempts=tuple(attempt_of(entry) for entry in item["attempts"]),
        retry_at=optional(from_millis, item.get("due_at")),
        rev=item["rev"],
        job_rev=item["job_rev"],
        claim=optional(claim_of, item.get("claim")),
        reason=item["reason"],
        callback=optional(outcome_of, item.get("callback")),
    )


def attempt_map(attempt: Attempt) -> Item:
    """An attempt with its four times."""
    return {
        "due": to_millis(attempt.due_at),
        "claimed": to_millis(attempt.claimed_at),
        "sent": to_millis(attempt.sent_at),
        "answered": to_millis(attempt.answered_at),
        "outcome": outcome_map(attempt.outcome),
    }


def attempt_of(item: Mapping[str, Any]) -> Attempt:
    """The attempt in a map."""
    return Attempt(
        due_at=from_millis(item["due"]),
        claimed_at=from_millis(item["claimed"]),
        sent_at=from_millis(item["sent"]),
        answered_at=from_millis(item["answered"]),
        outcome=outcome_of(item["outcome"]),
    )


def outcome_map(outcome: Outcome) -> Item:
    """An outcome; durations to the millisecond."""
    return {
        "kind": outcome.kind.value,
        "took": outcome.took // MILLISECOND,
        "status": outcome.status,
        "detail": outcome.detail or None,
        "body": outcome.body or None,
        "headers": [list(pair) for pair in outcome.headers] or None,
    }


def outcome_of(item: Mapping[str, Any]) -> Outcome:
    """The outcome in a map."""
    return Outcome(
        kind=OutcomeKind(item["kind"]),
        took=item["took"] * MILLISECOND,
        status=item.get("status"),
        detail=item.get("detail", ""),
        body=item.get("body", b""),
        headers=tuple((name, value) for name, value in item.get("headers", [])),
    )


def audit_item(entry: AuditEntry, *, unique: str, expires_at: datetime) -> Item:
    """An audit entry; `unique` tells apart what happened in the same millisecond."""
    return {
        "pk": f"{entry.account_id}#audit",
        "sk": f"{to_millis(entry.created_at):013d}#{unique}",
        "job_id": entry.job_id,
        "job_name": entry.job_name,
        "event": entry.event.value,
        "user": entry.user,
        "description": entry.description,
        "expires_at": to_seconds(expires_at),
    }


def audit_of(item: Mapping[str, Any]) -> AuditEntry:
    """The audit entry in an item."""
    return AuditEntry(
        account_id=item["pk"].removesuffix("#audit"),
        job_id=item["job_id"],
        job_name=item["job_name"],
        event=AuditEvent(item["event"]),
        user=item["user"],
        description=item["description"],
        created_at=from_millis(int(item["sk"].partition("#")[0])),
    )
