"""Every account's claims, and what is given back of them, on every engine."""

from dataclasses import replace
from datetime import timedelta

from chalicelib.ports import FiringRef
from chalicelib.scheduling.account import Account
from chalicelib.scheduling.execution import Execution, ExecutionState
from chalicelib.scheduling.job import Claim, Definition, Job, JobRef, JobState, Standing, firing_id
from chalicelib.scheduling.schedule import Once
from chalicelib.scheduling.target import Webhook
from chalicelib.storage.accounts import DynamoAccounts
from chalicelib.storage.executions import DynamoExecutions, DynamoFirings
from chalicelib.storage.jobs import DynamoJobs, DynamoNextFires
from chalicelib.storage.ledger import DynamoLedger
from tests.storage.conftest import Store
from tests.world import START

MONTH, MINUTE = timedelta(days=30), timedelta(minutes=1)
CLAIM = Claim(message_id="message", nonce="dead", due_at=START, claimed_at=START)
ANOTHER = replace(CLAIM, nonce="alive")
ACTIVE = Standing(schedule=Once(at=START), due_at=START)
CLAIMED = ACTIVE.fired(CLAIM)


def ref(number: int = 1, account: str = "alice") -> JobRef:
    return JobRef(account_id=account, job_id=f"job-{number}")


def ledger(store: Store, page: int = 100) -> DynamoLedger:
    return DynamoLedger(store.accounts, store.jobs, shards=2, page=page)


def added(store: Store, of: JobRef, standing: Standing = CLAIMED) -> DynamoJobs:
    jobs = DynamoJobs(store.jobs, shards=2, retention=MONTH)
    target = Webhook(url="https://example.com/")
    definition = Definition(ref=of, dialect="test", key="key", name="a job", target=target, created_at=START)
    jobs.add(Job(definition=definition, standing=standing))
    return jobs


def an_attempt(claim: Claim | None = CLAIM, *, minute: int = 0, retry: bool = False) -> Execution:
    due_at = START + minute * MINUTE
    return Execution(
        firing_id=firing_id(ref(), due_at),
        ref=ref(),
        dialect="test",
        key="key",
        due_at=due_at,
        state=ExecutionState.WAITING,
        retry_at=due_at + MINUTE if retry else None,
        claim=claim,
    )


def recorded(store: Store, *executions: Execution) -> None:
    firings = DynamoFirings(store.jobs, store.clock, shards=2, retention=MONTH)
    assert firings.record(executions) == []


def in_the_index(store: Store) -> list[object]:
    index = DynamoNextFires(store.jobs, shards=2)
    pages = (index.due(shard, since=START, until=START + MINUTE) for shard in index.shards())
    return [due.subject for shard in pages for page in shard for due in page]


def test_every_account_is_seen_once_a_page_at_a_time(store: Store) -> None:
    accounts = DynamoAccounts(store.accounts)
    names = {f"user-{number}" for number in range(7)}
    for name in names:
        accounts.add(Account(account_id=name, name=name, email=f"{name}@example.com", created_at=START, data_key=b"k"))
    seen, after, pages = list[str](), None, 0
    while True:
        page = ledger(store, page=4).accounts(after)
        seen, after, pages = [*seen, *page.accounts], page.last, pages + 1
        if after is None:
            break
    assert (sorted(seen), pages > 2) == (sorted(names), True)


def test_the_standings_are_those_of_one_account(store: Store) -> None:
    for number in (1, 2):
        added(store, ref(number))
    added(store, ref(1, "bob"))
    found = dict(one for page in ledger(store).standings("alice") for one in page)
    assert found == {ref(1): CLAIMED, ref(2): CLAIMED}


def test_what_is_given_back_stands_where_it_stood_and_in_the_index(store: Store) -> None:
    jobs = added(store, ref())
    assert ledger(store).give_back(ref(), CLAIMED, ACTIVE)
    job = jobs.get(ref())
    assert job
    assert job.standing == ACTIVE
    assert in_the_index(store) == [ref()]


def test_nothing_is_given_back_where_something_else_happened(store: Store) -> None:
    for number, now in enumerate([CLAIMED.rescheduled(Once(at=START + MONTH), START), ACTIVE.fired(ANOTHER), ACTIVE]):
        jobs = added(store, ref(number), now)
        assert not ledger(store).give_back(ref(number), CLAIMED, ACTIVE)
        job = jobs.get(ref(number))
        assert job
        assert job.standing == now
    assert not ledger(store).give_back(ref(9), CLAIMED, ACTIVE)
    assert CLAIMED.state is JobState.FINISHED


def test_only_what_is_claimed_and_waits_for_nothing_is_an_attempt_without_an_outcome(store: Store) -> None:
    done = an_attempt(minute=1).closed(ExecutionState.DELIVERED, "")
    recorded(store, an_attempt(), done, an_attempt(None, minute=2, retry=True), an_attempt(minute=5))
    pages = ledger(store).claimed("alice", since=START, until=START + 3 * MINUTE)
    assert [one for page in pages for one in page] == [an_attempt()]


def test_an_attempt_that_is_given_back_waits_in_the_index(store: Store) -> None:
    recorded(store, an_attempt())
    assert ledger(store).give_back_attempt(an_attempt(), START)
    name = FiringRef(account_id="alice", firing_id=an_attempt().firing_id)
    found = DynamoExecutions(store.jobs).get(name)
    assert found == replace(an_attempt(None), retry_at=START)
    assert in_the_index(store) == [name]


def test_no_attempt_is_given_back_where_somebody_else_is_at_it_or_it_ended(store: Store) -> None:
    for minute, now in enumerate([an_attempt(ANOTHER), an_attempt().closed(ExecutionState.CANCELLED, "edited")]):
        recorded(store, replace(now, firing_id=an_attempt(minute=minute).firing_id, due_at=START + minute * MINUTE))
        assert not ledger(store).give_back_attempt(an_attempt(minute=minute), START)
    assert in_the_index(store) == []


def test_the_place_is_kept_and_forgotten(store: Store) -> None:
    for kept in (None, ("account#alice", "account"), None):
        ledger(store).keep(kept)
        assert ledger(store).place() == kept
