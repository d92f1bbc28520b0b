"""Jobs and the next-fire index in the jobs table.

A job is three items, written in one transaction: its standing, its definition, and its line in the account's list. The
standing alone stands in the index `next-fire` (sparse: hash `shard`, range `due_at`, projecting the keys, `rev` and
`lane`), together with executions that wait for a retry. The keys are in codec.py.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from chalicelib.ports import Due, FiringRef, Watermarks
from chalicelib.scheduling.errors import Taken
from chalicelib.scheduling.job import Ending, Job, JobRef, from_millis, to_millis
from chalicelib.scheduling.lane import Lane
from chalicelib.scheduling.schedule import Once
from chalicelib.storage.codec import (
    definition_item,
    definition_key,
    definition_of,
    job_id_in,
    lane_of,
    listing_hash,
    listing_key,
    optional,
    standing_item,
    standing_key,
    standing_of,
    to_seconds,
)
from chalicelib.storage.tables import ABSENT, PRESENT, Refused, Table, equals
from chalicelib.storage.values import Item

NEXT_FIRE = ("next-fire", "shard", "due_at")
END_OF_TIME = datetime.max.replace(tzinfo=UTC)
WATERMARKS = ("#watermarks", "all")


def shard_of(ref: JobRef, shards: int) -> int:
    """The shard a job's next firing stands in: even, and stable while the number of shards is."""
    digest = hashlib.sha256(f"{ref.account_id}/{ref.job_id}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % shards


class DynamoJobs:
    """The JobStore on DynamoDB. `shards`: over how many the index is spread for what is written from now on."""

    def __init__(self, table: Table, *, shards: int, retention: timedelta) -> None:
        self._table, self._shards, self._retention = table, shards, retention

    def add(self, job: Job) -> None:
        """Standing, definition and listing: all or none. Raises Taken."""
        items = (self._standing_item(job), self._definition_item(job), self._listed_item(job))
        try:
            self._table.transact(*(self._table.putting(item, condition=ABSENT) for item in items))
        except Refused:
            raise Taken("id") from None

    def get(self, ref: JobRef) -> Job | None:
        """Both items, read consistently."""
        return jobs_in(self._table.batch_get([standing_key(ref), definition_key(ref)])).get(ref)

    def list(self, account_id: str, dialect: str = "") -> Sequence[Job]:
        """In order of creation; of all APIs, one API's after the other's."""
        refs = [
            JobRef(account_id=account_id, job_id=job_id_in(item["sk"]))
            for page in self._table.query(listing_hash(account_id), prefix=f"{dialect}#" if dialect else "")
            for item in page
        ]
        found = jobs_in(self._table.batch_get(key for ref in refs for key in (standing_key(ref), definition_key(ref))))
        return [found[ref] for ref in refs if ref in found]

    def count(self, account_id: str, dialect: str = "") -> int:
        """By the account's list: no job is read."""
        return self._table.count(listing_hash(account_id), prefix=f"{dialect}#" if dialect else "")

    def replace(self, job: Job, *, before: Job) -> bool:
        """Where nobody edited or fired since `before`; who loses, tries again with what stands there now."""
        condition = PRESENT & equals("rev", before.standing.rev)
        if before.standing.due_at:
            condition &= equals("due_at", to_millis(before.standing.due_at))
        unedited = equals("version", before.definition.version)
        changes = [self._table.putting(self._definition_item(job), condition=unedited)]
        if self._expiry(job) != self._expiry(before):
            changes.append(self._table.putting(self._listed_item(job), condition=PRESENT))
        if job.standing != before.standing:
            changes.append(self._table.putting(self._standing_item(job), condition=condition))
        try:
            self._table.transact(*changes)
        except Refused:
            return False
        return True

    def remove(self, job: Job, *, rev: int | None = None) -> bool:
        """All three items, where the revision is `rev` if one is given: gone from the list and the index at once."""
        keys = (standing_key(job.ref), definition_key(job.ref), listing_key(job.definition))
        try:
            first, *others = keys
            self._table.transact(
                self._table.deleting(first, condition=PRESENT if rev is None else equals("rev", rev)),
                *(self._table.deleting(key) for key in others),
            )
        except Refused:
            return False
        return True

    def _standing_item(self, job: Job) -> Item:
        shard = shard_of(job.ref, self._shards)
        return standing_item(job.ref, job.standing, shard=shard, expires_at=self._expiry(job))

    def _definition_item(self, job: Job) -> Item:
        return definition_item(job.definition, expires_at=self._expiry(job))

    def _listed_item(self, job: Job) -> Item:
        pk, sk = listing_key(job.definition)
        return {"pk": pk, "sk": sk, "expires_at": optional(to_seconds, self._expiry(job))}

    def _expiry(self, job: Job) -> datetime | None:
        """Known when it is written: only what fires once may expire, a retention after its time."""
        match job.definition.ending, job.standing.schedule:
            case Ending.EXPIRE, Once(at=at) if at < END_OF_TIME - self._retention:
                return max(at, job.definition.created_at) + self._retention
        return None


class DynamoNextFires:
    """The next-fire index and its watermarks."""

    def __init__(self, table: Table, *, shards: int) -> None:
        self._table, self._shards = table, shards

    def shards(self) -> range:
        """Every shard that may hold an entry."""
        return range(self._shards)

    def due(self, shard: int, *, since: datetime, until: datetime) -> Iterator[Sequence[Due]]:
        """The entries of one shard in [since, until), a page at a time."""
        between = (to_millis(since), to_millis(until) - 1)
        if between[0] > between[1]:
            return
        for page in self._table.entries(shard, index=NEXT_FIRE, between=between):
            yield [_due_of(entry) for entry in page]

    def overdue(self, shard: int, before: datetime) -> int:
        """How many entries were due before then: a lower bound, for it reads one page at most."""
        return self._table.count_page(shard, between=(0, to_millis(before) - 1), index=NEXT_FIRE)

    def watermarks(self) -> Watermarks:
        """As stored; where nothing was stored yet, none."""
        item = self._table.get(WATERMARKS)
        if item is None:
            return Watermarks(marks={})
        return Watermarks(
            marks={int(shard): from_millis(mark) for shard, mark in item["marks"].items()},
            swept=optional(from_millis, item.get("swept")),
            backlog=_by_lane(item.get("backlog")),
            sent=_by_lane(item.get("sent")),
            version=item["version"],
        )

    def advance(self, marks: Watermarks) -> bool:
        """One write for all shards, where the version is still the one that was read."""
        pk, sk = WATERMARKS
        item = {
            "pk": pk,
            "sk": sk,
            "marks": {str(shard): to_millis(mark) for shard, mark in marks.marks.items()},
            "swept": optional(to_millis, marks.swept),
            "backlog": {lane.value: count for lane, count in marks.backlog.items()},
            "sent": {lane.value: count for lane, count in marks.sent.items()},
            "version": marks.version + 1,
        }
        try:
            self._table.put(item, condition=ABSENT if marks.version == 0 else equals("version", marks.version))
        except Refused:
            return False
        return True


def jobs_in(items: Sequence[Item]) -> dict[JobRef, Job]:
    """The jobs among items: those whose two halves are there."""
    halves: dict[str, dict[str, Item]] = {}
    for item in items:
        halves.setdefault(item["pk"], {})[item["sk"]] = item
    return {job.ref: job for job in (_job(half) for half in halves.values()) if job}


def _job(half: dict[str, Item]) -> Job | None:
    if len(half) < len(("standing", "definition")):
        return None
    return Job(definition=definition_of(half["definition"]), standing=standing_of(half["standing"]))


def _due_of(entry: Mapping[str, Any]) -> Due:
    """From DynamoDB's own JSON: a tick reads thousands of them. What waits in a record is a retry, almost always."""
    account_id, _, rest = entry["pk"]["S"].partition("#")
    sk = entry["sk"]["S"]
    subject: JobRef | FiringRef
    if sk == "standing":
        subject, lane = JobRef(account_id=account_id, job_id=rest), lane_of(entry.get("lane", {}).get("S"))
    else:
        subject, lane = FiringRef(account_id=account_id, firing_id=sk), Lane.SECOND
    due_at, rev = from_millis(int(entry["due_at"]["N"])), int(entry["rev"]["N"])
    return Due(subject=subject, due_at=due_at, rev=rev, lane=lane)


def _by_lane(counts: object) -> dict[Lane, int]:
    """The first marks had one number for both lanes: it counts for none."""
    return {Lane(name): count for name, count in counts.items()} if isinstance(counts, dict) else {}
