"""How cron expressions fire. Theory of operation for the module, its spellings and its zones (zones.py).

A **spelling** (unix.py, quartz.py, apscheduler.py; what they share is in fields.py) is a parse function: text in one
dialect of cron in, a pattern out. What dialects disagree on (which number is Sunday, whether day-of-month and weekday
add up, which fields follow real time) is settled there and written into the pattern as plain numbers, rules for dates
(dates.py) and enums. Nothing after the parser reads text.

**Stepping.** A pattern names wall times: readings of the clock on the wall of its zone. For Unix cron, croniter is
asked for the next one on naive datetimes, always with explicit lists, so that none of its spellings, zones or defaults
take part. The others name days and seconds that it reads otherwise or not at all: timetable.py steps through those.

**Mapping.** A wall time becomes an instant by Debian's rule (cron(8), "Daylight Saving Time"; cron_vectors.json):

- a time that comes once is that instant;
- a fixed time that the clock skips fires once, at the instant the clock is put forward; several are one firing, because
  the answer is strictly after the moment asked about. Debian gives up on jumps of more than three hours; we do not:
  Samoa's day without a 30 December 2011 still gets its daily firing;
- a fixed time that the clock repeats fires on the first pass only;
- a pattern that follows real time fires whenever the clock shows a match: not in the gap, and on both passes.

**Why the search is right.** Read with the offset before a turn, instants never fall as wall times rise: the first wall
time after the one now showing is the next firing. It fails in two places only. Asked during a second pass, a fixed time
of that hour lies in the past: skip the hour. Asked during a first pass, real time has the whole second pass ahead: when
the first has nothing left, search again from where the clock resumes. Every answer is compared with the moment asked
about, in UTC, before it is returned.
"""

import copy
from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol
from zoneinfo import ZoneInfo

from chalicelib.scheduling.dates import CYCLE, Dates, numbered, smallest_gap, weekdays
from chalicelib.scheduling.zones import SECOND, Turn, as_utc, turn_around

if TYPE_CHECKING:
    from croniter import croniter

EARLIEST = datetime(2, 1, 1, tzinfo=UTC)  # a year's room on this side: every zone can express it
LATEST = datetime(9999, 12, 30, tzinfo=UTC)  # two days' room on this side
LAST_WALL = LATEST.replace(tzinfo=None)
LONGEST_WAIT = 400  # years, the cycle of the calendar; 29 February on a given weekday takes 40 at the most
MOST_TURNS = 64  # patterns that only name skipped times (02:30 each second Sunday in March) would search to year 9999
LONGEST_MONTH = {month: monthrange(2024, month)[1] for month in range(1, 13)}  # 2024 is a leap year
EVERY_DAY = tuple(range(1, 32))


class Days(Enum):
    """How day of month and weekday go together."""

    BOTH = "both"  # a day must match both
    EITHER = "either"  # one of them is enough


class Clock(Enum):
    """What a pattern follows on nights when the clock is put forward or back."""

    FIXED = "fixed"  # each wall time once a day, made up for if it was skipped
    RUNNING = "running"  # real time: skipped times do not fire, repeated ones fire twice


class Walls(Protocol):
    """The wall times that a spelling compiles an expression to, to the second at the finest."""

    @property
    def clock(self) -> Clock:
        """What they follow when the clock is turned."""

    def step(self, wall: datetime) -> datetime | None:
        """The first of them after this one, both naive; None: past the end of the calendar."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """The wall times that a cron expression names. Every field lists its values, rising; weekday 0 is Sunday."""

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: tuple[int, ...]
    months: tuple[int, ...]
    weekdays: tuple[int, ...]
    match: Days
    clock: Clock

    def next_after(self, moment: datetime, zone: ZoneInfo) -> datetime | None:
        """The first firing strictly after an aware moment, in UTC; None: never again, or not before year 9999 ends."""
        return None if self.impossible else first_firing(self, moment, zone=zone)

    def smallest_gap(self) -> timedelta | None:
        """The smallest distance between two wall times; None: there are not two."""
        days, weekday = numbered({*self.days}), weekdays({(number - 1) % 7 for number in self.weekdays})
        groups = ((days,), (weekday,)) if self.match is Days.BOTH else ((days, weekday),)
        return smallest_gap(((0,), self.minutes, self.hours), Dates(years=CYCLE, months=self.months, groups=groups))

    @property
    def impossible(self) -> bool:
        """Whether no date of any year matches, as 30 February."""
        return not self.dated and self.match is Days.BOTH

    @property
    def dated(self) -> bool:
        """Whether at least one of the months can be long enough for at least one of the days."""
        return self.days[0] <= max(LONGEST_MONTH[month] for month in self.months)

    def step(self, wall: datetime) -> datetime | None:
        """The first matching wall time after this one, both naive; None: past the end of the calendar."""
        stepper = copy.copy(_stepper(self))  # it keeps its place in itself, and threads share the cached one
        try:
            return stepper.get_next(datetime, start_time=wall)
        except (ValueError, OverflowError):  # dateutil's and datetime's words for year 10000
            return None


def first_firing(walls: Walls, moment: datetime, *, zone: ZoneInfo) -> datetime | None:
    """The first firing strictly after an aware moment, in UTC; None: never again, or not before year 9999 ends."""
    if moment >= LATEST:
        return None
    moment = max(moment, EARLIEST)
    start = _start(walls, moment, zone=zone)
    for _ in range(MOST_TURNS):
        wall = walls.step(start)
        if wall is None or wall >= LAST_WALL:
            return None
        turn = turn_around(wall, zone)
        for instant in _instants(wall, turn, zone=zone, clock=walls.clock):
            if instant > moment:
                return instant
        start = wall if turn is None else turn.over - SECOND
    return None


def _start(walls: Walls, moment: datetime, *, zone: ZoneInfo) -> datetime:
    """The naive wall time after which to search: the one now showing, or just before a second pass."""
    local = moment.astimezone(zone)
    wall = local.replace(tzinfo=None, microsecond=0, fold=0)
    turn = turn_around(wall, zone)
    if walls.clock is Clock.FIXED or turn is None or moment >= turn.at:
        return wall
    rest = walls.step(wall)
    return wall if rest is not None and rest < turn.over else turn.resumes - SECOND


@lru_cache(maxsize=4096)
def _stepper(pattern: Pattern) -> "croniter":
    """croniter for a pattern that is possible. An impossible side of EITHER is left out: it would search for years."""
    from croniter import croniter  # noqa: PLC0415 - 20 to 70 ms of every cold start, for cron jobs alone

    either = pattern.match is Days.EITHER and pattern.dated
    days = pattern.days if pattern.dated else EVERY_DAY
    fields = (pattern.minutes, pattern.hours, days, pattern.months, pattern.weekdays)
    expression = " ".join(",".join(map(str, values)) for values in fields)
    return croniter(expression, 0, day_or=either, max_years_between_matches=LONGEST_WAIT)


def _instants(wall: datetime, turn: Turn | None, *, zone: ZoneInfo, clock: Clock) -> tuple[datetime, ...]:
    """When a matching wall time fires, in UTC, in order: usually once."""
    if turn is None:
        return (wall.replace(tzinfo=zone).astimezone(UTC),)
    if turn.skips:
        return (turn.at,) if clock is Clock.FIXED else ()
    first, second = as_utc(wall, turn.before), as_utc(wall, turn.after)
    return (first,) if clock is Clock.FIXED else (first, second)
