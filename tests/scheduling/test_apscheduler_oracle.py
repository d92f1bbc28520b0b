"""ndscheduler's cron jobs against an oracle that shares no code with them.

It looks at every day, and at every second of one that matches, with predicates from the builder of the fields.
"""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from itertools import product
from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.scheduling import apscheduler
from chalicelib.scheduling.schedule import Cron, Spelling

DAY = timedelta(days=1)
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class Built(NamedTuple):
    """A field and which instants match it, by construction."""

    text: str
    match: Callable[[int], bool]


class Day(NamedTuple):
    """The field `day` and which dates match it, by construction."""

    text: str
    match: Callable[[date], bool]


@st.composite
def a_field(draw: st.DrawFn, low: int, high: int) -> Built:
    """One field in one of the shapes that APScheduler knows."""
    first, last = sorted(draw(st.tuples(st.integers(low, high), st.integers(low, high))))
    step = draw(st.integers(1, max(last - first, 1)))
    rest = draw(st.integers(1, max(high - first, 1)))
    shapes = (
        Built("*", lambda _: True),
        Built(f"*/{step}", lambda value: (value - low) % step == 0),
        Built(f"{first}", lambda value: value == first),
        Built(f"{first},{last}", lambda value: value in (first, last)),
        Built(f"{first}-{last}", lambda value: first <= value <= last),
        Built(f"{first}-{last}/{step}", lambda value: first <= value <= last and (value - first) % step == 0),
        Built(f"{first}/{rest}", lambda value: value >= first and (value - first) % rest == 0),
    )
    return draw(st.sampled_from(shapes))


@st.composite
def a_day(draw: st.DrawFn) -> Day:
    """The field `day`, by number or in words."""
    number, weekday, count = draw(a_field(1, 31)), draw(st.sampled_from(range(7))), draw(st.integers(1, 5))
    ordinal = ("1st", "2nd", "3rd", "4th", "5th")[count - 1]
    shapes = (
        Day(number.text, lambda day: number.match(day.day)),
        Day("last", lambda day: (day + DAY).day == 1),
        Day(f"last {WEEKDAYS[weekday]}", lambda day: day.weekday() == weekday and (day + 7 * DAY).month != day.month),
        Day(f"{ordinal} {WEEKDAYS[weekday]}", lambda day: day.weekday() == weekday and (day.day + 6) // 7 == count),
        Day(f"last,{number.text}", lambda day: (day + DAY).day == 1 or number.match(day.day)),
    )
    return draw(st.sampled_from(shapes))


CLOCK = st.fixed_dictionaries({}, optional={"hour": a_field(0, 23), "minute": a_field(0, 59), "second": a_field(0, 59)})
DATES = st.fixed_dictionaries(
    {}, optional={"month": a_field(1, 12), "week": a_field(1, 53), "day_of_week": a_field(0, 6)}
)
YEARS = st.sampled_from(
    [
        None,
        Built("2028", lambda year: year == 2028),
        Built("2027-2030", lambda year: 2027 <= year <= 2030),
        Built("*/3", lambda year: (year - 1970) % 3 == 0),
        Built("2026,2031", lambda year: year in (2026, 2031)),
    ]
)
AFTER = st.datetimes(datetime(2024, 1, 1), datetime(2032, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - bounds
UNTIL = date(2042, 1, 1)


def first_match(fields: dict[str, Built], day_field: Day | None, after: datetime) -> datetime | None:
    """The first matching second in UTC, by looking at every day and every second of one that matches."""
    order = ("year", "month", "day", "week", "day_of_week", "hour", "minute", "second")
    finest = max(order.index(name) for name in [*fields, *(["day"] if day_field else [])])

    def matches(name: str, value: int, *, least: int | None = None) -> bool:
        if name in fields:
            return fields[name].match(value)
        return least is None or order.index(name) < finest or value == least

    def dated(day: date) -> bool:
        week = day.isocalendar().week
        weekly = matches("week", week) and matches("day_of_week", day.weekday())
        daily = day_field.match(day) if day_field else matches("day", day.day, least=1)
        return matches("year", day.year) and matches("month", day.month, least=1) and daily and weekly

    clock = [
        [value for value in range(high) if matches(name, value, least=0)]
        for name, high in (("hour", 24), ("minute", 60), ("second", 60))
    ]
    times = [timedelta(hours=hour, minutes=minute, seconds=second) for hour, minute, second in product(*clock)]
    days = (after.date() + number * DAY for number in range((UNTIL - after.date()).days))
    midnights = (datetime(day.year, day.month, day.day, tzinfo=UTC) for day in days if dated(day))
    return next((midnight + time for midnight in midnights for time in times if midnight + time > after), None)


@given(CLOCK, DATES, YEARS, st.none() | a_day(), AFTER)
@settings(deadline=None, max_examples=250)
def test_every_day_and_second_is_matched_by_all_of_its_fields(
    clock: dict[str, Built], dates: dict[str, Built], year: Built | None, day: Day | None, after: datetime
) -> None:
    fields = clock | dates | ({"year": year} if year else {})
    texts = {name: field.text for name, field in fields.items()} | ({"day": day.text} if day else {})
    if not texts:
        return
    found = Cron(expression=apscheduler.expression(texts), spelling=Spelling.APSCHEDULER).next_after(after)
    assert first_match(fields, day, after) == (found if found and found.date() < UNTIL else None)
