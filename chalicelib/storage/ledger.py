"""Every account's claims, for the daily reconciliation. How far it came stands in the jobs table.

place  #reconcile  place
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from pynamodb.expressions.condition import Condition

from chalicelib.operations.reconcile import AccountsPage, Place
from chalicelib.ports import Span
from chalicelib.scheduling.execution import Execution, ExecutionState
from chalicelib.scheduling.job import Claim, JobRef, Standing, to_millis
from chalicelib.storage.codec import (
    execution_hashes,
    execution_key,
    job_id_in,
    listing_hash,
    standing_key,
    standing_of,
)
from chalicelib.storage.jobs import shard_of
from chalicelib.storage.records import execution_of, ids_in
from chalicelib.storage.tables import Key, Refused, Table, equals, setting
from chalicelib.storage.values import Item, loaded

PAGE = 100  # items of the accounts table, of which one in five or so is an account
AT_ONCE = 500  # standings
PLACE = ("#reconcile", "place")


class DynamoLedger:
    """The Ledger on both tables. `shards`: over how many the index is spread for what is written from now on."""

    def __init__(self, accounts: Table, jobs: Table, *, shards: int, page: int = PAGE) -> None:
        self._accounts, self._table, self._shards, self._page = accounts, jobs, shards, page

    def accounts(self, after: Place | None) -> AccountsPage:
        """A page of a scan that sees keys alone, no secret."""
        items, last = self._accounts.scan(("pk", "sk"), after=after, limit=self._page)
        ids = [item["pk"].removeprefix("account#") for item in items if item["sk"] == "account"]
        return AccountsPage(accounts=ids, last=last)

    def standings(self, account_id: str) -> Iterator[Sequence[tuple[JobRef, Standing]]]:
        """By the account's list."""
        for page in self._table.query(listing_hash(account_id), limit=AT_ONCE):
            refs = {standing_key(ref): ref for ref in (_listed(account_id, item) for item in page)}
            yield [(refs[item["pk"], item["sk"]], standing_of(item)) for item in self._table.batch_get(refs)]

    def claimed(self, account_id: str, *, since: datetime, until: datetime) -> Iterator[Sequence[Execution]]:
        """Of the many that are read, the few are made into executions."""
        between = ids_in(Span(start=since, end=until))
        for pk in execution_hashes(account_id):
            for page in self._table.entries(pk, between=between):
                yield [execution_of(loaded(item)) for item in page if "claim" in item and "due_at" not in item]

    def give_back(self, ref: JobRef, standing: Standing, before: Standing) -> bool:
        """Where nobody claimed, edited or paused it since."""
        if standing.claim is None or before.due_at is None:
            return False
        changes = {"state": before.state.value, **self._entry(ref, before.due_at), "claim": None}
        stands = equals("rev", standing.rev) & equals("state", standing.state.value) & _held(standing.claim)
        return self._changed(standing_key(ref), changes, stands)

    def give_back_attempt(self, execution: Execution, retry_at: datetime) -> bool:
        """Where nobody took it over or cancelled it since."""
        if execution.claim is None:
            return False
        key = execution_key(execution.ref.account_id, execution.firing_id)
        changes = {**self._entry(execution.ref, retry_at), "claim": None}
        stands = equals("rev", execution.rev) & equals("state", ExecutionState.WAITING.value) & _held(execution.claim)
        return self._changed(key, changes, stands)

    def place(self) -> Place | None:
        """None: from the beginning."""
        item = self._table.get(PLACE)
        return (item["after"][0], item["after"][1]) if item and item["after"] else None

    def keep(self, place: Place | None) -> None:
        """Whoever writes last: two runs at once do the same twice."""
        pk, sk = PLACE
        self._table.put({"pk": pk, "sk": sk, "after": list(place or ())})

    def _entry(self, ref: JobRef, due_at: datetime) -> dict[str, Any]:
        return {"due_at": to_millis(due_at), "shard": shard_of(ref, self._shards)}

    def _changed(self, key: Key, changes: dict[str, Any], stands: Condition) -> bool:
        try:
            self._table.update(key, setting(changes), condition=stands)
        except Refused:
            return False
        return True


def _held(claim: Claim) -> Condition:
    condition: Condition = equals("claim", claim.message_id, "message") & equals("claim", claim.nonce, "nonce")
    return condition


def _listed(account_id: str, item: Item) -> JobRef:
    return JobRef(account_id=account_id, job_id=job_id_in(item["sk"]))
