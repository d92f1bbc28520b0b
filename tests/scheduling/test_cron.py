"""Unix cron: the shared vectors, what is refused and in which words, and two oracles that share no code with it.

`the_days` walks the calendar in UTC; `the_daemon` walks real minutes around a turn of the clock as Debian's cron does.
Both get their values from the builder of the expression, not from the parser.
"""

import json
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from chalicelib.scheduling import unix
from chalicelib.scheduling.cron import Clock, Days, Pattern
from chalicelib.scheduling.errors import Invalid
from chalicelib.scheduling.schedule import Cron
from chalicelib.scheduling.zones import names, zone_named

VECTORS = json.loads(Path(__file__).with_name("cron_vectors.json").read_text(encoding="utf-8"))["vectors"]
ZONES = (
    "UTC",
    "America/New_York",
    "Australia/Lord_Howe",
    "Asia/Beirut",
    "Europe/London",
    "Europe/Dublin",
    "Africa/Casablanca",
    "America/St_Johns",
    "America/Asuncion",
    "America/Havana",
    "Asia/Kathmandu",
    "Pacific/Apia",
    "Pacific/Chatham",
    "Antarctica/Troll",
)
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
AMONG_ALL = settings(deadline=None, max_examples=150)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def firings(cron: Cron, after: datetime, count: int) -> list[datetime]:
    """The next firings, fewer if there are no more."""
    found: list[datetime] = []
    while len(found) < count and (after_that := cron.next_after(found[-1] if found else after)):
        found.append(after_that)
    return found


@pytest.mark.parametrize("vector", VECTORS, ids=[vector["why"] for vector in VECTORS])
def test_t57_the_shared_vectors(vector: dict[str, str | list[str]]) -> None:
    expected = [datetime.fromisoformat(text) for text in vector["expect"]]
    cron = Cron(expression=str(vector["cron"]), zone=str(vector["tz"]))
    assert expected == firings(cron, datetime.fromisoformat(str(vector["after"])), len(expected))


