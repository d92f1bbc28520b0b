"""From counts to dollars, and from an hour's firings to its minutes: arithmetic that is checked by hand."""

from dataclasses import replace
from datetime import timedelta

import pytest

from benchmarks.bill import (
    ON_DEMAND,
    WRITES,
    Counts,
    Lambda,
    Line,
    as_aimed,
    bill,
    in_all,
    largest,
    less,
    provisioned,
    total_of,
    verdict,
)
from benchmarks.counted import START, consumed
from benchmarks.hour import Firing, Shape, backlog, by_minute, seconds_of, simulate, whole
from benchmarks.scenarios import RECURRING, cost_of

HALF_A_GIGABYTE = Lambda(seconds=0.4)
TEN = Counts(
    firings=10,
    calls={"BatchGetItem": 1, "BatchExecuteStatement": 1, "BatchWriteItem": 1, "ReceiveMessage": 1, "Decrypt": 2},
    units={"BatchGetItem": 20.0, "BatchExecuteStatement": 30.0, "BatchWriteItem": 10.0},
    log_lines=11,
    log_bytes=4_000,
    invocations=1,
    kept=8_000,
)


@pytest.mark.parametrize(
    ("what", "dollars"),
    [
        pytest.param("write units", 4 * 0.625, id="four write units a firing, at $0.625 a million"),
        pytest.param("read units", 2 * 0.125, id="two read units, at $0.125"),
        pytest.param(
            "Lambda", 0.1 * 0.20 + 0.1e6 * 0.2 * 0.0000133334, id="a tenth of a request and of 0.2 GB-seconds"
        ),
        pytest.param("SQS", 0.1 * 0.40, id="a tenth of a request to the queue"),
        pytest.param("SQS, that its queues are fair", 0.1 * 0.10, id="and what is added because the queue is fair"),
        pytest.param("KMS", 0.2 * 3.00, id="a fifth of a request to KMS, at $3.00"),
        pytest.param(
            "logs", (4_000 + 320 + 14 * 26) * 1e5 / 1e9 * 0.53, id="our lines, Lambda's, and each line's margin"
        ),
        pytest.param("the record, kept", 8_000 * 1e5 / 1e9 * 0.25, id="800 bytes for a month"),
    ],
)
def test_a_million_firings_cost_what_the_list_says(what: str, dollars: float) -> None:
    [found] = [line.dollars for line in bill(TEN, ON_DEMAND, HALF_A_GIGABYTE) if line.what == what]
    assert found == pytest.approx(dollars)


def test_a_provisioned_unit_is_an_hours_price_over_the_units_of_it_that_are_used() -> None:
    half = provisioned(0.5)
    assert (half.write, half.read) == pytest.approx((0.00065 / 1800, 0.00013 / 1800))
    assert provisioned(1.0).write == pytest.approx(half.write / 2)
    assert half.title == "provisioned, 50% used"


def test_a_record_that_is_kept_twice_as_long_costs_twice_as_much_and_nothing_else_changes() -> None:
    month, two = bill(TEN, ON_DEMAND, HALF_A_GIGABYTE), bill(TEN, ON_DEMAND, HALF_A_GIGABYTE, months=2)
    assert in_all(two) - in_all(month) == pytest.approx(month[-1].dollars)


def test_the_target_counts_some_lines_and_the_total_all() -> None:
    lines = [Line(what="a", dollars=1.0, aimed=True), Line(what="b", dollars=0.5), Line(what="c", dollars=0.25)]
    assert (as_aimed(lines), in_all(lines)) == (1.0, 1.75)
    assert largest(lines, 2) == "a $1.00, b $0.50"


@pytest.mark.parametrize(
    ("dollars", "expected"),
    [
        pytest.param(1.0, "met", id="below it"),
        pytest.param(2.0, "met", id="just it"),
        pytest.param(2.25, "missed by 0.25", id="above it"),
    ],
)
def test_a_target_is_met_or_missed_by_so_much(dollars: float, expected: str) -> None:
    assert verdict(dollars, 2.0) == expected


