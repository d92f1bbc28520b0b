"""What the operations need from the world, one small Protocol for each need, and the values that cross it.

An adapter never raises for losing a race: that is a return value. It raises `Unavailable` when the service behind it
does not answer, and then nothing was changed, or the same call again is safe.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Protocol, TypeVar

from chalicelib.scheduling.account import Account, ApiKey
from chalicelib.scheduling.address import PUBLIC_ONLY, AddressPolicy
from chalicelib.scheduling.audit import AuditEntry
from chalicelib.scheduling.errors import Unavailable
from chalicelib.scheduling.execution import Execution, Outcome
from chalicelib.scheduling.job import Claim, Job, JobRef, Standing
from chalicelib.scheduling.lane import Holds, Lane, Share
from chalicelib.scheduling.secret import Sealed, Secret
from chalicelib.scheduling.target import AwsKeys, JobClass, Topic, Webhook
from chalicelib.scheduling.throttle import Failures

T = TypeVar("T")
U = TypeVar("U")


@dataclass(frozen=True, slots=True, kw_only=True)
class FiringRef:
    """The only name of an execution."""

    account_id: str
    firing_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A range of an account's executions: due in [start, end], and before the firing `before` where it is given."""

    start: datetime
    end: datetime
    before: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """One entry of the next-fire index, and all that a message says: what is due, when, and under which revision."""

    subject: JobRef | FiringRef
    due_at: datetime
    rev: int
    lane: Lane = Lane.FIRST


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A message as it came: `due` is None when its body says nothing. `receives` counts this receipt."""

    message_id: str
    receives: int
    due: Due | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Depth:
    """How many messages could be received now, by lane, as SQS estimates it."""

    lanes: Mapping[Lane, int]

    @property
    def visible(self) -> int:
        """On all lanes."""
        return sum(self.lanes.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Watermarks:
    """How far the ticks have read: all that stood in a shard before its mark was sent when the mark was set.

    `swept` is the minute up to which the overdue sweep has looked; `backlog` and `sent` are what the last tick saw, by
    lane: nothing where it did not look.
    """

    marks: Mapping[int, datetime]
    swept: datetime | None = None
    backlog: Mapping[Lane, int] = field(default_factory=dict)
    sent: Mapping[Lane, int] = field(default_factory=dict)
    version: int = 0


class Clock(Protocol):
    """The time. Aware UTC, to the millisecond: what is stored reads back as it was."""

    def now(self) -> datetime: ...

    def sleep_until(self, moment: datetime) -> None: ...


class Crew(Protocol):
    """Hands for what is done at once: receivers are slow, and so is a database that is asked one thing at a time."""

    def map(self, do: Callable[[T], U], things: Sequence[T], *, hands: int) -> list[U]:
        """The results in order, as many begun at once as there are hands.

        `do` must not ask for hands itself: they are shared, and might wait for each other.
        """


class AccountReader(Protocol):
    """Accounts by id: all that a worker needs of them."""

    def account(self, account_id: str) -> Account | None: ...


class AccountStore(AccountReader, Protocol):
    """Accounts, and the hashes of their passwords."""

    def add(self, account: Account, *, key: ApiKey | None = None, password: str | None = None) -> None:
        """All or none. Raises Taken when another account has the name or the e-mail address."""

    def named(self, name: str) -> Account | None: ...

    def password(self, account_id: str) -> str | None: ...

    def change(self, account: Account, *, before: Account, proven: str, password: str | None = None) -> None:
        """All but the name may change, where the hash `proven` stands. Raises Taken, Unavailable."""

    def remove(self, account: Account) -> None:
        """Without its keys; what somebody else holds by now stays."""


class KeyReader(Protocol):
    """API keys by their public part: all that a worker needs of them."""

    def get(self, key: str) -> ApiKey | None: ...


class KeyStore(KeyReader, Protocol):
    """API keys."""

    def add(self, key: ApiKey) -> None:
        """Raises Taken, and Unavailable where there is no such account any more."""

    def of(self, account_id: str) -> Sequence[ApiKey]:
        """In order of creation."""

    def replace(self, key: ApiKey, *, before: ApiKey) -> bool:
        """Puts `key` where `before` stands; False: it was rotated since, or it is gone."""

    def remove(self, key: ApiKey) -> bool: ...


class Logins(Protocol):
    """What logins leave behind. A respect is one in which failures are counted: see `scheduling.throttle`."""

    def failures(self, respects: Collection[str], now: datetime) -> Mapping[str, Failures]:
        """Those that are not forgotten yet."""

    def failed(self, respects: Collection[str], now: datetime) -> None:
        """Counts one more in each."""

    def forgive(self, respect: str) -> None: ...

    def rehash(self, account_id: str, *, before: str, after: str) -> bool:
        """Puts a hash where `before` stands; False: the password was changed since."""


class Passwords(Protocol):
    """Hashes passwords, slowly on purpose."""

    def hashed(self, password: Secret) -> str: ...

    def matches(self, password: Secret, hashed: str | None) -> bool:
        """As slow for None, which matches nothing, as for a hash."""

    def outdated(self, hashed: str) -> bool:
        """Whether it was made with other parameters than `hashed` uses now."""


class JobStore(Protocol):
    """Jobs under their account."""

    def add(self, job: Job) -> None:
        """Raises Taken when the id is in use."""

    def get(self, ref: JobRef) -> Job | None: ...

    def list(self, account_id: str, dialect: str = "") -> Sequence[Job]:
        """Made through one API, or all; in order of creation."""

    def count(self, account_id: str, dialect: str = "") -> int:
        """Made through one API, or in all."""

    def replace(self, job: Job, *, before: Job) -> bool:
        """Puts `job` where `before` stands; False: somebody changed it since, or fired it."""

    def remove(self, job: Job, *, rev: int | None = None) -> bool:
        """Removes the job and its place in the index; False: it was gone already, or `rev` is not its revision."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobClaim:
    """Moves a job on to `after`, where it is active under `rev` and due as the claim in `after` says."""

    ref: JobRef
    after: Standing
    rev: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryClaim:
    """Takes an execution out of the index, where it waits under `rev` for the time that `claim` says."""

    execution: Execution
    claim: Claim
    rev: int


