"""Every with calendar months: counted from the start, cut to shorter months, and kept by the store's codec."""

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from chalicelib.scheduling.errors import Invalid
from chalicelib.scheduling.schedule import Cron, Every, Schedule, Spelling
from chalicelib.storage.codec import schedule_map, schedule_of

ZERO, DAY, HOUR, SECOND = timedelta(0), timedelta(days=1), timedelta(hours=1), timedelta(seconds=1)
MILLISECOND = timedelta(milliseconds=1)
YEAR = 12  # months
END = datetime.max.replace(tzinfo=UTC)
MOST = 9998 * YEAR


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


NEXT = [
    ("before the start", "2026-01-31", 1, ZERO, "2025-01-01", "2026-01-31"),
    ("a month on is cut to February", "2026-01-31", 1, ZERO, "2026-01-31", "2026-02-28"),
    ("two months on has its own length again", "2026-01-31", 1, ZERO, "2026-02-28", "2026-03-31"),
    ("three months on is cut to April", "2026-01-31", 1, ZERO, "2026-03-31", "2026-04-30"),
    ("a month on in a leap year", "2028-01-31", 1, ZERO, "2028-01-31", "2028-02-29"),
    ("the 30th is cut to February and back", "2026-01-30", 1, ZERO, "2026-02-28", "2026-03-30"),
    ("the time of day stays", "2026-01-31 23:59:59.999", 1, ZERO, "2026-01-31 23:59:59.999", "2026-02-28 23:59:59.999"),
    ("just before a firing", "2026-01-31", 1, ZERO, "2026-02-27 23:59:59.999999", "2026-02-28"),
    ("a year on", "2026-03-01", YEAR, ZERO, "2026-03-01", "2027-03-01"),
    ("a leap day a year on", "2024-02-29", YEAR, ZERO, "2024-02-29", "2025-02-28"),
    ("a leap day four years on", "2024-02-29", YEAR, ZERO, "2027-02-28", "2028-02-29"),
    ("over the end of a year", "2026-11-30", 3, ZERO, "2026-11-30", "2027-02-28"),
    ("missed firings are left out", "2012-01-31", 1, ZERO, "2026-03-15", "2026-03-31"),
    ("a month and a day", "2026-01-31", 1, DAY, "2026-01-31", "2026-03-01"),
    ("two months and two days", "2026-01-31", 1, DAY, "2026-03-01", "2026-04-02"),
    ("a month and an hour", "2026-01-01", 1, HOUR, "2026-02-01 01:00", "2026-03-01 02:00"),
    ("a month and six weeks", "2026-01-01", 1, 42 * DAY, "2026-01-01", "2026-03-15"),
    ("the calendar's last month", "9999-11-30", 1, ZERO, "9999-11-30", "9999-12-30"),
    ("the calendar ends", "9999-12-30", 1, ZERO, "9999-12-30", None),
    ("the calendar ends within the period", "9999-11-30", 1, 2 * DAY, "9999-11-30", None),
    ("as many months as there are", "0001-12-31", MOST, ZERO, "2026-01-01", "9999-12-31"),
    ("a period longer than the calendar", "2026-01-01", 1, timedelta.max - timedelta.max % SECOND, "2026-01-01", None),
]


@pytest.mark.parametrize(
    ("start", "months", "period", "after", "expected"), [row[1:] for row in NEXT], ids=[row[0] for row in NEXT]
)
def test_the_next_firing(start: str, months: int, period: timedelta, after: str, expected: str | None) -> None:
    every = Every(start=utc(start), period=period, months=months)
    assert (utc(expected) if expected else None) == every.next_after(utc(after))


REFUSED = [
    ("neither months nor a period", 0, ZERO, "period must be at least 1 second"),
    ("a negative period with months", 1, -SECOND, "period must not be negative"),
    ("a period finer than due times", 1, MILLISECOND / 2, "period must be a whole number of milliseconds"),
    ("negative months", -1, HOUR, f"months must be between 0 and {MOST}"),
    ("more months than there are", MOST + 1, ZERO, f"months must be between 0 and {MOST}"),
]


@pytest.mark.parametrize(
    ("months", "period", "expected"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED]
)
def test_what_is_refused_and_why(months: int, period: timedelta, expected: str) -> None:
    with pytest.raises(Invalid) as refusal:
        Every(start=utc("2026-01-01"), period=period, months=months)
    assert expected == str(refusal.value)


