"""Wraps every account's data key anew, under what the key service's key is now. For operators: no API asks for it.

A rotation gives the key new material and keeps the old: data keys that were wrapped before open as ever, new ones are
wrapped under the new. Whoever wants nothing left under the old material runs this. The data keys themselves stay, and
so do all secrets under them: only their wrapping changes, so it can be done while jobs fire.

It goes through the accounts a page at a time and remembers how far it came in the same table, so it may be stopped
anywhere, by anything, and begun again: then at most one page is wrapped twice, which changes nothing. A data key is
replaced only where it stands as it was read. Of two processes that are at it at once, one stops.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from chalicelib.ports import Clock, Events
from chalicelib.scheduling.errors import Conflict, Tampered


@dataclass(frozen=True, slots=True, kw_only=True)
class Wrapped:
    """An account's data key, as it stands."""

    account_id: str
    data_key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeysPage:
    """Some of the data keys. `last`: where the next page begins, None where there is none."""

    keys: Sequence[Wrapped]
    last: tuple[str, str] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a run came. `after`: the place behind which it goes on. `version` counts its pages, `by` is its process.

    `skipped` accounts were removed meanwhile; the keys of `broken` ones do not open and stay as they are.
    """

    started_at: datetime
    by: str
    after: tuple[str, str] | None = None
    wrapped: int = 0
    skipped: int = 0
    broken: int = 0
    version: int = 0
    ended: bool = False


class DataKeys(Protocol):
    """Where the wrapped data keys are, and how far a run came."""

    def page(self, after: tuple[str, str] | None) -> KeysPage:
        """The data keys behind a place."""

    def replace(self, account_id: str, wrapped: bytes, *, before: bytes) -> bool:
        """Puts `wrapped` where `before` stands; False: it does not stand there any more."""

    def progress(self) -> Progress | None:
        """Of the last run."""

    def remember(self, progress: Progress) -> bool:
        """Writes it over the version before, or over a run that ended; False: another process was there."""


class Rewrapper(Protocol):
    """The part of a vault that knows data keys."""

    def rewrapped(self, account_id: str, wrapped: bytes) -> bytes:
        """The same data key under the present key material. Raises Tampered, and Unavailable."""


class Overtaken(Conflict):
    """Another process is at it."""

    def __init__(self) -> None:
        super().__init__("another process wraps the data keys right now: let it end")


class Fate(StrEnum):
    """What became of one data key; the names are Progress's."""

    WRAPPED = "wrapped"
    SKIPPED = "skipped"
    BROKEN = "broken"


def rewrap(keys: DataKeys, vault: Rewrapper, *, clock: Clock, events: Events, by: str) -> Iterator[Progress]:
    """Goes on where the last run stopped, and yields after each page how far it came; the last one has `ended`.

    `by` names this process. Raises Unavailable where a service is away, and Overtaken: what was yielded is remembered.
    """
    stopped = keys.progress()
    fresh = Progress(started_at=clock.now(), by=by)
    progress = fresh if stopped is None or stopped.ended else replace(stopped, by=by)
    while not progress.ended:
        page = keys.page(progress.after)
        fates = [_rewrapped(keys, vault, key, events) for key in page.keys]
        progress = past(progress, page, fates)
        if not keys.remember(progress):
            raise Overtaken
        yield progress


def past(progress: Progress, page: KeysPage, fates: Sequence[Fate]) -> Progress:
    """The progress after a page."""
    return replace(
        progress,
        after=page.last,
        wrapped=progress.wrapped + fates.count(Fate.WRAPPED),
        skipped=progress.skipped + fates.count(Fate.SKIPPED),
        broken=progress.broken + fates.count(Fate.BROKEN),
        version=progress.version + 1,
        ended=page.last is None,
    )


def _rewrapped(keys: DataKeys, vault: Rewrapper, key: Wrapped, events: Events) -> Fate:
    try:
        wrapped = vault.rewrapped(key.account_id, key.data_key)
    except Tampered as error:
        events.emit("tampered", account=key.account_id, reason=str(error))
        return Fate.BROKEN
    return Fate.WRAPPED if keys.replace(key.account_id, wrapped, before=key.data_key) else Fate.SKIPPED
