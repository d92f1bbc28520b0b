"""Patterns to the second: times of day on certain dates. What Quartz and APScheduler's expressions are compiled to.

They name days that croniter cannot step to in the same way (W, L-n, weeks, years), so the stepping is done here; how a
wall time becomes an instant is cron.py's, as for every pattern.
"""

from bisect import bisect_right
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from chalicelib.scheduling.cron import Clock, first_firing
from chalicelib.scheduling.dates import Dates, smallest_gap


@dataclass(frozen=True, slots=True, kw_only=True)
class Timetable:
    """The wall times that an expression names: every second, minute and hour of the lists, rising, on these dates."""

    seconds: tuple[int, ...]
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    dates: Dates
    clock: Clock

    def next_after(self, moment: datetime, zone: ZoneInfo) -> datetime | None:
        """The first firing strictly after an aware moment, in UTC; None: never again."""
        return first_firing(self, moment, zone=zone)

    def smallest_gap(self) -> timedelta | None:
        """The smallest distance between two firings; None: it does not fire twice."""
        return smallest_gap((self.seconds, self.minutes, self.hours), self.dates)

    def step(self, wall: datetime) -> datetime | None:
        """The first matching wall time after this one, both naive and in whole seconds; None: there is none."""
        today = wall.date()
        later = self._later(wall)
        if later is not None and today in self.dates:
            return datetime.combine(today, later)
        day = self.dates.first_after(today)
        return datetime.combine(day, time(self.hours[0], self.minutes[0], self.seconds[0])) if day else None

    def _later(self, wall: datetime) -> time | None:
        """The first time of day after that of a wall time."""
        if wall.hour in self.hours:
            if wall.minute in self.minutes and (second := _above(wall.second, self.seconds)) is not None:
                return time(wall.hour, wall.minute, second)
            if (minute := _above(wall.minute, self.minutes)) is not None:
                return time(wall.hour, minute, self.seconds[0])
        hour = _above(wall.hour, self.hours)
        return None if hour is None else time(hour, self.minutes[0], self.seconds[0])


def _above(value: int, values: tuple[int, ...]) -> int | None:
    """The first of the rising values that is above this one."""
    place = bisect_right(values, value)
    return values[place] if place < len(values) else None
