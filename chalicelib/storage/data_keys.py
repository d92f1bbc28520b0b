"""Every account's data key, for the one who wraps them anew. How far he came stands beside the accounts.

progress  #rewrap  progress
"""

from collections.abc import Mapping
from typing import Any

from chalicelib.operations.rewrap import KeysPage, Progress, Wrapped
from chalicelib.scheduling.job import from_millis, to_millis
from chalicelib.storage.tables import ABSENT, Door, Refused, Table, equals, setting
from chalicelib.storage.values import Item

PAGE = 100  # of five items or so one is an account
PROGRESS = ("#rewrap", "progress")


class DynamoDataKeys:
    """The DataKeys on the accounts table. `page`: how many items are read for one."""

    def __init__(self, door: Door, name: str, *, page: int = PAGE) -> None:
        self._table, self._page = Table(door, name), page

    def page(self, after: tuple[str, str] | None) -> KeysPage:
        """A page of a scan, read consistently: an account that is opened meanwhile is wrapped well already."""
        items, last = self._table.scan(("pk", "sk", "data_key"), after=after, limit=self._page)
        return KeysPage(keys=[_wrapped(item) for item in items if item["sk"] == "account"], last=last)

    def replace(self, account_id: str, wrapped: bytes, *, before: bytes) -> bool:
        """Where `before` stands; `wrapped` itself stands there when the reply to this write was lost."""
        key = (f"account#{account_id}", "account")
        try:
            self._table.update(key, setting({"data_key": wrapped}), condition=equals("data_key", before))
        except Refused as refused:
            return refused.old is not None and refused.old["data_key"] == wrapped
        return True

    def progress(self) -> Progress | None:
        """Of the last run."""
        item = self._table.get(PROGRESS)
        return _progress(item) if item else None

    def remember(self, progress: Progress) -> bool:
        """Over the version before; it stands there itself when the reply to this write was lost."""
        started = equals("started_at", to_millis(progress.started_at))
        before = started & equals("version", progress.version - 1)
        free = ABSENT | equals("ended", True)  # noqa: FBT003 - an item's value
        try:
            self._table.put(_item(progress), condition=before if progress.version > 1 else free)
        except Refused:
            return self.progress() == progress
        return True


def _wrapped(item: Item) -> Wrapped:
    return Wrapped(account_id=item["pk"].removeprefix("account#"), data_key=item["data_key"])


def _item(progress: Progress) -> Item:
    return {
        "pk": PROGRESS[0],
        "sk": PROGRESS[1],
        "started_at": to_millis(progress.started_at),
        "by": progress.by,
        "after": list(progress.after or ()),
        "wrapped": progress.wrapped,
        "skipped": progress.skipped,
        "broken": progress.broken,
        "version": progress.version,
        "ended": progress.ended,
    }


def _progress(item: Mapping[str, Any]) -> Progress:
    after = item["after"]
    return Progress(
        started_at=from_millis(item["started_at"]),
        by=item["by"],
        after=(after[0], after[1]) if after else None,
        wrapped=item["wrapped"],
        skipped=item["skipped"],
        broken=item["broken"],
        version=item["version"],
        ended=item["ended"],
    )
