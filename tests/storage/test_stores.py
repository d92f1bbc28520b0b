"""What every store promises, on every engine."""

from dataclasses import replace
from datetime import timedelta

import pytest

from chalicelib.ports import Due, FiringRef, JobClaim, RetryClaim, Watermarks
from chalicelib.scheduling.account import Account, ApiKey
from chalicelib.scheduling.audit import AuditEntry, AuditEvent
from chalicelib.scheduling.errors import Taken
from chalicelib.scheduling.execution import Attempt, Execution, ExecutionState, Outcome, OutcomeKind
from chalicelib.scheduling.job import Claim, Definition, Ending, Job, JobRef, JobState, Standing, firing_id
from chalicelib.scheduling.lane import Lane
from chalicelib.scheduling.retry import Misfire, RetryPolicy
from chalicelib.scheduling.schedule import Cron, Every, Once, Schedule, Spelling
from chalicelib.scheduling.secret import Sealed
from chalicelib.scheduling.target import Callback, Signing, Topic, Webhook
from chalicelib.storage.accounts import DynamoAccounts, DynamoKeys, RecentAccounts, RecentKeys
from chalicelib.storage.audit import DynamoAudit
from chalicelib.storage.executions import DynamoExecutions, DynamoFirings
from chalicelib.storage.jobs import DynamoJobs, DynamoNextFires
from tests.storage.conftest import Store
from tests.world import START

ALICE, BOB = "account-alice", "account-bob"
MONTH = timedelta(days=30)
SOON = START + timedelta(seconds=10)

SCHEDULES: list[Schedule] = [
    Once(at=SOON),
    Every(start=SOON, period=timedelta(seconds=10)),
    Every(start=SOON, period=timedelta(0), months=1),
    Cron(expression="0 8 * * *", zone="Europe/Paris"),
    Cron(expression="0 15 10 ? * FRI#3 2030-2040/2", spelling=Spelling.QUARTZ),
    Cron(expression="* * 3rd_fri,last * * */2 0 0", spelling=Spelling.APSCHEDULER),
]
SPELLED = ["once", "every", "every month", "cron", "quartz cron", "apscheduler cron"]

TARGETS = [
    Webhook(url="https://example.com/hook"),
    Webhook(
        url="https://example.com/é?x=1",
        method="PUT",
        headers=(("X-One", "1"), ("X-One", "2")),
        body=b"\x00\xff",
        content_type="application/octet-stream",
        redirects=5,
        timeout=timedelta(milliseconds=1500),
        signing=Signing.RLATR,
    ),
    Topic(arn="arn:aws:sns:us-east-1:123456789012:t", region="us-east-1", message="hé", keys=Sealed(b"\x01\x02")),
]


def a_job(job_id: str = "job-1", *, account: str = ALICE, dialect: str = "test", **changes: object) -> Job:
    asked: dict[str, object] = {
        "ref": JobRef(account_id=account, job_id=job_id),
        "dialect": dialect,
        "key": "key-1",
        "name": "a job",
        "target": TARGETS[0],
        "created_at": START,
    }
    standing = Standing(schedule=Every(start=SOON, period=timedelta(seconds=10)), due_at=SOON)
    return Job(definition=Definition(**(asked | changes)), standing=standing)  # type: ignore[arg-type]


def a_claim(job: Job, *, nonce: str = "nonce-1", message: str = "message-1") -> Claim:
    assert job.standing.due_at
    return Claim(message_id=message, nonce=nonce, due_at=job.standing.due_at, claimed_at=SOON)


def claimed(firings: DynamoFirings, ref: JobRef, after: Standing, *, rev: int = 1) -> Standing | None:
    [found] = firings.claim([JobClaim(ref=ref, after=after, rev=rev)])
    assert found is None or isinstance(found, Standing)
    return found


def retried(firings: DynamoFirings, execution: Execution, claim: Claim) -> Execution | None:
    [found] = firings.claim([RetryClaim(execution=execution, claim=claim, rev=1)])
    assert found is None or isinstance(found, Execution)
    return found


def jobs_of(store: Store) -> DynamoJobs:
    return DynamoJobs(store.jobs, shards=2, retention=MONTH)


def firings_of(store: Store) -> DynamoFirings:
    return DynamoFirings(store.jobs, store.clock, shards=2, retention=MONTH)


