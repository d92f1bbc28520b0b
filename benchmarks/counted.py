"""Belltower in one process, with every call counted: which operation, and the capacity units it consumed.

Real operations, stores, vault, queue and log, on the stand-in (`benchmarks.cloud`). Its clock may be one that is told
the time; its receivers answer at once, unless it is given a sender. What Lambda does for SQS, to receive and to delete,
goes through the counted door as well: it is on the bill.
"""

import io
import itertools
import json
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from benchmarks.cloud import STAGE, Cloud, Door
from benchmarks.work import HEADERS, payload
from chalicelib.delivery.jobclass import ClassRunner
from chalicelib.delivery.queue import SqsQueue, decode
from chalicelib.delivery.threads import Threads
from chalicelib.delivery.topic import TopicPublisher
from chalicelib.job_classes import Surroundings
from chalicelib.observability import JsonEvents, MeteredLog
from chalicelib.operations.accounts import NewAccount, open_account_with_key
from chalicelib.operations.deliver import deliver
from chalicelib.operations.jobs import create_job
from chalicelib.operations.tick import tick
from chalicelib.ports import Clock, Received, Rules, Services, WebhookSender
from chalicelib.scheduling.account import Principal
from chalicelib.scheduling.execution import Outcome, OutcomeKind
from chalicelib.scheduling.job import Definition, Ending, Job, JobRef
from chalicelib.scheduling.retry import Misfire
from chalicelib.scheduling.schedule import Schedule
from chalicelib.scheduling.target import Webhook
from chalicelib.storage.accounts import RecentAccounts, RecentKeys
from chalicelib.storage.audit import DynamoAudit
from chalicelib.storage.executions import DynamoExecutions, DynamoFirings
from chalicelib.storage.jobs import DynamoJobs, DynamoNextFires
from chalicelib.storage.logins import DynamoLogins
from chalicelib.storage.passwords import Argon2Passwords
from chalicelib.storage.tables import Table
from chalicelib.storage.vault import KmsVault

START: Final = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
BATCH: Final = 10
RULES: Final = Rules(retention=timedelta(days=30), lease=timedelta(seconds=60))
BUDGET: Final = timedelta(seconds=50)
"""What a tick may take of its minute."""
POLLING: Final = frozenset({"ReceiveMessage", "DeleteMessageBatch"})
"""Calls that Lambda makes for us."""
URL: Final = "https://hooks.example.com/tenants/4711/reports"


@dataclass(slots=True)
class Tally:
    """What passed since `reset`. `behind`: CPU seconds that were spent behind the doors; in memory, the stand-in's."""

    calls: Counter[str] = field(default_factory=Counter)
    units: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    behind: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def reset(self) -> None:
        """Begins anew."""
        self.calls, self.units, self.behind = Counter(), defaultdict(float), 0.0

    def add(self, operation: str, units: float, seconds: float) -> None:
        """One call. Any thread."""
        with self._lock:
            self.calls[operation] += 1
            self.units[operation] += units
            self.behind += seconds


class Counted:
    """A door that keeps a tally. A refused call was made, too."""

    def __init__(self, door: Door, tally: Tally) -> None:
        self._door, self._tally = door, tally

    def call(self, operation: str, request: Mapping[str, Any], /) -> dict[str, Any]:
        """The answer of the door behind."""
        began, units = time.thread_time(), 0.0
        try:
            answer = self._door.call(operation, request)
            units = consumed(answer)
        finally:
            self._tally.add(operation, units, time.thread_time() - began)
        return answer


def consumed(answer: Mapping[str, Any]) -> float:
    """The capacity units an answer of DynamoDB tells of; none in the answers of the others."""
    told = answer.get("ConsumedCapacity", [])
    return sum(float(one["CapacityUnits"]) for one in (told if isinstance(told, list) else [told]))


class Hands:
    """The Clock of a benchmark: it shows the time it was told."""

    def __init__(self, now: datetime = START) -> None:
        self._now = now

    def now(self) -> datetime:
        """As told."""
        return self._now

    def sleep_until(self, moment: datetime) -> None:
        """Moves it, never back."""
        self._now = max(self._now, moment)


@dataclass(frozen=True, slots=True)
class Prompt:
    """Every receiver there is: it has answered before it was asked."""

    body: bytes = b"ok"

    def send(self, webhook: Webhook, **_given: object) -> Outcome:  # noqa: ARG002 - the port's
        """Delivered."""
        return Outcome(kind=OutcomeKind.DELIVERED, took=timedelta(milliseconds=120), status=200, body=self.body)


