"""The account of a scenario: from arrivals, records and kills to what is lost and what is doubled."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from benchmarks.chaos.plan import Expected
from benchmarks.chaos.reckoning import Evidence, Record, Span, reckon
from chalicelib.scheduling.job import JobRef, firing_id

START = datetime(2026, 11, 22, 12, tzinfo=UTC)


def at(second: float) -> datetime:
    return START + timedelta(seconds=second)


def name(due: float, job: str = "job") -> str:
    return firing_id(JobRef(account_id="account", job_id=job), at(due))


def a_firing(due: float, **given: Any) -> Expected:
    job = given.get("job_id", "job")
    return Expected(**{"firing": name(due, job), "job_id": job, "due_at": at(due), **given})


def recorded(claimed: float, *, attempts: int = 1, waits: bool = False) -> Record:
    return Record(attempts=attempts, claimed_at=at(claimed), sent_at=at(claimed), waits=waits)


def seen(
    arrivals: Mapping[float, Sequence[float]],
    records: Mapping[float, Record],
    expected: Sequence[Expected] = (a_firing(0),),
    **given: Any,
) -> Evidence:
    """What was seen of one job: arrivals and records by the second their firing was due."""
    return Evidence(
        end=at(100),
        expected=expected,
        arrivals={name(due): [at(second) for second in seconds] for due, seconds in arrivals.items()},
        records={name(due): record for due, record in records.items()},
        **given,
    )


KILL = [Span(start=at(0), end=at(3))]
THREE = [a_firing(due, coalesces=True) for due in (0, 20, 40)]
EACH = [a_firing(due) for due in (0, 20, 40)]

ACCOUNTS = [
    pytest.param(seen({0: [0.2]}, {0: recorded(0)}), {"fired": 1}, id="a firing that arrived is fired"),
    pytest.param(seen({}, {}), {"lost": 1}, id="one that did not is lost"),
    pytest.param(seen({}, {0: recorded(0)}), {"lost": 1}, id="a record without an arrival does not save it"),
    pytest.param(seen({0: [0.2]}, {}), {"fired": 1, "unrecorded": 1}, id="one without a record is fired, and said so"),
    pytest.param(
        seen({0: [0.2, 10.3]}, {0: recorded(0, attempts=2)}), {"fired": 1}, id="an attempt on record is no double"
    ),
    pytest.param(
        seen({0: [0.2, 60]}, {0: recorded(60)}), {"fired": 1, "doubled": 1}, id="one beyond the record is doubled"
    ),
    pytest.param(
        seen({0: [0.2, 60]}, {0: recorded(60)}, spans=KILL),
        {"fired": 1, "doubled": 1, "explained": 1},
        id="a kill right after the first arrival explains it",
    ),
    pytest.param(
        seen({0: [4, 60]}, {0: recorded(60)}, spans=KILL),
        {"fired": 1, "doubled": 1},
        id="a kill before the first arrival explains nothing",
    ),
    pytest.param(
        seen({0: [1, 60, 61]}, {0: recorded(60)}, spans=KILL),
        {"fired": 1, "doubled": 2, "explained": 1},
        id="one kill explains one double",
    ),
    pytest.param(
        seen({0: [50, 2]}, {0: recorded(60)}, spans=KILL),
        {"fired": 1, "doubled": 1},
        id="what the last arrival met explains nothing",
    ),
    pytest.param(
        seen({0: [1]}, {0: recorded(0)}, spans=KILL), {"fired": 1}, id="a kill without a double explains nothing"
    ),
    pytest.param(
        seen({0: [1, 40]}, {0: recorded(60)}, spans=[Span(start=at(0), end=at(3), again=timedelta(seconds=45))]),
        {"fired": 1, "doubled": 1},
        id="what comes again too soon was not redelivered",
    ),
    pytest.param(
        seen({0: [1, 46]}, {0: recorded(60)}, spans=[Span(start=at(0), end=at(3), again=timedelta(seconds=45))]),
        {"fired": 1, "doubled": 1, "explained": 1},
        id="what comes again after the time-out was",
    ),
    pytest.param(
        seen({0: [0.2, 60]}, {0: recorded(60)}, refused={name(0): 1}),
        {"fired": 1, "doubled": 1, "explained": 1},
        id="a record that was refused explains a double",
    ),
    pytest.param(
        seen({}, {}, forgotten=frozenset({"job"})), {"forgotten": 1}, id="a job that the database lost is not our loss"
    ),
    pytest.param(
        seen({0: [0.2]}, {}, forgotten=frozenset({"job"})),
        {"fired": 1, "forgotten": 1},
        id="one that fired before the database lost its job has no record to miss",
    ),
    pytest.param(
        seen({0: [1]}, {}, rollbacks=KILL),
        {"fired": 1, "forgotten": 1},
        id="one that fired before the database lost its record has none to miss",
    ),
    pytest.param(seen({0: [4]}, {}, rollbacks=KILL), {"fired": 1, "unrecorded": 1}, id="one that fired afterwards has"),
    pytest.param(
        seen({0: [0.2, 10]}, {0: recorded(0, waits=True)}, [a_firing(0, attempts=2)]),
        {"fired": 1, "unrecorded": 1},
        id="a second attempt that came and is not on record is no double",
    ),
    pytest.param(
        seen({0: [0.2]}, {0: recorded(0, waits=True)}, [a_firing(0, attempts=2)]),
        {"lost": 1},
        id="one that never came is lost",
    ),
    pytest.param(
        seen({0: [0.2]}, {0: recorded(0)}, forgotten=frozenset({"another"})),
        {"fired": 1},
        id="what became of another job changes nothing",
    ),
    pytest.param(
        seen({0: [0], 40: [50]}, {0: recorded(30), 40: recorded(50)}, THREE),
        {"due": 3, "fired": 2, "made_up": 1},
        id="a time that passed before the firing before was claimed is made up for",
    ),
    pytest.param(
        seen({0: [0], 40: [50]}, {0: recorded(0), 40: recorded(50)}, THREE),
        {"due": 3, "fired": 2, "lost": 1},
        id="one after the claim is lost",
    ),
    pytest.param(
        seen({0: [30], 40: [50]}, {0: recorded(30), 40: recorded(50)}, THREE, spoken_of=frozenset({name(20)})),
        {"due": 3, "fired": 2, "lost": 1},
        id="one of which a message spoke is lost",
    ),
    pytest.param(
        seen(
            {0: [1, 30], 40: [50]},
            {0: recorded(30), 40: recorded(50)},
            THREE,
            spans=KILL,
            rollbacks=KILL,
            spoken_of=frozenset({name(20)}),
        ),
        {"due": 3, "fired": 2, "made_up": 1, "doubled": 1, "explained": 1},
        id="one of which a message spoke is made up for where the database forgot the claim",
    ),
    pytest.param(
        seen(
            {0: [30], 40: [50]},
            {0: recorded(30), 40: recorded(50)},
            THREE,
            rollbacks=[Span(start=at(44), end=at(45))],
            spoken_of=frozenset({name(20)}),
        ),
        {"due": 3, "fired": 2, "lost": 1},
        id="what the database forgot afterwards saves nothing",
    ),
    pytest.param(
        seen({0: [30], 40: [50]}, {0: recorded(30), 40: recorded(50)}, EACH),
        {"due": 3, "fired": 2, "lost": 1},
        id="one of a job that wants every time is lost",
    ),
    pytest.param(
        seen({0: [45]}, {0: recorded(45)}, THREE),
        {"due": 3, "fired": 1, "made_up": 2},
        id="one firing may make up for several",
    ),
    pytest.param(
        seen({0: [1, 45], 20: [20]}, {0: recorded(45)}, THREE, spans=KILL, rollbacks=[Span(start=at(0), end=at(21))]),
        {"due": 3, "fired": 2, "made_up": 1, "doubled": 1, "explained": 1, "forgotten": 1},
        id="one firing made up for what came after another that the database forgot",
    ),
    pytest.param(
        seen({20: [20]}, {20: recorded(45)}, THREE),
        {"due": 3, "fired": 1, "made_up": 1, "lost": 1},
        id="the first is never made up for",
    ),
    pytest.param(
        seen({0: [0.2], 7: [7]}, {0: recorded(0)}),
        {"fired": 1, "uncalled": 1},
        id="a firing that was never due is told",
    ),
    pytest.param(
        seen({0: [0.2], 100: [100]}, {0: recorded(0)}), {"fired": 1}, id="what is due after the window is not looked at"
    ),
    pytest.param(
        seen({0: [0.2], 7: [7]}, {0: recorded(0)}, unanswered=frozenset({name(7)})),
        {"fired": 1},
        id="a job whose creation was not answered may fire",
    ),
]


@pytest.mark.parametrize(("evidence", "counts"), ACCOUNTS)
def test_every_firing_is_accounted_for(evidence: Evidence, counts: dict[str, int]) -> None:
    nothing = dict.fromkeys(("fired", "made_up", "doubled", "explained", "forgotten", "unrecorded", "uncalled"), 0)
    told = reckon(evidence)
    assert {field: getattr(told, field) for field in nothing} | {"due": told.due, "lost": len(told.lost)} == {
        **nothing,
        "due": 1,
        "lost": 0,
        **counts,
    }


@pytest.mark.parametrize(
    ("evidence", "whole", "settled"),
    [
        pytest.param(seen({0: [1]}, {0: recorded(0)}), True, True, id="all is well"),
        pytest.param(seen({}, {}), False, False, id="lost"),
        pytest.param(seen({0: [1]}, {}), True, False, id="not recorded yet"),
        pytest.param(seen({0: [1, 60]}, {0: recorded(0)}), False, True, id="doubled"),
        pytest.param(seen({0: [1, 60]}, {0: recorded(0)}, spans=KILL), True, True, id="doubled by a kill"),
        pytest.param(seen({0: [1], 7: [7]}, {0: recorded(0)}), False, True, id="uncalled"),
        pytest.param(
            seen({0: [1]}, {0: recorded(0)}, given_back=frozenset({name(0)})), False, True, id="a message went astray"
        ),
        pytest.param(
            seen({0: [1]}, {0: recorded(0)}, given_back=frozenset({name(0)}), rollbacks=KILL),
            True,
            True,
            id="a message was forgotten",
        ),
    ],
)
def test_only_what_no_fault_explains_is_a_failure(evidence: Evidence, *, whole: bool, settled: bool) -> None:
    told = reckon(evidence)
    assert (told.whole, told.settled) == (whole, settled)


@pytest.mark.parametrize(
    ("acknowledged", "late"),
    [
        pytest.param({}, 5.0, id="from the due time"),
        pytest.param({"job": at(-10)}, 5.0, id="from the due time of a job made before"),
        pytest.param({"job": at(3)}, 2.0, id="from the creation of a job made afterwards"),
    ],
)
def test_lateness_is_counted_to_the_first_arrival(acknowledged: Mapping[str, datetime], late: float) -> None:
    told = reckon(seen({0: [5, 60]}, {0: recorded(0)}, acknowledged=acknowledged))
    assert (told.late_p50, told.late_p99, told.late_max) == (late, late, late)


def test_where_nothing_arrived_nothing_was_late() -> None:
    told = reckon(seen({}, {}))
    assert (told.late_p50, told.late_p99, told.late_max) == (None, None, None)
