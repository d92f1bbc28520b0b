"""A whole Belltower in one process: real stores on the stand-in's tables, the real vault, fakes for what is outside.

Time is the clock's: `run` lets the queue deliver what is visible, `tick` is EventBridge's minute, and `let_pass` does
both, minute after minute, until a moment.
"""

import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from benchmarks.standin import schema
from benchmarks.standin.door import InProcess
from benchmarks.standin.dynamo import Dynamo
from chalicelib.delivery.threads import Threads
from chalicelib.operations.accounts import NewAccount, open_account_with_key
from chalicelib.operations.deliver import deliver, park
from chalicelib.operations.jobs import create_job
from chalicelib.operations.tick import tick
from chalicelib.ports import Rules, Services
from chalicelib.scheduling.account import Principal
from chalicelib.scheduling.claiming import floor_to_minute
from chalicelib.scheduling.execution import Execution
from chalicelib.scheduling.job import Definition, Job, JobRef, to_millis
from chalicelib.scheduling.retry import Misfire
from chalicelib.scheduling.schedule import Once, Schedule
from chalicelib.scheduling.secret import Secret
from chalicelib.scheduling.target import Target, Webhook
from chalicelib.storage.accounts import DynamoAccounts, DynamoKeys
from chalicelib.storage.audit import DynamoAudit
from chalicelib.storage.executions import DynamoExecutions, DynamoFirings
from chalicelib.storage.jobs import DynamoJobs, DynamoNextFires
from chalicelib.storage.logins import DynamoLogins
from chalicelib.storage.passwords import Argon2Passwords
from chalicelib.storage.tables import Table
from chalicelib.storage.vault import KmsVault
from tests.fakes import FakeClasses, FakeClock, FakeEvents, FakeKms, FakeQueue, FakeReceiver, FakeTopics

START = datetime(2026, 11, 22, 12, 0, 30, tzinfo=UTC)
URL = "https://example.com/hook"
RULES = Rules(retention=timedelta(days=30), lease=timedelta(seconds=60))
VISIBILITY = timedelta(minutes=6)


class World:
    """Services on one pair of tables, and the hands that move them."""

    def __init__(
        self, accounts: Table, jobs: Table, *, clock: FakeClock | None = None, shards: int = 2, rules: Rules = RULES
    ) -> None:
        self.clock = clock or FakeClock(START)
        self.queue = FakeQueue(self.clock, visibility=VISIBILITY)
        self.receiver, self.topics, self.events, self.kms = FakeReceiver(), FakeTopics(), FakeEvents(), FakeKms()
        self.classes = FakeClasses()
        self.accounts, self.table = accounts, jobs
        self.services = Services(
            clock=self.clock,
            crew=Threads(),
            accounts=DynamoAccounts(accounts),
            keys=DynamoKeys(accounts),
            logins=DynamoLogins(accounts),
            passwords=Argon2Passwords(),
            jobs=DynamoJobs(jobs, shards=shards, retention=rules.retention),
            firings=DynamoFirings(jobs, self.clock, shards=shards, retention=rules.retention),
            executions=DynamoExecutions(jobs),
            next_fires=DynamoNextFires(jobs, shards=shards),
            audit=DynamoAudit(jobs, retention=rules.retention),
            queue=self.queue,
            vault=KmsVault(self.kms, "alias/test", self.clock),
            webhooks=self.receiver,
            topics=self.topics,
            classes=self.classes,
            events=self.events,
            rules=rules,
        )
        self._nonces = (f"nonce-{number}" for number in itertools.count(1))
        self._emails = (f"user{number}@example.com" for number in itertools.count(1))

    def open_account(self) -> tuple[Principal, Secret]:
        """A new account's principal and secret."""
        account, issued = open_account_with_key(self.services, NewAccount(email=next(self._emails)))
        return Principal(account_id=account.account_id, key=issued.key.key), issued.secret

    def a_job(
        self,
        schedule: Schedule | None = None,
        *,
        owner: Principal | None = None,
        job_id: str = "job-1",
        target: Target | None = None,
        misfire: Misfire = Misfire.LATEST,
        **definition: Any,
    ) -> Job:
        """A stored job; by default a webhook in five seconds."""
        principal = owner or self.open_account()[0]
        asked = Definition(
            ref=JobRef(account_id=principal.account_id, job_id=job_id),
            dialect="test",
            key=principal.key,
            name="a job",
            target=target or Webhook(url=URL),
            created_at=self.clock.now(),
            **definition,
        )
        schedule = schedule or Once(at=self.clock.now() + timedelta(seconds=5))
        return create_job(self.services, asked, schedule, misfire=misfire)

    def run(self, *, until: datetime | None = None) -> None:
        """Delivers what is in the queue as it becomes visible, up to a moment (by default: now)."""
        until = until or self.clock.now()
        while True:
            batch = self.queue.receive()
            if batch:
                left = deliver(self.services, batch, nonce=next(self._nonces))
                self.queue.delete([message.message_id for message in batch if message.message_id not in left])
                continue
            upcoming = [message.visible_at for message in self.queue.messages if message.visible_at <= until]
            if not upcoming:
                break
            self.clock.sleep_until(min(upcoming))
        self.clock.sleep_until(until)

    def park(self) -> None:
        """Lets the dead-letter consumer work."""
        batch = self.queue.receive_dead()
        left = park(self.services, batch, nonce=next(self._nonces))
        self.queue.delete([message.message_id for message in batch if message.message_id not in left])

    def tick(self) -> int:
        """EventBridge's call for the present minute."""
        now = self.clock.now()
        return tick(self.services, floor_to_minute(now), until=now + timedelta(seconds=50))

    def let_pass(self, **span: float) -> None:
        """Minute by minute: a tick at each, and deliveries all the time."""
        end = self.clock.now() + timedelta(**span)
        while self.clock.now() < end:
            minute = floor_to_minute(self.clock.now()) + timedelta(minutes=1)
            self.run(until=min(minute, end))
            if self.clock.now() == minute:
                self.tick()
        self.run()

    def job(self, job: Job) -> Job | None:
        """The job as stored."""
        return self.services.jobs.get(job.ref)

    def executions(self, job: Job) -> list[Execution]:
        """The job's history, the oldest first."""
        return list(reversed(self.services.executions.of_job(job.ref, limit=1000)))

    def with_rules(self, **rules: Any) -> None:
        """Other numbers from now on."""
        self.services = replace(self.services, rules=replace(self.services.rules, **rules))


def a_world(**options: Any) -> World:
    """A world on fresh tables in this process, in which statements have their conditions and batches their limits."""
    clock, names = FakeClock(START), schema.names("test")
    door = InProcess(Dynamo(schema.tables("test"), lambda: to_millis(clock.now())))
    return World(Table(door, names.accounts), Table(door, names.jobs), clock=clock, **options)
