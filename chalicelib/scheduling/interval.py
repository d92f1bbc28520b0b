"""RunLater's intervals: "2 hours 30 minutes", or {"hours": 2, "minutes": 30}. Source: seeds/000, `interval`.

An interval is a map from units to how many of them, without zeros. Nothing at all, be it no words, an empty map or
zeros, is a job that runs once. Words come in any case and with any white space between them, units also in the
singular; a unit named twice counts twice. A map has its units in the plural, as RunLater answers them.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from chalicelib.scheduling.errors import Invalid
from chalicelib.scheduling.schedule import Every, Once

MONTHS = {"months": 1, "years": 12}
UNITS = ("seconds", "minutes", "hours", "days", "weeks", *MONTHS)
WORDS = {unit: unit for unit in UNITS} | {unit.removesuffix("s"): unit for unit in UNITS}
MOST = 10**9  # of a unit: seconds of 31 years, and far more than the calendar has of the others
MOST_TEXT = 200  # characters that are worth reading, and worth telling again


def read_interval(given: object) -> Mapping[str, int]:
    """The interval in the value of a field. Raises Invalid in RunLater's words."""
    match given:
        case str():
            pairs = list(_spoken(given))
        case dict():
            pairs = list(_mapped(given))
        case _:
            raise Invalid("", "Invalid interval, it must be words or a map")
    total: dict[str, int] = {}
    for unit, count in pairs:
        total[unit] = total.get(unit, 0) + count
    return {unit: count for unit, count in total.items() if count}


def scheduled(start: datetime, interval: Mapping[str, int]) -> Once | Every:
    """What an interval from a start on means. Raises Invalid for one that is longer than the calendar."""
    if not interval:
        return Once(at=start)
    months = sum(interval.get(unit, 0) * many for unit, many in MONTHS.items())
    try:
        period = timedelta(**{unit: count for unit, count in interval.items() if unit not in MONTHS})
        return Every(start=start, period=period, months=months)
    except (OverflowError, Invalid):
        raise Invalid("", "Invalid interval, it is too long") from None


def _spoken(text: str) -> Iterator[tuple[str, int]]:
    words = text[: MOST_TEXT + 1].lower().split()
    broken = Invalid("", f"Invalid interval {text[:MOST_TEXT]}")
    if len(words) % 2 or len(text) > MOST_TEXT:
        raise broken
    for count, unit in zip(words[::2], words[1::2], strict=True):
        if not (count.isascii() and count.isdigit()) or unit not in WORDS or int(count) > MOST:
            raise broken
        yield WORDS[unit], int(count)


def _mapped(units: Mapping[str, object]) -> Iterator[tuple[str, int]]:
    for unit, count in units.items():
        if unit not in UNITS:
            raise Invalid("", f"Invalid interval map, no unit {unit[:MOST_TEXT]}")
        if not isinstance(count, int) or isinstance(count, bool) or not 0 <= count <= MOST:
            raise Invalid("", f"Invalid interval map, {unit} must be a whole number from 0 to {MOST}")
        yield unit, count
