"""ndscheduler's cron jobs: named fields to an expression and back, what fires when, and what is refused.

The module was also compared once with APScheduler 3.11.3, on 1,500 random sets of fields, three firings of each: all
agree; it refuses the step of `7-7/1`, where we see no harm, and takes `0-0/3`, a slip.
"""

from collections.abc import Mapping
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.scheduling import apscheduler
from chalicelib.scheduling.errors import Invalid
from chalicelib.scheduling.schedule import Cron, Spelling


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def cron_of(fields: Mapping[str, str], zone: str = "UTC") -> Cron:
    return Cron(expression=apscheduler.expression(fields), zone=zone, spelling=Spelling.APSCHEDULER)


WRITTEN = [
    ("every minute", {"minute": "*/1"}, "* * * * * * */1 0"),
    ("every second hour, on the hour", {"hour": "*/2"}, "* * * * * */2 0 0"),
    ("a day, at midnight", {"day": "1"}, "* * 1 * * 0 0 0"),
    ("every sixth month, on its first day", {"month": "*/6"}, "* */6 1 * * 0 0 0"),
    ("a weekday, at midnight", {"day_of_week": "mon"}, "* * * * mon 0 0 0"),
    ("a week, at midnight of every day of it", {"week": "2"}, "* * * 2 * 0 0 0"),
    ("a year, on its first day", {"year": "2030"}, "2030 1 1 * * 0 0 0"),
    ("a second", {"second": "*/5"}, "* * * * * * * */5"),
    ("what is coarser than the finest is any", {"month": "2", "minute": "5"}, "* 2 * * * * 5 0"),
    (
        "all that ndscheduler's form sends",
        dict.fromkeys(("minute", "hour", "day", "month", "day_of_week", "week"), "*"),
        "* * * * * * * 0",
    ),
    ("a day in words", {"day": "3rd fri"}, "* * 3rd_fri * * 0 0 0"),
    (
        "days in words, in a list, in any case",
        {"day": " 1st  MON , last, LAST fri"},
        "* * 1st_mon,last,last_fri * * 0 0 0",
    ),
    ("names in any case", {"month": "JAN-mar", "day_of_week": "Sat,SUN"}, "* jan-mar * * sat,sun 0 0 0"),
    ("leading zeros", {"hour": "08-010/02", "minute": "00"}, "* * * * * 8-10/2 0 0"),
]


@pytest.mark.parametrize(("fields", "expected"), [row[1:] for row in WRITTEN], ids=[row[0] for row in WRITTEN])
def test_fields_are_written_as_one_line_with_their_defaults(fields: dict[str, str], expected: str) -> None:
    written = apscheduler.expression(fields)
    assert expected == written
    assert written == apscheduler.expression(apscheduler.fields(written))


def test_an_expression_gives_its_fields_back() -> None:
    expected = {
        "year": "*",
        "month": "jan",
        "day": "3rd fri,last",
        "week": "*",
        "day_of_week": "*",
        "hour": "*/2",
        "minute": "0",
        "second": "0",
    }
    assert expected == apscheduler.fields(
        apscheduler.expression({"month": "jan", "day": "3RD FRI, last", "hour": "*/2"})
    )


