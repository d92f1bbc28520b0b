"""A Belltower of real operations and real adapters on simulated AWS, and the witness that sees what is written.

Each process has a clock of its own, which may be off. Everything else is shared, as between the invocations of warm
functions: a process that dies leaves the caches behind, which hold nothing that could be half done.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from random import Random
from typing import Any

from benchmarks.standin import schema
from benchmarks.standin.dynamo import Dynamo
from benchmarks.standin.kms import Kms
from benchmarks.standin.sqs import Sqs
from benchmarks.standin.store import Key, Row
from chalicelib.delivery.queue import SqsQueue
from chalicelib.operations.fire import secret_place
from chalicelib.ports import Services
from chalicelib.scheduling.account import Account, ApiKey, Principal
from chalicelib.scheduling.execution import Execution
from chalicelib.scheduling.job import JobRef, Standing, to_millis
from chalicelib.scheduling.secret import Secret
from chalicelib.storage.accounts import RecentAccounts, RecentKeys
from chalicelib.storage.codec import execution_key, standing_key, standing_of
from chalicelib.storage.records import execution_of
from chalicelib.storage.tables import Table
from chalicelib.storage.values import loaded
from chalicelib.storage.vault import KmsVault
from tests.fakes import FakeClock
from tests.simulation.doors import Door, Elements, QueueDoor
from tests.simulation.history import History, Recorded, Stood
from tests.simulation.loop import Loop
from tests.simulation.receivers import Receivers
from tests.simulation.tables import WatchedTable
from tests.simulation.weather import SECOND, Scenario
from tests.world import RULES, START, World

STAGE, SHARDS, VISIBILITIES = "simulation", 4, 6
MILLISECOND = timedelta(milliseconds=1)
EXECUTIONS = "#executions#"


class OwnClock(FakeClock):
    """The clock of whichever process asks."""

    def __init__(self, loop: Loop) -> None:
        super().__init__(START)
        self._loop = loop

    def now(self) -> datetime:
        return START + (self._loop.now + self._loop.process.skew) * MILLISECOND

    def sleep_until(self, moment: datetime) -> None:
        left = (moment - self.now()) // MILLISECOND
        if left > 0:
            self._loop.sleep(left)


class Operator:
    """The operator's log: only bugs of ours are of interest."""

    def __init__(self, loop: Loop, history: History) -> None:
        self._loop, self._history = loop, history

    def emit(self, event: str, **facts: str | float | None) -> None:
        if event == "fault" or (event == "claim_failed" and facts.get("error") != "Unavailable"):
            self._history.fault(self._loop.now, "bugs", f"{event} {facts}")

    def bound(self, **_facts: str | float | None) -> "Operator":
        return self


