"""When a job fires: Once | Cron | Every. Due times are whole milliseconds, the grain in which they are stored.

A start with microseconds would come back from the store a little earlier, and the same firing would then be the first
after itself: so instants are cut to the millisecond here, once.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from chalicelib.scheduling import unix
from chalicelib.scheduling.errors import Invalid
from chalicelib.scheduling.zones import zone_named

SHORTEST_PERIOD = timedelta(seconds=1)
MILLISECOND = timedelta(milliseconds=1)
END = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Once:
    """One instant. Invalid("at") unless it is aware; kept in UTC, cut to the millisecond."""

    at: datetime

    def __post_init__(self) -> None:
        object.__setattr__(self, "at", _instant("at", self.at))

    def next_after(self, moment: datetime) -> datetime | None:
        """The first firing strictly after a moment, in UTC; None: never again."""
        return self.at if self.at > moment else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cron:
    """A Unix cron expression in an IANA zone. Invalid("cron") or Invalid("zone") say what is wrong with them.

    An expression may be well-formed and never fire, as 30 February: whoever takes it in refuses one whose first
    firing is None.
    """

    expression: str
    zone: str = "UTC"

    def __post_init__(self) -> None:
        unix.parse(self.expression)
        zone_named(self.zone)

    def next_after(self, moment: datetime) -> datetime | None:
        """The first firing strictly after a moment, in UTC; None: never again."""
        return unix.parse(self.expression).next_after(moment, zone_named(self.zone))


@dataclass(frozen=True, slots=True, kw_only=True)
class Every:
    """Every `period` from `start` on, start included: `start + k * period`, so firings never drift.

    Invalid("start") unless it is aware, kept as Once keeps its instant; Invalid("period") unless it is at least a
    second and whole milliseconds.
    """

    start: datetime
    period: timedelta

    def __post_init__(self) -> None:
        if self.period < SHORTEST_PERIOD:
            raise Invalid("period", "must be at least 1 second")
        if self.period % MILLISECOND:
            raise Invalid("period", "must be a whole number of milliseconds")
        object.__setattr__(self, "start", _instant("start", self.start))

    def next_after(self, moment: datetime) -> datetime | None:
        """The first firing strictly after a moment, in UTC; None: past the end of year 9999."""
        if moment < self.start:
            return self.start
        count = (moment - self.start) // self.period + 1
        return self.start + count * self.period if count <= (END - self.start) // self.period else None


Schedule = Once | Cron | Every


def _instant(field: str, moment: datetime) -> datetime:
    """An aware moment in UTC, cut to the millisecond."""
    if moment.utcoffset() is None:
        raise Invalid(field, "must have an offset from UTC")
    try:
        moment = moment.astimezone(UTC)
    except OverflowError:
        raise Invalid(field, "is not a date between the years 1 and 9999 in UTC") from None
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
