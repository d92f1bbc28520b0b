"""Which dates a pattern names. A rule tells the days of one month; a date must satisfy one rule of every group.

Whether a year has a matching date hangs on its kind alone: the weekday it begins with, whether it is a leap year, and
whether the one before was (that decides the week of its first days, ISO 8601). So no search looks into more than one
year of a kind in vain, and a date that never comes, as 30 February, is found out at once.
"""

from bisect import bisect_left
from calendar import isleap, monthrange
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from typing import NamedTuple

CYCLE = range(1970, 1970 + 400)  # the calendar repeats itself after 400 years: all there is to see in it
FAR = date.max.toordinal()  # days: further apart than any two dates


class Month(NamedTuple):
    """A month as rules see it."""

    year: int
    month: int
    first: int  # the weekday of its first day, Monday is 0
    length: int

    def weekday(self, day: int) -> int:
        """The weekday of a day, Monday is 0."""
        return (self.first + day - 1) % 7


Rule = Callable[[Month], AbstractSet[int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dates:
    """The dates of certain years and months, both rising, that satisfy one rule of every group."""

    years: Sequence[int]
    months: tuple[int, ...]
    groups: tuple[tuple[Rule, ...], ...] = ()

    def __contains__(self, day: date) -> bool:
        place = bisect_left(self.years, day.year)
        named = place < len(self.years) and self.years[place] == day.year and day.month in self.months
        return named and day.day in self._days(day.year, day.month)

    def first_after(self, day: date) -> date | None:
        """The first date strictly after a day; None: there is none any more."""
        barren: set[tuple[int, bool, bool]] = set()
        for year in self.years[bisect_left(self.years, day.year) :]:
            kind = _kind(year)
            if kind in barren:
                continue
            later = (found for found in self._of(year, day) if found > day)
            if found := next(later, None):
                return found
            if year > day.year:
                barren.add(kind)
        return None

    def closest(self) -> int | None:
        """How many days the closest two dates are apart; None: there are not two."""
        known: dict[tuple[int, bool, bool], list[int]] = {}
        least, latest = FAR, -FAR
        for year in self.years:
            start, kind = date(year, 1, 1).toordinal(), _kind(year)
            if kind not in known:
                known[kind] = [found.toordinal() - start for found in self._of(year, date.min)]
                least = min([least, *(later - earlier for earlier, later in pairwise(known[kind]))])
            if known[kind]:
                least = min(least, start + known[kind][0] - latest)
                latest = start + known[kind][-1]
            if least == 1:
                break
        return least if least < FAR else None

    def _of(self, year: int, since: date) -> Iterator[date]:
        """The dates of a year, rising, from the month that `since` lies in."""
        months = (month for month in self.months if (year, month) >= (since.year, since.month))
        return (date(year, month, day) for month in months for day in sorted(self._days(year, month)))

    def _days(self, year: int, month: int) -> set[int]:
        """The matching days of a month."""
        seen = Month(year, month, *monthrange(year, month))
        days = set(range(1, seen.length + 1))
        for group in self.groups:
            days &= set().union(*(rule(seen) for rule in group))
        return days


def numbered(days: AbstractSet[int]) -> Rule:
    """Days by number; a month that has no such day has none."""
    return lambda _: days


def from_last(back: int) -> Rule:
    """So many days before the last one, 0 is the last."""
    return lambda month: {month.length - back}


def working_day(rule: Rule) -> Rule:
    """Monday to Friday next to the rule's days and within their month: the 1st on a Saturday becomes Monday the 3rd."""

    def days(month: Month) -> set[int]:
        return {_nearest(day, month) for day in rule(month) if 1 <= day <= month.length}

    return days


def weekdays(numbers: AbstractSet[int]) -> Rule:
    """Days by weekday, Monday is 0."""
    return lambda month: {day for day in range(1, month.length + 1) if month.weekday(day) in numbers}


def nth_weekday(weekday: int, count: int) -> Rule:
    """The n-th Monday (0) to Sunday (6) of the month; one that does not come is none."""
    return lambda month: {1 + (weekday - month.first) % 7 + 7 * (count - 1)}


def last_weekday(weekday: int) -> Rule:
    """The last Monday (0) to Sunday (6) of the month."""
    return lambda month: {month.length - (month.weekday(month.length) - weekday) % 7}


def iso_weeks(numbers: AbstractSet[int]) -> Rule:
    """Days by the week they lie in, 1 to 53 as ISO 8601 counts them."""

    def days(month: Month) -> set[int]:
        every = range(1, month.length + 1)
        return {day for day in every if date(month.year, month.month, day).isocalendar().week in numbers}

    return days


def smallest_gap(clock: tuple[tuple[int, ...], ...], dates: Dates) -> timedelta | None:
    """The smallest distance between two wall times: seconds, minutes and hours, each rising, on these dates.

    Two that follow each other differ first in one of the units, by two neighbours of its list; the finer units fall
    from their last value to their first meanwhile. So the neighbours of each list are all there is to look at.
    """
    if dates.first_after(date.min) is None:
        return None
    gaps: list[timedelta] = []
    span = timedelta(0)
    for unit, values in zip((timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)), clock, strict=True):
        gaps += [(later - earlier) * unit - span for earlier, later in pairwise(values)]
        span += (values[-1] - values[0]) * unit
    days = dates.closest()
    if days is not None:
        gaps.append(timedelta(days=days) - span)
    return min(gaps, default=None)


def _nearest(day: int, month: Month) -> int:
    """The working day next to a day of this month."""
    match month.weekday(day):
        case 5:
            return day - 1 if day > 1 else day + 2
        case 6:
            return day + 1 if day < month.length else day - 2
        case _:
            return day


def _kind(year: int) -> tuple[int, bool, bool]:
    """What decides on which dates of a year match."""
    return date(year, 1, 1).weekday(), isleap(year), isleap(year - 1)