class Belltower:
    """The services of one process on a cloud, the tally of their calls and the log they print.

    Another one on the same cloud is a process that has just begun: it knows no tenant yet.
    """

    def __init__(
        self,
        cloud: Cloud,
        clock: Clock,
        *,
        shards: int = 16,
        by_job: bool = True,
        sender: WebhookSender | None = None,
    ) -> None:
        self.cloud, self.clock, self.tally, self.log = cloud, clock, Tally(), io.StringIO()
        self._numbers = itertools.count(1)
        self._sqs = Counted(cloud.sqs, self.tally)
        database = Counted(cloud.dynamodb, self.tally)
        accounts, self.jobs = Table(database, cloud.accounts_table), Table(database, cloud.jobs_table)
        sender = sender or Prompt()
        keep = RULES.retention
        self.services = Services(
            clock=clock,
            crew=Threads(),
            accounts=RecentAccounts(accounts, clock),
            keys=RecentKeys(accounts, clock),
            logins=DynamoLogins(accounts),
            passwords=Argon2Passwords(),
            jobs=DynamoJobs(self.jobs, shards=shards, retention=keep),
            firings=DynamoFirings(self.jobs, clock, shards=shards, retention=keep, by_job=by_job),
            executions=DynamoExecutions(self.jobs),
            next_fires=DynamoNextFires(self.jobs, shards=shards),
            audit=DynamoAudit(self.jobs, retention=keep),
            queue=SqsQueue(self._sqs, jobs_url=cloud.queue_url, retries_url=cloud.retry_queue_url, fair=True),
            vault=KmsVault(Counted(cloud.kms, self.tally), cloud.key_id, clock),
            webhooks=sender,
            topics=TopicPublisher(),
            classes=ClassRunner(Surroundings(webhooks=sender, slack_url="", limit=BUDGET)),
            events=JsonEvents(MeteredLog(STAGE, self.log)),
            rules=RULES,
        )

    def open_account(self) -> Principal:
        """A tenant."""
        asked = NewAccount(email=f"tenant-{next(self._numbers)}@example.com")
        account, issued = open_account_with_key(self.services, asked)
        return Principal(account_id=account.account_id, key=issued.key.key)

    def job(
        self, owner: Principal, schedule: Schedule, *, number: int, url: str = URL, ending: Ending = Ending.KEEP
    ) -> Job:
        """A job of ordinary sizes: a name, an URL, 180 bytes of JSON to post."""
        asked = Definition(
            ref=JobRef(account_id=owner.account_id, job_id=job_id(number)),
            dialect=STAGE,
            key=owner.key,
            name=f"nightly report {number}",
            target=Webhook(url=url, body=payload(number), content_type=HEADERS["Content-Type"]),
            created_at=self.clock.now(),
            ending=ending,
        )
        return create_job(self.services, asked, schedule, misfire=Misfire.LATEST)

    def tick(self, *, until: datetime | None = None) -> int:
        """The tick of the present minute."""
        now = self.clock.now()
        return tick(self.services.bound(request=self._request()), now, until=until or now + BUDGET)

    def receive(self) -> Sequence[tuple[Received, str]]:
        """Up to ten messages that are visible, each with the handle that deletes it."""
        answer = self._sqs.call("ReceiveMessage", {"QueueUrl": self.cloud.queue_url, "MaxNumberOfMessages": BATCH})
        return [
            (Received(message_id=one["MessageId"], receives=1, due=decode(one["Body"])), one["ReceiptHandle"])
            for one in answer.get("Messages", [])
        ]

    def deliver(self) -> int:
        """One invocation of the worker, as Lambda makes it; how many messages it had."""
        return self.work(self.receive())

    def work(self, received: Sequence[tuple[Received, str]]) -> int:
        """Hands a batch to the worker and deletes what it has done. Raises where something was left."""
        if not received:
            return 0
        request = self._request()
        batch = [message for message, _ in received]
        if left := deliver(self.services.bound(request=request), batch, nonce=request):
            raise RuntimeError(f"{len(left)} messages of {len(batch)} were left: what is measured must work")
        entries = [{"Id": str(number), "ReceiptHandle": handle} for number, (_, handle) in enumerate(received)]
        self._sqs.call("DeleteMessageBatch", {"QueueUrl": self.cloud.queue_url, "Entries": entries})
        return len(batch)

    def lines(self) -> Sequence[Mapping[str, Any]]:
        """What was logged, read back."""
        return [json.loads(line) for line in self.log.getvalue().splitlines()]

    def _request(self) -> str:
        """An invocation's id, as long as Lambda's."""
        return f"11111111-2222-4333-8444-{next(self._numbers):012x}"


def job_id(number: int) -> str:
    """As long as a UUID."""
    return f"00000000-0000-4000-8000-{number:012x}"