def test_what_a_stage_costs_when_idle_is_taken_off() -> None:
    idle = replace(TEN, firings=0, calls={"Query": 6}, units={"Query": 3.0}, kept=0)
    busy = replace(
        TEN, calls={**TEN.calls, "Query": 6}, units={**TEN.units, "Query": 3.5}, log_lines=25, log_bytes=9_000
    )
    found = less(busy, idle)
    assert (found.firings, found.calls) == (10, TEN.calls)
    assert found.units == {**TEN.units, "Query": 0.5}
    assert (found.log_lines, found.log_bytes, found.kept) == (14, 5_000, 8_000)


def test_units_are_added_up_by_operation() -> None:
    assert total_of(TEN.units, frozenset(("BatchGetItem", "BatchWriteItem", "PutItem"))) == 30.0


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        pytest.param({}, 0.0, id="a service that has no units"),
        pytest.param({"ConsumedCapacity": {"CapacityUnits": 1.5}}, 1.5, id="one table"),
        pytest.param({"ConsumedCapacity": [{"CapacityUnits": 1}, {"CapacityUnits": 2.5}]}, 3.5, id="a batch"),
    ],
)
def test_an_answer_tells_what_it_consumed(answer: dict[str, object], expected: float) -> None:
    assert consumed(answer) == expected


def test_the_hour_has_its_firings_its_crowded_minute_and_its_crowded_seconds() -> None:
    seconds = seconds_of(Shape(firings=36_000))
    assert (len(seconds), sum(seconds)) == (3_600, 36_000)
    assert seconds[0] == sum(seconds[:60]) == 20 * 600, "all of minute 0 in its first second"
    minutes = [seconds[start : start + 60] for start in range(60, 3_600, 60)]
    even = (36_000 - 12_000) / 59
    assert all(sum(minute) == pytest.approx(even, abs=1) for minute in minutes)
    assert all(minute[0] == pytest.approx(8 * even / 60, abs=1) for minute in minutes)


def test_what_is_cut_off_a_share_is_carried_on() -> None:
    assert whole([0.4, 0.4, 0.4, 0.8]) == [0, 1, 0, 1]


def test_minutes_say_who_was_late_and_what_waited_at_their_end() -> None:
    at = [(0, 1.0), (0, 70.0), (59, 1.0), (120, 0.0)]
    firings = [Firing(due=START + timedelta(seconds=due), late=timedelta(seconds=late)) for due, late in at]
    first, third = by_minute(firings, START)
    assert (first.number, first.due, first.late_p50, first.late_max, first.backlog) == (0, 3, 1.0, 70.0, 2)
    assert (third.number, third.due, third.late_max, third.backlog) == (2, 1, 0.0, 0)
    assert backlog(firings, START + timedelta(seconds=71)) == 0


def test_a_scenario_is_counted_without_what_its_minutes_cost_idle() -> None:
    cost = cost_of(replace(RECURRING, jobs=20))
    firing = cost.firing
    assert (firing.firings, firing.invocations, total_of(firing.units, WRITES)) == (20, 2, 100.0)
    assert firing.calls.keys() >= {"BatchGetItem", "SendMessageBatch", "ReceiveMessage", "DeleteMessageBatch"}
    assert not firing.calls.keys() & {"Query", "PutItem", "GetQueueAttributes"}, "the tick's own"
    assert (cost.creation.firings, total_of(cost.creation.units, WRITES)) == (20, 160.0)


def test_who_comes_after_a_full_worker_waits_until_it_is_back() -> None:
    late = sorted(one.late for one in simulate(Shape(firings=60), workers=1) if one.due == START)
    away = timedelta(milliseconds=400)
    assert late == [timedelta(0)] * 10 + [away] * 10, "20 at once, ten a batch"
