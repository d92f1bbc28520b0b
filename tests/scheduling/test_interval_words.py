"""RunLater's intervals, in words and as maps: what is read, what it means, what is refused. Source: seeds/000."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.scheduling.errors import Invalid
from chalicelib.scheduling.interval import MOST, UNITS, read_interval, scheduled
from chalicelib.scheduling.schedule import Every, Once, Schedule

START = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)


def every(months: int = 0, **period: int) -> Every:
    return Every(start=START, period=timedelta(**period), months=months)


READ: list[tuple[str, Any, dict[str, int], Schedule]] = [
    ("the seed's own", "1 day", {"days": 1}, every(days=1)),
    ("the original's vector", "2 hOurs", {"hours": 2}, every(hours=2)),
    ("several units", "2 hours 30 minutes", {"hours": 2, "minutes": 30}, every(minutes=150)),
    ("a unit twice", "1 day 2 days", {"days": 3}, every(days=3)),
    ("singular and plural of one unit", "1 hour 1 hours", {"hours": 2}, every(hours=2)),
    ("every unit", "1 second 1 minute 1 week", {"seconds": 1, "minutes": 1, "weeks": 1}, every(seconds=61, weeks=1)),
    ("calendar months", "1 month", {"months": 1}, every(1)),
    ("years are twelve months", "2 years 1 month", {"years": 2, "months": 1}, every(25)),
    ("a month and a day", "1 month 1 day", {"months": 1, "days": 1}, every(1, days=1)),
    ("white space", "  1 \t day\n", {"days": 1}, every(days=1)),
    ("leading zeros", "007 days", {"days": 7}, every(days=7)),
    ("nothing", "", {}, Once(at=START)),
    ("a blank", " ", {}, Once(at=START)),
    ("the zero of the web form", "0 seconds", {}, Once(at=START)),
    ("a zero beside a number", "0 hours 5 minutes", {"minutes": 5}, every(minutes=5)),
    ("a map", {"hours": 2, "minutes": 4}, {"hours": 2, "minutes": 4}, every(minutes=124)),
    ("an empty map", {}, {}, Once(at=START)),
    ("a map of zeros", {"hours": 0, "days": 0}, {}, Once(at=START)),
    ("as many as there may be", {"seconds": MOST}, {"seconds": MOST}, every(seconds=MOST)),
]


@pytest.mark.parametrize(
    ("given", "interval", "schedule"), [row[1:] for row in READ], ids=[f"1.15 {row[0]}" for row in READ]
)
def test_an_interval_is_read_and_means_a_schedule(given: Any, interval: dict[str, int], schedule: Schedule) -> None:
    assert interval == read_interval(given)
    assert schedule == scheduled(START, read_interval(given))


WORDS = [
    *("day", "1", "1 day 2", "day 1", "1 fortnight", "one day", "1.5 hours", "-1 day", "+1 day", "1e3 seconds"),
    *("1day", "1,day", "٣ days", "1_0 days", f"{MOST + 1} seconds", "9" * 5000 + " days", "1 day " * 50, "1 \0"),
]


@pytest.mark.parametrize("words", WORDS)
def test_1_15_words_that_are_no_interval_are_refused(words: str) -> None:
    with pytest.raises(Invalid, match=r"^Invalid interval ") as refusal:
        read_interval(words)
    assert len(str(refusal.value)) < 300


@pytest.mark.parametrize(
    "units",
    [
        *({"day": 1}, {"Days": 1}, {"": 1}, {"milliseconds": 1}, {"days": "1"}, {"days": 1.0}, {"days": True}),
        *({"days": None}, {"days": -1}, {"days": MOST + 1}, {"days": []}, {"hours": 1, "x": 1}, {"x" * 10_000: 1}),
    ],
    ids=lambda units: repr(units)[:30],
)
def test_1_15_maps_that_are_no_interval_are_refused(units: Any) -> None:
    with pytest.raises(Invalid, match=r"^Invalid interval map, ") as refusal:
        read_interval(units)
    assert len(str(refusal.value)) < 300


@pytest.mark.parametrize("value", [7, 1.5, True, None, [], ["1 day"]], ids=repr)
def test_1_15_what_is_neither_words_nor_a_map_is_refused(value: Any) -> None:
    with pytest.raises(Invalid, match=r"^Invalid interval, "):
        read_interval(value)


@pytest.mark.parametrize("units", [{"weeks": MOST}, {"days": MOST}, {"years": 9999}, {"months": MOST}], ids=repr)
def test_1_15_an_interval_longer_than_the_calendar_is_refused(units: dict[str, int]) -> None:
    with pytest.raises(Invalid, match=r"^Invalid interval, it is too long$"):
        scheduled(START, read_interval(units))


@pytest.mark.parametrize(
    ("words", "asked", "expected"),
    [
        ("1 day", "2026-11-22T12:30:00+00:00", "2026-11-23T12:00:00+00:00"),
        ("1 month", "2026-01-31T12:00:00+00:00", "2026-02-28T12:00:00+00:00"),
        ("1 month", "2026-02-28T12:00:00+00:00", "2026-03-31T12:00:00+00:00"),
        ("1 year", "2026-11-22T12:00:00+00:00", "2027-01-31T12:00:00+00:00"),
        ("90 minutes", "2026-01-31T12:00:00+00:00", "2026-01-31T13:30:00+00:00"),
    ],
)
def test_1_16_the_next_run_is_the_first_in_the_future(words: str, asked: str, expected: str) -> None:
    schedule = scheduled(START, read_interval(words))
    assert datetime.fromisoformat(expected) == schedule.next_after(datetime.fromisoformat(asked))


@given(st.dictionaries(st.sampled_from(UNITS), st.integers(0, 500)))
def test_what_is_answered_is_read_as_the_same_and_so_are_its_words(units: dict[str, int]) -> None:
    interval = read_interval(units)
    assert interval == read_interval(interval)
    assert interval == read_interval(" ".join(f"{count} {unit}" for unit, count in units.items()))


@given(st.one_of(st.text(), st.dictionaries(st.text(), st.integers()), st.lists(st.integers())))
def test_nothing_but_an_interval_or_a_refusal_comes_back(value: Any) -> None:
    try:
        interval = read_interval(value)
    except Invalid:
        return
    assert all(unit in UNITS and count > 0 for unit, count in interval.items())