NEXT = [
    ("a moment on the minute is over", "* * * * *", "UTC", "2026-01-01 00:00", "2026-01-01 00:01"),
    ("a moment just before the minute is not", "* * * * *", "UTC", "2026-01-01 00:00:59.999999", "2026-01-01 00:01"),
    ("a moment just after the minute is over", "* * * * *", "UTC", "2026-01-01 00:01:00.000001", "2026-01-01 00:02"),
    ("a year ends", "59 23 31 12 *", "UTC", "2026-12-31 23:59", "2027-12-31 23:59"),
    ("day 31 waits for a month that has one", "0 0 31 4,5 *", "UTC", "2026-01-31", "2026-05-31"),
    ("30 and 31 skip February", "0 0 30,31 * *", "UTC", "2026-01-31", "2026-03-30"),
    ("29 February, leap year to leap year", "0 0 29 2 *", "UTC", "2024-02-29", "2028-02-29"),
    ("29 February over 2100", "0 0 29 2 *", "Europe/London", "2096-02-29", "2104-02-29"),
    ("29 February on a Sunday, 28 years on", "0 0 29 2 */7", "UTC", "2032-02-29", "2060-02-29"),
    ("29 February on a Sunday, 40 years over 2100", "0 0 29 2 */7", "UTC", "2088-02-29", "2128-02-29"),
    ("30 February or a Friday leaves the Fridays", "0 0 30 2 fri", "UTC", "2026-01-01", "2026-02-06"),
    ("a day that starts with * must match both", "0 0 */2 * mon", "UTC", "2026-01-01", "2026-01-05"),
    ("a weekday that starts with * must match both", "0 0 13 * */2", "UTC", "2026-01-14", "2026-06-13"),
    ("a list that starts with * must match both", "0 0 *,5 * mon", "UTC", "2026-01-01", "2026-01-05"),
    ("every day by number, or a Friday, is every day", "0 0 1-31 * 5", "UTC", "2026-01-01", "2026-01-02"),
    ("every weekday by number, or the 13th, is every day", "0 0 13 * 0-7", "UTC", "2026-01-01", "2026-01-02"),
    ("names in any case", "0 0 * FEB Mon-wED", "UTC", "2026-01-01", "2026-02-02"),
    ("Friday to Sunday ends in 7", "0 0 * * fri-7", "UTC", "2026-01-03", "2026-01-04"),
    ("tabs and blanks around", " \t0\t 0  1 1 *  ", "UTC", "2026-01-01", "2027-01-01"),
    ("leading zeros", "05 08 01 01 *", "UTC", "2026-01-01", "2026-01-01 08:05"),
    ("the second after 32 bits end", "15 3 19 1 *", "UTC", "2038-01-19 03:14:07", "2038-01-19 03:15"),
    ("daylight saving after 2037", "0 9 * * *", "America/New_York", "2040-07-01", "2040-07-01 13:00"),
    ("the end of croniter's years", "0 0 1 1 *", "UTC", "2099-06-01", "2100-01-01"),
    ("the year 9998", "0 0 1 1 *", "Pacific/Kiritimati", "9998-06-01", "9998-12-31 10:00"),
    ("a moment far away is read in the zone", "0 0 * * *", "Asia/Kathmandu", "2026-01-01", "2026-01-01 18:15"),
    (
        "the daily firing of a day that never was, in Samoa",
        "0 9 * * *",
        "Pacific/Apia",
        "2011-12-29 20:00",
        "2011-12-30 10:00",
    ),
    ("and real time has none of it", "0 */9 30 12 *", "Pacific/Apia", "2011-12-01", "2012-12-29 10:00"),
    (
        "asked in a second pass, a fixed time is over",
        "30 1 * * *",
        "America/New_York",
        "2026-11-01 06:15",
        "2026-11-02 06:30",
    ),
    (
        "asked in a second pass, the hour after it is not",
        "0 1,2 * * *",
        "America/New_York",
        "2026-11-01 06:15",
        "2026-11-01 07:00",
    ),
    ("real time, last in the first pass", "5 * * * *", "America/New_York", "2026-11-01 05:30", "2026-11-01 06:05"),
    (
        "real time, once a year, starts with the first pass",
        "*/30 1 1 11 *",
        "America/New_York",
        "2026-01-01",
        "2026-11-01 05:00",
    ),
    (
        "real time, once a year, and the second pass",
        "*/30 1 1 11 *",
        "America/New_York",
        "2026-11-01 05:30",
        "2026-11-01 06:00",
    ),
    (
        "a minute range that is all minutes is still fixed",
        "0-59 1 * * *",
        "America/New_York",
        "2026-11-01 05:59",
        "2026-11-02 06:00",
    ),
    ("a whole hour in the gap fires once", "0-59 2 * * *", "America/New_York", "2026-03-08 07:00", "2026-03-09 06:00"),
    ("every minute steps over the gap", "* * * * *", "America/New_York", "2026-03-08 06:59", "2026-03-08 07:00"),
    ("local mean time has seconds", "0 12 * * *", "America/New_York", "1880-01-01", "1880-01-01 16:56:02"),
    ("before the calendar's second year", "0 0 1 1 *", "America/New_York", "0001-01-01", "0002-01-01 04:56:02"),
]


@pytest.mark.parametrize(
    ("expression", "zone", "after", "expected"), [row[1:] for row in NEXT], ids=[row[0] for row in NEXT]
)
def test_t57_the_next_firing(expression: str, zone: str, after: str, expected: str) -> None:
    assert utc(expected) == Cron(expression=expression, zone=zone).next_after(utc(after))