class Cloud:
    """Everything there is, and the hands of the simulation on it."""

    def __init__(self, scenario: Scenario, random: Random) -> None:
        self.scenario, self.random = scenario, random
        self.loop = Loop(random)
        self.history = History(START)
        self.elements = Elements(self.loop, random, self.history)
        self.names = schema.names(STAGE)
        visibility, receives = VISIBILITIES * scenario.lease, scenario.receives
        self.sqs = Sqs(schema.queues(STAGE, visibility=visibility, most_receives=receives), self._millis)
        self.dynamo = Dynamo(schema.tables(STAGE), self._millis)
        self.jobs_table = WatchedTable(self.dynamo.tables[self.names.jobs].schema, self._witness, self._now, self._lag)
        self.dynamo.tables[self.names.jobs] = self.jobs_table
        self.queue_door = QueueDoor(self.elements, self.sqs, named="the queue")
        self.receivers = Receivers(self.elements, self.record)
        self.services = self._built()

    def open_account(self, number: int) -> Principal:
        """A tenant, whose secret is known to the receivers."""
        services, name = self.services, f"tenant-{number}"
        account = Account(
            account_id=name,
            name=name,
            email=f"{name}@example.com",
            created_at=services.clock.now(),
            data_key=services.vault.new_data_key(name),
        )
        secret = Secret(f"the secret of {name}")
        sealed = services.vault.seal(account, secret_place(f"{name}-key"), secret)
        key = ApiKey(key=f"{name}-key", account_id=name, secret=sealed, created_at=services.clock.now())
        services.accounts.add(account, key=key)
        self.receivers.owners[secret.reveal()] = name
        return Principal(account_id=name, key=key.key)

    def record(self, account_id: str, firing_id: str) -> Execution | None:
        """The record that stands in the table, without asking for it."""
        row = self.jobs_table.rows.get(execution_key(account_id, firing_id))
        return execution_of(loaded(row.item)) if row else None

    def due(self, ref: JobRef) -> int | None:
        """When a job is due next, on the time line."""
        row = self.jobs_table.rows.get(standing_key(ref))
        return int(row.item["due_at"]["N"]) - to_millis(START) if row and "due_at" in row.item else None

    def next_fires(self) -> Iterator[tuple[Key, int]]:
        """The next-fire index as it is, once it has caught up: whose entries, and for when on the time line."""
        for key, row in self.jobs_table.rows.items():
            if "shard" in row.item:
                yield key, int(row.item["due_at"]["N"]) - to_millis(START)

    def table(self, name: str) -> Table:
        """The adapter of one table, through the weather."""
        return Table(Door(self.elements, _CatchingUp(self.dynamo, self.jobs_table), named="the database"), name)

    def _built(self) -> Services:
        clock, accounts, jobs = OwnClock(self.loop), self.table(self.names.accounts), self.table(self.names.jobs)
        rules = replace(RULES, lease=timedelta(seconds=self.scenario.lease))
        world = World(accounts, jobs, clock=clock, shards=SHARDS, rules=rules)
        return replace(
            world.services,
            crew=self.loop,
            accounts=RecentAccounts(accounts, clock),
            keys=RecentKeys(accounts, clock),
            queue=SqsQueue(self.queue_door, jobs_url=self.names.firings, retries_url=self.names.retries, fair=True),
            vault=KmsVault(Door(self.elements, Kms("key"), named="the key service"), "key", clock),
            webhooks=self.receivers,
            events=Operator(self.loop, self.history),
        )

    def _now(self) -> int:
        return self.loop.now

    def _millis(self) -> int:
        return to_millis(START) + self.loop.now

    def _lag(self) -> int:
        return self.random.randint(0, self.elements.weather.lag)

    def _witness(self, key: Key, old: Row | None, new: Row | None) -> None:
        pk, sk = str(key[0]), str(key[1])
        if sk == "standing":
            account_id, _, job_id = pk.partition("#")
            before, after = (standing_of(loaded(row.item)) if row else None for row in (old, new))
            self._stood(JobRef(account_id=account_id, job_id=job_id), before, after)
        elif EXECUTIONS in pk and new:
            before_record = execution_of(loaded(old.item)) if old else None
            self._recorded(before_record, execution_of(loaded(new.item)))

    def _stood(self, ref: JobRef, before: Standing | None, after: Standing | None) -> None:
        by, at = self.loop.process, self.loop.now
        line = (
            "gone" if after is None else f"{after.state} rev {after.rev} due {self.second(after.due_at)} {_by(after)}"
        )
        self.history.add(Stood(at=at, ref=ref, before=before, after=after, by=by), line=f"{by.name}: {line}")

    def _recorded(self, before: Execution | None, after: Execution) -> None:
        by, at = self.loop.process, self.loop.now
        line = f"{by.name}: record {after.firing_id} {after.state} attempts {len(after.attempts)} {_by(after)}"
        event = Recorded(at=at, ref=after.ref, firing_id=after.firing_id, before=before, after=after, by=by)
        self.history.add(event, line=line + (f" again {self.second(after.retry_at)}" if after.retry_at else ""))

    @staticmethod
    def second(moment: datetime | None) -> str:
        """A moment as the log has it."""
        return f"{(moment - START) / MILLISECOND / SECOND:.3f}" if moment else "-"


class _CatchingUp:
    """DynamoDB, whose indexes show what is to be seen by now."""

    def __init__(self, dynamo: Dynamo, table: WatchedTable) -> None:
        self._dynamo, self._table = dynamo, table

    def dispatch(self, operation: str, request: Mapping[str, Any], /) -> Mapping[str, Any]:
        if operation == "Query":
            self._table.catch_up()
        return self._dynamo.dispatch(operation, request)


def _by(held: Standing | Execution) -> str:
    return f"held by {held.claim.nonce}" if held.claim else ""
