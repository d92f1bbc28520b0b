"""Users and bad luck in any order: what is promised holds after each step. Hypothesis chooses the steps.

Two tenants make jobs in four ways and change them, while calls get lost and processes die, receivers fail, hang and
answer 410, messages come twice and dead letters are sent back, across the autumn night of New York. Small on purpose:
what faults do at volume is the simulation's. With `--hypothesis-profile=long` it plays longer, other games each time.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
)

from benchmarks.standin import schema
from chalicelib.scheduling.errors import Unavailable
from chalicelib.scheduling.execution import Execution, Outcome, OutcomeKind
from chalicelib.scheduling.job import Job, JobRef, JobState, due_of, firing_id
from chalicelib.scheduling.schedule import Schedule
from chalicelib.scheduling.target import JobClass, Webhook
from chalicelib.storage.codec import execution_hashes
from chalicelib.storage.jobs import DynamoJobs
from chalicelib.storage.records import execution_of
from chalicelib.storage.tables import Door, Table
from tests.fakes import BROKEN, OK, FakeClasses
from tests.operations.owed import owed
from tests.operations.steps import DEATHS, OUTSIDE, SEND, WAYS, Calls, Step, a_watched_world
from tests.operations.users import NdScheduler, NewYork, Rlatr, RunLater, Tenant, Way

SHORT = settings(derandomize=True, max_examples=60, stateful_step_count=25, deadline=None, database=None)
BEGIN = datetime(2026, 11, 1, 4, 50, 30, tzinfo=UTC)  # 70 minutes before New York's clock is put back
CALM = timedelta(minutes=16)  # a message has come back twice, and the sweep has looked at what was 5 and 15 minutes old
FEW = 5  # minutes: a job that is further away is not waited for
GONE = replace(BROKEN, status=410)
HANGS = Outcome(kind=OutcomeKind.TIMED_OUT, took=timedelta(seconds=30))
ND_SCHEDULER = NdScheduler()
SPANS = (1, 30, 90, 600, 3600)  # seconds
CRITICAL = ("BatchExecuteStatement", "BatchWriteItem", "SendMessageBatch", "DeleteMessageBatch", SEND)
WORKERS = [(Step(name=name, number=1), how) for name in CRITICAL for how in (DEATHS if name in OUTSIDE else WAYS)]
LUCK = st.one_of(st.none(), st.tuples(st.integers(1, 10), st.sampled_from(WAYS)))
WORKERS_LUCK = st.one_of(st.none(), *[st.sampled_from(WORKERS)] * 3)

Luck = tuple[int | Step, str] | None
"""Which call of a process goes wrong, by its number or its name, and how."""


@dataclass(kw_only=True, eq=False)
class Known:
    """What was answered about a job.

    `schedule` holds from `since` on: None while the job is paused, gone, or the last answer did not come. `changed`:
    how much had been sent when it came.
    """

    tenant: Tenant
    way: Way
    ref: JobRef
    schedule: Schedule | None
    since: datetime
    silent: bool = False
    changed: int = 0


@dataclass(frozen=True, kw_only=True)
class Heard:
    """One attempt, as its receiver saw it: whose job it was meant for, and whose secret signed it."""

    firing: str
    receiver: str
    signed: str


class Classes(FakeClasses):
    """Job classes: they run where a webhook's receiver would be called."""

    def __init__(self, calls: Calls, ran: Callable[[JobRef, str], Outcome]) -> None:
        super().__init__()
        self._calls, self._ran = calls, ran

    def run(self, _target: JobClass, ref: JobRef, *, execution_id: str) -> Outcome:
        return self._calls.through(SEND, lambda: self._ran(ref, execution_id))