NEVER = [
    ("30 February", "0 0 30 2 *", "UTC", "2026-01-01"),
    ("31 in months of 30 days", "0 0 31 4,6,9,11 *", "UTC", "2026-01-01"),
    ("30 February that must also be any weekday", "0 0 30 2 */1", "UTC", "2026-01-01"),
    ("the calendar ends", "0 0 29 2 *", "UTC", "9996-02-29"),
    ("the last day of the calendar", "* * * * *", "UTC", "9999-12-31 23:59"),
    ("the last day, where it has begun already", "* * * * *", "Pacific/Kiritimati", "9999-12-31 23:00"),
    ("the last day, where it has not", "0 12 31 12 *", "Pacific/Pago_Pago", "9999-12-01"),
    ("real time that only names skipped times", "*/20 2 8-14 3 */7", "America/New_York", "2026-01-01"),
]


@pytest.mark.parametrize(("expression", "zone", "after"), [row[1:] for row in NEVER], ids=[row[0] for row in NEVER])
def test_what_never_fires_again(expression: str, zone: str, after: str) -> None:
    assert Cron(expression=expression, zone=zone).next_after(utc(after)) is None


def test_a_caller_can_tell_an_impossible_date() -> None:
    expected = {"0 0 30 2 *": True, "0 0 30 2 5": False, "0 0 29 2 *": False}
    assert expected == {expression: unix.parse(expression).impossible for expression in expected}


def test_a_moment_in_another_zone_is_the_same_moment() -> None:
    cron = Cron(expression="0 9 * * *", zone="Europe/London")
    local = datetime(2026, 7, 1, 20, tzinfo=ZoneInfo("Asia/Tokyo"))
    expected = utc("2026-07-02 08:00")
    assert (expected, UTC) == ((found := cron.next_after(local)), found and found.tzinfo)


def test_a_naive_moment_is_a_bug_of_the_caller() -> None:
    with pytest.raises(TypeError):
        Cron(expression="* * * * *").next_after(datetime(2026, 1, 1))  # noqa: DTZ001 - that is the point


def test_the_compiled_pattern_is_plain_numbers() -> None:
    expected = Pattern(
        minutes=(0, 20, 40),
        hours=(9, 10, 11, 17),
        days=(1, 15),
        months=(1, 2, 12),
        weekdays=(0, 1, 3, 5),
        match=Days.EITHER,
        clock=Clock.RUNNING,
    )
    assert expected == unix.parse("*/20 17,9-11 15,1 dec,1-2 1-5/2,7")


def test_a_parsed_expression_is_kept() -> None:
    assert unix.parse("1 2 3 4 5") is unix.parse("1 2 3 4 5")


