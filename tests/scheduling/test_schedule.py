"""Once and Every, and what all three schedules promise."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.scheduling.errors import Invalid
from chalicelib.scheduling.schedule import Cron, Every, Once, Schedule

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)
MILLISECOND = timedelta(milliseconds=1)
MICROSECOND = timedelta(microseconds=1)
END = datetime.max.replace(tzinfo=UTC)
BEGINNING = datetime.min.replace(tzinfo=UTC)
PARIS = timezone(HOUR)

MOMENTS = st.datetimes(timezones=st.just(UTC))
PERIODS = st.timedeltas(SECOND, timedelta(days=40_000)).map(lambda period: period - period % MILLISECOND)

NEXT: list[tuple[str, Schedule, datetime, datetime | None]] = [
    ("once, before", Once(at=NOON), NOON - MICROSECOND, NOON),
    ("once, at that instant it is over", Once(at=NOON), NOON, None),
    ("once, after", Once(at=NOON), NOON + HOUR, None),
    ("once, asked at the beginning of time", Once(at=NOON), BEGINNING, NOON),
    ("every, long before it starts", Every(start=NOON, period=HOUR), BEGINNING, NOON),
    ("every, just before it starts", Every(start=NOON, period=HOUR), NOON - MICROSECOND, NOON),
    ("every, at its start", Every(start=NOON, period=HOUR), NOON, NOON + HOUR),
    ("every, between", Every(start=NOON, period=HOUR), NOON + HOUR / 2, NOON + HOUR),
    ("every, just before a firing", Every(start=NOON, period=HOUR), NOON + HOUR - MICROSECOND, NOON + HOUR),
    ("every, at a firing", Every(start=NOON, period=HOUR), NOON + HOUR, NOON + 2 * HOUR),
    ("every, a second at a time", Every(start=NOON, period=SECOND), NOON + 10**9 * SECOND, NOON + (10**9 + 1) * SECOND),
    ("every, aligned to a start in another zone", Every(start=NOON.astimezone(PARIS), period=HOUR), NOON, NOON + HOUR),
    (
        "every, the last firing there is",
        Every(start=END - HOUR, period=HOUR),
        END - HOUR,
        END - 999 * MICROSECOND,
    ),
    ("every, past the end of the calendar", Every(start=END - HOUR / 2, period=HOUR), END - HOUR / 4, None),
    ("every, asked at the end of the calendar", Every(start=NOON, period=SECOND), END, None),
    (
        "every, a period longer than the calendar",
        Every(start=NOON, period=timedelta.max - timedelta.max % SECOND),
        NOON,
        None,
    ),
    (
        "cron, in its zone",
        Cron(expression="0 9 * * *", zone="Asia/Kathmandu"),
        NOON,
        datetime(2026, 1, 2, 3, 15, tzinfo=UTC),
    ),
    ("cron, in UTC unless said otherwise", Cron(expression="0 9 * * *"), NOON, datetime(2026, 1, 2, 9, tzinfo=UTC)),
    ("cron, at the end of the calendar", Cron(expression="* * * * *"), END, None),
]


@pytest.mark.parametrize(("schedule", "moment", "expected"), [row[1:] for row in NEXT], ids=[row[0] for row in NEXT])
def test_the_next_firing(schedule: Schedule, moment: datetime, expected: datetime | None) -> None:
    assert expected == schedule.next_after(moment)


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        (lambda: Once(at=NOON.replace(tzinfo=None)), "at must have an offset from UTC"),
        (
            lambda: Once(at=BEGINNING.replace(tzinfo=PARIS)),
            "at is not a date between the years 1 and 9999 in UTC",
        ),
        (lambda: Every(start=NOON.replace(tzinfo=None), period=HOUR), "start must have an offset from UTC"),
        (lambda: Every(start=NOON, period=timedelta(0)), "period must be at least 1 second"),
        (lambda: Every(start=NOON, period=-HOUR), "period must be at least 1 second"),
        (lambda: Every(start=NOON, period=SECOND - MICROSECOND), "period must be at least 1 second"),
        (lambda: Every(start=NOON, period=SECOND + MICROSECOND), "period must be a whole number of milliseconds"),
    ],
    ids=[
        "a naive instant",
        "an instant before year 1",
        "a naive start",
        "no period",
        "a negative period",
        "just under a second",
        "a period finer than due times",
    ],
)
def test_what_is_refused_and_why(build: object, expected: str) -> None:
    assert callable(build)
    with pytest.raises(Invalid) as refusal:
        build()
    assert expected == str(refusal.value)


def test_instants_are_kept_in_utc_and_in_whole_milliseconds() -> None:
    late = datetime(2026, 1, 1, 13, 0, 0, 123_999, tzinfo=PARIS)
    expected = NOON + 123 * MILLISECOND
    for kept in (Once(at=late).at, Every(start=late, period=HOUR).start):
        assert expected == kept
        assert kept.tzinfo is UTC


def test_schedules_are_values() -> None:
    assert Cron(expression="* * * * *") == Cron(expression="* * * * *", zone="UTC")
    assert len({Once(at=NOON), Once(at=NOON.astimezone(PARIS)), Every(start=NOON, period=HOUR)}) == 2


@given(MOMENTS, PERIODS, MOMENTS)
@settings(deadline=None, max_examples=300)
def test_every_fires_first_after_the_moment_and_in_line_with_its_start(
    start: datetime, period: timedelta, moment: datetime
) -> None:
    every = Every(start=start, period=period)
    found = every.next_after(moment)
    if found is None:
        assert END - moment < period
        return
    assert found > moment
    assert found >= every.start
    assert timedelta(0) == (found - every.start) % period
    assert found == every.start or found - period <= moment


@given(MOMENTS, PERIODS)
@settings(deadline=None, max_examples=100)
def test_every_steps_by_its_period(start: datetime, period: timedelta) -> None:
    every = Every(start=start, period=period)
    found = every.start
    for count in range(1, 20):
        if END - found < period:
            assert every.next_after(found) is None
            return
        following = every.next_after(found)
        assert every.start + count * period == following
        found = following or found


@given(MOMENTS, MOMENTS)
@settings(deadline=None, max_examples=100)
def test_once_fires_once(at: datetime, moment: datetime) -> None:
    once = Once(at=at)
    assert (once.at if moment < once.at else None) == once.next_after(moment)
    assert once.next_after(once.at) is None
