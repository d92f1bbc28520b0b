"""What logins leave in the accounts table: how many have failed, and a password's hash that was made anew.

failures  failures#<respect>  failures  how many, when the last one; gone a day after it

DynamoDB takes its time to delete what has expired, so who counts begins anew there, and who reads sees nothing.
"""

from collections.abc import Collection, Mapping
from datetime import datetime

from pynamodb.expressions.operand import Path

from chalicelib.scheduling.job import from_millis, to_millis
from chalicelib.scheduling.throttle import FORGOTTEN_AFTER, Failures
from chalicelib.storage.codec import to_seconds
from chalicelib.storage.tables import ABSENT, Key, Refused, Table, equals, setting
from chalicelib.storage.values import Item, value_of


class DynamoLogins:
    """The Logins port on DynamoDB."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def failures(self, respects: Collection[str], now: datetime) -> Mapping[str, Failures]:
        """One batched read; where nothing failed there is nothing."""
        items = self._table.batch_get(_key(respect) for respect in respects)
        return {
            item["pk"].removeprefix("failures#"): Failures(count=item["count"], last=from_millis(item["last"]))
            for item in items
            if item["expires_at"] > to_seconds(now)
        }

    def failed(self, respects: Collection[str], now: datetime) -> None:
        """One more for each, whoever else counts at the same time."""
        for respect in respects:
            self._count(respect, now)

    def forgive(self, respect: str) -> None:
        """As if none had failed."""
        self._table.transact(self._table.deleting(_key(respect)))

    def rehash(self, account_id: str, *, before: str, after: str) -> bool:
        """A compare-and-set: a password that was changed meanwhile stays changed."""
        key = (f"password#{account_id}", "password")
        try:
            self._table.put({"pk": key[0], "sk": key[1], "hash": after}, condition=equals("hash", before))
        except Refused:
            return False
        return True

    def _count(self, respect: str, now: datetime) -> None:
        times = {"last": to_millis(now), "expires_at": to_seconds(now + FORGOTTEN_AFTER)}
        one_more = Path(["count"]).set((Path(["count"]) | value_of(0)) + value_of(1))
        counting = ABSENT | (Path(["expires_at"]) > value_of(to_seconds(now)))
        try:
            self._table.update(_key(respect), [one_more, *setting(times)], condition=counting)
        except Refused:
            self._table.put({**_keyed(respect), "count": 1, **times})


def _key(respect: str) -> Key:
    return f"failures#{respect}", "failures"


def _keyed(respect: str) -> Item:
    pk, sk = _key(respect)
    return {"pk": pk, "sk": sk}
