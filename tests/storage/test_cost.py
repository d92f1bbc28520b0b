"""What a firing costs, in the write units that the store reports: a change that adds one fails here and says so."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

import pytest

from chalicelib.ports import JobClaim
from chalicelib.scheduling.execution import Attempt, Execution, ExecutionState, Outcome, OutcomeKind
from chalicelib.scheduling.job import Claim, Job, firing_id
from chalicelib.scheduling.retry import NEVER
from chalicelib.scheduling.schedule import Every, Once, Schedule
from chalicelib.storage.executions import DynamoFirings
from chalicelib.storage.tables import Table
from tests.storage.conftest import standin_store
from tests.storage.test_stores import MONTH, SOON, a_job, jobs_of

RECURRING = Every(start=SOON, period=timedelta(seconds=10))


@pytest.mark.parametrize(
    ("schedule", "by_job", "expected"),
    [
        pytest.param(RECURRING, True, {"claim": 3, "record": 2}, id="recurring: 5"),
        pytest.param(RECURRING, False, {"claim": 3, "record": 1}, id="recurring, without history by job: 4"),
        pytest.param(Once(at=SOON), True, {"claim": 2, "record": 2}, id="one-shot, which only leaves the index: 4"),
        pytest.param(Once(at=SOON), False, {"claim": 2, "record": 1}, id="one-shot, without history by job: 3"),
    ],
)
def test_a_firing_takes_no_more_write_units_than_before(
    *, schedule: Schedule, by_job: bool, expected: Mapping[str, float]
) -> None:
    store = standin_store()  # which counts as DynamoDB does; the embedded engine charges every statement the same
    firings = DynamoFirings(store.jobs, store.clock, shards=2, retention=MONTH, by_job=by_job)
    job = a_job(name="a name of an ordinary length", echo={"cron": "*/5 * * * *"})
    job = replace(job, standing=replace(job.standing, schedule=schedule))
    jobs_of(store).add(job)
    claim = Claim(message_id="8f14e45f-ceea-467f-a8d1-0b6a2e6f1c11", nonce="n" * 36, due_at=SOON, claimed_at=SOON)
    units: dict[str, float] = {}
    with counting(store.jobs, units, "claim"):
        after = job.standing.fired(claim)
        assert firings.claim([JobClaim(ref=job.ref, after=after, rev=1)]) == [after]
    with counting(store.jobs, units, "record"):
        assert firings.record([an_execution(job)]) == []
    total, before = sum(units.values()), sum(expected.values())
    assert units == expected, f"a firing now takes {total:g} write units, it was {before:g}: {units}"


@contextmanager
def counting(table: Table, units: dict[str, float], step: str) -> Iterator[None]:
    """The units that a step takes, whatever it asks for."""
    before = sum(table.units.values())
    yield
    units[step] = sum(table.units.values()) - before


def an_execution(job: Job) -> Execution:
    """The record of an ordinary delivery."""
    outcome = Outcome(kind=OutcomeKind.DELIVERED, took=timedelta(seconds=1), status=200, body=b"ok" * 50)
    blank = Execution(
        firing_id=firing_id(job.ref, SOON),
        ref=job.ref,
        dialect="test",
        key="key-1",
        due_at=SOON,
        state=ExecutionState.WAITING,
    )
    return blank.attempted(
        Attempt(due_at=SOON, claimed_at=SOON, sent_at=SOON, answered_at=SOON, outcome=outcome), NEVER
    )