def due_of(store: Store) -> list[Due]:
    index = DynamoNextFires(store.jobs, shards=2)
    far = START + timedelta(days=365)
    return [due for shard in index.shards() for page in index.due(shard, since=START, until=far) for due in page]


@pytest.mark.parametrize("schedule", SCHEDULES, ids=SPELLED)
@pytest.mark.parametrize("target", TARGETS, ids=["plain webhook", "full webhook", "topic"])
def test_a_job_reads_back_as_it_was_written(store: Store, schedule: Schedule, target: Webhook | Topic) -> None:
    callback = Callback(url="https://example.com/back", delivered=b"{}", failed=b"[]", signing=Signing.RLATR)
    retry = RetryPolicy(waits=(timedelta(seconds=10), timedelta(minutes=1)))
    job = a_job(target=target, callback=callback, retry=retry, ending=Ending.PURGE, echo={"cron": "0 8 * * *"})
    standing = Standing(schedule=schedule, misfire=Misfire.ALL, due_at=SOON, rev=3, claim=a_claim(job))
    job = Job(definition=job.definition, standing=standing)
    jobs_of(store).add(job)
    assert jobs_of(store).get(job.ref) == job


def test_an_id_is_taken_once_for_each_account(store: Store) -> None:
    jobs = jobs_of(store)
    jobs.add(a_job(name="first"))
    with pytest.raises(Taken):
        jobs.add(a_job(name="second"))
    jobs.add(a_job(account=BOB, name="bob's"))
    found = [jobs.get(JobRef(account_id=account, job_id="job-1")) for account in (ALICE, BOB)]
    assert [job.definition.name for job in found if job] == ["first", "bob's"]


def test_a_list_is_one_account_s_and_one_api_s_in_order_of_creation(store: Store) -> None:
    jobs = jobs_of(store)
    for number, job_id in enumerate(["c", "a", "b"]):
        jobs.add(a_job(job_id, created_at=START + timedelta(milliseconds=number)))
    jobs.add(a_job("other-api", dialect="tester"))
    jobs.add(a_job("bob-s", account=BOB))
    assert [job.ref.job_id for job in jobs.list(ALICE, "test")] == ["c", "a", "b"]
    assert [jobs.count(ALICE, "test"), jobs.count(BOB, "test"), jobs.count(BOB, "none"), jobs.count(ALICE)] == [
        3,
        1,
        0,
        4,
    ]


def test_a_long_list_is_read_whole(store: Store) -> None:
    jobs = jobs_of(store)
    for number in range(60):
        jobs.add(a_job(f"job-{number:02}", created_at=START + timedelta(milliseconds=number)))
    assert [job.ref.job_id for job in jobs.list(ALICE, "test")] == [f"job-{number:02}" for number in range(60)]


def test_an_edit_moves_the_job_in_the_index_and_loses_to_a_firing(claiming: Store) -> None:
    jobs, job = jobs_of(claiming), a_job()
    jobs.add(job)
    later = START + timedelta(hours=1)
    edited = Job(
        definition=replace(job.definition, name="new", version=2),
        standing=job.standing.rescheduled(Once(at=later), START),
    )
    assert jobs.replace(edited, before=job)
    assert jobs.get(job.ref) == edited
    assert due_of(claiming) == [Due(subject=job.ref, due_at=later, rev=2)]
    assert not jobs.replace(edited, before=job), "it was edited since"
    claimed(firings_of(claiming), job.ref, edited.standing.fired(a_claim(edited)), rev=2)
    assert not jobs.replace(replace(edited, standing=edited.standing.paused()), before=edited), "it has fired"


def test_a_payload_edit_leaves_the_standing_alone(claiming: Store) -> None:
    jobs, job = jobs_of(claiming), a_job()
    jobs.add(job)
    claimed(firings_of(claiming), job.ref, job.standing.fired(a_claim(job)), rev=1)
    edited = replace(job, definition=replace(job.definition, name="new", version=2))
    assert jobs.replace(edited, before=job)
    stored = jobs.get(job.ref)
    assert stored
    assert (stored.definition.name, stored.standing.claim) == ("new", a_claim(job))
    other = replace(job, definition=replace(job.definition, name="other", version=2))
    assert not jobs.replace(other, before=job), "of two edits at once, one looks again"


