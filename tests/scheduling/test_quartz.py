"""Quartz cron: what fires when, and what is refused in which words. Oracles for it are in test_quartz_oracles.py.

The module was also compared once with org.quartz.CronExpression 2.3.2, on 13,000 random expressions, three firings of
each: all agree but 29W to 31W, which in a shorter month fire there on its last day if the next begins on a Saturday.
"""

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.scheduling.errors import Invalid
from chalicelib.scheduling.schedule import Cron, Spelling


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def quartz(expression: str, zone: str = "UTC") -> Cron:
    return Cron(expression=expression, zone=zone, spelling=Spelling.QUARTZ)


NEXT = [
    ("the seed's example", "0 15 10 ? * *", "2011-05-11", "2011-05-11 10:15"),
    ("the seed's example, on the next day", "0 15 10 ? * *", "2011-05-11 10:15", "2011-05-12 10:15"),
    ("the second is over at that instant", "30 15 10 * * ?", "2026-01-01 10:15:30", "2026-01-02 10:15:30"),
    ("just before the second it is not", "30 15 10 * * ?", "2026-01-01 10:15:29.999", "2026-01-01 10:15:30"),
    ("every second", "* * * * * ?", "2026-01-01", "2026-01-01 00:00:01"),
    ("both days left open by *", "0 0 12 * * *", "2026-01-01 12:00", "2026-01-02 12:00"),
    ("a day of the month and any weekday by *", "0 0 12 15 * *", "2026-01-01", "2026-01-15 12:00"),
    ("any day of the month by * and a weekday", "0 0 12 * * MON", "2026-01-01", "2026-01-05 12:00"),
    ("1 is Sunday", "0 0 12 ? * 1", "2026-01-01", "2026-01-04 12:00"),
    ("7 is Saturday", "0 0 12 ? * 7", "2026-01-01", "2026-01-03 12:00"),
    ("names in any case", "0 0 12 ? feb Mon-wED", "2026-01-01", "2026-02-02 12:00"),
    ("a/n goes on to the end of the minute field", "0 5/25 * * * ?", "2026-01-01 00:30", "2026-01-01 00:55"),
    ("and no further", "0 5/25 * * * ?", "2026-01-01 00:55", "2026-01-01 01:05"),
    ("a/n in days", "0 0 0 5/10 * ?", "2026-01-16", "2026-01-25"),
    ("a/n larger than what is left is a", "0 45/30 * * * ?", "2026-01-01 00:45", "2026-01-01 01:45"),
    ("a stepped range", "0 0 9-17/4 * * ?", "2026-01-01 13:00", "2026-01-01 17:00"),
    ("a range over midnight", "0 0 22-2 * * ?", "2026-01-01 02:00", "2026-01-01 22:00"),
    ("a range over midnight, past it", "0 0 22-2 * * ?", "2026-01-01 23:00", "2026-01-02 00:00"),
    ("a stepped range over midnight", "0 0 22-3/3 * * ?", "2026-01-01 01:00", "2026-01-01 22:00"),
    ("Friday to Monday", "0 0 12 ? * FRI-MON", "2026-01-05 12:00", "2026-01-09 12:00"),
    ("Friday to Monday by number", "0 0 12 ? * 6-2", "2026-01-03 12:00", "2026-01-04 12:00"),
    ("November to February", "0 0 0 1 NOV-FEB ?", "2026-02-01", "2026-11-01"),
    ("days 30 to 2", "0 0 0 30-2 * ?", "2026-02-02", "2026-03-01"),
    ("the last day of a short February", "0 0 0 L * ?", "2026-02-01", "2026-02-28"),
    ("the last day of a long February", "0 0 0 L 2 ?", "2026-03-01", "2027-02-28"),
    ("the last day of a leap February", "0 0 0 l 2 ?", "2027-03-01", "2028-02-29"),
    ("three days before the last", "0 0 0 L-3 * ?", "2026-02-01", "2026-02-25"),
    ("thirty days before the last asks for 31 days", "0 0 0 L-30 * ?", "2026-03-15", "2026-05-01"),
    ("the last working day, a Friday", "0 0 0 LW * ?", "2026-01-01", "2026-01-30"),
    ("the last working day, two before a Sunday", "0 0 0 lw 5 ?", "2026-01-01", "2026-05-29"),
    ("the working day next to two before the last", "0 0 0 L-2W 2 ?", "2028-01-01", "2028-02-28"),
    ("the working day next to a Saturday", "0 0 0 15W 8 ?", "2026-01-01", "2026-08-14"),
    ("the working day next to a Sunday", "0 0 0 15w 2 ?", "2026-01-01", "2026-02-16"),
    ("the working day that is one", "0 0 0 15W 1 ?", "2026-01-01", "2026-01-15"),
    ("the 1st on a Saturday becomes Monday the 3rd", "0 0 0 1W 8 ?", "2026-01-01", "2026-08-03"),
    ("the 1st on a Sunday becomes Monday the 2nd", "0 0 0 1W 2 ?", "2026-01-01", "2026-02-02"),
    ("the 31st on a Sunday becomes Friday the 29th", "0 0 0 31W 5 ?", "2026-01-01", "2026-05-29"),
    ("the 31st near a working day asks for 31 days", "0 0 0 31W * ?", "2026-04-01", "2026-05-29"),
    ("L, W and numbers in one list", "0 0 0 1,15W,L * ?", "2026-02-02", "2026-02-16"),
    ("the second Tuesday", "0 0 0 ? * TUE#2", "2026-01-01", "2026-01-13"),
    ("the third Friday by number", "0 0 0 ? * 6#3", "2026-01-17", "2026-02-20"),
    ("a fifth Friday waits for a month that has one", "0 0 0 ? * fri#5", "2026-02-01", "2026-05-29"),
    ("the last Friday", "0 0 0 ? * FRIL", "2026-02-01", "2026-02-27"),
    ("the last Friday by number", "0 0 0 ? * 6l", "2026-02-01", "2026-02-27"),
    ("L alone is Saturday", "0 0 0 ? * L", "2026-01-01", "2026-01-03"),
    ("29 February over 2100 is past the years of Quartz", "0 0 0 29 2 ?", "2092-03-01", "2096-02-29"),
    ("29 February on a Sunday", "0 0 0 29 2 ? 2000/4", "2026-01-01", "2028-02-29"),
    ("five Sundays of a February, 28 years on", "0 0 0 ? 2 SUN#5", "2032-03-01", "2060-02-29"),
    ("one year", "0 0 0 1 1 ? 2030", "2026-01-01", "2030-01-01"),
    ("years in a list", "0 0 0 1 1 ? 2027,2030", "2027-01-01", "2030-01-01"),
    ("years in a stepped range", "0 0 0 1 1 ? 2020-2040/5", "2026-01-01", "2030-01-01"),
    ("the first year there is", "0 0 0 1 1 ?", "1900-01-01", "1970-01-01"),
    ("the last year there is", "59 59 23 31 12 ? *", "2098-12-31 23:59:59", "2099-12-31 23:59:59"),
    ("tabs and blanks around", " \t0\t 0  0 1 1 ?  ", "2026-01-01", "2027-01-01"),
    ("leading zeros", "05 08 09 01 01 ?", "2026-01-01", "2026-01-01 09:08:05"),
]