NEXT: list[tuple[str, dict[str, str], str, str | None]] = [
    ("the day of the week 0 is Monday", {"day_of_week": "0"}, "2026-01-01", "2026-01-05"),
    ("the day of the week 6 is Sunday", {"day_of_week": "6"}, "2026-01-01", "2026-01-04"),
    ("a day that is also a weekday", {"day": "13", "day_of_week": "fri"}, "2026-01-01", "2026-02-13"),
    ("a week that is also a weekday", {"week": "20", "day_of_week": "wed"}, "2026-01-01", "2026-05-13"),
    ("week 1 begins in the old year", {"week": "1", "month": "12"}, "2026-01-01", "2029-12-31"),
    ("week 53 ends in the new year", {"week": "53", "month": "1", "hour": "0"}, "2026-01-01", "2027-01-01"),
    ("week 53 of a leap year begun on a Thursday", {"week": "53", "day": "2", "hour": "0"}, "2032-06-01", "2033-01-02"),
    ("and of a common year, week 52", {"week": "52", "day": "2", "hour": "0"}, "2030-01-01", "2039-01-02"),
    ("a stepped range", {"hour": "9-17/4"}, "2026-01-01 13:00", "2026-01-01 17:00"),
    ("from a number on, in steps", {"minute": "5/25"}, "2026-01-01 00:30", "2026-01-01 00:55"),
    ("steps from 1 in days", {"day": "*/10"}, "2026-01-12", "2026-01-21"),
    ("steps from 1970 in years", {"year": "*/7"}, "2026-01-01", "2033-01-01"),
    ("steps from 0 in weekdays", {"day_of_week": "*/3"}, "2026-01-01", "2026-01-04"),
    ("the last day", {"day": "last"}, "2026-02-01", "2026-02-28"),
    ("the last day of a leap February", {"day": "last", "month": "2"}, "2027-03-01", "2028-02-29"),
    ("the third Friday", {"day": "3rd fri"}, "2026-01-17", "2026-02-20"),
    ("the last Friday", {"day": "last fri"}, "2026-02-01", "2026-02-27"),
    ("a fifth Friday waits for a month that has one", {"day": "5th fri"}, "2026-02-01", "2026-05-29"),
    ("the first Monday or the 3rd", {"day": "1st mon,3"}, "2026-02-02", "2026-02-03"),
    ("a second", {"second": "30"}, "2026-01-01 00:00:30", "2026-01-01 00:01:30"),
    (
        "29 February on a Monday of week 9",
        {"month": "2", "day": "29", "day_of_week": "mon", "week": "9"},
        "2026-01-01",
        "2044-02-29",
    ),
    ("the last year there is", {"year": "9998-9999"}, "9998-01-01", "9999-01-01"),
    ("30 February", {"month": "2", "day": "30"}, "2026-01-01", None),
    ("week 53 in July", {"month": "7", "week": "53"}, "2026-01-01", None),
    ("the last day but never a 31st", {"month": "4,6,9,11", "day": "31"}, "2026-01-01", None),
    ("a year that is over", {"year": "2010"}, "2026-01-01", None),
    ("the first year there is", {"minute": "7"}, "1900-01-01", "1970-01-01 00:07"),
]


@pytest.mark.parametrize(("fields", "after", "expected"), [row[1:] for row in NEXT], ids=[row[0] for row in NEXT])
def test_the_next_firing(fields: dict[str, str], after: str, expected: str | None) -> None:
    assert (utc(expected) if expected else None) == cron_of(fields).next_after(utc(after))


LONDON = "Europe/London"
TURNS = [
    ("a fixed second in the gap", {"hour": "1", "minute": "30", "second": "9"}, "2026-03-29 00:00", "2026-03-29 01:00"),
    ("real time is not in the gap", {"hour": "1", "second": "*/9"}, "2026-03-29 00:00", "2026-03-30 00:00"),
    (
        "a fixed second that comes twice",
        {"hour": "1", "minute": "30", "second": "9"},
        "2026-10-25 00:30:09",
        "2026-10-26 01:30:09",
    ),
    ("real time comes twice", {"minute": "30", "second": "9"}, "2026-10-25 00:30:09", "2026-10-25 01:30:09"),
]


@pytest.mark.parametrize(("fields", "after", "expected"), [row[1:] for row in TURNS], ids=[row[0] for row in TURNS])
def test_the_clock_is_turned(fields: dict[str, str], after: str, expected: str) -> None:
    assert utc(expected) == cron_of(fields, LONDON).next_after(utc(after))