@pytest.fixture
def impatient_threads() -> Iterator[None]:
    """Threads that give way at every turn, so that whatever they share shows."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


@pytest.mark.usefixtures("impatient_threads")
def test_threads_share_one_pattern() -> None:
    cron = Cron(expression="7 3 * * *")
    starts = [utc("2026-01-01") + number * DAY for number in range(2000)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(cron.next_after, starts))
    assert [moment + timedelta(hours=3, minutes=7) for moment in starts] == found


REFUSED = [
    ("nothing", "", "cron is empty"),
    ("blanks", " \t ", "cron is empty"),
    ("256 characters", "0 0 1 1 " + "1," * 123 + "11", "cron is longer than 255 characters"),
    ("an Arabic digit", "٣ * * * *", "cron has characters that are not ASCII"),
    ("a no-break space", "0\xa00 * * *", "cron has characters that are not ASCII"),
    ("a macro", "@daily", "cron is the macro '@daily': write out the five fields, such as 0 0 * * *"),
    ("@reboot", "@reboot", "cron is the macro '@reboot': write out the five fields, such as 0 0 * * *"),
    ("@every with a period", "@every 5m", "cron is the macro '@every': write out the five fields, such as 0 0 * * *"),
    ("four fields", "0 0 * *", "cron has 4 fields, not the 5 of Unix cron: minute hour day-of-month month day-of-week"),
    (
        "six fields",
        "0 0 * * * *",
        "cron has 6 fields, not the 5 of Unix cron: minute hour day-of-month month day-of-week",
    ),
    ("a Quartz ?", "0 0 ? * *", "cron has a ?, which Unix cron does not know; use * (day-of-month '?')"),
    ("a last day", "0 0 L * *", "cron has an L: the last day of a month cannot be asked for (day-of-month 'L')"),
    (
        "a last working day",
        "0 0 LW * *",
        "cron has an L: the last day of a month cannot be asked for (day-of-month 'LW')",
    ),
    (
        "days before the last",
        "0 0 l-3 * *",
        "cron has an L: the last day of a month cannot be asked for (day-of-month 'l')",
    ),
    (
        "a last Friday",
        "0 0 * * friL",
        "cron has an L: the last day of a month cannot be asked for (day-of-week 'friL')",
    ),
    ("a last weekday 5", "0 0 * * 5L", "cron has an L: the last day of a month cannot be asked for (day-of-week '5L')"),
    (
        "a nearest working day",
        "0 0 15W * *",
        "cron has a W: the nearest working day cannot be asked for (day-of-month '15W')",
    ),
    (
        "a second Tuesday",
        "0 0 * * 2#2",
        "cron has a #: the n-th weekday of a month cannot be asked for (day-of-week '2#2')",
    ),
    ("chance", "R * * * *", "cron has an H or R: times chosen by hash or chance are refused (minute 'R')"),
    (
        "chance in a range",
        "r(0-10) * * * *",
        "cron has an H or R: times chosen by hash or chance are refused (minute 'r(0-10)')",
    ),
    ("a hash", "H * * * *", "cron has an H or R: times chosen by hash or chance are refused (minute 'H')"),
    ("a hash with a step", "0 h/2 * * *", "cron has an H or R: times chosen by hash or chance are refused (hour 'h')"),
    ("minute 60", "60 * * * *", "cron has the minute 60, which is not between 0 and 59"),
    ("hour 24", "0 24 * * *", "cron has the hour 24, which is not between 0 and 23"),
    ("day 0", "0 0 0 * *", "cron has the day-of-month 0, which is not between 1 and 31"),
    ("day 32 in a list", "0 0 1,32 * *", "cron has the day-of-month 32, which is not between 1 and 31"),
    ("month 0", "0 0 1 0 *", "cron has the month 0, which is not between 1 and 12"),
    ("month 13 in a range", "0 0 1 12-13 *", "cron has the month 13, which is not between 1 and 12"),
    ("weekday 8", "0 0 * * 8", "cron has the day-of-week 8, which is not between 0 and 7"),
    (
        "a number of 240 digits",
        "1" * 240 + " * * * *",
        f"cron has the minute {'1' * 240}, which is not between 0 and 59",
    ),
    ("a negative number", "-5 * * * *", "cron has the minute '-5', which is not 0..59, *, a range or a step"),
    ("a fraction", "1.5 * * * *", "cron has the minute '1.5', which is not 0..59, *, a range or a step"),
    ("an underscore", "1_0 * * * *", "cron has the minute '1_0', which is not 0..59, *, a range or a step"),
    ("a month as minute", "jan * * * *", "cron has the minute 'jan', which is not 0..59, *, a range or a step"),
    (
        "a month's full name",
        "0 0 1 june *",
        "cron has the month 'june', which is not 1..12 or jan..dec, *, a range or a step",
    ),
    (
        "a weekday as month",
        "0 0 1 mon *",
        "cron has the month 'mon', which is not 1..12 or jan..dec, *, a range or a step",
    ),
    ("a NUL", "0\0 * * * *", "cron has the minute '0\\x00', which is not 0..59, *, a range or a step"),
    (
        "a line break",
        "0 0 * * *\n",
        "cron has the day-of-week '*\\n', which is not 0..7 or sun..sat, *, a range or a step",
    ),
    ("a reversed range", "30-10 * * * *", "cron has the minute range '30-10', which runs backwards"),
    ("a reversed range of names", "0 0 * nov-feb *", "cron has the month range 'nov-feb', which runs backwards"),
    (
        "Sunday at the wrong end",
        "0 0 * * fri-sun",
        "cron has the day-of-week range 'fri-sun', which runs backwards; Sunday at the end of a range is 7",
    ),
    ("a step of 0", "*/0 * * * *", "cron has the minute '*/0': a step is a whole number from 1"),
    ("a step that is a word", "*/x * * * *", "cron has the minute '*/x': a step is a whole number from 1"),
    ("a step by name", "0 0 1 */feb *", "cron has the month '*/feb': a step is a whole number from 1"),
    ("a step over the field", "*/60 * * * *", "cron has the minute '*/60': its step is too large, 59 is the most"),
    ("a step over the range", "0 8-12/5 * * *", "cron has the hour '8-12/5': its step is too large, 4 is the most"),
    ("a step over one value", "0 8-8/2 * * *", "cron has the hour '8-8/2': its step is too large, 1 is the most"),
    ("a step from a number", "5/15 * * * *", "cron has the minute '5/15': a step needs a range, as 5-59, or *"),
    ("a step without a number", "*/ * * * *", "cron has the minute '*/', which is not 0..59, *, a range or a step"),
    ("two steps", "*/5/5 * * * *", "cron has the minute '*/5/5', which is not 0..59, *, a range or a step"),
    ("two stars", "** * * * *", "cron has the minute '**', which is not 0..59, *, a range or a step"),
    ("a star in a range", "*-5 * * * *", "cron has the minute '*-5', which is not 0..59, *, a range or a step"),
    ("a star and a number", "*5 * * * *", "cron has the minute '*5', which is not 0..59, *, a range or a step"),
    ("half a range", "5- * * * *", "cron has the minute '5-', which is not 0..59, *, a range or a step"),
    ("a range of three", "1-5-9 * * * *", "cron has the minute '1-5-9', which is not 0..59, *, a range or a step"),
    ("a comma too many", "1,,2 * * * *", "cron has an empty element in its minute"),
    ("a comma at the end", "0 1, * * *", "cron has an empty element in its hour"),
]


@pytest.mark.parametrize(("expression", "expected"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_what_is_refused_and_why(expression: str, expected: str) -> None:
    with pytest.raises(Invalid) as refusal:
        Cron(expression=expression)
    assert (expected, "cron") == (str(refusal.value), refusal.value.problems[0].field)


@pytest.mark.parametrize(
    "zone",
    [
        "",
        "Mars/Olympus",
        "europe/london",
        "Europe",
        "Europe/London ",
        "Europe/London\0",
        "\0",
        "/etc/localtime",
        "/usr/share/zoneinfo/UTC",
        "../zoneinfo/UTC",
        "Europe/../UTC",
        "./UTC",
        "Factory",
        "zones",
        "__init__.py",
        "EST5EDT,M3.2.0,M11.1.0",
        "A" * 1000,
        "Zürich",
    ],
)
def test_a_zone_that_is_none_is_refused(zone: str) -> None:
    with pytest.raises(Invalid) as refusal:
        Cron(expression="* * * * *", zone=zone)
    expected = "zone is not the name of an IANA time zone, such as Europe/London"
    assert (expected, "zone") == (str(refusal.value), refusal.value.problems[0].field)


def test_every_promised_zone_can_be_loaded() -> None:
    assert sorted(names()) == [zone_named(name).key for name in sorted(names())]


@given(st.text(alphabet=" \t0123456789*/,-?#@LWHRljanmosu\0é", max_size=40))
@settings(deadline=None, max_examples=300)
def test_any_text_is_parsed_or_refused_by_name(text: str) -> None:
    assert fate(text) in {"fires later", "never fires", "cron"}


def fate(text: str) -> str:
    """What becomes of an expression: its firing, or the field that it is refused for."""
    asked = utc("2026-01-01")
    try:
        found = Cron(expression=text).next_after(asked)
    except Invalid as refusal:
        return refusal.problems[0].field
    if found is None:
        return "never fires"
    return "fires later" if found > asked else "fires in the past"


class Built(NamedTuple):
    """An expression and what it means, by construction."""

    text: str
    fields: tuple[frozenset[int], ...]  # minute, hour, day, month, weekday (0 is Sunday)

    @property
    def fixed(self) -> bool:
        minute, hour, *_ = self.text.split()
        return minute[0] != "*" and hour[0] != "*"

    def dated(self, wall: datetime) -> bool:
        _, _, day, _, weekday = self.text.split()
        _, _, days, months, weekdays = self.fields
        matches = (wall.day in days, wall.isoweekday() % 7 in weekdays)
        return wall.month in months and (all(matches) if "*" in (day[0], weekday[0]) else any(matches))

    def matches(self, wall: datetime) -> bool:
        minutes, hours, *_ = self.fields
        return wall.minute in minutes and wall.hour in hours and self.dated(wall)


@st.composite
def a_field(draw: st.DrawFn, low: int, high: int) -> tuple[str, frozenset[int]]:
    """One field in one of the shapes that Unix cron knows."""
    number = st.integers(low, high)
    match draw(st.sampled_from(("star", "step", "list", "range", "stride"))):
        case "star":
            return "*", frozenset(range(low, high + 1))
        case "step":
            step = draw(st.integers(1, high - low))
            return f"*/{step}", frozenset(range(low, high + 1, step))
        case "list":
            values = draw(st.lists(number, min_size=1, max_size=4))
            return ",".join(map(str, values)), frozenset(values)
        case shape:
            first, last = sorted((draw(number), draw(number)))
            step = draw(st.integers(1, max(last - first, 1))) if shape == "stride" else 1
            return f"{first}-{last}" + f"/{step}" * (shape == "stride"), frozenset(range(first, last + 1, step))


@st.composite
def an_expression(draw: st.DrawFn, *, hours: tuple[int, int] = (0, 23), dates: bool = True) -> Built:
    """Five fields; around a turn of the clock the hours are those it may touch, and the dates mostly free."""

    def date(low: int, high: int) -> st.SearchStrategy[tuple[str, frozenset[int]]]:
        return a_field(low, high) if dates or draw(st.integers(0, 3)) == 0 else st.just(("*", frozenset(range(32))))

    clock = (draw(a_field(0, 59)), draw(a_field(*hours) if draw(st.booleans()) else a_field(0, 23)))
    day, month, weekday = draw(date(1, 31)), draw(date(1, 12)), draw(date(0, 7))
    if clock[1][0].startswith("*"):
        step = int(clock[1][0][2:] or 1)
        clock = (clock[0], (clock[1][0], frozenset(range(0, 24, step))))
    weekday = (weekday[0], frozenset(number % 7 for number in weekday[1]))
    parts = (*clock, day, month, weekday)
    return Built(" ".join(part[0] for part in parts), tuple(part[1] for part in parts))


@cache
def the_turns(zone: str) -> tuple[datetime, ...]:
    """The instants (UTC) at which a zone's clock is turned, 2008 to 2030, by looking at every quarter of an hour."""
    place, start = zone_named(zone), utc("2008-01-01")
    days = [start + number * DAY for number in range(23 * 365)]
    quarters = (
        before + number * timedelta(minutes=15)
        for before, after in pairwise(days)
        if before.astimezone(place).utcoffset() != after.astimezone(place).utcoffset()
        for number in range(1, 97)
    )
    earlier = timedelta(minutes=15)
    return tuple(
        moment
        for moment in quarters
        if moment.astimezone(place).utcoffset() != (moment - earlier).astimezone(place).utcoffset()
    )