@pytest.mark.parametrize(("expression", "after", "expected"), [row[1:] for row in NEXT], ids=[row[0] for row in NEXT])
def test_the_next_firing(expression: str, after: str, expected: str) -> None:
    assert utc(expected) == quartz(expression).next_after(utc(after))


NEVER = [
    ("30 February", "0 0 0 30 2 ?"),
    ("31 near a working day in months of 30", "0 0 0 31W 4,6,9,11 ?"),
    ("30 days before the last in February", "0 0 0 L-30 2 ?"),
    ("a year that is over", "0 15 10 ? * * 2010"),
    ("years that are over", "0 15 10 ? * * 1970-2025"),
    ("29 February in years that have none", "0 0 0 29 2 ? 2027/4"),
    ("a fifth Saturday of Februaries that begin on others", "0 0 0 ? 2 7#5 2029-2047"),
]


@pytest.mark.parametrize("expression", [row[1] for row in NEVER], ids=[row[0] for row in NEVER])
def test_what_never_fires_again(expression: str) -> None:
    assert quartz(expression).next_after(utc("2026-01-01")) is None


def test_the_years_of_quartz_end_with_2099() -> None:
    assert quartz("* * * * * ?").next_after(utc("2099-12-31 23:59:59")) is None


NEW_YORK, LORD_HOWE = "America/New_York", "Australia/Lord_Howe"  # an hour and half an hour
TURNS = [
    ("a fixed second in the gap fires when it ends", NEW_YORK, "30 15 2 * * ?", "2026-03-08 06:00", "2026-03-08 07:00"),
    ("and then on the next day", NEW_YORK, "30 15 2 * * ?", "2026-03-08 07:00", "2026-03-09 06:15:30"),
    (
        "a fixed second that comes twice fires once",
        NEW_YORK,
        "5 30 1 * * ?",
        "2026-11-01 05:30:05",
        "2026-11-02 06:30:05",
    ),
    ("asked in the second pass it is over", NEW_YORK, "5 30 1 * * ?", "2026-11-01 06:10", "2026-11-02 06:30:05"),
    ("real time is not in the gap", NEW_YORK, "0/20 15 2 * * ?", "2026-03-08 06:00", "2026-03-09 06:15"),
    ("every second steps over the gap", NEW_YORK, "* * * * * ?", "2026-03-08 06:59:59", "2026-03-08 07:00"),
    ("real time comes in both passes", NEW_YORK, "0/20 30 1 * * ?", "2026-11-01 05:30:40", "2026-11-01 06:30"),
    ("real time in the second the second pass begins", NEW_YORK, "0 0 * * * ?", "2026-11-01 05:00", "2026-11-01 06:00"),
    ("half an hour: a fixed second in the gap", LORD_HOWE, "9 10 2 * * ?", "2026-10-03 15:00", "2026-10-03 15:30"),
    ("half an hour: a fixed second twice", LORD_HOWE, "9 40 1 * * ?", "2026-04-04 14:40:09", "2026-04-05 15:10:09"),
    ("half an hour: real time twice", LORD_HOWE, "9 0/40 1 * * ?", "2026-04-04 14:40:09", "2026-04-04 15:10:09"),
    ("half an hour: real time after the gap", LORD_HOWE, "* 59/1 * * * ?", "2026-10-03 15:29:59", "2026-10-03 15:59"),
]


