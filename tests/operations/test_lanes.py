"""By which lane a firing travels: who decides it, what is kept of it, and what it costs."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.operations.conclude import PROMPT, lane_after
from chalicelib.operations.express import following, retry_of, within
from chalicelib.operations.jobs import pause_job, resume_job, run_now
from chalicelib.ports import Due, FiringRef
from chalicelib.scheduling.account import Principal
from chalicelib.scheduling.execution import Attempt, Execution, ExecutionState, Outcome, OutcomeKind
from chalicelib.scheduling.job import Claim, Job, JobRef, Standing
from chalicelib.scheduling.lane import Lane, Share
from chalicelib.scheduling.retry import NEVER, RetryPolicy
from chalicelib.scheduling.schedule import Every, Once
from tests.fakes import BROKEN, OK
from tests.operations.breaking import breaking
from tests.world import START, World

FIRST, SECOND = Lane.FIRST, Lane.SECOND
MINUTE = timedelta(minutes=1)
SOON = START + timedelta(seconds=5)
EACH_MINUTE = Every(start=SOON, period=MINUTE)
A_DUE = Due(subject=JobRef(account_id="alice", job_id="job"), due_at=SOON, rev=1)
A_RETRY = Due(subject=FiringRef(account_id="alice", firing_id="00"), due_at=SOON, rev=1, lane=SECOND)
A_CLAIM = Claim(message_id="message", nonce="nonce", due_at=START, claimed_at=START)
SLOW_YES = replace(OK, took=PROMPT)


def owner_of(job: Job) -> Principal:
    return Principal(account_id=job.ref.account_id, key=job.definition.key)


def lanes(world: World) -> list[Lane]:
    return [due.lane for due in world.queue.sent]


def with_share(world: World, limit: int) -> None:
    world.services = replace(world.services, share=Share(limit))


def fails(world: World) -> None:
    world.receiver.answers = lambda _webhook: BROKEN


# --- the decisions ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("due", "used", "expected"),
    [
        pytest.param(A_DUE, 0, FIRST, id="the account has something left of its share"),
        pytest.param(A_DUE, 1, SECOND, id="it has nothing left"),
        pytest.param(A_RETRY, 0, SECOND, id="a retry"),
        pytest.param(replace(A_DUE, lane=SECOND), 0, SECOND, id="a job that fails"),
    ],
)
def test_an_entry_is_sent_by(due: Due, used: int, expected: Lane) -> None:
    share = Share(1)
    for _ in range(used):
        share.lane("alice", START)
    assert within(share, due, START) == replace(due, lane=expected)


def test_what_takes_the_second_lane_anyway_uses_up_no_share() -> None:
    share = Share(1)
    assert [within(share, due, START).lane for due in (A_RETRY, A_DUE)] == [SECOND, FIRST]


@pytest.mark.parametrize(
    ("claim", "earned", "came", "expected"),
    [
        pytest.param(None, FIRST, FIRST, FIRST, id="by the first lane as the job's first"),
        pytest.param(None, FIRST, SECOND, SECOND, id="by the second as the job's first"),
        pytest.param(A_CLAIM, FIRST, SECOND, FIRST, id="by the first where the last attempt went well"),
        pytest.param(A_CLAIM, SECOND, SECOND, SECOND, id="by the second where it did not"),
    ],
)
def test_the_next_firing_travels(claim: Claim | None, earned: Lane, came: Lane, expected: Lane) -> None:
    before = Standing(schedule=EACH_MINUTE, claim=claim)
    upcoming, message = replace(A_DUE, lane=earned), replace(A_DUE, lane=came)
    assert following(before, upcoming, message) == replace(A_DUE, lane=expected)


def after(*outcomes: Outcome, state: ExecutionState | None = None) -> Execution:
    execution = Execution(
        firing_id="00", ref=JobRef(account_id="a", job_id="j"), dialect="test", key="key", due_at=SOON,
        state=ExecutionState.WAITING,
    )  # fmt: skip
    times: dict[str, Any] = dict.fromkeys(("due_at", "claimed_at", "sent_at", "answered_at"), SOON)
    for outcome in outcomes:
        execution = execution.attempted(Attempt(**times, outcome=outcome), NEVER)
    return execution.closed(state, "") if state else execution


@pytest.mark.parametrize("lane", Lane)
@pytest.mark.parametrize(
    ("execution", "expected"),
    [
        pytest.param(after(OK), FIRST, id="it was delivered"),
        pytest.param(after(BROKEN, OK), FIRST, id="a retry was delivered"),
        pytest.param(after(SLOW_YES), SECOND, id="it was delivered and took long"),
        *(
            pytest.param(after(Outcome(kind=kind, took=timedelta(0))), SECOND, id=kind.value)
            for kind in OutcomeKind
            if kind is not OutcomeKind.DELIVERED
        ),
        pytest.param(after(state=ExecutionState.PARKED), SECOND, id="the queue gave it up"),
        pytest.param(after(state=ExecutionState.MISSED), None, id="it was missed, which says nothing"),
    ],
)
def test_a_job_goes_on_by_the_lane_that_its_attempt_earned(lane: Lane, execution: Execution, expected: Lane) -> None:
    assert lane_after(execution, lane) is (expected or lane)


# --- a job that fails -------------------------------------------------------------------------------------------------


def test_a_job_that_fails_travels_by_the_second_lane_until_it_is_delivered_again(world: World) -> None:
    job = world.a_job(EACH_MINUTE)
    answers = [BROKEN, BROKEN, OK, OK]
    world.receiver.answers = lambda _webhook: answers.pop(0)
    kept = []
    for _ in range(4):
        world.run(until=world.clock.now() + MINUTE)
        stored = world.job(job)
        assert stored
        kept.append(stored.standing.lane)
    assert kept == [SECOND, SECOND, FIRST, FIRST]
    assert lanes(world) == [FIRST, FIRST, SECOND, SECOND, SECOND, FIRST], "the second firing changed over as it came"
    assert [facts["why"] for facts in world.events.of("dropped")] == ["moved"]
    assert len(world.receiver.calls) == 4


def test_a_message_that_changes_over_fires_in_its_second(world: World) -> None:
    job = world.a_job(EACH_MINUTE)
    fails(world)
    world.run(until=START + 2 * MINUTE)
    assert [late.attempts[0].sent_at - late.due_at for late in world.executions(job)] == [timedelta(0)] * 2


def test_a_message_that_was_claimed_does_not_change_over(world: World) -> None:
    """Its redelivery takes the claim over, which only the same message can."""
    job = world.a_job(EACH_MINUTE)
    with breaking(world, "firings", "claim", "dies after"):
        world.run(until=SOON)
    world.services.firings.move(job.ref, SECOND)
    world.run(until=START + 10 * MINUTE)
    assert world.executions(job)[0].due_at == SOON
    assert len(world.executions(job)[0].attempts) == 1


def test_a_message_that_cannot_change_over_is_left(world: World) -> None:
    job = world.a_job(EACH_MINUTE)
    world.services.firings.move(job.ref, SECOND)
    with breaking(world, "queue", "send", "is away"):
        world.run(until=SOON)
    assert [facts["why"] for facts in world.events.of("left")] == ["unsent"]
    world.run(until=START + 10 * MINUTE)
    assert world.executions(job)[0].due_at == SOON


def test_only_a_change_is_written(world: World) -> None:
    world.a_job(EACH_MINUTE)
    seen = []
    answers = [OK, OK, BROKEN, BROKEN, OK, OK]
    world.receiver.answers = lambda _webhook: answers.pop(0)
    for _ in range(6):
        before = Counter(world.table.units)
        world.run(until=world.clock.now() + MINUTE)
        seen.append((Counter(world.table.units) - before)["UpdateItem"] > 0)
    assert seen == [False, False, True, False, True, False]


def test_a_lane_that_cannot_be_kept_costs_no_firing(world: World) -> None:
    job = world.a_job(EACH_MINUTE)
    fails(world)
    with breaking(world, "firings", "move", "is away"):
        world.run(until=START + MINUTE)
    assert [len(execution.attempts) for execution in world.executions(job)] == [1]
    assert len(world.events.of("move_failed")) == 1


def test_a_job_that_fires_once_keeps_no_lane_and_its_retry_travels_by_the_second(world: World) -> None:
    job = world.a_job(Once(at=SOON), retry=RetryPolicy(waits=(timedelta(seconds=10),)))
    fails(world)
    world.run(until=START + MINUTE)
    stored = world.job(job)
    assert stored
    assert (stored.standing.lane, lanes(world)) == (FIRST, [FIRST, SECOND])


def test_an_account_that_held_a_process_changes_over_there_for_a_minute(world: World) -> None:
    owner, other = (world.open_account()[0] for _ in range(2))
    for number in range(3):
        world.a_job(Once(at=SOON), owner=owner, job_id=f"job-{number}")
    world.receiver.answers = lambda _webhook: SLOW_YES
    world.run(until=SOON)
    world.queue.sent.clear()
    late = SOON + timedelta(seconds=80)
    for account, due_at in ((owner, SOON + MINUTE / 2), (other, SOON + MINUTE / 2), (owner, late)):
        world.a_job(Once(at=due_at), owner=account, job_id=f"at-{due_at:%M%S}")
    world.run(until=late)
    moved = [(due.subject.account_id, due.due_at) for due in world.queue.sent if due.lane is SECOND]
    assert moved == [(owner.account_id, SOON + MINUTE / 2)]
    assert len(world.receiver.calls) == 6


# --- a flood ----------------------------------------------------------------------------------------------------------


def test_a_tick_sends_an_account_s_share_by_the_first_lane_and_the_rest_by_the_second(world: World) -> None:
    with_share(world, 3)
    alice, bob = (world.open_account()[0] for _ in range(2))
    for owner, count in ((alice, 10), (bob, 2)):
        for number in range(count):
            world.a_job(Once(at=START + 10 * MINUTE), owner=owner, job_id=f"job-{number}")
    world.clock.forward(minutes=9)
    assert world.tick() == 12
    sent = Counter((due.subject.account_id, due.lane) for due in world.queue.sent)
    assert sent == {(alice.account_id, FIRST): 3, (alice.account_id, SECOND): 7, (bob.account_id, FIRST): 2}
    [line] = world.events.of("tick")
    assert line["second_lane"] == 7
    world.run(until=START + 10 * MINUTE)
    assert len(world.receiver.calls) == 12


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        pytest.param(OK, [1, 1, 3, 3], id="comes back to the first lane once it went well"),
        pytest.param(BROKEN, [1, 1, 0, 0], id="does not by failing again"),
    ],
)
def test_a_flood_that_recurs(world: World, answer: Outcome, expected: list[int]) -> None:
    """Of three jobs, how many messages of each round were sent by the first lane."""
    with_share(world, 1)
    world.receiver.answers = lambda _webhook: answer
    owner, _ = world.open_account()
    for number in range(3):
        world.a_job(Every(start=START + 10 * MINUTE, period=MINUTE), owner=owner, job_id=f"job-{number}")
    world.clock.forward(minutes=9)
    world.tick()
    world.run(until=START + 13 * MINUTE)
    rounds = [START + number * MINUTE for number in range(10, 14)]
    sent = Counter(due.due_at for due in world.queue.sent if due.lane is FIRST)
    assert [sent[due_at] for due_at in rounds] == expected
    assert len(world.receiver.calls) == 12


def resumed(world: World, job: Job) -> None:
    pause_job(world.services, owner_of(job), job.ref.job_id, dialect="test")
    resume_job(world.services, owner_of(job), job.ref.job_id, dialect="test")


@pytest.mark.parametrize(
    "ask",
    [
        pytest.param(lambda world, job: world.a_job(owner=owner_of(job), job_id="other"), id="creates"),
        pytest.param(lambda world, job: run_now(world.services, owner_of(job), "job-1", dialect="test"), id="runs now"),
        pytest.param(resumed, id="resumes"),
    ],
)
def test_what_an_account_asks_for_counts(world: World, ask: Callable[[World, Job], object]) -> None:
    with_share(world, 1)
    ask(world, world.a_job(EACH_MINUTE))
    assert lanes(world) == [FIRST, SECOND]


def test_what_is_far_away_does_not_count(world: World) -> None:
    with_share(world, 1)
    owner, _ = world.open_account()
    world.a_job(Once(at=START + 10 * MINUTE), owner=owner)
    world.a_job(owner=owner, job_id="soon")
    assert lanes(world) == [FIRST]


def test_what_is_asked_for_beside_the_schedule_is_no_retry(world: World) -> None:
    job = world.a_job(Once(at=START + 10 * MINUTE))
    execution = run_now(world.services, owner_of(job), "job-1", dialect="test")
    due = retry_of(execution)
    assert due
    assert (due.lane, lanes(world)) == (FIRST, [FIRST])


# --- the sweep --------------------------------------------------------------------------------------------------------


def waits(world: World, lane: Lane) -> None:
    """A message that nobody comes to take."""
    world.services.queue.send([replace(A_DUE, due_at=world.clock.now(), lane=lane)], now=world.clock.now())


def swept(world: World, *, minutes: int) -> list[tuple[str, Lane]]:
    """What the ticks of that many minutes send of two overdue jobs, one of which fails, with nobody at work."""
    alice, bob = (world.open_account()[0] for _ in range(2))
    failing = world.a_job(Every(start=SOON, period=60 * MINUTE), owner=alice, job_id="failing")
    world.services.firings.move(failing.ref, SECOND)
    world.a_job(Every(start=SOON, period=60 * MINUTE), owner=bob, job_id="healthy")
    stuck = [message for message in world.queue.messages if "alice" in message.body]
    for _ in range(minutes):
        world.queue.messages = list(stuck)
        world.queue.sent.clear()
        world.clock.forward(minutes=1)
        world.tick()
    return [(due.subject.job_id, due.lane) for due in world.queue.sent if isinstance(due.subject, JobRef)]


@pytest.mark.parametrize(
    ("behind", "expected"),
    [
        pytest.param((), {("failing", SECOND), ("healthy", FIRST)}, id="no lane is behind"),
        pytest.param((SECOND,), {("healthy", FIRST)}, id="the second lane is behind"),
        pytest.param((FIRST,), {("failing", SECOND)}, id="the first lane is behind"),
        pytest.param((FIRST, SECOND), set(), id="both are"),
    ],
)
def test_the_sweep_sends_by_the_lanes_that_are_not_behind(
    world: World, behind: tuple[Lane, ...], expected: set[tuple[str, Lane]]
) -> None:
    for lane in behind:
        waits(world, lane)
    assert set(swept(world, minutes=6)) == expected


def test_what_was_held_back_is_sent_once_its_lane_is_free_again(world: World) -> None:
    waits(world, SECOND)
    swept(world, minutes=9)
    world.queue.messages.clear()
    world.queue.sent.clear()
    world.clock.forward(minutes=1)
    world.tick()
    assert {due.lane for due in world.queue.sent} == {FIRST, SECOND}


def test_a_lane_that_is_held_back_leaves_no_tick_unfinished(world: World) -> None:
    waits(world, SECOND)
    swept(world, minutes=7)
    assert {line["unfinished"] for line in world.events.of("tick")} == {0}


def test_no_more_than_a_share_of_a_flood_that_waits_is_doubled_in_a_minute(world: World) -> None:
    with_share(world, 2)
    owner, _ = world.open_account()
    for number in range(20):
        world.a_job(Once(at=SOON), owner=owner, job_id=f"job-{number}")
    counts = []
    for _ in range(8):
        world.queue.sent.clear()
        world.clock.forward(minutes=1)
        world.tick()
        counts.append(len(world.queue.sent))
        world.queue.messages = [message for message in world.queue.messages if '"second"' in message.body]
    assert counts == [20, 0, 0, 0, 0, 2, 2, 2]