def test_a_removed_job_is_gone_from_everywhere_and_is_not_brought_back(store: Store) -> None:
    jobs, job = jobs_of(store), a_job()
    jobs.add(job)
    assert not jobs.remove(job, rev=2), "it is removed as it is known, or not at all"
    assert jobs.get(job.ref) == job
    assert jobs.remove(job, rev=1)
    assert (jobs.get(job.ref), jobs.list(ALICE, "test"), due_of(store)) == (None, [], [])
    assert not jobs.remove(job)
    assert not jobs.replace(replace(job, definition=replace(job.definition, name="new")), before=job)
    assert jobs.get(job.ref) is None


def test_the_index_holds_only_what_will_happen(store: Store) -> None:
    jobs = jobs_of(store)
    active, paused, finished = (a_job(name) for name in ("active", "paused", "finished"))
    jobs.add(active)
    jobs.add(Job(definition=paused.definition, standing=paused.standing.paused()))
    jobs.add(
        Job(definition=finished.definition, standing=replace(finished.standing, state=JobState.FINISHED, due_at=None))
    )
    firings_of(store).record([an_execution(active, retry_at=SOON), an_execution(active, retry_at=None, due_at=START)])
    waiting = FiringRef(account_id=ALICE, firing_id=firing_id(active.ref, SOON))
    retry = Due(subject=waiting, due_at=SOON, rev=1, lane=Lane.SECOND)
    expected = {Due(subject=active.ref, due_at=SOON, rev=1), retry}
    assert set(due_of(store)) == expected


def test_a_job_keeps_its_lane_and_the_index_shows_it(store: Store) -> None:
    jobs, firings, job = jobs_of(store), firings_of(store), a_job()
    jobs.add(job)
    seen = []
    for lane in (Lane.SECOND, Lane.SECOND, Lane.FIRST):
        firings.move(job.ref, lane)
        stored = jobs.get(job.ref)
        assert stored == replace(job, standing=replace(job.standing, lane=lane))
        seen += [due.lane for due in due_of(store)]
    assert seen == [Lane.SECOND, Lane.SECOND, Lane.FIRST]


def test_a_lane_outlives_a_claim_and_an_edit(claiming: Store) -> None:
    jobs, firings, job = jobs_of(claiming), firings_of(claiming), a_job()
    jobs.add(job)
    firings.move(job.ref, Lane.SECOND)
    claimed(firings, job.ref, job.standing.fired(a_claim(job)))
    before = jobs.get(job.ref)
    assert before
    edited = replace(before.standing.rescheduled(Once(at=SOON), START))
    assert jobs.replace(Job(definition=replace(before.definition, version=2), standing=edited), before=before)
    assert due_of(claiming) == [Due(subject=job.ref, due_at=SOON, rev=2, lane=Lane.SECOND)]


def test_a_lane_brings_no_job_back(store: Store) -> None:
    job = a_job()
    firings_of(store).move(job.ref, Lane.SECOND)
    assert jobs_of(store).get(job.ref) is None
    assert due_of(store) == []


def test_the_index_is_read_from_the_first_instant_and_up_to_the_last(store: Store) -> None:
    jobs, index = jobs_of(store), DynamoNextFires(store.jobs, shards=1)
    for number in range(4):
        job = a_job(f"job-{number}")
        due_at = SOON + timedelta(milliseconds=number)
        jobs = DynamoJobs(store.jobs, shards=1, retention=MONTH)
        jobs.add(Job(definition=job.definition, standing=replace(job.standing, due_at=due_at)))
    pages = index.due(0, since=SOON + timedelta(milliseconds=1), until=SOON + timedelta(milliseconds=3))
    assert [due.subject.job_id for page in pages for due in page if isinstance(due.subject, JobRef)] == [
        "job-1",
        "job-2",
    ]
    assert list(index.due(0, since=SOON, until=SOON)) == []


def test_what_is_overdue_is_counted_up_to_an_instant_and_no_further(store: Store) -> None:
    jobs, index = DynamoJobs(store.jobs, shards=1, retention=MONTH), DynamoNextFires(store.jobs, shards=1)
    for number in range(3):
        job = a_job(f"job-{number}")
        due_at = SOON + timedelta(milliseconds=number)
        jobs.add(Job(definition=job.definition, standing=replace(job.standing, due_at=due_at)))
    counts = [index.overdue(0, SOON + timedelta(milliseconds=after)) for after in range(4)]
    assert counts == [0, 1, 2, 3]


