"""The Unix spelling of cron: minute, hour, day-of-month, month, day-of-week.

Source: crontab(5) and vixie cron's entry.c; seeds/003, field `cron`. What is not listed here is refused, in words:

    field   = item {"," item}
    item    = ("*" | value ["-" value]) ["/" step]      a step needs a range or *
    value   = number | jan..dec (month) | sun..sat (day-of-week), in any case; 0 and 7 are Sunday

Two rules hang on a field that starts with `*`, whatever follows. Days: a date must match both day-of-month and
day-of-week if one of them does, otherwise either is enough. Clock: if minute or hour does, real time is followed.
"""

import re
from functools import lru_cache

from chalicelib.scheduling.cron import Clock, Days, Pattern
from chalicelib.scheduling.errors import Invalid
from chalicelib.scheduling.fields import CHANCE, MONTHS, Field, Item, split, values

WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
FOREIGN = (
    (re.compile(r".*\?.*"), "has a ?, which Unix cron does not know; use *"),
    (re.compile(r".*#.*"), "has a #: the n-th weekday of a month cannot be asked for"),
    (re.compile(r"\d*lw?|[a-z]{3}l", re.IGNORECASE), "has an L: the last day of a month cannot be asked for"),
    (re.compile(r"\d+w|w", re.IGNORECASE), "has a W: the nearest working day cannot be asked for"),
    CHANCE,
)
FIELDS = (
    Field(name="minute", low=0, high=59, foreign=FOREIGN),
    Field(name="hour", low=0, high=23, foreign=FOREIGN),
    Field(name="day-of-month", low=1, high=31, foreign=FOREIGN),
    Field(name="month", low=1, high=12, foreign=FOREIGN, names=dict(zip(MONTHS, range(1, 13), strict=True))),
    Field(name="day-of-week", low=0, high=7, foreign=FOREIGN, names=dict(zip(WEEKDAYS, range(7), strict=True))),
)


@lru_cache(maxsize=4096)
def parse(expression: str) -> Pattern:
    """The pattern that a Unix cron expression stands for; Invalid("cron") says which field is wrong and why.

    A date that never comes, as 30 February, is no error here: `Pattern.impossible` tells, and its next firing is None.
    """
    texts = split(expression, example="five fields, such as 0 0 * * *")
    if len(texts) != len(FIELDS):
        wanted = " ".join(each.name for each in FIELDS)
        raise Invalid("cron", f"has {len(texts)} fields, not the 5 of Unix cron: {wanted}")
    minutes, hours, days, months, weekdays = (
        values(text, kind, of=_numbers) for text, kind in zip(texts, FIELDS, strict=True)
    )
    minute, hour, day, _, weekday = (text.startswith("*") for text in texts)
    return Pattern(
        minutes=minutes,
        hours=hours,
        days=days,
        months=months,
        weekdays=tuple(sorted({number % 7 for number in weekdays})),
        match=Days.BOTH if day or weekday else Days.EITHER,
        clock=Clock.RUNNING if minute or hour else Clock.FIXED,
    )


def _numbers(item: Item) -> range:
    """The values of one element of a list."""
    if item.high is not None:
        return item.rising(item.high)
    if item.step is not None:
        raise item.refused(f"a step needs a range, as {item.low}-{item.kind.high}, or *")
    return range(item.low, item.low + 1)