def test_months_are_counted_in_utc() -> None:
    late = datetime(2026, 2, 1, 0, 30, tzinfo=timezone(HOUR))  # 31 January in UTC
    assert utc("2026-02-28 23:30") == Every(start=late, period=ZERO, months=1).next_after(late)


def months_on(start: datetime, count: int) -> datetime | None:
    """So many calendar months later, month by month, then back from a day that the month does not have."""
    year, month, day = start.year, start.month, start.day
    for _ in range(count):
        year, month = (year, month + 1) if month < YEAR else (year + 1, 1)
    while year <= END.year:
        try:
            return start.replace(year=year, month=month, day=day)
        except ValueError:
            day -= 1
    return None


def one_by_one(every: Every, after: datetime) -> datetime | None:
    """The first firing after a moment, by going through all of them."""
    count = 0
    while anchor := months_on(every.start, count * every.months):
        if count * every.period > END - anchor:
            return None
        if anchor + count * every.period > after:
            return anchor + count * every.period
        count += 1
    return None


NAIVE = datetime(1990, 1, 1), datetime(2030, 1, 1)  # noqa: DTZ001 - hypothesis asks for naive bounds
STARTS = st.one_of(
    st.datetimes(*NAIVE, timezones=st.just(UTC)),
    st.builds(
        lambda year, month: datetime(year, month, 31, tzinfo=UTC), st.integers(1990, 2030), st.sampled_from([1, 5, 12])
    ),
)
PERIODS = st.one_of(st.just(ZERO), st.timedeltas(ZERO, 100 * DAY).map(lambda period: period - period % MILLISECOND))


@given(STARTS, PERIODS, st.integers(1, 30), st.timedeltas(-DAY, 9000 * DAY))
@example(utc("9999-06-30"), 5 * DAY, 2, 170 * DAY)
@settings(deadline=None, max_examples=200)
def test_months_and_a_period_are_added_as_often(
    start: datetime, period: timedelta, months: int, elapsed: timedelta
) -> None:
    every = Every(start=start, period=period, months=months)
    after = every.start + elapsed
    assert one_by_one(every, after) == every.next_after(after)


@given(st.datetimes(timezones=st.just(UTC)), PERIODS, st.integers(1, MOST), st.datetimes(timezones=st.just(UTC)))
@settings(deadline=None, max_examples=200)
def test_firings_rise_to_the_end_of_the_calendar(
    start: datetime, period: timedelta, months: int, after: datetime
) -> None:
    every = Every(start=start, period=period, months=months)
    found = every.next_after(after)
    assume(found)
    assert found
    assert found > after
    following = every.next_after(found)
    assert following is None or following > found
    assert found == every.start or every.next_after(found - MILLISECOND) == found


LONGEST = "0 0 0 1 1 ? " + "2030," * 47 + "02031"
KEPT: list[tuple[str, Schedule]] = [
    ("months", Every(start=utc("2026-01-31"), period=ZERO, months=1)),
    ("months and a period", Every(start=utc("2026-01-31"), period=DAY, months=YEAR)),
    ("a period", Every(start=utc("2026-01-31"), period=DAY)),
    ("Unix cron", Cron(expression="0 8 * * *", zone="Europe/Paris")),
    ("Quartz cron", Cron(expression="0 15 10 ? * FRI#3", spelling=Spelling.QUARTZ)),
    ("the longest cron there is", Cron(expression=LONGEST, zone="UTC", spelling=Spelling.QUARTZ)),
    ("APScheduler's fields", Cron(expression="* * 3rd_fri * * 0 0 0", spelling=Spelling.APSCHEDULER)),
]


@pytest.mark.parametrize("schedule", [row[1] for row in KEPT], ids=[row[0] for row in KEPT])
def test_a_schedule_reads_back_as_it_was_written_and_is_small(schedule: Schedule) -> None:
    written = json.dumps(schedule_map(schedule))
    assert schedule == schedule_of(json.loads(written))
    assert len(written) < 400


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (
            {"kind": "every", "start": 1_767_225_600_000, "period": 3_600_000},
            Every(start=utc("2026-01-01"), period=HOUR),
        ),
        (
            {"kind": "cron", "expression": "0 8 * * *", "zone": "Europe/Paris"},
            Cron(expression="0 8 * * *", zone="Europe/Paris", spelling=Spelling.UNIX),
        ),
    ],
    ids=["an interval before there were months", "a cron before there were spellings"],
)
def test_an_older_item_still_reads(item: dict[str, object], expected: Schedule) -> None:
    assert expected == schedule_of(item)
