"""What is told of lateness: each number is that of an attempt."""

from datetime import UTC, datetime, timedelta

import pytest

from chalicelib.scheduling.execution import Attempt, Execution, ExecutionState, Outcome, OutcomeKind
from chalicelib.scheduling.job import JobRef, firing_id
from chalicelib.scheduling.lateness import Lateness, late_ms, lateness

DUE = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
REF = JobRef(account_id="account", job_id="job")
DONE = Outcome(kind=OutcomeKind.DELIVERED, took=timedelta(0))


def an_attempt(late: float) -> Attempt:
    sent = DUE + timedelta(milliseconds=late)
    return Attempt(due_at=DUE, claimed_at=DUE, sent_at=sent, answered_at=sent, outcome=DONE)


def an_execution(*late: float) -> Execution:
    return Execution(
        firing_id=firing_id(REF, DUE),
        ref=REF,
        dialect="test",
        key="key",
        due_at=DUE,
        state=ExecutionState.DELIVERED,
        attempts=tuple(map(an_attempt, late)),
    )


@pytest.mark.parametrize(("late", "expected"), [(0, 0), (1, 1), (1500, 1500), (-3, -3), (86_400_000, 86_400_000)])
def test_lateness_is_in_whole_milliseconds_after_the_due_time(late: float, expected: int) -> None:
    assert late_ms(an_attempt(late)) == expected


@pytest.mark.parametrize(
    ("executions", "expected"),
    [
        pytest.param([], (0, None, None, None), id="nothing"),
        pytest.param([()], (0, None, None, None), id="a firing that was never sent"),
        pytest.param([(7,)], (1, 7, 7, 7), id="one attempt"),
        pytest.param([(9,), (1,)], (2, 1, 9, 9), id="of two the lower is the median"),
        pytest.param([(3, 1), (2,)], (3, 2, 3, 3), id="attempts of all executions, in no order"),
        pytest.param([tuple(range(1, 101))], (100, 50, 99, 100), id="a hundred"),
        pytest.param([tuple(range(1, 102))], (101, 51, 100, 101), id="a hundred and one"),
    ],
)
def test_percentiles_are_nearest_ranks(
    executions: list[tuple[int, ...]], expected: tuple[int, int | None, int | None, int | None]
) -> None:
    count, p50, p99, longest = expected
    found = lateness(an_execution(*late) for late in executions)
    assert found == Lateness(count=count, p50=p50, p99=p99, longest=longest)
