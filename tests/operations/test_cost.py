"""What a batch and a tick ask of AWS, by operation, through the door: a change that adds a call fails here and says so.

Where a number goes down, write the smaller one here. Where it goes up, benchmarks/cost.py says what that costs.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

import pytest

from benchmarks.bill import READS, WRITES, total_of
from benchmarks.cloud import in_memory
from benchmarks.counted import BATCH, POLLING, START, Belltower, Hands, Tally
from chalicelib.scheduling.job import Ending
from chalicelib.scheduling.schedule import Cron, Once, Schedule

DUE = START + timedelta(minutes=5)
EVERY_FIVE_MINUTES, EVERY_MINUTE = Cron(expression="*/5 * * * *"), Cron(expression="* * * * *")
ONE_EACH = {"BatchGetItem": 1, "BatchExecuteStatement": 1, "BatchWriteItem": 1}
"""Read, claim, record: what a batch cannot do without."""


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Ten firings of a kind, and what they take beside Lambda's own receive and delete. Units are for all ten."""

    title: str
    schedule: Schedule
    calls: Mapping[str, int]
    writes: float
    reads: float = 20
    ending: Ending = Ending.KEEP


BATCHES = [
    Batch(title="recurring", schedule=EVERY_FIVE_MINUTES, calls=ONE_EACH, writes=50),
    Batch(
        title="recurring within the horizon, whose next messages the claim sends",
        schedule=EVERY_MINUTE,
        calls=ONE_EACH | {"SendMessageBatch": 1},
        writes=50,
    ),
    Batch(title="one-shot", schedule=Once(at=DUE), calls=ONE_EACH, writes=40),
    Batch(
        title="one-shot, deleted once recorded",
        schedule=Once(at=DUE),
        calls=ONE_EACH | {"TransactWriteItems": 10},
        writes=100,
        ending=Ending.PURGE,
    ),
]


@pytest.mark.parametrize("batch", BATCHES, ids=[batch.title for batch in BATCHES])
def test_a_batch_of_ten_makes_no_more_calls_and_takes_no_more_units_than_before(batch: Batch) -> None:
    system = a_system(jobs=2 * BATCH, schedule=batch.schedule, ending=batch.ending)
    assert system.deliver() == BATCH, "the first batch, after which the worker knows its tenant"
    system.tally.reset()
    assert system.deliver() == BATCH
    what = f"a batch of ten {batch.title}"
    assert batch.calls == own_calls(system.tally), grown(what, batch.calls, own_calls(system.tally))
    before, now = (batch.writes, batch.reads), tuple(total_of(system.tally.units, some) for some in (WRITES, READS))
    assert before == now, f"{what} now takes {now[0]:g} write and {now[1]:g} read units, it was {before}"


def test_each_tenant_a_worker_does_not_know_costs_two_reads_and_a_call_of_kms() -> None:
    system = a_system(jobs=BATCH, schedule=EVERY_FIVE_MINUTES, tenants=BATCH)
    stranger = Belltower(system.cloud, system.clock)
    assert stranger.deliver() == BATCH
    expected = ONE_EACH | {"GetItem": 2 * BATCH, "Decrypt": BATCH}
    actual = own_calls(stranger.tally)
    assert expected == actual, grown("a batch of ten unknown tenants", expected, actual)


@pytest.mark.parametrize(
    ("jobs", "sends"),
    [(0, 0), (1, 1), (10, 1), (11, 2), (25, 3)],
    ids=["nothing due", "one due", "ten due", "eleven due", "twenty-five due"],
)
def test_a_tick_makes_six_queries_a_shard_and_sends_ten_messages_at_a_time(jobs: int, sends: int) -> None:
    system = a_system(jobs=jobs, schedule=Once(at=DUE + timedelta(minutes=3)))
    system.tally.reset()
    minute = system.clock.now() + timedelta(minutes=2)
    system.clock.sleep_until(minute)
    assert system.tick() == jobs
    expected = {"GetItem": 1, "Query": 6, "GetQueueAttributes": 2, "PutItem": 1}
    expected |= {"SendMessageBatch": sends} if sends else {}
    actual = own_calls(system.tally)
    assert expected == actual, grown(f"a tick of one shard with {jobs} due", expected, actual)


def test_what_grew_is_told() -> None:
    said = grown("a batch of ten", {"BatchGetItem": 1, "GetItem": 1}, {"BatchGetItem": 1, "PutItem": 3})
    assert said == "a batch of ten now makes 4 calls, it was 2: GetItem 0 (was 1), PutItem 3 (was 0)"


def a_system(*, jobs: int, schedule: Schedule, ending: Ending = Ending.KEEP, tenants: int = 1) -> Belltower:
    """One shard, its jobs sent, at the moment they are due."""
    clock = Hands()
    system = Belltower(in_memory(clock), clock, shards=1)
    owners = [system.open_account() for _ in range(tenants)]
    for number in range(jobs):
        system.job(owners[number % tenants], schedule, number=number, ending=ending)
    clock.sleep_until(DUE - timedelta(minutes=1))
    system.tick()
    clock.sleep_until(DUE)
    return system


def own_calls(tally: Tally) -> Mapping[str, int]:
    return {operation: count for operation, count in tally.calls.items() if operation not in POLLING}


def grown(what: str, before: Mapping[str, int], now: Mapping[str, int]) -> str:
    names = [name for name in sorted({*before, *now}) if before.get(name, 0) != now.get(name, 0)]
    changes = ", ".join(f"{name} {now.get(name, 0)} (was {before.get(name, 0)})" for name in names)
    return f"{what} now makes {sum(now.values())} calls, it was {sum(before.values())}: {changes}"