def the_daemon(built: Built, zone: ZoneInfo, start: datetime, stop: datetime) -> Iterator[datetime]:
    """What a cron daemon does that wakes every real minute and remembers the latest wall time it has dealt with."""
    done = start.astimezone(zone).replace(tzinfo=None)
    moment = start
    while (moment := moment + MINUTE) <= stop:
        wall = moment.astimezone(zone).replace(tzinfo=None)
        if not built.fixed:
            if built.matches(wall):
                yield moment
            continue
        pending = False
        while done < wall:
            done += MINUTE
            pending |= built.matches(done)
        if pending:
            yield moment


TURNED = st.sampled_from([name for name in ZONES if name not in {"UTC", "Asia/Kathmandu"}])


@given(TURNED, st.data(), an_expression(hours=(0, 3), dates=False))
@AMONG_ALL
def test_a_turn_of_the_clock_is_lived_through_as_debians_daemon_does(
    zone: str, data: st.DataObject, built: Built
) -> None:
    turn = data.draw(st.sampled_from(the_turns(zone)))
    start = turn - timedelta(minutes=data.draw(st.integers(181, 240)))
    stop = turn + timedelta(hours=3)
    expected = list(the_daemon(built, zone_named(zone), start, stop))
    found = firings(Cron(expression=built.text, zone=zone), start, len(expected) + 1)
    assert expected == [moment for moment in found if moment <= stop]


