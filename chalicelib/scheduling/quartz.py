"""The Quartz spelling of cron: second, minute, hour, day-of-month, month, day-of-week and, if wanted, year.

Source: Quartz's "Cron Trigger Tutorial" and org.quartz.CronExpression; seeds/002, field `cron`. What is not listed here
is refused, in words; case does not matter:

    field   = item {"," item}
    item    = ("*" | value ["-" value]) ["/" step]      a/n goes on to the end of the field
    value   = number | JAN..DEC (month) | SUN..SAT (day-of-week), 1 is Sunday and 7 is Saturday; year 1970..2099,
              which is also what `*` and no year mean
    day-of-month also takes the items  L  L-n  LW  L-nW  nW     last day, n days before it, nearest working day
    day-of-week also takes the fields  L  vL  v#n               Saturday, the last v of the month, the n-th v

A range may wrap around (22-2, FRI-MON), years excepted. `?` and `*` leave a day field open, and at least one of the two
must be open: Quartz asks for one `?`, we take `* *` and `* MON` for what they say. Unlike Quartz 2.3, and by intent: no
empty elements; no `/5` without a start; a month of 30 days has no 31W, whatever the next one begins with. Real time is
followed if second, minute or hour goes on to its end: `*`, `*/n`, `a/n`.
"""

import re
from functools import lru_cache

from chalicelib.scheduling.cron import Clock
from chalicelib.scheduling.dates import (
    Dates,
    Rule,
    from_last,
    last_weekday,
    nth_weekday,
    numbered,
    weekdays,
    working_day,
)
from chalicelib.scheduling.errors import Invalid
from chalicelib.scheduling.fields import CHANCE, MONTHS, Field, Item, endless, read, split, values
from chalicelib.scheduling.timetable import Timetable

OPEN = frozenset({"*", "?"})
LEAST, MOST = 6, 7  # fields
FURTHEST = 30  # days before the last one
WEEKS = range(1, 6)
WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
FROM_LAST = re.compile(r"l(?:-(?P<back>\d+))?(?P<working>w)?", re.IGNORECASE)
NEAREST = re.compile(r"(?P<day>\d+)w", re.IGNORECASE)
LAST = re.compile(r"(?P<weekday>\d+|[a-z]{3})l", re.IGNORECASE)
NTH = re.compile(r"(?P<weekday>\w+)#(?P<count>\w+)")
FOREIGN = (
    (re.compile(r".*\?.*"), "has a ?: it stands alone, as day-of-month or day-of-week"),
    (re.compile(r"(\d*|[a-z]{3})lw?(-\d+w?)?", re.IGNORECASE), "has an L: it is for days, as L, L-3, LW and FRIL"),
    (re.compile(r"\d*w|w\d+", re.IGNORECASE), "has a W: it stands behind one day of the month, as 15W or LW"),
    (re.compile(r".*#.*"), "has a #: it stands between a day of the week and a number, as FRI#2"),
    CHANCE,
)
FIELDS = (
    Field(name="second", low=0, high=59, foreign=FOREIGN),
    Field(name="minute", low=0, high=59, foreign=FOREIGN),
    Field(name="hour", low=0, high=23, foreign=FOREIGN),
    Field(name="day-of-month", low=1, high=31, foreign=FOREIGN, marks=", L, W"),
    Field(name="month", low=1, high=12, foreign=FOREIGN, names=dict(zip(MONTHS, range(1, 13), strict=True))),
    Field(
        name="day-of-week",
        low=1,
        high=7,
        foreign=FOREIGN,
        names=dict(zip(WEEKDAYS, range(1, 8), strict=True)),
        marks=", L, #",
        note="; Sunday is 1",
    ),
    Field(name="year", low=1970, high=2099, foreign=FOREIGN),
)
SECOND, MINUTE, HOUR, DAY, MONTH, WEEKDAY, YEAR = FIELDS


