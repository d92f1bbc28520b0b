"""The states of a job and of an execution, as tables; ids and times."""

from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chalicelib.scheduling.errors import Completed
from chalicelib.scheduling.execution import Attempt, Execution, ExecutionState, Outcome, OutcomeKind
from chalicelib.scheduling.job import (
    MOVES,
    Claim,
    JobRef,
    JobState,
    Move,
    Standing,
    due_of,
    firing_id,
    first_due,
    from_millis,
    moved,
    to_millis,
)
from chalicelib.scheduling.retry import NEVER, Misfire, RetryPolicy
from chalicelib.scheduling.schedule import Cron, Every, Once
from chalicelib.scheduling.secret import Sealed, Secret

NOW = datetime(2026, 11, 22, 12, 0, 30, tzinfo=UTC)
TEN = timedelta(seconds=10)
REF = JobRef(account_id="alice", job_id="job-1")
EVERY = Every(start=NOW, period=TEN)

moments = st.datetimes(datetime(1971, 1, 1), datetime(9000, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - given a zone


def a_claim(*, due_at: datetime = NOW, late: timedelta = timedelta(0)) -> Claim:
    return Claim(message_id="m", nonce="n", due_at=due_at, claimed_at=due_at + late)


@pytest.mark.parametrize(("state", "move"), sorted(set(product(JobState, Move)) - set(MOVES)))
def test_an_illegal_move_is_refused(state: JobState, move: Move) -> None:
    with pytest.raises(Completed):
        moved(state, move)


def test_a_paused_job_is_out_of_the_index_and_a_second_pause_changes_nothing() -> None:
    active = Standing(schedule=EVERY, due_at=NOW)
    paused = active.paused()
    assert (paused.state, paused.due_at, paused.rev) == (JobState.PAUSED, None, 2)
    assert paused.paused() == paused


def test_a_resumed_job_goes_on_from_now_and_makes_up_for_nothing() -> None:
    paused = Standing(schedule=EVERY, due_at=NOW).paused()
    resumed = paused.resumed(NOW + timedelta(seconds=25))
    assert (resumed.state, resumed.due_at, resumed.rev) == (JobState.ACTIVE, NOW + 3 * TEN, 3)
    assert resumed.resumed(NOW) == resumed
    late = Standing(schedule=Once(at=NOW), due_at=NOW).paused().resumed(NOW + TEN)
    assert (late.state, late.due_at) == (JobState.FINISHED, None)


def test_an_edit_of_a_paused_job_leaves_it_paused_and_one_of_a_finished_job_wakes_it() -> None:
    paused = Standing(schedule=EVERY, due_at=NOW).paused().rescheduled(Once(at=NOW), NOW)
    assert (paused.state, paused.due_at, paused.schedule) == (JobState.PAUSED, None, Once(at=NOW))
    finished = Standing(schedule=EVERY, state=JobState.FINISHED)
    assert finished.rescheduled(Once(at=NOW), NOW).due_at == NOW


@pytest.mark.parametrize(
    ("misfire", "late", "expected"),
    [
        (Misfire.LATEST, 0, 10),
        (Misfire.LATEST, 95, 100),
        (Misfire.LATEST, 100, 110),
        (Misfire.SKIP, 95, 100),
        (Misfire.ALL, 95, 10),
    ],
)
def test_after_a_firing_the_next_is_the_first_that_is_not_missed(misfire: Misfire, late: int, expected: int) -> None:
    claim = a_claim(late=timedelta(seconds=late))
    after = Standing(schedule=EVERY, misfire=misfire, due_at=NOW).fired(claim)
    assert (after.due_at, after.claim, after.rev) == (NOW + timedelta(seconds=expected), claim, 1)


def test_after_its_last_firing_a_job_is_finished() -> None:
    after = Standing(schedule=Once(at=NOW), due_at=NOW).fired(a_claim())
    assert (after.state, after.due_at) == (JobState.FINISHED, None)


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        (Once(at=NOW - TEN), NOW - TEN),
        (Every(start=NOW - TEN, period=TEN), NOW - TEN),
        (Cron(expression="* * * * *"), NOW + timedelta(seconds=30)),
        (Cron(expression="0 0 30 2 *"), None),
    ],
    ids=["once, past: due at once", "every, from its start", "cron, the next", "cron that never fires"],
)
def test_the_first_due_time(schedule: Once | Every | Cron, expected: datetime | None) -> None:
    assert first_due(schedule, NOW) == expected


def test_a_firing_has_one_id_which_opens_with_its_time() -> None:
    one = firing_id(REF, NOW)
    assert one == firing_id(JobRef(account_id="alice", job_id="job-1"), NOW)
    others = [firing_id(REF, NOW + timedelta(milliseconds=1)), firing_id(JobRef(account_id="bob", job_id="job-1"), NOW)]
    assert len({one, *others}) == 3
    assert one < others[0]
    assert due_of(one) == NOW


@given(moments)
@example(datetime(4148, 1, 1, 0, 0, 0, 999993, tzinfo=UTC))
def test_milliseconds_round_down_and_read_back(moment: datetime) -> None:
    back = from_millis(to_millis(moment))
    assert back == moment.replace(microsecond=moment.microsecond // 1000 * 1000)
    assert due_of(firing_id(REF, moment)) == back


def an_attempt(kind: OutcomeKind) -> Attempt:
    outcome = Outcome(kind=kind, took=timedelta(seconds=1))
    return Attempt(due_at=NOW, claimed_at=NOW, sent_at=NOW, answered_at=NOW + timedelta(seconds=1), outcome=outcome)


def an_execution() -> Execution:
    return Execution(
        firing_id=firing_id(REF, NOW),
        ref=REF,
        dialect="test",
        key="key-1",
        due_at=NOW,
        state=ExecutionState.WAITING,
        claim=a_claim(),
    )


@pytest.mark.parametrize("kind", [kind for kind in OutcomeKind if kind is not OutcomeKind.DELIVERED])
def test_a_failed_attempt_waits_for_its_retry_from_its_own_end(kind: OutcomeKind) -> None:
    policy = RetryPolicy(waits=(TEN,))
    first = an_execution().attempted(an_attempt(kind), policy)
    assert (first.state, first.retry_at, first.rev) == (ExecutionState.WAITING, NOW + timedelta(seconds=11), 1)
    assert (first.claim, first.final) == (None, False)
    second = first.attempted(an_attempt(kind), policy)
    assert (second.state, second.retry_at, len(second.attempts)) == (ExecutionState.FAILED, None, 2)
    assert second.final


def test_a_delivered_attempt_is_the_last() -> None:
    done = an_execution().attempted(an_attempt(OutcomeKind.DELIVERED), RetryPolicy(waits=(TEN, TEN)))
    assert (done.state, done.retry_at, done.final) == (ExecutionState.DELIVERED, None, True)
    failed = an_execution().attempted(an_attempt(OutcomeKind.TLS), NEVER)
    assert failed.state is ExecutionState.FAILED


def test_t42_a_secret_does_not_print() -> None:
    secret = Secret("canary")
    prints = [repr(secret), str(secret), f"{secret}", f"{secret:>20}", repr([secret]), repr({"a": secret})]
    assert [text for text in prints if "canary" in text] == []
    assert "canary" not in repr(Sealed(b"canary"))
    with pytest.raises(TypeError):
        hash(secret)
    assert (secret == Secret("canary"), secret == Secret("other"), secret == "canary") == (True, False, False)