class Game(RuleBasedStateMachine):
    """The rules: what users ask for, and what happens to them."""

    jobs: Bundle[Known] = Bundle("jobs")
    scheduled: Bundle[Known] = Bundle("scheduled")  # by ndscheduler, which can do more with them

    def __init__(self) -> None:
        super().__init__()
        doors = list[Door]()
        self.calls = Calls()
        self.world = a_watched_world(self.calls, begin=BEGIN, through=partial(kept, doors))
        self.quiet = Table(doors[0], schema.names("test").jobs)
        self.store = DynamoJobs(self.quiet, shards=1, retention=self.world.services.rules.retention)
        self.world.receiver.answers = self.hears
        self.world.services = replace(self.world.services, classes=Classes(self.calls, self.runs))
        self.tenants = [Tenant(self.world, name) for name in ("alice", "bob")]
        self.known, self.sent, self.beside = list[Known](), list[Heard](), set[str]()
        self.lost, self.numbers, self.answer = Counter[str](), 0, OK
        self.world.tick()  # the first of all reads everything there is, also what was lost

    # --- what users ask for -------------------------------------------------------------------------------------------

    @initialize(target=jobs)
    def are_created(self) -> MultipleResults[Known]:
        """One of each, so that there is something to happen to from the start."""
        ways = (Rlatr(), RunLater(), NewYork())
        return multiple(*(one for way in ways for one in self.create(self.tenants[0], way, None)))

    @initialize(target=scheduled)
    def one_is_scheduled(self) -> MultipleResults[Known]:
        return multiple(*self.create(self.tenants[1], ND_SCHEDULER, None))

    @rule(target=jobs, tenant=st.sampled_from((0, 1)), way=st.sampled_from((Rlatr(), RunLater(), NewYork())), luck=LUCK)
    def is_created(self, tenant: int, way: Way, luck: Luck) -> MultipleResults[Known]:
        return multiple(*self.create(self.tenants[tenant], way, luck))

    @rule(target=scheduled, tenant=st.sampled_from((0, 1)), luck=LUCK)
    def is_scheduled(self, tenant: int, luck: Luck) -> MultipleResults[Known]:
        return multiple(*self.create(self.tenants[tenant], ND_SCHEDULER, luck))

    @rule(one=st.one_of(jobs, scheduled), luck=LUCK)
    def is_edited(self, one: Known, luck: Luck) -> None:
        job = self.store.get(one.ref)
        paused = job is not None and job.standing.state is JobState.PAUSED
        self.change(one, luck, lambda job, number: one.way.edit(one.tenant, job, number), silent=paused)

    @rule(one=st.one_of(consumes(jobs), consumes(scheduled)), luck=LUCK)
    def is_deleted(self, one: Known, luck: Luck) -> None:
        self.change(one, luck, lambda job, _number: one.way.delete(one.tenant, job), silent=True)

    @rule(one=scheduled, luck=LUCK)
    def is_paused(self, one: Known, luck: Luck) -> None:
        self.change(one, luck, lambda job, _number: ND_SCHEDULER.pause(one.tenant, job), silent=True)

    @rule(one=scheduled, luck=LUCK)
    def is_resumed(self, one: Known, luck: Luck) -> None:
        job = self.store.get(one.ref)
        if job and job.standing.state is JobState.PAUSED:  # else nothing changes
            self.change(one, luck, lambda job, _number: ND_SCHEDULER.resume(one.tenant, job))

    @rule(one=scheduled, luck=LUCK)
    def is_run_now(self, one: Known, luck: Luck) -> None:
        job = self.store.get(one.ref)
        if job:
            before = {*self.records()}
            self.asked(luck, lambda: ND_SCHEDULER.run_now(one.tenant, job))
            self.beside |= {*self.records()} - before

    # --- what happens -------------------------------------------------------------------------------------------------

    @rule(seconds=st.sampled_from(SPANS), luck=st.one_of(LUCK, WORKERS_LUCK))
    def time_passes(self, seconds: int, luck: Luck) -> None:
        """Process after process: what one of them does not live to see is left to the next."""
        end = self.world.clock.now() + timedelta(seconds=seconds)
        while self.world.clock.now() < end:
            with self.process(luck):
                self.world.let_pass(seconds=(end - self.world.clock.now()).total_seconds())
            luck = None

    @rule(hours=st.sampled_from((1, 3)))
    def nothing_works_for_hours(self, hours: int) -> None:
        self.world.clock.forward(hours=hours)

    @rule(times=st.sampled_from((1, 2)), luck=LUCK)
    def ticks(self, times: int, luck: Luck) -> None:
        for one in (luck, None)[:times]:
            with self.process(one):
                self.world.tick()

    @rule(lucks=st.lists(WORKERS_LUCK, min_size=2, max_size=6))
    def what_comes_next_is_delivered(self, lucks: list[Luck]) -> None:
        """Batch after batch, each in the second in which its first message comes."""
        for luck in lucks:
            for _ in range(FEW):
                if self.world.queue.messages:
                    break
                self.world.let_pass(minutes=1)
            with self.process(luck):
                now = self.world.clock.now()
                self.world.run(until=max(min((one.visible_at for one in self.world.queue.messages), default=now), now))

    @rule()
    def messages_are_doubled(self) -> None:
        for message in self.world.queue.messages[:3]:
            self.world.queue.put(message.body, message.visible_at)

    @rule(answer=st.sampled_from((OK, BROKEN, HANGS, GONE)))
    def receivers_answer(self, answer: Outcome) -> None:
        self.answer = answer

    @precondition(lambda self: self.world.queue.dead)
    @rule(luck=LUCK)
    def dead_letters_are_recorded(self, luck: Luck) -> None:
        with self.process(luck):
            self.world.park()

    @precondition(lambda self: self.world.queue.dead)
    @rule()
    def dead_letters_are_sent_back(self) -> None:
        for message in self.world.queue.dead:
            self.world.queue.put(message.body, self.world.clock.now())
        self.world.queue.dead.clear()

    @rule()
    def all_is_well_for_a_while(self) -> None:
        """Then nothing that is older than a minute may be owed to anybody."""
        self.world.park()
        self.world.let_pass(seconds=CALM.total_seconds())
        until = self.world.clock.now() - timedelta(minutes=1)
        executions = self.records().values()
        for one in self.known:
            firings = [execution for execution in executions if execution.ref == one.ref]
            if one.schedule:
                assert owed(one.schedule, since=one.since, until=until, firings=firings) == [], one

    def teardown(self) -> None:
        self.all_is_well_for_a_while()

    # --- what holds after each step -----------------------------------------------------------------------------------

    @invariant()
    def what_was_sent_is_recorded_unless_its_worker_was_struck(self) -> None:
        """So an attempt too many is one that nobody could know of, and it has the same id."""
        attempts = Counter({name: len(one.attempts) for name, one in self.records().items()})
        sent = Counter(heard.firing for heard in self.sent)
        sent.subtract(attempts)
        unknown = +sent
        assert -sent == Counter(), "no record tells of an attempt that was not made"
        assert self.calls.take_struck() or unknown == self.lost
        self.lost = unknown

    @invariant()
    def nothing_is_sent_that_was_cancelled(self) -> None:
        for one in self.known:
            for heard in self.sent[one.changed :]:
                if heard.firing not in self.beside and heard.firing == firing_id(one.ref, due_of(heard.firing)):
                    assert not one.silent, heard
                    assert one.schedule is None or due_of(heard.firing) >= one.since, heard

    @invariant()
    def tenants_do_not_mix(self) -> None:
        assert [heard for heard in self.sent if heard.receiver != heard.signed] == []

    # --- how it is played ---------------------------------------------------------------------------------------------

    def number(self) -> int:
        self.numbers += 1
        return self.numbers

    @contextmanager
    def process(self, luck: Luck) -> Iterator[None]:
        """One invocation, and what may happen to it."""
        which, how = luck or (0, "")
        self.calls.strike(which if isinstance(which, int) else 0, how)
        with self.calls.fated(which if isinstance(which, Step) else None, how), suppress(Unavailable):
            yield
        self.calls.strike(0, "")

    def asked(self, luck: Luck, ask: Callable[[], int]) -> int:
        """The status of the answer; 0 where the process died over it."""
        answers = [0]
        with self.process(luck):
            answers.append(ask())
        return answers[-1]

    def create(self, owner: Tenant, way: Way, luck: Luck) -> list[Known]:
        """What stands there afterwards is known, answered or not."""
        number, before = self.number(), {job.ref for job in self.stored(owner, way)}
        status = self.asked(luck, lambda: way.create(owner, number))
        made = [job for job in self.stored(owner, way) if job.ref not in before]
        assert len(made) == 1 or status not in {200, 201}, "what was granted is there"
        assert made == [] or not 400 <= status < 500, "what was refused is not"
        now = self.world.clock.now()
        known = [Known(tenant=owner, way=way, ref=job.ref, schedule=None, since=now) for job in made]
        for one in known:
            self.settle(one, status)
        self.known += known
        return known

    def change(self, one: Known, luck: Luck, ask: Callable[[Job, int], int], *, silent: bool = False) -> None:
        job, number = self.store.get(one.ref), self.number()
        if job:
            self.settle(one, self.asked(luck, lambda: ask(job, number)), silent=silent)

    def settle(self, one: Known, status: int, *, silent: bool = False) -> None:
        """What is known after an answer: a refusal changes nothing, and without one anything may have happened."""
        if 400 <= status < 500:
            return
        answered, job = 200 <= status < 300, self.store.get(one.ref)
        one.schedule = job.standing.schedule if answered and job and not silent else None
        one.silent = answered and silent
        one.since, one.changed = self.world.clock.now(), len(self.sent)

    def stored(self, owner: Tenant, way: Way) -> list[Job]:
        return list(self.store.list(owner.principal.account_id, way.dialect))

    def records(self) -> dict[str, Execution]:
        """All that the accounts have, read where nothing goes wrong."""
        hashes = [one for tenant in self.tenants for one in execution_hashes(tenant.principal.account_id)]
        items = [item for name in hashes for page in self.quiet.query(name) for item in page]
        return {one.firing_id: one for one in map(execution_of, items)}

    def hears(self, webhook: Webhook) -> Outcome:
        call = self.world.receiver.calls[-1]
        signed = next(one.name for one in self.tenants if call.secrets[0].reveal() == one.secret.reveal())
        receiver = webhook.url.removeprefix("https://").partition(".")[0]
        self.sent.append(Heard(firing=call.message_id, receiver=receiver, signed=signed))
        return self.answer

    def runs(self, ref: JobRef, execution_id: str) -> Outcome:
        self.sent.append(Heard(firing=execution_id, receiver=ref.account_id, signed=ref.account_id))
        return self.answer


def kept(doors: list[Door], door: Door) -> Door:
    doors.append(door)
    return door


TestEveryGame = Game.TestCase
TestEveryGame.settings = settings() if settings.get_current_profile_name() == "long" else SHORT
