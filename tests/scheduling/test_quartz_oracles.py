"""Quartz cron against oracles that share no code with it, and how close two firings come.

Every day, and around a turn of the clock every second, is matched by predicates that come from the builder of the
expression, not from the parser.
"""

from calendar import monthrange
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from functools import cache
from itertools import pairwise, product
from time import perf_counter
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.scheduling.schedule import Cron, Spelling, smallest_gap
from chalicelib.scheduling.zones import zone_named

SECOND, DAY = timedelta(seconds=1), timedelta(days=1)
SUNDAY_FIRST = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
FIRST, LAST = date(2023, 1, 1), date(2032, 12, 31)
AMONG_YEARS = st.datetimes(datetime(2023, 1, 1), datetime(2031, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - bounds


class Built(NamedTuple):
    """A field and what it means, by construction."""

    text: str
    values: frozenset[int]


class Days(NamedTuple):
    """The two day fields and what they mean, by construction."""

    month: str
    week: str
    match: Callable[[date], bool]


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def quartz(expression: str, zone: str = "UTC") -> Cron:
    return Cron(expression=expression, zone=zone, spelling=Spelling.QUARTZ)


def expression(clock: tuple[Built, ...], days: Days, *, month: Built, years: Built) -> str:
    return f"{' '.join(part.text for part in clock)} {days.month} {month.text} {days.week}{years.text}"


def firings(cron: Cron, after: datetime, until: datetime) -> list[datetime]:
    """Every firing after a moment and up to another."""
    found = [after]
    while (following := cron.next_after(found[-1])) and following <= until:
        found.append(following)
    return found[1:]


@st.composite
def a_field(draw: st.DrawFn, low: int, high: int, *, most: int = 60) -> Built:
    """One field in one of the shapes that Quartz knows, with at most so many values."""
    number, width = st.integers(low, high), high - low + 1
    around = [*range(low, high + 1)] * 2
    match draw(st.sampled_from(("list", "around", "from", "star") if most >= width else ("list",))):
        case "star":
            step = draw(st.integers(1, high))
            return Built(f"*/{step}" if step > 1 else "*", frozenset(range(low, high + 1, step)))
        case "from":
            first, step = draw(number), draw(st.integers(1, high))
            return Built(f"{first}/{step}", frozenset(range(first, high + 1, step)))
        case "around":
            first, last, step = draw(number), draw(number), draw(st.integers(1, high))
            values = around[first - low : (last - low if last >= first else last - low + width) + 1 : step]
            return Built(f"{first}-{last}/{step}" if step > 1 else f"{first}-{last}", frozenset(values))
        case _:
            numbers = draw(st.lists(number, min_size=1, max_size=min(most, 4)))
            return Built(",".join(map(str, numbers)), frozenset(numbers))


def length(day: date) -> int:
    return monthrange(day.year, day.month)[1]


def next_to(day: date, wanted: int) -> bool:
    """Whether this is the working day of its month that is nearest to a day of it."""
    if not 1 <= wanted <= length(day):
        return False
    working = [number for number in range(1, length(day) + 1) if day.replace(day=number).isoweekday() <= 5]
    return day.day == min(working, key=lambda number: abs(number - wanted))


@st.composite
def some_days(draw: st.DrawFn) -> Days:
    """Two day fields, one of them open, in all the shapes that Quartz knows."""
    open_month, open_week = draw(st.sampled_from("*?")), draw(st.sampled_from("*?"))
    number, back, count = draw(st.integers(1, 31)), draw(st.integers(0, 30)), draw(st.integers(1, 5))
    weekday = draw(st.integers(1, 7))
    named = draw(st.sampled_from((str(weekday), SUNDAY_FIRST[weekday - 1], SUNDAY_FIRST[weekday - 1].lower())))
    days, week = draw(a_field(1, 31)), draw(a_field(1, 7))

    def on(day: date) -> bool:
        return day.isoweekday() % 7 + 1 == weekday

    shapes = (
        Days(days.text, open_week, lambda day: day.day in days.values),
        Days("L", open_week, lambda day: (day + DAY).day == 1),
        Days(f"L-{back}", open_week, lambda day: day.day == length(day) - back),
        Days("LW", open_week, lambda day: next_to(day, length(day))),
        Days(f"L-{back}W", open_week, lambda day: next_to(day, length(day) - back)),
        Days(f"{number}W", open_week, lambda day: next_to(day, number)),
        Days(f"{number}W,L", open_week, lambda day: next_to(day, number) or (day + DAY).day == 1),
        Days(open_month, week.text, lambda day: day.isoweekday() % 7 + 1 in week.values),
        Days(open_month, f"{named}L", lambda day: on(day) and (day + 7 * DAY).month != day.month),
        Days(open_month, f"{named}#{count}", lambda day: on(day) and (day.day + 6) // 7 == count),
        Days(open_month, "L", lambda day: day.isoweekday() == 6),
        Days("?", "*", lambda _: True),
        Days("*", "?", lambda _: True),
    )
    return draw(st.sampled_from(shapes))


def dates(days: Days, months: Built, years: Built) -> Iterator[date]:
    """Every matching date of ten years, by looking at each."""
    every = (FIRST + number * DAY for number in range((LAST - FIRST).days + 1))
    return (day for day in every if day.year in years.values and day.month in months.values and days.match(day))


def instants(clock: tuple[Built, ...], days: Iterator[date]) -> Iterator[datetime]:
    """Every matching second of some days in UTC: second, minute, hour."""
    each, minute, hour = (part.values for part in clock)
    times = sorted(s + 60 * m + 3600 * h for s, m, h in product(each, minute, hour))
    midnights = (datetime(day.year, day.month, day.day, tzinfo=UTC) for day in days)
    return (midnight + time * SECOND for midnight in midnights for time in times)


YEARS = st.sampled_from(
    [
        Built("", frozenset(range(2023, 2033))),
        Built(" *", frozenset(range(2023, 2033))),
        Built(" 2024", frozenset({2024})),
        Built(" 2025,2028", frozenset({2025, 2028})),
        Built(" 2024-2026", frozenset({2024, 2025, 2026})),
        Built(" 2023/3", frozenset({2023, 2026, 2029, 2032})),
    ]
)


@given(st.tuples(a_field(0, 59), a_field(0, 59), a_field(0, 23)), some_days(), a_field(1, 12), YEARS, AMONG_YEARS)
@settings(deadline=None, max_examples=300)
def test_the_calendar_in_utc(clock: tuple[Built, ...], days: Days, month: Built, years: Built, after: datetime) -> None:
    cron = quartz(expression(clock, days, month=month, years=years))
    later = (day for day in dates(days, month, years) if day >= after.date())
    expected = next((instant for instant in instants(clock, later) if instant > after), None)
    found = cron.next_after(after)
    assert expected == (found if found and found.date() <= LAST else None)


GAPS = [
    ("every ten minutes", "0 0/10 * * * ?", timedelta(minutes=10)),
    ("every seven minutes comes early at the hour", "0 0/7 * * * ?", timedelta(minutes=4)),
    ("five past and five to", "0 5,55 * * * ?", timedelta(minutes=10)),
    ("the hour and five to", "0 0,55 * * * ?", timedelta(minutes=5)),
    ("five to, in hours apart", "0 0,55 8,12 * * ?", timedelta(minutes=55)),
    ("two seconds of a day", "0,30 0 12 * * ?", timedelta(seconds=30)),
    ("every second of a minute", "* 0 12 * * ?", timedelta(seconds=1)),
    ("the last second and the first", "0,59 * 12 * * ?", timedelta(seconds=1)),
    ("over midnight", "0 55 23,0 * * ?", timedelta(hours=1)),
    ("over midnight, closer", "0 0,55 23,0 * * ?", timedelta(minutes=5)),
    ("over midnight of days that follow each other", "0 0,50 0,23 ? * MON,TUE", timedelta(minutes=10)),
    ("over midnight of days that do not", "0 0,50 0,23 ? * MON,WED", timedelta(minutes=50)),
    ("over midnight of a month", "0 0,50 0,23 L,1 * ?", timedelta(minutes=10)),
    ("over midnight of a year", "0 0,50 0,23 1,31 1,12 ?", timedelta(minutes=10)),
    ("over midnight of a year that is every second", "0 0,50 0,23 1,31 1,12 ? 2030/2", timedelta(minutes=50)),
    ("once a day", "0 15 10 ? * *", DAY),
    ("working days", "0 15 10 ? * MON-FRI", DAY),
    ("once a week", "0 15 10 ? * MON", 7 * DAY),
    ("once a month", "0 15 10 1 * ?", 28 * DAY),
    ("once a year", "0 15 10 1 1 ?", 365 * DAY),
    ("29 February", "0 15 10 29 2 ?", (4 * 365 + 1) * DAY),
    ("29 February on a Sunday, twice in the years of Quartz", "0 0 0 L 2 ? 2032,2060", 28 * 365 * DAY + 7 * DAY),
    ("the last working day and the first", "0 0 0 1W,LW * ?", DAY),
    ("once", "0 15 10 1 1 ? 2030", None),
    ("never", "0 15 10 30 2 ?", None),
]


@pytest.mark.parametrize(("text", "expected"), [row[1:] for row in GAPS], ids=[row[0] for row in GAPS])
def test_the_smallest_gap(text: str, expected: timedelta | None) -> None:
    assert expected == smallest_gap(quartz(text))


OTHERS = [
    ("Unix, minutes", Cron(expression="*/7 * * * *"), timedelta(minutes=4)),
    ("Unix, a day or a weekday", Cron(expression="0,50 0,23 13 * fri"), timedelta(minutes=10)),
    ("Unix, a day and a weekday", Cron(expression="0 0 */30 * 5"), 28 * DAY),
    ("Unix, Sunday and Monday", Cron(expression="0,50 0,23 * * 1,7"), timedelta(minutes=10)),
    ("Unix, never", Cron(expression="0 0 30 2 *"), None),
    ("APScheduler, weeks", Cron(expression="* * * 1,53 * 0 0 0", spelling=Spelling.APSCHEDULER), DAY),
    ("APScheduler, once", Cron(expression="9999 1 1 * * 0 0 0", spelling=Spelling.APSCHEDULER), None),
]


@pytest.mark.parametrize(("cron", "expected"), [row[1:] for row in OTHERS], ids=[row[0] for row in OTHERS])
def test_the_smallest_gap_in_other_spellings(cron: Cron, expected: timedelta | None) -> None:
    assert expected == smallest_gap(cron)


@given(st.tuples(*(a_field(0, high, most=3) for high in (59, 59, 23))), some_days(), a_field(1, 12, most=3))
@settings(deadline=None, max_examples=150)
def test_the_smallest_gap_is_the_smallest_of_all(clock: tuple[Built, ...], days: Days, month: Built) -> None:
    years = Built(" 2026-2027", frozenset({2026, 2027}))
    every = pairwise(instants(clock, dates(days, month, years)))
    expected = min((later - earlier for earlier, later in every), default=None)
    assert expected == smallest_gap(quartz(expression(clock, days, month=month, years=years)))


@pytest.mark.parametrize(
    "text", ["* * * ? * *", "0 0 0 29 2 ?", "0 0 0 30 2 ?", "59 59 23 L-30W,31W 2,4 ?", "0 0 0 ? 2 SUN#5"]
)
def test_the_smallest_gap_is_cheap(text: str) -> None:
    cron, started = quartz(text), perf_counter()
    smallest_gap(cron)
    assert perf_counter() - started < 0.05


TURNED = {  # an hour in both directions, half an hour in both, two hours, a quarter to the hour
    "America/New_York": ("2026-03-08 07:00", "2026-11-01 06:00"),
    "Australia/Lord_Howe": ("2026-10-03 15:30", "2026-04-04 15:00"),
    "Antarctica/Troll": ("2026-03-29 01:00", "2026-10-25 01:00"),
    "Pacific/Chatham": ("2026-09-26 14:00", "2026-04-04 14:00"),
}


AROUND = 4000  # seconds


@cache
def seconds_around(zone: str, turn: str) -> list[tuple[datetime, datetime]]:
    """Every second around a turn of the clock, and what the clock on the wall shows then."""
    moments = [utc(turn) + number * SECOND for number in range(-AROUND, AROUND)]
    return [(moment, moment.astimezone(zone_named(zone)).replace(tzinfo=None)) for moment in moments]


def lived_through(clock: tuple[Built, ...], seconds: list[tuple[datetime, datetime]]) -> Iterator[datetime]:
    """What a daemon does that wakes every real second and remembers the latest wall time it has dealt with."""
    second, minute, hour = (part.values for part in clock)
    running = any(part.text[0] == "*" or ("/" in part.text and "-" not in part.text) for part in clock)
    done = seconds[0][1] - SECOND
    for moment, wall in seconds:
        pending = running and wall.second in second and wall.minute in minute and wall.hour in hour
        while done < wall:
            done += SECOND
            pending |= not running and done.second in second and done.minute in minute and done.hour in hour
        if pending:
            yield moment


@given(
    st.sampled_from([(zone, turn) for zone, turns in TURNED.items() for turn in turns]),
    st.tuples(a_field(0, 59, most=3), a_field(0, 59), st.one_of(a_field(0, 4, most=3), a_field(0, 23))),
    st.integers(0, 2 * AROUND - 1),
)
@settings(deadline=None, max_examples=150)
def test_a_turn_of_the_clock_second_by_second(where: tuple[str, str], clock: tuple[Built, ...], asked: int) -> None:
    zone, turn = where
    seconds = seconds_around(zone, turn)
    after, until = seconds[asked][0], seconds[-1][0]
    expected = [moment for moment in lived_through(clock, seconds) if moment > after]
    assert expected == firings(quartz(" ".join(part.text for part in clock) + " * * ?", zone), after, until)
