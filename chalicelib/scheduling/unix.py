"""The Unix spelling of cron: minute, hour, day-of-month, month, day-of-week.

Source: crontab(5) and vixie cron's entry.c; seeds/003, field `cron`. What is not listed here is refused, in words:

    field   = item {"," item}
    item    = ("*" | value ["-" value]) ["/" step]      a step needs a range or *
    value   = number | jan..dec (month) | sun..sat (day-of-week), in any case; 0 and 7 are Sunday

Two rules hang on a field that starts with `*`, whatever follows. Days: a date must match both day-of-month and
day-of-week if one of them does, otherwise either is enough. Clock: if minute or hour does, real time is followed.
"""

import re
from dataclasses import dataclass, field
from functools import lru_cache

from chalicelib.scheduling.cron import Clock, Days, Pattern
from chalicelib.scheduling.errors import Invalid

LONGEST = 255  # characters
BLANKS = re.compile(r"[ \t]+")
ITEM = re.compile(r"(?P<star>\*)?(?P<low>\w+)?(?:-(?P<high>\w+))?(?:/(?P<step>\w+))?", re.ASCII)
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
FOREIGN = (
    (re.compile(r".*\?.*"), "has a ?, which Unix cron does not know; use *"),
    (re.compile(r".*#.*"), "has a #: the n-th weekday of a month cannot be asked for"),
    (re.compile(r"\d*lw?|[a-z]{3}l", re.IGNORECASE), "has an L: the last day of a month cannot be asked for"),
    (re.compile(r"\d+w|w", re.IGNORECASE), "has a W: the nearest working day cannot be asked for"),
    (re.compile(r"[hr](\(.*\))?(/.*)?", re.IGNORECASE), "has an H or R: times chosen by hash or chance are refused"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One of the five: its name in messages, its range, and what its names stand for."""

    name: str
    low: int
    high: int
    names: dict[str, int] = field(default_factory=dict)


MINUTE = Field(name="minute", low=0, high=59)
HOUR = Field(name="hour", low=0, high=23)
DAY = Field(name="day-of-month", low=1, high=31)
MONTH = Field(name="month", low=1, high=12, names={name: number for number, name in enumerate(MONTHS, 1)})
WEEKDAY = Field(name="day-of-week", low=0, high=7, names={name: number for number, name in enumerate(WEEKDAYS)})
FIELDS = (MINUTE, HOUR, DAY, MONTH, WEEKDAY)


@lru_cache(maxsize=4096)
def parse(expression: str) -> Pattern:
    """The pattern that a Unix cron expression stands for; Invalid("cron") says which field is wrong and why.

    A date that never comes, as 30 February, is no error here: `Pattern.impossible` tells, and its next firing is None.
    """
    texts = _split(expression)
    minutes, hours, days, months, weekdays = map(_values, texts, FIELDS)
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


def _split(expression: str) -> list[str]:
    """The five fields; refuses what is no expression as a whole."""
    if len(expression) > LONGEST:
        raise Invalid("cron", f"is longer than {LONGEST} characters")
    if not expression.isascii():
        raise Invalid("cron", "has characters that are not ASCII")
    texts = BLANKS.split(expression.strip(" \t"))
    if texts == [""]:
        raise Invalid("cron", "is empty")
    if texts[0].startswith("@"):
        raise Invalid("cron", f"is the macro {texts[0]!r}: write out the five fields, such as 0 0 * * *")
    if len(texts) != len(FIELDS):
        wanted = " ".join(each.name for each in FIELDS)
        raise Invalid("cron", f"has {len(texts)} fields, not the 5 of Unix cron: {wanted}")
    return texts


def _values(text: str, kind: Field) -> tuple[int, ...]:
    """All values of a field, rising."""
    return tuple(sorted({number for item in text.split(",") for number in _item(item, kind)}))


def _item(item: str, kind: Field) -> range:
    """The values of one element of a list."""
    parts = ITEM.fullmatch(item)
    if not item or parts is None or bool(parts["star"]) == bool(parts["low"]) or (parts["star"] and parts["high"]):
        raise _unreadable(item, kind)
    low = kind.low if parts["star"] else _number(parts["low"], kind)
    high = kind.high if parts["star"] else _number(parts["high"] or parts["low"], kind)
    if low > high:
        hint = "; Sunday at the end of a range is 7" if kind is WEEKDAY and high == 0 else ""
        raise Invalid("cron", f"has the {kind.name} range {item!r}, which runs backwards{hint}")
    if parts["step"] is None:
        return range(low, high + 1)
    if not parts["star"] and not parts["high"]:
        raise Invalid("cron", f"has the {kind.name} {item!r}: a step needs a range, as {low}-{kind.high}, or *")
    return range(low, high + 1, _step(item, parts["step"], kind=kind, span=high - low))


def _number(text: str, kind: Field) -> int:
    """A number or a name of this field, in range."""
    number = kind.names.get(text.lower())
    if number is not None:
        return number
    if not text.isdigit():
        raise _unreadable(text, kind)
    number = int(text)
    if not kind.low <= number <= kind.high:
        raise Invalid("cron", f"has the {kind.name} {text}, which is not between {kind.low} and {kind.high}")
    return number


def _step(item: str, text: str, *, kind: Field, span: int) -> int:
    """The step of a range: one that leads out of it at once would fire far more often than it says."""
    step = int(text) if text.isdigit() else 0
    if step < 1:
        raise Invalid("cron", f"has the {kind.name} {item!r}: a step is a whole number from 1")
    if step > max(span, 1):
        raise Invalid("cron", f"has the {kind.name} {item!r}: its step is too large, {max(span, 1)} is the most")
    return step


def _unreadable(item: str, kind: Field) -> Invalid:
    """Why an element is refused: known from another spelling, or simply wrong."""
    for shape, text in FOREIGN:
        if shape.fullmatch(item):
            return Invalid("cron", f"{text} ({kind.name} {item!r})")
    if not item:
        return Invalid("cron", f"has an empty element in its {kind.name}")
    named = f" or {next(iter(kind.names))}..{list(kind.names)[-1]}" if kind.names else ""
    return Invalid(
        "cron", f"has the {kind.name} {item!r}, which is not {kind.low}..{kind.high}{named}, *, a range or a step"
    )