Claimed = Standing | Execution | Unavailable | None
"""What stands there after a claim, whoever wrote it; None: it is gone; Unavailable: the database would not say."""


class FiringStore(Protocol):
    """What the worker reads and writes, a batch at a time."""

    def jobs(self, refs: Iterable[JobRef]) -> Mapping[JobRef, Job]:
        """Those that exist, read consistently."""

    def executions(self, refs: Iterable[FiringRef]) -> Mapping[FiringRef, Execution]:
        """Those that exist, read consistently."""

    def claim(self, claims: Sequence[JobClaim | RetryClaim]) -> Sequence[Claimed]:
        """Writes each claim where its condition holds; a lost reply is no lost claim: its own mark stands there.

        Raises Unavailable when nobody can tell of any of them what was done.
        """

    def take_over(self, subject: JobRef | FiringRef, claim: Claim, *, dead: Claim) -> bool:
        """Makes `claim` the holder where `dead` still is."""

    def mark(self, firing: Execution, claim: Claim) -> Execution:
        """Puts a record that only bears a claim where there is none; what stands there."""

    def record(self, executions: Sequence[Execution]) -> Sequence[Execution]:
        """Writes them and returns those that could not be written."""

    def move(self, ref: JobRef, lane: Lane) -> None:
        """Keeps the lane that a job travels by from its next firing on; nothing where the job is gone."""


class ExecutionStore(Protocol):
    """The history, read."""

    def get(self, ref: FiringRef) -> Execution | None: ...

    def between(self, account_id: str, start: datetime, end: datetime) -> Sequence[Execution]:
        """Due in [start, end], by due time."""

    def latest(self, account_id: str, span: Span, *, limit: int) -> Sequence[Execution]:
        """The latest first; what is read is not much more than what is returned."""

    def of_job(self, ref: JobRef, *, limit: int, span: Span | None = None) -> Sequence[Execution]:
        """The latest first; a moment behind what was recorded."""

    def cancel(self, execution: Execution) -> bool:
        """Ends an execution as it was read, waiting or claimed; False: it is another by now."""