@pytest.mark.parametrize(
    ("zone", "expression", "after", "expected"), [row[1:] for row in TURNS], ids=[row[0] for row in TURNS]
)
def test_the_clock_is_turned(zone: str, expression: str, after: str, expected: str) -> None:
    assert utc(expected) == quartz(expression, zone).next_after(utc(after))


BOTH = "one must be ?"
FIELDS = "not the 6 or 7 of Quartz: second minute hour day-of-month month day-of-week [year]"
MINUTES = "which is not 0..59, *, a range or a step"
REFUSED = [
    ("nothing", "", "is empty"),
    ("256 characters", "0 0 0 1 1 ? " + "2030," * 50, "is longer than 255 characters"),
    ("an Arabic digit", "0 0 ٣ * * ?", "has characters that are not ASCII"),
    ("a macro", "@daily", "is the macro '@daily': write out the fields, such as 0 0 12 * * ?"),
    ("Unix cron's five fields", "15 10 * * *", f"has 5 fields, {FIELDS}"),
    ("eight fields", "0 0 0 * * ? * *", f"has 8 fields, {FIELDS}"),
    ("two days", "0 0 0 15 * MON", f"restricts both days, '15' of the month and 'MON' of the week: {BOTH}"),
    (
        "two days, all of them",
        "0 0 0 1-31 * 1-7",
        f"restricts both days, '1-31' of the month and '1-7' of the week: {BOTH}",
    ),
    ("neither day", "0 0 0 ? * ?", "has a ? for both days: one of day-of-month and day-of-week must say something"),
    ("a ? hour", "0 0 ? * * ?", "has a ?: it stands alone, as day-of-month or day-of-week (hour '?')"),
    ("a ? in a list", "0 0 0 ?,1 * *", "has a ?: it stands alone, as day-of-month or day-of-week (day-of-month '?')"),
    ("second 60", "60 0 0 * * ?", "has the second 60, which is not between 0 and 59"),
    ("minute 60", "0 60 0 * * ?", "has the minute 60, which is not between 0 and 59"),
    ("hour 24", "0 0 24 * * ?", "has the hour 24, which is not between 0 and 23"),
    ("day 0", "0 0 0 0 * ?", "has the day-of-month 0, which is not between 1 and 31"),
    ("day 32W", "0 0 0 32W * ?", "has the day-of-month 32, which is not between 1 and 31"),
    ("month 13", "0 0 0 1 13 ?", "has the month 13, which is not between 1 and 12"),
    ("weekday 0", "0 0 0 ? * 0", "has the day-of-week 0, which is not between 1 and 7; Sunday is 1"),
    ("a last weekday 8", "0 0 0 ? * 8L", "has the day-of-week 8, which is not between 1 and 7; Sunday is 1"),
    ("the year 1969", "0 0 0 * * ? 1969", "has the year 1969, which is not between 1970 and 2099"),
    ("the year 2100", "0 0 0 * * ? 2100", "has the year 2100, which is not between 1970 and 2099"),
    ("years backwards", "0 0 0 * * ? 2030-2020", "has the year '2030-2020': a range of years cannot run backwards"),
    ("a step of 0", "0 0/0 * * * ?", "has the minute '0/0': a step is a whole number from 1"),
    ("a step over the field", "0 0 0/24 * * ?", "has the hour '0/24': its step is too large, 23 is the most"),
    ("a step without a start", "0 /5 * * * ?", f"has the minute '/5', {MINUTES}"),
    ("an empty element", "0 1,,2 * * * ?", "has an empty element in its minute"),
    ("a negative number", "-1 0 0 * * ?", f"has the second '-1', {MINUTES}"),
    ("a fraction", "0 1.5 * * * ?", f"has the minute '1.5', {MINUTES}"),
    (
        "a line break",
        "0 0 0 * * ?\n",
        "has the day-of-week '?\\n', which is not 1..7 or sun..sat, L, #, *, a range or a step",
    ),
    ("31 days before the last", "0 0 0 L-31 * ?", "has the day-of-month 'L-31': 30 days before the last are the most"),
    ("an L hour", "0 0 L * * ?", "has an L: it is for days, as L, L-3, LW and FRIL (hour 'L')"),
    (
        "days before the last of a week",
        "0 0 0 ? * L-3",
        "has an L: it is for days, as L, L-3, LW and FRIL (day-of-week 'L')",
    ),
    ("a W weekday", "0 0 0 ? * 3W", "has a W: it stands behind one day of the month, as 15W or LW (day-of-week '3W')"),
    (
        "a range of W",
        "0 0 0 1-15W * ?",
        "has a W: it stands behind one day of the month, as 15W or LW (day-of-month '15W')",
    ),
    (
        "a # of months",
        "0 0 0 6#3 * ?",
        "has a #: it stands between a day of the week and a number, as FRI#2 (day-of-month '6#3')",
    ),
    ("a sixth Friday", "0 0 0 ? * FRI#6", "has the day-of-week 'FRI#6': after # comes a number from 1 to 5"),
    ("a Friday of no number", "0 0 0 ? * FRI#x", "has the day-of-week 'FRI#x': after # comes a number from 1 to 5"),
    (
        "two # in a list",
        "0 0 0 ? * FRI#1,MON#2",
        "has the day-of-week 'FRI#1,MON#2': L and # stand alone, not in a list",
    ),
    ("an L in a list of weekdays", "0 0 0 ? * 2,L", "has the day-of-week '2,L': L and # stand alone, not in a list"),
    ("a hash", "H 0 0 * * ?", "has an H or R: times chosen by hash or chance are refused (second 'H')"),
    (
        "a month's full name",
        "0 0 0 1 JUNE ?",
        "has the month 'JUNE', which is not 1..12 or jan..dec, *, a range or a step",
    ),
    (
        "a weekday's full name",
        "0 0 0 ? * MONDAY",
        "has the day-of-week 'MONDAY', which is not 1..7 or sun..sat, L, #, *, a range or a step",
    ),
]


@pytest.mark.parametrize(("expression", "expected"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_what_is_refused_and_why(expression: str, expected: str) -> None:
    with pytest.raises(Invalid) as refusal:
        quartz(expression)
    assert (f"cron {expected}", "cron") == (str(refusal.value), refusal.value.problems[0].field)


@given(
    st.sampled_from(["{}", "0 {} * * * ?", "0 0 0 {} * ?", "0 0 0 ? * {}", "0 0 0 * * ? {}"]),
    st.text(alphabet=" \t0123456789*/,-?#@LWHRfriJAN\0é", max_size=12),
)
@settings(deadline=None, max_examples=300)
def test_any_text_is_parsed_or_refused_by_name(around: str, text: str) -> None:
    assert fate(around.format(text)) in {"fires later", "never fires", "cron"}


def fate(expression: str) -> str:
    """What becomes of an expression: its firing, or the field that it is refused for."""
    asked = utc("2026-01-01")
    try:
        found = quartz(expression).next_after(asked)
    except Invalid as refusal:
        return refusal.problems[0].field
    if found is None:
        return "never fires"
    return "fires later" if found > asked else "fires in the past"
