"""Claims and records: what the worker writes, and the history as it is read back.

A firing of a recurring job costs five write units: its claim one and two for its move in the index, its record one and
one for the by-job index (which a setting leaves out). tests/storage/test_cost.py holds that number.
"""

import heapq
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import chain, islice
from typing import Any

from chalicelib.ports import Claimed, Clock, FiringRef, JobClaim, RetryClaim, Span
from chalicelib.scheduling.errors import Unavailable
from chalicelib.scheduling.execution import Execution, ExecutionState
from chalicelib.scheduling.job import Claim, Job, JobRef, JobState, Standing, to_millis
from chalicelib.scheduling.lane import Lane
from chalicelib.storage.codec import (
    BUCKETS,
    claim_map,
    definition_key,
    execution_hashes,
    execution_key,
    job_hash,
    lane_value,
    optional,
    standing_key,
    standing_of,
)
from chalicelib.storage.jobs import jobs_in, shard_of
from chalicelib.storage.records import execution_item, execution_of, ids_in
from chalicelib.storage.tables import ABSENT, PRESENT, Key, Refused, Statement, Table, equals, setting
from chalicelib.storage.values import Item

BY_JOB = ("by-job", "job", "sk")

# PartiQL for a claim; every name in quotes, for some are reserved words. The table's name comes from the settings.
STANDS = 'WHERE "pk"=? AND "sk"=? AND "due_at"=? AND "rev"=? AND "state"=?'
FIRING = 'UPDATE "{table}" SET "claim"=? SET "state"=? SET "due_at"=? SET "shard"=? ' + STANDS  # noqa: S608 - no value is in it
LAST_FIRING = 'UPDATE "{table}" SET "claim"=? SET "state"=? REMOVE "due_at" REMOVE "shard" ' + STANDS  # noqa: S608 - no value is in it
RETRY = 'UPDATE "{table}" SET "claim"=? REMOVE "due_at" REMOVE "shard" ' + STANDS  # noqa: S608 - no value is in it


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

    def claim(self, claims: Sequence[JobClaim | RetryClaim]) -> Sequence[Claimed]:
        """One batched write of conditional updates; where one was refused, what stands there instead.

        DynamoDB takes an item once in a batch, so a second claim to the same one goes into the next.
        """
        found: dict[int, Claimed] = {}
        for batch in _apart(claims):
            verdicts = self._table.execute([self._statement(claims[number]) for number in batch])
            found |= {
                number: self._claimed(claims[number], verdict) for number, verdict in zip(batch, verdicts, strict=True)
            }
        return [found[number] for number in range(len(claims))]

    def _statement(self, claim: JobClaim | RetryClaim) -> Statement:
        match claim:
            case JobClaim():
                text, changed = self._moved(claim.ref, claim.after)
                due_at, state = _claim_in(claim.after).due_at, JobState.ACTIVE.value
            case RetryClaim():
                text, changed = RETRY, [claim_map(claim.claim)]
                due_at, state = claim.claim.due_at, ExecutionState.WAITING.value
        where = [*_key_of(claim), to_millis(due_at), claim.rev, state]
        return Statement(text=text.format(table=self._table.name), parameters=[*changed, *where])

    def _moved(self, ref: JobRef, after: Standing) -> tuple[str, list[Any]]:
        changed = [claim_map(_claim_in(after)), after.state.value]
        if after.due_at is None:
            return LAST_FIRING, changed
        return FIRING, [*changed, to_millis(after.due_at), shard_of(ref, self._shards)]

    def _claimed(self, claim: JobClaim | RetryClaim, verdict: Refused | Unavailable | None) -> Claimed:
        if isinstance(verdict, Unavailable):
            return verdict
        if verdict is None:
            return claim.after if isinstance(claim, JobClaim) else _without_retry(claim)
        old = verdict.old or self._table.get(_key_of(claim))  # the item does not always come along
        if old is None:
            return None
        return standing_of(old) if isinstance(claim, JobClaim) else execution_of(old)

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

    def mark(self, firing: Execution, claim: Claim) -> Execution:
        """A put where nothing is."""
        marked = replace(firing, claim=claim)
        try:
            self._table.put(self._item(marked), condition=ABSENT)
        except Refused:
            item = self._table.get(execution_key(firing.ref.account_id, firing.firing_id))
            return execution_of(item) if item else firing
        return marked

    def record(self, executions: Sequence[Execution]) -> Sequence[Execution]:
        """One batched write."""
        left = {(item["pk"], item["sk"]) for item in self._table.batch_put([self._item(one) for one in executions])}
        return [one for one in executions if execution_key(one.ref.account_id, one.firing_id) in left]

    def move(self, ref: JobRef, lane: Lane) -> None:
        """One more write, paid only by a job that begins to fail or to work."""
        with suppress(Refused):
            self._table.update(standing_key(ref), setting({"lane": lane_value(lane)}), condition=PRESENT)

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
        between = ids_in(Span(start=start, end=end))

        def bucket(pk: str) -> list[Item]:
            return [item for page in self._table.query(pk, between=between) for item in page]

        hashes = execution_hashes(account_id)
        with ThreadPoolExecutor(len(hashes)) as pool:
            found = heapq.merge(*pool.map(bucket, hashes), key=lambda item: item["sk"])
        return [execution_of(item) for item in found]

    def latest(self, account_id: str, span: Span, *, limit: int) -> Sequence[Execution]:
        """A page of each bucket, then another of those that run out, until there are enough."""
        between, page = ids_in(span), limit // BUCKETS + 1
        pages = [
            self._table.query(pk, between=between, newest_first=True, limit=page) for pk in execution_hashes(account_id)
        ]
        found = heapq.merge(*map(chain.from_iterable, pages), key=lambda item: item["sk"], reverse=True)
        return [execution_of(item) for item in islice(found, limit)]

    def of_job(self, ref: JobRef, *, limit: int, span: Span | None = None) -> Sequence[Execution]:
        """The latest first, by the by-job index: a moment behind what was recorded."""
        between = ids_in(span) if span else None
        pages = self._table.query(job_hash(ref), between=between, index=BY_JOB, newest_first=True, limit=limit)
        ids = [item["sk"] for item in next(pages, [])]
        items = self._table.batch_get(execution_key(ref.account_id, firing_id) for firing_id in ids)
        return sorted((execution_of(item) for item in items), key=lambda one: one.firing_id, reverse=True)

    def cancel(self, execution: Execution) -> bool:
        """A compare-and-set on what stands in the index, or on the claim that took it out."""
        closed = execution.closed(ExecutionState.CANCELLED, "the job was changed")
        changes = {"state": closed.state.value, "reason": closed.reason, "due_at": None, "shard": None, "claim": None}
        held = execution.claim
        condition = equals("rev", execution.rev) & (
            equals("claim", held.nonce, "nonce")
            if held and execution.retry_at is None
            else equals("due_at", to_millis(execution.retry_at or execution.due_at))
        )
        try:
            key = execution_key(execution.ref.account_id, execution.firing_id)
            self._table.update(key, setting(changes), condition=condition)
        except Refused:
            return False
        return True


def _apart(claims: Sequence[JobClaim | RetryClaim]) -> Iterator[list[int]]:
    """The positions of the claims in batches that name no item twice; as a rule that is one."""
    left = list(range(len(claims)))
    while left:
        firsts = {_key_of(claims[number]): number for number in reversed(left)}
        batch = sorted(firsts.values())
        left = [number for number in left if number not in firsts.values()]
        yield batch


def _key_of(claim: JobClaim | RetryClaim) -> Key:
    if isinstance(claim, JobClaim):
        return standing_key(claim.ref)
    return execution_key(claim.execution.ref.account_id, claim.execution.firing_id)


def _without_retry(claim: RetryClaim) -> Execution:
    return replace(claim.execution, claim=claim.claim, retry_at=None)


def _claim_in(standing: Standing) -> Claim:
    if standing.claim is None:
        raise TypeError("a standing is claimed by its claim")
    return standing.claim


def _holds(item: Item | None, claim: Claim) -> bool:
    held = item["claim"] if item and "claim" in item else {}
    return (held.get("message"), held.get("nonce")) == (claim.message_id, claim.nonce)
