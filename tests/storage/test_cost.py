"""What a firing costs, in the write units that the store reports: a change that adds one fails here and says so."""

from datetime import timedelta

import pytest

from chalicelib.ports import JobClaim
from chalicelib.scheduling.execution import Attempt, Execution, ExecutionState, Outcome, OutcomeKind
from chalicelib.scheduling.job import Claim, firing_id
from chalicelib.scheduling.retry import NEVER
from chalicelib.storage.executions import DynamoFirings
from chalicelib.storage.tables import Table
from tests.storage.conftest import standin_store
from tests.storage.test_stores import MONTH, SOON, a_job, jobs_of

WRITES = ("PutItem", "UpdateItem", "BatchExecuteStatement", "BatchWriteItem", "TransactWriteItems", "DeleteItem")


def written(table: Table) -> float:
    return sum(table.units[operation] for operation in WRITES)


@pytest.mark.parametrize(("by_job", "most"), [(True, 5), (False, 4)], ids=["with history by job", "without"])
def test_a_recurring_firing_costs_at_most_five_write_units(*, by_job: bool, most: int) -> None:
    store = standin_store()  # which counts as DynamoDB does; the embedded engine charges every statement the same
    table = store.jobs
    firings = DynamoFirings(table, store.clock, shards=2, retention=MONTH, by_job=by_job)
    job = a_job(name="a name of an ordinary length", echo={"cron": "*/5 * * * *"})
    jobs_of(store).add(job)
    before, rounds = written(table), 3
    for _ in range(rounds):
        [job] = firings.jobs([job.ref]).values()
        due_at = job.standing.due_at
        assert due_at
        claim = Claim(message_id="8f14e45f-ceea-467f-a8d1-0b6a2e6f1c11", nonce="n" * 36, due_at=due_at, claimed_at=SOON)
        after = job.standing.fired(claim)
        assert firings.claim([JobClaim(ref=job.ref, after=after, rev=1)]) == [after]
        outcome = Outcome(kind=OutcomeKind.DELIVERED, took=timedelta(seconds=1), status=200, body=b"ok" * 50)
        attempt = Attempt(due_at=due_at, claimed_at=SOON, sent_at=SOON, answered_at=SOON, outcome=outcome)
        name = firing_id(job.ref, due_at)
        blank = Execution(
            firing_id=name, ref=job.ref, dialect="test", key="key-1", due_at=due_at, state=ExecutionState.WAITING
        )
        assert firings.record([blank.attempted(attempt, NEVER)]) == []
    cost = (written(table) - before) / rounds
    assert cost == most