def test_a_claim_moves_the_job_on_and_only_one_wins(claiming: Store) -> None:
    jobs, firings, job = jobs_of(claiming), firings_of(claiming), a_job()
    jobs.add(job)
    first, second = (job.standing.fired(a_claim(job, nonce=nonce)) for nonce in ("first", "second"))
    assert claimed(firings, job.ref, first) == first
    assert claimed(firings, job.ref, second) == first, "the loser is told who has it"
    assert claimed(firings, job.ref, first) == first, "a reply that was lost is no lost claim"
    assert due_of(claiming) == [Due(subject=job.ref, due_at=SOON + timedelta(seconds=10), rev=1)]


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda standing: standing.paused(), id="paused"),
        pytest.param(lambda standing: standing.rescheduled(standing.schedule, START), id="edited to the same time"),
        pytest.param(lambda standing: replace(standing, due_at=SOON + timedelta(seconds=1)), id="due at another time"),
    ],
)
def test_no_claim_of_what_was_cancelled(claiming: Store, change) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
    jobs, firings, job = jobs_of(claiming), firings_of(claiming), a_job()
    changed = Job(definition=job.definition, standing=change(job.standing))
    jobs.add(changed)
    assert claimed(firings, job.ref, job.standing.fired(a_claim(job))) == changed.standing
    assert jobs.get(job.ref) == changed


def test_no_claim_of_what_is_gone(claiming: Store) -> None:
    job = a_job()
    assert claimed(firings_of(claiming), job.ref, job.standing.fired(a_claim(job)), rev=1) is None
    assert jobs_of(claiming).get(job.ref) is None, "the claim leaves nothing behind"


def test_a_last_claim_takes_the_job_out_of_the_index(claiming: Store) -> None:
    jobs, job = jobs_of(claiming), a_job()
    job = Job(definition=job.definition, standing=replace(job.standing, schedule=Once(at=SOON)))
    jobs.add(job)
    after = claimed(firings_of(claiming), job.ref, job.standing.fired(a_claim(job)), rev=1)
    assert after
    assert (after.state, after.due_at, due_of(claiming)) == (JobState.FINISHED, None, [])


def test_a_batch_is_claimed_in_one_call_each_with_a_verdict_of_its_own(claiming: Store) -> None:
    jobs, firings = jobs_of(claiming), firings_of(claiming)
    free, last, lost, gone = (a_job(name) for name in ("free", "last", "lost", "gone"))
    last = Job(definition=last.definition, standing=replace(last.standing, schedule=Once(at=SOON)))
    waiting = an_execution(free)
    for job in (free, last, lost):
        jobs.add(job)
    firings.record([waiting])
    theirs = claimed(firings, lost.ref, lost.standing.fired(a_claim(lost, nonce="theirs")))
    afters = [job.standing.fired(a_claim(job)) for job in (free, last, lost, gone)]
    asked = [
        JobClaim(ref=job.ref, after=after, rev=1) for job, after in zip((free, last, lost, gone), afters, strict=True)
    ]
    calls = claiming.jobs.units.copy()
    found = firings.claim([*asked, RetryClaim(execution=waiting, claim=a_claim(free), rev=1)])
    assert found == [afters[0], afters[1], theirs, None, replace(waiting, claim=a_claim(free), retry_at=None)]
    assert (claiming.jobs.units - calls).keys() <= {"BatchExecuteStatement", "GetItem"}


def test_two_claims_to_one_job_in_a_batch_do_not_spoil_it(claiming: Store) -> None:
    """DynamoDB refuses a batch that names an item twice."""
    jobs, firings, job, other = jobs_of(claiming), firings_of(claiming), a_job(), a_job("other")
    jobs.add(job)
    jobs.add(other)
    first, second = (job.standing.fired(a_claim(job, message=name)) for name in ("first", "second"))
    third = other.standing.fired(a_claim(other))
    asked = [(job.ref, first), (job.ref, second), (other.ref, third)]
    found = firings.claim([JobClaim(ref=ref, after=after, rev=1) for ref, after in asked])
    assert found == [first, first, third]


