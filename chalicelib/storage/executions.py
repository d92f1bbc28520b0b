"""Claims and records: what the worker writes, and the history as it is read back.

A firing of a recurring job costs five write units: its claim one and two for its move in the index, its record one and
one for the by-job index (which a setting leaves out). tests/storage/test_cost.py holds that number.
"""

import heapq
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

from chalicelib.ports import Clock, FiringRef
from chalicelib.scheduling.execution import Execution, ExecutionState
from chalicelib.scheduling.job import Claim, Job, JobRef, JobState, Standing, to_millis
from chalicelib.storage.codec import (
    claim_map,
    definition_key,
    execution_hashes,
    execution_key,
    job_hash,
    optional,
    standing_key,
    standing_of,
)
from chalicelib.storage.jobs import jobs_in, shard_of
from chalicelib.storage.records import execution_item, execution_of
from chalicelib.storage.tables import Item, Refused, Table, equals, setting

BY_JOB = ("by-job", "job", "sk")
LAST_HEX = "f" * 20


class DynamoFirings:
    """The FiringStore on DynamoDB. `by_job`: whether executions are indexed by job too, for one write unit each."""

    def __init__(self, table: Table, clock: Clock, *, shards: int, retention: timedelta, by_job: bool = True) -> None:
        self._table, self._clock = table, clock
        self._shards, self._retention, self._by_job = shards, retention, by_job

    def jobs(self, refs: Iterable[JobRef]) -> Mapping[JobRef, Job]:
        """Both halves of each in one batched read."""
        return jobs_in(self._table.batch_get(key for ref in refs for key in (standing_key(ref), definition_key(ref))))

    def executions(self, refs: Iterable[FiringRef]) -> Mapping[FiringRef, Execution]:
        """One batched read."""
        items = self._table.batch_get(execution_key(ref.account_id, ref.firing_id) for ref in refs)
        found = [execution_of(item) for item in items]
        return {FiringRef(account_id=one.ref.account_id, firing_id=one.firing_id): one for one in found}

    def claim_job(self, ref: JobRef, after: Standing, *, rev: int) -> Standing | None:
        """One conditional update; the standing as it is afterwards, whoever wrote it."""
        claim = _claimed(after)
        changes = {
            "claim": claim_map(claim),
            "due_at": optional(to_millis, after.due_at),
            "shard": shard_of(ref, self._shards) if after.due_at else None,
            "state": after.state.value,
        }
        condition = (
            equals("due_at", to_millis(claim.due_at)) & equals("rev", rev) & equals("state", JobState.ACTIVE.value)
        )
        try:
            return standing_of(self._table.update(standing_key(ref), setting(changes), condition=condition))
        except Refused as refusal:
            return optional(standing_of, refusal.old)

    def claim_retry(self, ref: FiringRef, claim: Claim, *, rev: int) -> Execution | None:
        """One conditional update: out of the index, and ours."""
        changes = {"claim": claim_map(claim), "due_at": None, "shard": None}
        condition = (
            equals("due_at", to_millis(claim.due_at))
            & equals("rev", rev)
            & equals("state", ExecutionState.WAITING.value)
        )
        key = execution_key(ref.account_id, ref.firing_id)
        try:
            return execution_of(self._table.update(key, setting(changes), condition=condition))
        except Refused as refusal:
            return optional(execution_of, refusal.old)

    def take_over(self, subject: JobRef | FiringRef, claim: Claim, *, dead: Claim) -> bool:
        """A compare-and-set on the claim itself."""
        key = (
            standing_key(subject)
            if isinstance(subject, JobRef)
            else execution_key(subject.account_id, subject.firing_id)
        )
        condition = equals("claim", dead.message_id, "message") & equals("claim", dead.nonce, "nonce")
        try:
            self._table.update(key, setting({"claim": claim_map(claim)}), condition=condition)
        except Refused as refusal:
            return _holds(refusal.old, claim)
        return True

    def record(self, executions: Sequence[Execution]) -> Sequence[Execution]:
        """One batched write."""
        left = {(item["pk"], item["sk"]) for item in self._table.batch_put([self._item(one) for one in executions])}
        return [one for one in executions if execution_key(one.ref.account_id, one.firing_id) in left]

    def _item(self, execution: Execution) -> Item:
        return execution_item(
            execution,
            shard=shard_of(execution.ref, self._shards),
            by_job=self._by_job,
            expires_at=max(execution.due_at, self._clock.now()) + self._retention,
        )


class DynamoExecutions:
    """The ExecutionStore on DynamoDB."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def get(self, ref: FiringRef) -> Execution | None:
        """By its firing id, which tells where it is."""
        return optional(execution_of, self._table.get(execution_key(ref.account_id, ref.firing_id)))

    def between(self, account_id: str, start: datetime, end: datetime) -> Sequence[Execution]:
        """Due in [start, end]: every bucket is read, and the ids merged, which open with the due time."""
        between = (f"{to_millis(start):012x}", f"{to_millis(end):012x}{LAST_HEX}")

        def bucket(pk: str) -> list[Item]:
            return [item for page in self._table.query(pk, between=between) for item in page]

        hashes = execution_hashes(account_id)
        with ThreadPoolExecutor(len(hashes)) as pool:
            found = heapq.merge(*pool.map(bucket, hashes), key=lambda item: item["sk"])
        return [execution_of(item) for item in found]

    def of_job(self, ref: JobRef, *, limit: int) -> Sequence[Execution]:
        """The latest first, by the by-job index: a moment behind what was recorded."""
        pages = self._table.query(job_hash(ref), index=BY_JOB, newest_first=True, limit=limit)
        ids = [item["sk"] for item in next(pages, [])]
        items = self._table.batch_get(execution_key(ref.account_id, firing_id) for firing_id in ids)
        return sorted((execution_of(item) for item in items), key=lambda one: one.firing_id, reverse=True)

    def cancel(self, execution: Execution) -> bool:
        """A compare-and-set on what stands in the index."""
        closed = execution.closed(ExecutionState.CANCELLED, "the job was changed")
        changes = {"state": closed.state.value, "reason": closed.reason, "due_at": None, "shard": None}
        condition = equals("rev", execution.rev) & equals("due_at", to_millis(execution.retry_at or execution.due_at))
        try:
            key = execution_key(execution.ref.account_id, execution.firing_id)
            self._table.update(key, setting(changes), condition=condition)
        except Refused:
            return False
        return True


def _claimed(standing: Standing) -> Claim:
    if standing.claim is None:
        raise TypeError("a standing is claimed by its claim")
    return standing.claim


def _holds(item: Item | None, claim: Claim) -> bool:
    held = item["claim"] if item and "claim" in item else {}
    return (held.get("message"), held.get("nonce")) == (claim.message_id, claim.nonce)