@lru_cache(maxsize=1024)
def parse(expression: str) -> Timetable:
    """The timetable that a Quartz cron expression stands for; Invalid("cron") says which field is wrong and why.

    One that never fires again, as in the year 2010, is no error here: its next firing is None.
    """
    second, minute, hour, day, month, weekday, year = _fields(expression)
    if not {day, weekday} & OPEN:
        raise Invalid("cron", f"restricts both days, {day!r} of the month and {weekday!r} of the week: one must be ?")
    if day == weekday == "?":
        raise Invalid("cron", "has a ? for both days: one of day-of-month and day-of-week must say something")
    groups = (
        () if day in OPEN else tuple(_day(item) for item in day.split(",")),
        () if weekday in OPEN else (_weekday(weekday),),
    )
    return Timetable(
        seconds=values(second, SECOND, of=_numbers),
        minutes=values(minute, MINUTE, of=_numbers),
        hours=values(hour, HOUR, of=_numbers),
        dates=Dates(
            years=values(year, YEAR, of=_numbers),
            months=values(month, MONTH, of=_numbers),
            groups=tuple(group for group in groups if group),
        ),
        clock=Clock.RUNNING if any(map(endless, (second, minute, hour))) else Clock.FIXED,
    )


def _fields(expression: str) -> list[str]:
    """The seven fields; a year that was not written is any."""
    texts = split(expression, example="fields, such as 0 0 12 * * ?")
    if not LEAST <= len(texts) <= MOST:
        wanted = " ".join(each.name for each in FIELDS[:LEAST])
        raise Invalid("cron", f"has {len(texts)} fields, not the 6 or 7 of Quartz: {wanted} [{YEAR.name}]")
    return [*texts, "*"][:MOST]


def _day(item: str) -> Rule:
    """The days of one element of day-of-month."""
    if parts := FROM_LAST.fullmatch(item):
        back = int(parts["back"] or 0)
        if back > FURTHEST:
            raise Invalid("cron", f"has the {DAY.name} {item!r}: {FURTHEST} days before the last are the most")
        return working_day(from_last(back)) if parts["working"] else from_last(back)
    if parts := NEAREST.fullmatch(item):
        return working_day(numbered({DAY.number(parts["day"])}))
    return numbered({*_numbers(read(item, DAY))})


def _weekday(text: str) -> Rule:
    """The days of day-of-week."""
    if text.upper() == "L":
        return weekdays({_monday_based(WEEKDAY.high)})
    if parts := LAST.fullmatch(text):
        return last_weekday(_monday_based(WEEKDAY.number(parts["weekday"])))
    if parts := NTH.fullmatch(text):
        weekday, count = WEEKDAY.number(parts["weekday"]), parts["count"]
        if not count.isdigit() or int(count) not in WEEKS:
            raise Invalid("cron", f"has the {WEEKDAY.name} {text!r}: after # comes a number from 1 to 5")
        return nth_weekday(_monday_based(weekday), int(count))
    if any(item.upper() == "L" or LAST.fullmatch(item) or NTH.fullmatch(item) for item in text.split(",")):
        raise Invalid("cron", f"has the {WEEKDAY.name} {text!r}: L and # stand alone, not in a list")
    return weekdays({_monday_based(number) for number in values(text, WEEKDAY, of=_numbers)})


def _monday_based(weekday: int) -> int:
    """A weekday as dates.py counts them."""
    return (weekday - 2) % 7


def _numbers(item: Item) -> list[int]:
    """The values of one element of a list."""
    kind, step = item.kind, item.step or 1
    if step > kind.high:
        raise item.refused(f"its step is too large, {kind.high} is the most")
    high = item.high if item.high is not None else kind.high if item.step else item.low
    if high >= item.low:
        return list(range(item.low, high + 1, step))
    if kind is YEAR:
        raise item.refused("a range of years cannot run backwards")
    around = kind.high - kind.low + 1
    return [(number - kind.low) % around + kind.low for number in range(item.low, high + around + 1, step)]