def test_a_batch_beyond_dynamodb_s_own_is_claimed_whole(claiming: Store) -> None:
    jobs, firings, made = jobs_of(claiming), firings_of(claiming), [a_job(f"job-{number}") for number in range(30)]
    for job in made:
        jobs.add(job)
    afters = [job.standing.fired(a_claim(job)) for job in made]
    asked = [JobClaim(ref=job.ref, after=after, rev=1) for job, after in zip(made, afters, strict=True)]
    assert firings.claim(asked) == afters


def test_a_dead_claim_is_taken_over_by_one(claiming: Store) -> None:
    jobs, firings, job = jobs_of(claiming), firings_of(claiming), a_job()
    jobs.add(job)
    dead, heir, late = (a_claim(job, nonce=nonce) for nonce in ("dead", "heir", "late"))
    claimed(firings, job.ref, job.standing.fired(dead))
    assert firings.take_over(job.ref, heir, dead=dead)
    assert not firings.take_over(job.ref, late, dead=dead)
    assert firings.take_over(job.ref, heir, dead=dead), "its own lost reply"
    stored = jobs.get(job.ref)
    assert stored
    assert stored.standing.claim == heir


def an_execution(job: Job, *, retry_at: object = SOON, due_at: object = SOON, **changes: object) -> Execution:
    base: dict[str, object] = {
        "firing_id": firing_id(job.ref, due_at),  # type: ignore[arg-type]
        "ref": job.ref,
        "dialect": "test",
        "key": "key-1",
        "due_at": due_at,
        "state": ExecutionState.WAITING if retry_at else ExecutionState.DELIVERED,
        "retry_at": retry_at,
        "rev": 1 if retry_at else 0,
    }
    return Execution(**(base | changes))  # type: ignore[arg-type]


def test_an_execution_reads_back_with_its_attempts_and_their_four_times(store: Store) -> None:
    outcomes = (
        Outcome(kind=OutcomeKind.REFUSED, took=timedelta(milliseconds=7), status=500, detail="no", body=b"\xff" * 8192),
        Outcome(kind=OutcomeKind.TIMED_OUT, took=timedelta(seconds=30)),
    )
    attempts = tuple(
        Attempt(
            due_at=SOON,
            claimed_at=SOON + timedelta(milliseconds=1),
            sent_at=SOON + timedelta(milliseconds=2),
            answered_at=SOON + timedelta(milliseconds=3),
            outcome=outcome,
        )
        for outcome in outcomes
    )
    execution = an_execution(a_job(), attempts=attempts, callback=outcomes[0], reason="why")
    assert firings_of(store).record([execution]) == []
    ref = FiringRef(account_id=ALICE, firing_id=execution.firing_id)
    assert DynamoExecutions(store.jobs).get(ref) == execution
    assert firings_of(store).executions([ref]) == {ref: execution}


def test_history_is_read_by_account_and_range_and_by_job(store: Store) -> None:
    one, other, bob = a_job("one"), a_job("other"), a_job("one", account=BOB)
    minutes = [START + timedelta(minutes=number) for number in range(30)]
    records = [an_execution(job, retry_at=None, due_at=at) for at in minutes for job in (one, other, bob)]
    assert firings_of(store).record(records) == []
    history = DynamoExecutions(store.jobs)
    found = history.between(ALICE, minutes[5], minutes[9])
    assert [execution.due_at for execution in found] == [at for at in minutes[5:10] for _ in range(2)]
    assert {execution.ref for execution in found} == {one.ref, other.ref}
    latest = history.of_job(one.ref, limit=3)
    assert [execution.due_at for execution in latest] == [minutes[29], minutes[28], minutes[27]]
    assert {execution.ref for execution in latest} == {one.ref}


def test_a_firing_is_marked_where_it_has_no_record_by_one_whose_mark_can_be_taken_over_or_ended(store: Store) -> None:
    firings, job = firings_of(store), a_job()
    firing = an_execution(job, retry_at=None, state=ExecutionState.WAITING)
    one, other = a_claim(job), a_claim(job, nonce="nonce-2")
    marked = firings.mark(firing, one)
    assert (marked.claim, marked.tried) == (one, False)
    assert firings.mark(firing, other) == marked, "also where the one who wrote it asks again"
    ref = FiringRef(account_id=ALICE, firing_id=firing.firing_id)
    assert firings.take_over(ref, other, dead=one)
    assert not DynamoExecutions(store.jobs).cancel(marked), "it is another's by now"
    taken = DynamoExecutions(store.jobs).get(ref)
    assert taken
    assert DynamoExecutions(store.jobs).cancel(taken)
    ended = firings.mark(firing, one)
    assert (ended.state, ended.tried, ended.claim) == (ExecutionState.CANCELLED, True, None)
    assert due_of(store) == []