@given(TURNED, st.data(), an_expression(hours=(0, 3), dates=False))
@AMONG_ALL
def test_what_fires_next_does_not_depend_on_what_was_asked_before(zone: str, data: st.DataObject, built: Built) -> None:
    turn = data.draw(st.sampled_from(the_turns(zone)))
    start, stop = turn - timedelta(minutes=200), turn + timedelta(hours=3)
    asked = data.draw(st.datetimes(start.replace(tzinfo=None), stop.replace(tzinfo=None))).replace(tzinfo=UTC)
    expected = next((moment for moment in the_daemon(built, zone_named(zone), start, stop) if moment > asked), None)
    found = Cron(expression=built.text, zone=zone).next_after(asked)
    assert expected == (found if found and found <= stop else None)


@given(st.sampled_from(ZONES), an_expression(), st.datetimes(datetime(1971, 1, 1), datetime(2200, 1, 1)))  # noqa: DTZ001 - hypothesis asks for naive bounds
@AMONG_ALL
def test_t57_firings_rise_and_match_the_wall_or_end_a_gap(zone: str, built: Built, moment: datetime) -> None:
    start, place = moment.replace(tzinfo=UTC), zone_named(zone)
    found = firings(Cron(expression=built.text, zone=zone), start, 12)
    assert all(earlier < later for earlier, later in pairwise([start, *found]))
    for instant in found:
        wall, before = instant.astimezone(place), (instant - MINUTE).astimezone(place)
        assert built.matches(wall) or (built.fixed and wall.utcoffset() != before.utcoffset())


