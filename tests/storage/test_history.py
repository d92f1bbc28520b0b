"""An account's executions, the latest first, in ranges and behind one another, on every engine."""

from datetime import datetime, timedelta

import pytest

from chalicelib.ports import Span
from chalicelib.scheduling.execution import Execution, ExecutionState
from chalicelib.scheduling.job import JobRef, firing_id
from chalicelib.storage.executions import DynamoExecutions, DynamoFirings
from chalicelib.storage.tables import Table
from tests.storage.conftest import Store, standin_store
from tests.world import START

MONTH = timedelta(days=30)
ALWAYS = Span(start=START - MONTH, end=START + MONTH)
JOBS = ("job-1", "job-2")


def at(minute: int) -> datetime:
    return START + timedelta(minutes=minute)


def an_execution(minute: int, *, job: str = "job-1", account: str = "alice") -> Execution:
    ref = JobRef(account_id=account, job_id=job)
    return Execution(
        firing_id=firing_id(ref, at(minute)),
        ref=ref,
        dialect="test",
        key="key-1",
        due_at=at(minute),
        state=ExecutionState.DELIVERED,
    )


def recorded(store: Store, *executions: Execution) -> DynamoExecutions:
    firings = DynamoFirings(store.jobs, store.clock, shards=2, retention=MONTH)
    assert firings.record(executions) == []
    return DynamoExecutions(store.jobs)


def ids(executions: object) -> list[str]:
    assert isinstance(executions, list)
    return [one.firing_id for one in executions]


def test_the_latest_of_an_account_come_first_whichever_bucket_they_are_in(store: Store) -> None:
    mine = [an_execution(minute, job=job) for minute in range(12) for job in JOBS]
    history = recorded(store, *mine, an_execution(99, account="bob"))
    newest_first = sorted((one.firing_id for one in mine), reverse=True)
    assert len({one.firing_id[-1] for one in mine}) > 4, "more than one bucket"
    assert ids(history.latest("alice", ALWAYS, limit=100)) == newest_first
    assert ids(history.latest("alice", ALWAYS, limit=5)) == newest_first[:5]
    assert ids(history.latest("nobody", ALWAYS, limit=5)) == []


@pytest.mark.parametrize(
    ("span", "minutes"),
    [
        pytest.param(Span(start=at(2), end=at(4)), [4, 3, 2], id="both ends belong to it"),
        pytest.param(Span(start=at(2), end=at(4) - timedelta(milliseconds=1)), [3, 2], id="to the millisecond"),
        pytest.param(Span(start=at(6), end=at(9)), [], id="nothing in it"),
        pytest.param(Span(start=at(0), end=at(9), before=an_execution(3).firing_id), [2, 1, 0], id="behind one"),
        pytest.param(Span(start=at(2), end=at(9), before=an_execution(3).firing_id), [2], id="behind one, to a start"),
        pytest.param(
            Span(start=at(0), end=at(1), before=an_execution(3).firing_id), [1, 0], id="behind one and to an end"
        ),
        pytest.param(Span(start=at(0), end=at(9), before="0" * 32), [], id="behind the first there can be"),
    ],
)
def test_a_span_is_the_same_for_an_account_and_for_a_job(store: Store, span: Span, minutes: list[int]) -> None:
    mine = [an_execution(minute) for minute in range(6)]
    history = recorded(store, *mine, an_execution(3, account="bob"))
    expected = [mine[minute].firing_id for minute in minutes]
    assert ids(history.latest("alice", span, limit=100)) == expected
    assert ids(history.of_job(mine[0].ref, limit=100, span=span)) == expected


def read_units(table: Table) -> float:
    return table.units["Query"] + table.units["BatchGetItem"]


def test_what_is_read_does_not_grow_with_the_history() -> None:
    store = standin_store()
    history = recorded(store, *(an_execution(minute) for minute in range(400)))
    before = read_units(store.jobs)
    assert len(history.latest("alice", ALWAYS, limit=8)) == 8
    assert read_units(store.jobs) - before <= 16