def test_a_retry_is_claimed_once_and_leaves_the_index(claiming: Store) -> None:
    firings, job = firings_of(claiming), a_job()
    waiting = an_execution(job)
    firings.record([waiting])
    ref = FiringRef(account_id=ALICE, firing_id=waiting.firing_id)
    first, second = a_claim(job, nonce="first"), a_claim(job, nonce="second")
    won = retried(firings, waiting, first)
    assert won
    assert (won.claim, won.retry_at, due_of(claiming)) == (first, None, [])
    lost = retried(firings, waiting, second)
    assert lost
    assert lost.claim == first
    assert firings.take_over(ref, second, dead=first)
    foreign = replace(waiting, ref=JobRef(account_id=BOB, job_id="job-1"))
    assert retried(firings, foreign, first) is None


def test_a_waiting_retry_is_cancelled_unless_it_has_begun(claiming: Store) -> None:
    firings, history, job = firings_of(claiming), DynamoExecutions(claiming.jobs), a_job()
    waiting = an_execution(job)
    firings.record([waiting])
    assert history.cancel(waiting)
    assert due_of(claiming) == []
    ref = FiringRef(account_id=ALICE, firing_id=waiting.firing_id)
    stored = history.get(ref)
    assert stored
    assert stored.state is ExecutionState.CANCELLED
    firings.record([waiting])
    retried(firings, waiting, a_claim(job))
    assert not history.cancel(waiting)


def test_watermarks_are_advanced_by_one_tick_at_a_time(store: Store) -> None:
    index = DynamoNextFires(store.jobs, shards=2)
    fresh = index.watermarks()
    assert fresh == Watermarks(marks={})
    marks = Watermarks(marks={0: START, 1: SOON}, swept=START, backlog={Lane.FIRST: 3}, sent={Lane.SECOND: 5})
    assert index.advance(marks)
    assert not index.advance(marks), "another tick has read the same version"
    assert index.watermarks() == replace(marks, version=1)
    assert index.advance(replace(marks, marks={0: SOON}, version=1))
    assert index.watermarks().marks == {0: SOON}


def an_account(account_id: str = ALICE, *, name: str = "Alice", email: str = "Me@Example.com") -> Account:
    profile = {"state": "Colorado"}
    return Account(
        account_id=account_id, name=name, email=email, created_at=START, data_key=b"\x01wrapped", profile=profile
    )


def a_key(key: str = "key-1", *, account_id: str = ALICE, label: str = "") -> ApiKey:
    return ApiKey(key=key, account_id=account_id, secret=Sealed(b"\x02sealed"), created_at=START, label=label)


@pytest.mark.parametrize(
    ("name", "email", "field"),
    [("Bob", "me@example.COM", "email"), ("ALICE", "other@example.com", "account")],
    ids=["the address is taken", "the name is taken"],
)
def test_accounts_and_their_first_keys_are_all_or_nothing(store: Store, name: str, email: str, field: str) -> None:
    accounts, keys = DynamoAccounts(store.accounts), DynamoKeys(store.accounts)
    alice = an_account()
    accounts.add(alice, key=a_key(), password="hash")
    assert (accounts.account(ALICE), accounts.named("aLiCe"), keys.get("key-1")) == (alice, alice, a_key())
    assert (accounts.password(ALICE), accounts.password(BOB)) == ("hash", None)
    with pytest.raises(Taken, match=field):
        accounts.add(an_account(BOB, name=name, email=email), key=a_key("key-2", account_id=BOB), password="other")
    assert (accounts.account(BOB), keys.get("key-2"), accounts.password(BOB)) == (None, None, None)


