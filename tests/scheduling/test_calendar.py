"""T57, the calendar's own traps: leap days and the century without one, long years, the ends of other clocks."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from importlib.metadata import version

import pytest

from chalicelib.api.fields import moment
from chalicelib.scheduling.errors import Invalid
from chalicelib.scheduling.schedule import Cron, Every
from tests.conftest import TOLD
from tests.engine import ROOT

LEAP_DAY, LAST_DAY = "0 12 29 2 *", "0 0 31 * *"


@pytest.mark.parametrize(
    ("expression", "after", "expected"),
    [
        pytest.param(LEAP_DAY, "2026-01-01", "2028-02-29T12:00", id="the next leap day"),
        pytest.param(LEAP_DAY, "2096-03-01", "2104-02-29T12:00", id="2100 is no leap year"),
        pytest.param(LAST_DAY, "2026-01-31", "2026-03-31T00:00", id="no 31 February"),
        pytest.param(LAST_DAY, "2026-03-31", "2026-05-31T00:00", id="no 31 April"),
        pytest.param("14 3 * * *", "2038-01-19T03:14:07", "2038-01-20T03:14", id="past the end of 32 bits"),
        pytest.param("59 23 31 12 *", "2098-12-31T23:59", "2099-12-31T23:59", id="the end of 2099"),
        pytest.param("0 0 * * 1", "2026-12-28", "2027-01-04T00:00", id="from week 53 into week 1"),
    ],
)
def test_t57_a_date_of_the_calendar(expression: str, after: str, expected: str) -> None:
    found = Cron(expression=expression).next_after(datetime.fromisoformat(after).replace(tzinfo=UTC))
    assert found == datetime.fromisoformat(expected).replace(tzinfo=UTC)


@pytest.mark.parametrize("start", ["2028-02-29T23:59:50", "2038-01-19T03:14:00", "2099-12-31T23:59:50"])
def test_t57_seconds_go_on_over_the_calendar_s_edges(start: str) -> None:
    first = datetime.fromisoformat(start).replace(tzinfo=UTC)
    schedule = Every(start=first, period=timedelta(seconds=7))
    assert schedule.next_after(first + timedelta(seconds=10)) == first + timedelta(seconds=14)


def test_t57_a_leap_second_is_no_time() -> None:
    with pytest.raises(Invalid):
        moment("2016-12-31T23:59:60Z", "at")


def test_t57_the_zones_are_those_that_are_pinned(record_property: Callable[[str, object], None]) -> None:
    [pinned] = re.findall(r"^tzdata==(\S+)$", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    assert version("tzdata") == pinned
    record_property(TOLD, f"time zones: tzdata {pinned}")