NAMES = "year month day week day_of_week hour minute second"
DAYS = "which is not 1..31, last, 2nd fri, *, a range or a step"
ALONE = "a name stands alone or in a range of two names, without a step"
REFUSED: list[tuple[str, dict[str, str], str]] = [
    ("no field", {}, f"names no field: give at least one of {NAMES}"),
    ("an unknown field", {"hours": "1"}, f"has a field 'hours', which is none of {NAMES}"),
    ("nothing in a field", {"hour": ""}, "has the hour '': leave a field out, or use *, to say any"),
    ("a blank in a field", {"hour": " "}, "has the hour ' ': leave a field out, or use *, to say any"),
    ("a ?", {"day": "?"}, "has a ?, which is not known here; use * (day '?')"),
    (
        "7 is no day of the week",
        {"day_of_week": "7"},
        "has the day_of_week 7, which is not between 0 and 6; Monday is 0",
    ),
    ("a week 54", {"week": "54"}, "has the week 54, which is not between 1 and 53"),
    ("a week 0", {"week": "0"}, "has the week 0, which is not between 1 and 53"),
    ("the year 1969", {"year": "1969"}, "has the year 1969, which is not between 1970 and 9999"),
    ("a month 13", {"month": "13"}, "has the month 13, which is not between 1 and 12"),
    ("an hour 24 in a list", {"hour": "1,24"}, "has the hour 24, which is not between 0 and 23"),
    ("Sunday to Tuesday", {"day_of_week": "sun-tue"}, "has the day_of_week range 'sun-tue', which runs backwards"),
    ("ten to five", {"hour": "10-5"}, "has the hour range '10-5', which runs backwards"),
    ("a step after names", {"day_of_week": "mon-fri/2"}, f"has the day_of_week 'mon-fri/2': {ALONE}"),
    ("a name and a number", {"day_of_week": "mon-4"}, f"has the day_of_week 'mon-4': {ALONE}"),
    ("a number and a name", {"month": "1-mar"}, f"has the month '1-mar': {ALONE}"),
    (
        "a full name",
        {"day_of_week": "monday"},
        "has the day_of_week 'monday', which is not 0..6 or mon..sun, *, a range or a step",
    ),
    ("a sixth Friday", {"day": "6th fri"}, f"has the day '6th_fri', {DAYS}"),
    ("a position by number", {"day": "3rd 4"}, f"has the day '3rd_4', {DAYS}"),
    (
        "a position as weekday",
        {"day_of_week": "2nd fri"},
        "has the day_of_week '2nd_fri', which is not 0..6 or mon..sun, *, a range or a step",
    ),
    ("an L", {"day": "L"}, "has an L: write the last day of a month as 'last' (day 'l')"),
    ("a W", {"day": "15W"}, "has a W: the nearest working day cannot be asked for (day '15w')"),
    (
        "a #",
        {"day_of_week": "fri#2"},
        "has a #: write the n-th weekday of a month as the day '2nd fri' (day_of_week 'fri#2')",
    ),
    ("a step of 0", {"minute": "*/0"}, "has the minute '*/0': a step is a whole number from 1"),
    ("a step over the field", {"minute": "*/60"}, "has the minute '*/60': its step is too large, 59 is the most"),
    ("a step over the rest", {"hour": "5/19"}, "has the hour '5/19': its step is too large, 18 is the most"),
    ("an empty element", {"hour": "1,,2"}, "has an empty element in its hour"),
    ("two values", {"hour": "1 2"}, "has the hour '1_2', which is not 0..23, *, a range or a step"),
    ("a line break", {"hour": "1\n2"}, "has the hour '1\\n2', which is not 0..23, *, a range or a step"),
    ("a negative number", {"hour": "-5"}, "has the hour '-5', which is not 0..23, *, a range or a step"),
    ("a letter that is not ASCII", {"hour": "é"}, "has characters that are not ASCII"),
    ("256 characters", {"hour": "1," * 125 + "1"}, "is longer than 255 characters"),
]


@pytest.mark.parametrize(("fields", "expected"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_what_is_refused_and_why(fields: dict[str, str], expected: str) -> None:
    with pytest.raises(Invalid) as refusal:
        apscheduler.expression(fields)
    assert (f"cron {expected}", "cron") == (str(refusal.value), refusal.value.problems[0].field)


def test_an_expression_of_another_spelling_is_refused() -> None:
    with pytest.raises(Invalid) as refusal:
        Cron(expression="0 15 10 ? * *", spelling=Spelling.APSCHEDULER)
    assert f"cron has 6 fields, not the 8 of APScheduler: {NAMES}" == str(refusal.value)


@given(st.sampled_from(NAMES.split()), st.text(alphabet=" \t0123456789*/,-_?#L\nlastfri3dMON\0é", max_size=12))
@settings(deadline=None, max_examples=300)
def test_any_text_is_written_so_that_it_reads_the_same_or_refused_by_name(name: str, text: str) -> None:
    assert fate({name: text}) in {"reads the same", "cron"}


def fate(fields: dict[str, str]) -> str:
    """What becomes of fields: what is written for them reads the same, or the field they are refused for."""
    try:
        written = apscheduler.expression(fields)
    except Invalid as refusal:
        return refusal.problems[0].field
    again = apscheduler.expression(apscheduler.fields(written))
    return "reads the same" if written == again else f"reads {again!r}"
