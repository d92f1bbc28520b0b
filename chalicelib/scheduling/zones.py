"""Time zones, and the moments at which their clocks are put forward or back.

The zones are those of the pinned tzdata package, whatever the machine has: the same job fires at the same instant on a
laptop, in CI and on Lambda. A name is looked up in the package's own list and never becomes a path before that.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.resources import files
from zoneinfo import ZoneInfo

from chalicelib.scheduling.errors import Invalid

SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """A turn of a zone's clock: at the instant `at` (UTC) its offset changes from `before` to `after`."""

    at: datetime
    before: timedelta
    after: timedelta

    @property
    def skips(self) -> bool:
        """Whether wall times are left out (put forward); otherwise they come twice (put back)."""
        return self.after > self.before

    @property
    def resumes(self) -> datetime:
        """What the clock on the wall shows just after the turn: naive."""
        return self.at.replace(tzinfo=None) + self.after

    @property
    def over(self) -> datetime:
        """The first wall time that is neither left out nor repeated any more: naive."""
        return self.at.replace(tzinfo=None) + max(self.before, self.after)


def zone_named(name: str) -> ZoneInfo:
    """The IANA zone of this exact name; Invalid("zone") for any other text."""
    if name not in names():
        raise Invalid("zone", "is not the name of an IANA time zone, such as Europe/London")
    return _load(name)


def turn_around(wall: datetime, zone: ZoneInfo) -> Turn | None:
    """The turn that leaves out or repeats this naive wall time; None for a time that comes exactly once.

    zoneinfo reads such a wall time with the offset before the turn when fold is 0 and the one after when it is 1
    (PEP 495), so the turn lies between the two readings.
    """
    before, after = (_offset(wall.replace(tzinfo=zone, fold=fold)) for fold in (0, 1))
    if before == after:
        return None
    early, late = sorted((as_utc(wall, before), as_utc(wall, after)))
    while late - early > SECOND:
        middle = early + SECOND * ((late - early) // SECOND // 2)
        if _offset(middle.astimezone(zone)) == after:
            late = middle
        else:
            early = middle
    return Turn(at=late, before=before, after=after)


def as_utc(wall: datetime, offset: timedelta) -> datetime:
    """The instant at which a clock with this offset from UTC shows the naive wall time."""
    return (wall - offset).replace(tzinfo=UTC, fold=0)


@cache
def names() -> frozenset[str]:
    """All zone names of the pinned database; `Factory` stands for "not configured" and is none."""
    return frozenset((files("tzdata") / "zones").read_text(encoding="utf-8").split()) - {"Factory"}


@cache
def _load(name: str) -> ZoneInfo:
    with files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as data:
        return ZoneInfo.from_file(data, key=name)


def _offset(moment: datetime) -> timedelta:
    offset = moment.utcoffset()
    if offset is None:
        raise RuntimeError("a ZoneInfo always knows its offset")
    return offset