@given(TURNED, st.data(), an_expression(hours=(0, 3), dates=False))
@AMONG_ALL
def test_t57_a_fixed_time_fires_at_most_once_a_day(zone: str, data: st.DataObject, built: Built) -> None:
    assume(built.fixed)
    start = data.draw(st.sampled_from(the_turns(zone))) - timedelta(hours=4)
    found = firings(Cron(expression=built.text, zone=zone), start, 80)
    walls = [instant.astimezone(zone_named(zone)).replace(tzinfo=None) for instant in found]
    assert len(walls) == len(set(walls))


def the_days(built: Built, after: datetime, until: datetime) -> datetime | None:
    """The first match in UTC, by looking at every day."""
    minutes, hours, *_ = built.fields
    day = after.replace(hour=0, minute=0, second=0, microsecond=0)
    while day < until:
        times = (day.replace(hour=hour, minute=minute) for hour in sorted(hours) for minute in sorted(minutes))
        found = next((time for time in times if time > after), None) if built.dated(day) else None
        if found:
            return found
        day += DAY
    return None


@given(an_expression(), st.datetimes(datetime(1971, 1, 1), datetime(2150, 1, 1)))  # noqa: DTZ001 - as above
@example(Built("0 0 31 2 1", tuple(map(frozenset, ({0}, {0}, {31}, {2}, {1})))), datetime(2026, 3, 1))  # noqa: DTZ001
@settings(deadline=None, max_examples=300)
def test_t57_the_calendar_in_utc(built: Built, moment: datetime) -> None:
    after = moment.replace(tzinfo=UTC)
    until = after + 9 * 366 * DAY
    found = Cron(expression=built.text).next_after(after)
    assert the_days(built, after, until) == (found if found and found < until.replace(hour=0, minute=0) else None)
