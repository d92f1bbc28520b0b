"""The spelling of ndscheduler's cron jobs: the named fields of APScheduler 3, written as one line.

Source: apscheduler.triggers.cron (3.11); seeds/004, `trigger_params`. An expression is its eight fields in the order of
FIELDS with blanks between them, and `_` for the blank inside a field (`3rd_fri`). What is not listed here is refused:

    field   = item {"," item}
    item    = ("*" | number ["-" number]) ["/" step]    a/n goes on to the end of the field
    month and day_of_week also take  name ["-" name]    jan..dec, mon..sun, in any case; 0 is Monday
    day also takes                   last | (1st | 2nd | 3rd | 4th | 5th | last) name

A date must match year, month, day, week (ISO 8601) and day_of_week, all of them; no range wraps around. APScheduler
ignores what follows a name (`mon-fri/2`, `mon-4`), which fires other than it reads: that is refused. Real time is
followed if hour, minute or second goes on to its end: `*`, `*/n`, `a/n`.
"""

import re
from array import array
from collections.abc import Iterable, Mapping
from functools import lru_cache

from chalicelib.scheduling.cron import Clock
from chalicelib.scheduling.dates import (
    Dates,
    Rule,
    from_last,
    iso_weeks,
    last_weekday,
    nth_weekday,
    numbered,
    weekdays,
)
from chalicelib.scheduling.errors import Invalid
from chalicelib.scheduling.fields import CHANCE, MONTHS, Field, Item, endless, read, split, values
from chalicelib.scheduling.timetable import Timetable

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
ORDINALS = ("1st", "2nd", "3rd", "4th", "5th", "last")
NAME = re.compile(r"[a-z]", re.IGNORECASE)
TAIL = re.compile(r"[/\d]")
FOREIGN = (
    (re.compile(r".*\?.*"), "has a ?, which is not known here; use *"),
    (re.compile(r".*#.*"), "has a #: write the n-th weekday of a month as the day '2nd fri'"),
    (re.compile(r"(\d*|[a-z]{3})lw?(-\d+w?)?", re.IGNORECASE), "has an L: write the last day of a month as 'last'"),
    (re.compile(r"\d*w", re.IGNORECASE), "has a W: the nearest working day cannot be asked for"),
    CHANCE,
)
FIELDS = (
    Field(name="year", low=1970, high=9999, foreign=FOREIGN),
    Field(name="month", low=1, high=12, foreign=FOREIGN, names=dict(zip(MONTHS, range(1, 13), strict=True))),
    Field(name="day", low=1, high=31, foreign=FOREIGN, marks=", last, 2nd fri"),
    Field(name="week", low=1, high=53, foreign=FOREIGN),
    Field(
        name="day_of_week",
        low=0,
        high=6,
        foreign=FOREIGN,
        names=dict(zip(WEEKDAYS, range(7), strict=True)),
        note="; Monday is 0",
    ),
    Field(name="hour", low=0, high=23, foreign=FOREIGN),
    Field(name="minute", low=0, high=59, foreign=FOREIGN),
    Field(name="second", low=0, high=59, foreign=FOREIGN),
)
YEAR, MONTH, DAY, WEEK, WEEKDAY, HOUR, MINUTE, SECOND = FIELDS
NAMES = tuple(field.name for field in FIELDS)
LEAST = {"month": "1", "day": "1", "hour": "0", "minute": "0", "second": "0"}


def expression(given: Mapping[str, str]) -> str:
    """The expression for some of the fields: finer than the finest given are at their least, all others are `*`.

    `{"hour": "*/2"}` is every second hour on the hour. Invalid("cron") if it is none, or no field is given.
    """
    unknown = next((name for name in given if name not in NAMES), None)
    if unknown is not None:
        raise Invalid("cron", f"has a field {unknown!r}, which is none of {' '.join(NAMES)}")
    if not given:
        raise Invalid("cron", f"names no field: give at least one of {' '.join(NAMES)}")
    finest = max(map(NAMES.index, given))
    defaults = {name: LEAST.get(name, "*") if place > finest else "*" for place, name in enumerate(NAMES)}
    text = " ".join(_canonical(name, given[name]) if name in given else defaults[name] for name in NAMES)
    parse(text)
    return text


def fields(expression: str) -> dict[str, str]:
    """All eight fields of an expression by their names, as APScheduler writes them."""
    parse(expression)
    return {name: text.replace("_", " ") for name, text in zip(NAMES, expression.split(), strict=True)}


@lru_cache(maxsize=1024)
def parse(expression: str) -> Timetable:
    """The timetable that an expression stands for; Invalid("cron") says which field is wrong and why.

    A date that never comes, as 30 February, is no error here: its next firing is None.
    """
    texts = split(expression, example="fields")
    if len(texts) != len(FIELDS):
        raise Invalid("cron", f"has {len(texts)} fields, not the 8 of APScheduler: {' '.join(NAMES)}")
    year, month, day, week, weekday, hour, minute, second = texts
    groups = (
        () if day == "*" else tuple(_day(item) for item in day.split(",")),
        () if week == "*" else (iso_weeks({*values(week, WEEK, of=_numbers)}),),
        () if weekday == "*" else (weekdays({*values(weekday, WEEKDAY, of=_numbers)}),),
    )
    return Timetable(
        seconds=values(second, SECOND, of=_numbers),
        minutes=values(minute, MINUTE, of=_numbers),
        hours=values(hour, HOUR, of=_numbers),
        dates=Dates(
            years=array("H", values(year, YEAR, of=_numbers)),  # two bytes each: there may be 8,030 of them
            months=values(month, MONTH, of=_numbers),
            groups=tuple(group for group in groups if group),
        ),
        clock=Clock.RUNNING if any(map(endless, (second, minute, hour))) else Clock.FIXED,
    )


def _canonical(name: str, text: str) -> str:
    """A field as it stands in an expression: in lower case, without blanks but `_` and without leading zeros."""
    items = (re.sub(r"\b0+(?=\d)", "", item.strip(" \t").lower()) for item in text.split(","))
    joined = ",".join(re.sub(r"[ \t]+", "_", item) for item in items)
    if not joined:
        raise Invalid("cron", f"has the {name} {text!r}: leave a field out, or use *, to say any")
    return joined


def _day(item: str) -> Rule:
    """The days of one element of day."""
    if item.lower() == "last":
        return from_last(0)
    ordinal, _, weekday = item.lower().partition("_")
    if ordinal not in ORDINALS or weekday not in WEEKDAYS:
        return numbered({*_numbers(read(item, DAY))})
    number = WEEKDAYS.index(weekday)
    return last_weekday(number) if ordinal == "last" else nth_weekday(number, ORDINALS.index(ordinal) + 1)


def _numbers(item: Item) -> Iterable[int]:
    """The values of one element of a list."""
    if NAME.search(item.text) and TAIL.search(item.text):
        raise item.refused("a name stands alone or in a range of two names, without a step")
    return item.rising(item.high if item.high is not None else item.kind.high if item.step else item.low)
