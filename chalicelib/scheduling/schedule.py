"""When a job fires: Once | Cron | Every. Due times are whole milliseconds, the grain in which they are stored.

A start with microseconds would come back from the store a little earlier, and the same firing would then be the first
after itself: so instants are cut to the millisecond here, once.
"""

from bisect import bisect_right
from calendar import monthrange
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from chalicelib.scheduling import apscheduler, quartz, unix
from chalicelib.scheduling.cron import Pattern
from chalicelib.scheduling.errors import Invalid
from chalicelib.scheduling.timetable import Timetable
from chalicelib.scheduling.zones import zone_named

SHORTEST_PERIOD = timedelta(seconds=1)
MILLISECOND = timedelta(milliseconds=1)
SHORTEST_MONTH, LONGEST_MONTH = timedelta(days=28), timedelta(days=31)
MOST_MONTHS = 9998 * 12  # from the calendar's first year to its last
END = datetime.max.replace(tzinfo=UTC)
CALENDAR = END - datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Once:
    """One instant. Invalid("at") unless it is aware; kept in UTC, cut to the millisecond."""

    at: datetime

    def __post_init__(self) -> None:
        object.__setattr__(self, "at", _instant("at", self.at))

    def next_after(self, moment: datetime) -> datetime | None:
        """The first firing strictly after a moment, in UTC; None: never again."""
        return self.at if self.at > moment else None


class Spelling(StrEnum):
    """How a cron expression is written; each has a module with its grammar."""

    UNIX = "unix"
    QUARTZ = "quartz"
    APSCHEDULER = "apscheduler"


PARSERS: Mapping[Spelling, Callable[[str], Pattern | Timetable]] = {
    Spelling.UNIX: unix.parse,
    Spelling.QUARTZ: quartz.parse,
    Spelling.APSCHEDULER: apscheduler.parse,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cron:
    """A cron expression in an IANA zone. Invalid("cron") or Invalid("zone") say what is wrong with them.

    An expression may be well-formed and never fire, as 30 February: whoever takes it in refuses one whose first
    firing is None.
    """

    expression: str
    zone: str = "UTC"
    spelling: Spelling = Spelling.UNIX

    def __post_init__(self) -> None:
        PARSERS[self.spelling](self.expression)
        zone_named(self.zone)

    def next_after(self, moment: datetime) -> datetime | None:
        """The first firing strictly after a moment, in UTC; None: never again."""
        return PARSERS[self.spelling](self.expression).next_after(moment, zone_named(self.zone))


@dataclass(frozen=True, slots=True, kw_only=True)
class Every:
    """Every `months` calendar months and `period` from `start` on, start included: firings never drift.

    The k-th is `start + k * months + k * period`: the months are counted from the start in UTC and cut to the last day
    of a shorter month, so 31 January and 1 month are 28 February, 31 March, 30 April. Source: seeds/000, `interval`.

    Invalid("start") unless it is aware, kept as Once keeps its instant; Invalid("months") unless they fit the calendar;
    Invalid("period") unless it is whole milliseconds and, without months, at least a second.
    """

    start: datetime
    period: timedelta
    months: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.months <= MOST_MONTHS:
            raise Invalid("months", f"must be between 0 and {MOST_MONTHS}")
        if not self.months and self.period < SHORTEST_PERIOD:
            raise Invalid("period", "must be at least 1 second")
        if self.period < timedelta(0):
            raise Invalid("period", "must not be negative")
        if self.period % MILLISECOND:
            raise Invalid("period", "must be a whole number of milliseconds")
        object.__setattr__(self, "start", _instant("start", self.start))

    def next_after(self, moment: datetime) -> datetime | None:
        """The first firing strictly after a moment, in UTC; None: past the end of year 9999."""
        if moment < self.start:
            return self.start
        elapsed, period = moment - self.start, min(self.period, CALENDAR)
        least = elapsed // (self.months * LONGEST_MONTH + period)  # this firing is not after the moment
        most = elapsed // (self.months * SHORTEST_MONTH + period) + 1  # and this one is
        count = bisect_right(range(most), moment, lo=least, key=lambda count: self._firing(count) or END)
        return self._firing(count)

    def _firing(self, count: int) -> datetime | None:
        """The firing of this number, the start is 0; None: past the end of year 9999."""
        year, month = divmod(self.start.year * 12 + self.start.month - 1 + count * self.months, 12)
        if year > END.year:
            return None
        day = min(self.start.day, monthrange(year, month + 1)[1])
        anchor = self.start.replace(year=year, month=month + 1, day=day)
        return anchor + count * self.period if not count or self.period <= (END - anchor) // count else None


Schedule = Once | Cron | Every


def smallest_gap(cron: Cron) -> timedelta | None:
    """The smallest distance between two firings that follow each other, over all its years; None: there are not two.

    Exact on the wall of its zone, so in UTC; where the clock is turned, two firings may come closer. Source: seeds/002,
    "not more often than once every ten minutes".
    """
    return PARSERS[cron.spelling](cron.expression).smallest_gap()


def _instant(field: str, moment: datetime) -> datetime:
    """An aware moment in UTC, cut to the millisecond."""
    if moment.utcoffset() is None:
        raise Invalid(field, "must have an offset from UTC")
    try:
        moment = moment.astimezone(UTC)
    except OverflowError:
        raise Invalid(field, "is not a date between the years 1 and 9999 in UTC") from None
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