class NextFires(Protocol):
    """The next-fire index and how far it was read."""

    def due(self, shard: int, *, since: datetime, until: datetime) -> Iterator[Sequence[Due]]:
        """The entries of one shard in [since, until), by due time, a page at a time."""

    def shards(self) -> range: ...

    def watermarks(self) -> Watermarks: ...

    def overdue(self, shard: int, before: datetime) -> int:
        """How many entries of one shard were due before then; of very many it counts some: a lower bound."""

    def advance(self, marks: Watermarks) -> bool:
        """Writes them where their version is still the stored one; False: another tick was there."""


class AuditLog(Protocol):
    """Who changed what."""

    def add(self, entry: AuditEntry) -> None: ...

    def between(self, account_id: str, start: datetime, end: datetime) -> Sequence[AuditEntry]: ...


class Queue(Protocol):
    """The way to the workers, on two lanes: see `scheduling.lane`."""

    def send(self, dues: Sequence[Due], *, now: datetime) -> Sequence[Due]:
        """Sends one message for each, to arrive in the second of its due time; returns those that were not taken."""

    def depth(self) -> Depth: ...


class Vault(Protocol):
    """Secrets under their account's data key. A place binds a ciphertext to where it is kept."""

    def new_data_key(self, account_id: str) -> bytes:
        """A fresh data key, wrapped for storage."""

    def seal(self, account: Account, place: str, secret: Secret) -> Sealed: ...

    def open(self, account: Account, place: str, sealed: Sealed) -> Secret:
        """Raises Tampered where the ciphertext was not sealed for this account and place."""


class WebhookSender(Protocol):
    """Makes one HTTP call within one deadline. Never raises for what the network or the receiver does."""

    def send(
        self, webhook: Webhook, *, message_id: str, timestamp: datetime, secrets: Sequence[Secret], owner: str = ""
    ) -> Outcome:
        """Signed with each of the secrets, the newest first; without one it is not signed.

        `owner`: the account whose connections may be used again for it, and no other's.
        """


class TopicPublisher(Protocol):
    """Publishes one SNS message with the job's own keys."""

    def publish(self, topic: Topic, keys: AwsKeys) -> Outcome: ...


class JobRunner(Protocol):
    """Runs one job class of the allow-list. Never raises for what the class does."""

    def run(self, target: JobClass, ref: JobRef, *, execution_id: str) -> Outcome: ...


class Events(Protocol):
    """What the operator sees: one event for each thing that happened, with ids and numbers, never a secret.

    The ids are the same everywhere: `account`, `job`, `firing` (which is also the id of its execution), `message`, and
    `request`, the invocation: API Gateway's request id for the API, Lambda's for the other functions.
    """

    def emit(self, event: str, **facts: str | float | None) -> None:
        """A fact that is None is left out."""

    def bound(self, **facts: str | float | None) -> "Events":
        """The same, with these facts on every line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Numbers an operator may set. `lease`: after this a claim's worker is dead for certain; at least its time-out."""

    retention: timedelta = timedelta(days=30)
    lease: timedelta = timedelta(seconds=60)
    jobs_per_account: int | None = None
    history_by_job: bool = True
    runlater_strict: bool = False
    addresses: AddressPolicy = PUBLIC_ONLY


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """Every port, filled: what an operation is given."""

    clock: Clock
    crew: Crew
    accounts: AccountStore
    keys: KeyStore
    logins: Logins
    passwords: Passwords
    jobs: JobStore
    firings: FiringStore
    executions: ExecutionStore
    next_fires: NextFires
    audit: AuditLog
    queue: Queue
    vault: Vault
    webhooks: WebhookSender
    topics: TopicPublisher
    classes: JobRunner
    events: Events
    rules: Rules = Rules()
    share: Share = field(default_factory=lambda: Share(None))
    holds: Holds = field(default_factory=Holds)

    def bound(self, **facts: str | float | None) -> "Services":
        """The same services for one invocation, with these facts on every line it logs."""
        return replace(self, events=self.events.bound(**facts))