def test_an_account_changes_its_address_and_frees_the_old_one(store: Store) -> None:
    accounts = DynamoAccounts(store.accounts)
    alice, bob = an_account(), an_account(BOB, name="Bob", email="bob@example.com")
    accounts.add(alice, password="old")
    accounts.add(bob, password="bob's")
    with pytest.raises(Taken):
        accounts.change(replace(alice, email="BOB@example.com"), before=alice, proven="old")
    moved = replace(alice, email="new@example.com", profile={})
    accounts.change(moved, before=alice, proven="old", password="new")
    assert (accounts.account(ALICE), accounts.password(ALICE)) == (moved, "new")
    accounts.change(replace(bob, email=alice.email), before=bob, proven="bob's")


def test_a_removed_account_is_gone_and_its_names_are_free(store: Store) -> None:
    accounts = DynamoAccounts(store.accounts)
    accounts.add(an_account(), key=a_key(), password="hash")
    accounts.remove(an_account())
    assert (accounts.account(ALICE), accounts.named("Alice"), accounts.password(ALICE)) == (None, None, None)
    accounts.add(an_account(BOB))


def test_keys_are_listed_by_account_taken_once_and_removed_once(store: Store) -> None:
    accounts, keys = DynamoAccounts(store.accounts), DynamoKeys(store.accounts)
    accounts.add(an_account())
    accounts.add(an_account(BOB, name="Bob", email="bob@example.com"))
    first, second = a_key("Alice/a", label="a"), a_key("Alice/b", label="b")
    for key in (first, second, a_key("Bob/a", account_id=BOB)):
        keys.add(key)
    with pytest.raises(Taken):
        keys.add(first)
    assert keys.of(ALICE) == [first, second]
    assert [keys.remove(first), keys.remove(first)] == [True, False]
    assert (keys.of(ALICE), keys.get("Alice/a")) == ([second], None)


def test_recent_accounts_and_keys_are_as_old_as_they_may_be(store: Store) -> None:
    recent = RecentAccounts(store.accounts, store.clock), RecentKeys(store.accounts, store.clock)

    def found() -> tuple[object, object]:
        accounts, keys = recent
        return accounts.account(ALICE), keys.get("key-1")

    assert found() == (None, None)
    DynamoAccounts(store.accounts).add(an_account(), key=a_key())
    store.clock.forward(seconds=10)
    assert found() == (None, None)
    store.clock.forward(seconds=1)
    assert found() == (an_account(), a_key())


def test_audit_entries_are_read_by_account_and_range(store: Store) -> None:
    audit = DynamoAudit(store.jobs, retention=MONTH)
    entries = [
        AuditEntry(
            account_id=account,
            job_id="job-1",
            job_name="a job",
            event=AuditEvent.ADDED,
            user="key-1",
            description="",
            created_at=START + timedelta(seconds=number),
        )
        for number in range(5)
        for account in (ALICE, BOB)
    ]
    for entry in entries:
        audit.add(entry)
    found = audit.between(ALICE, START + timedelta(seconds=1), START + timedelta(seconds=3))
    assert found == [entry for entry in entries if entry.account_id == ALICE][1:4]


def test_what_expires_says_when_and_a_job_that_is_kept_does_not(store: Store) -> None:
    jobs, job = jobs_of(store), a_job()
    once = a_job("once", ending=Ending.EXPIRE)
    once = Job(definition=once.definition, standing=replace(once.standing, schedule=Once(at=SOON)))
    jobs.add(job)
    jobs.add(once)
    firings_of(store).record([an_execution(job)])
    seconds = int((SOON + MONTH).timestamp())

    def expiry(key: tuple[str, str]) -> object:
        item = store.jobs.get(key)
        assert item
        return item.get("expires_at")

    hashes = [f"{ALICE}#job-1", f"{ALICE}#once"]
    assert [expiry((pk, sk)) for pk in hashes for sk in ("standing", "definition")] == [None, None, seconds, seconds]
    [page] = store.jobs.query(f"{ALICE}#jobs")
    assert [item.get("expires_at") for item in page] == [None, seconds]
    later = replace(once.standing, schedule=Once(at=SOON + MONTH), due_at=SOON + MONTH)
    assert jobs.replace(Job(definition=replace(once.definition, version=2), standing=later), before=once)
    [page] = store.jobs.query(f"{ALICE}#jobs")
    assert page[1]["expires_at"] == seconds + int(MONTH.total_seconds()), "it is listed as long as it is there"
