"""Pause, resume, run now and the history, on the World: what they promise, also when something breaks."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.operations.history import audit_between, executions_between, get_execution, jobs_of
from chalicelib.operations.jobs import Change, delete_job, edit_job, pause_job, resume_job, run_now
from chalicelib.ports import Services
from chalicelib.scheduling.account import Principal
from chalicelib.scheduling.audit import AuditEvent
from chalicelib.scheduling.errors import Completed, Invalid, NotFound, Unavailable
from chalicelib.scheduling.execution import ExecutionState
from chalicelib.scheduling.job import Job, JobState, firing_id
from chalicelib.scheduling.retry import RetryPolicy
from chalicelib.scheduling.schedule import Cron, Every, Once
from tests.fakes import BROKEN, OK
from tests.operations.breaking import breaking
from tests.world import START, World

MINUTE = timedelta(minutes=1)
FIRST = START.replace(second=0) + MINUTE
RETRY = RetryPolicy(waits=(timedelta(minutes=1),))
JOB_ID = "job-1"


@pytest.fixture
def owner(world: World) -> Principal:
    return world.open_account()[0]


@pytest.fixture
def job(world: World, owner: Principal) -> Job:
    """Each minute."""
    return world.a_job(Cron(expression="* * * * *"), owner=owner)


def paused(world: World, owner: Principal) -> Job:
    return pause_job(world.services, owner, JOB_ID, dialect="test")


def resumed(world: World, owner: Principal) -> Job:
    return resume_job(world.services, owner, JOB_ID, dialect="test")


def events(world: World, owner: Principal) -> list[AuditEvent]:
    found = audit_between(world.services, owner, START, world.clock.now())
    return [entry.event for entry in found]


def stored(world: World, job: Job) -> Job:
    found = world.job(job)
    assert found
    return found


def sent(world: World) -> int:
    return len(world.receiver.calls)


class Between:
    """The jobs of a world, where something happens just before the first replacement."""

    def __init__(self, world: World, *happens: Any) -> None:
        self._jobs, self._happens = world.services.jobs, [*happens]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._jobs, name)

    def replace(self, job: Job, *, before: Job) -> bool:
        if self._happens:
            self._happens.pop(0)()
        return self._jobs.replace(job, before=before)


def racing(world: World, *happens: Any) -> Services:
    return replace(world.services, jobs=Between(world, *happens))


def test_a_pause_cancels_what_was_dispatched(world: World, owner: Principal, job: Job) -> None:
    assert len(world.queue.messages) == 1
    after = paused(world, owner)
    assert (after.standing.state, after.standing.due_at) == (JobState.PAUSED, None)
    world.let_pass(minutes=5)
    assert (sent(world), world.executions(job), world.queue.messages) == (0, [], [])


def test_a_second_pause_and_a_second_resume_change_nothing_and_are_not_logged(
    world: World, owner: Principal, job: Job
) -> None:
    assert resumed(world, owner) == job
    first = paused(world, owner)
    assert paused(world, owner) == first == stored(world, job)
    again = resumed(world, owner)
    assert resumed(world, owner) == again == stored(world, job)
    assert sorted(events(world, owner)) == [AuditEvent.ADDED, AuditEvent.PAUSED, AuditEvent.RESUMED]


def test_a_resume_does_not_make_up_for_missed_times(world: World, owner: Principal, job: Job) -> None:
    paused(world, owner)
    world.let_pass(minutes=10)
    assert resumed(world, owner).standing.due_at == FIRST + 10 * MINUTE
    world.let_pass(minutes=2)
    assert [one.due_at for one in world.executions(job)] == [FIRST + 10 * MINUTE, FIRST + 11 * MINUTE]


def test_a_resume_keeps_the_rhythm_of_a_period(world: World, owner: Principal) -> None:
    job = world.a_job(Every(start=START + timedelta(seconds=20), period=timedelta(seconds=20)), owner=owner)
    paused(world, owner)
    world.clock.forward(seconds=65)
    resumed(world, owner)
    world.run(until=START + timedelta(seconds=100))
    assert [(one.due_at - START).total_seconds() for one in world.executions(job)] == [80, 100]


def test_a_resume_before_the_time_of_a_pause_fires_it_once(world: World, owner: Principal, job: Job) -> None:
    for _ in range(3):
        paused(world, owner)
        resumed(world, owner)
    world.let_pass(minutes=1)
    assert world.receiver.ids == [firing_id(job.ref, FIRST)]


def test_a_job_whose_time_passed_while_it_was_paused_is_finished(world: World, owner: Principal) -> None:
    job = world.a_job(Once(at=START + timedelta(seconds=5)), owner=owner)
    paused(world, owner)
    world.let_pass(minutes=1)
    assert resumed(world, owner).standing.state is JobState.FINISHED
    world.let_pass(minutes=5)
    assert (sent(world), stored(world, job).standing.due_at) == (0, None)


@pytest.mark.parametrize("move", [paused, resumed])
def test_a_finished_job_is_neither_paused_nor_resumed(world: World, owner: Principal, move: Any) -> None:
    world.a_job(owner=owner)
    world.let_pass(seconds=10)
    with pytest.raises(Completed):
        move(world, owner)
    assert events(world, owner) == [AuditEvent.ADDED]


def test_a_pause_cancels_the_retry_that_waits(world: World, owner: Principal) -> None:
    world.receiver.answers = lambda _webhook: BROKEN
    job = world.a_job(Cron(expression="* * * * *"), owner=owner, retry=RETRY)
    world.run(until=FIRST)
    assert [one.state for one in world.executions(job)] == [ExecutionState.WAITING]
    paused(world, owner)
    [execution] = world.executions(job)
    assert (execution.state, execution.retry_at) == (ExecutionState.CANCELLED, None)
    world.let_pass(minutes=5)
    assert sent(world) == 1


def test_a_firing_that_comes_before_the_pause_is_sent_and_none_after(world: World, owner: Principal, job: Job) -> None:
    pause_job(racing(world, lambda: world.run(until=FIRST)), owner, JOB_ID, dialect="test")
    assert (sent(world), stored(world, job).standing.state) == (1, JobState.PAUSED)
    world.let_pass(minutes=5)
    assert sent(world) == 1


def test_a_pause_and_an_edit_at_once_are_both_kept(world: World, owner: Principal, job: Job) -> None:
    def rename() -> None:
        definition = replace(job.definition, name="renamed")
        edit_job(world.services, owner, JOB_ID, dialect="test", edit=lambda _job: Change(definition=definition))

    pause_job(racing(world, rename), owner, JOB_ID, dialect="test")
    after = stored(world, job)
    assert (after.definition.name, after.standing.state) == ("renamed", JobState.PAUSED)


def test_two_resumes_at_once_are_one(world: World, owner: Principal, job: Job) -> None:
    paused(world, owner)
    resume_job(racing(world, lambda: resumed(world, owner)), owner, JOB_ID, dialect="test")
    assert events(world, owner).count(AuditEvent.RESUMED) == 1
    world.run(until=FIRST)
    assert world.receiver.ids == [firing_id(job.ref, FIRST)]


def test_a_deletion_before_the_pause_wins(world: World, owner: Principal, job: Job) -> None:
    with pytest.raises(NotFound):
        pause_job(
            racing(world, lambda: delete_job(world.services, owner, JOB_ID, dialect="test")),
            owner,
            JOB_ID,
            dialect="test",
        )
    assert world.job(job) is None


def test_a_resume_that_the_queue_does_not_take_leaves_the_job_paused(world: World, owner: Principal, job: Job) -> None:
    paused(world, owner)
    world.queue.down = True
    with pytest.raises(Unavailable):
        resumed(world, owner)
    assert stored(world, job).standing.state is JobState.PAUSED
    world.queue.down = False
    world.let_pass(minutes=30)
    assert (sent(world), sorted(events(world, owner))) == (0, [AuditEvent.ADDED, AuditEvent.PAUSED])
    resumed(world, owner)
    world.let_pass(minutes=1)
    assert sent(world) == 1


def test_a_pause_asks_nothing_of_the_queue(world: World, owner: Principal, job: Job) -> None:
    world.queue.down = True
    assert paused(world, owner).standing.state is JobState.PAUSED
    assert stored(world, job).standing.state is JobState.PAUSED


@pytest.mark.parametrize("state", ["active", "paused", "finished"])
def test_run_now_is_one_firing_beside_the_schedule(world: World, owner: Principal, state: str) -> None:
    job = world.a_job(Once(at=START + timedelta(minutes=30 if state != "finished" else 0)), owner=owner)
    if state == "paused":
        paused(world, owner)
    world.let_pass(seconds=1)
    before, already = stored(world, job), sent(world)
    execution = run_now(world.services, owner, JOB_ID, dialect="test")
    world.run()
    assert stored(world, job) == before
    assert world.receiver.ids[already:] == [execution.firing_id]
    done = get_execution(world.services, owner, execution.firing_id, dialect="test")
    assert (done.state, done.due_at, len(done.attempts)) == (ExecutionState.DELIVERED, world.clock.now(), 1)
    world.let_pass(minutes=20)
    assert sent(world) == already + 1, "and once only"


def test_run_now_twice_in_a_millisecond_is_two_firings(world: World, owner: Principal, job: Job) -> None:
    paused(world, owner)
    ids = [run_now(world.services, owner, JOB_ID, dialect="test").firing_id for _ in range(2)]
    world.run()
    assert sorted(world.receiver.ids) == sorted(ids)
    assert len({*ids}) == len(world.executions(job)) == 2
    assert {one[:12] for one in ids} == {firing_id(job.ref, START)[:12]}, "ids sort by due time"


def test_run_now_in_the_millisecond_of_a_firing_is_a_second_record(world: World, owner: Principal, job: Job) -> None:
    world.clock.sleep_until(FIRST)
    execution = run_now(world.services, owner, JOB_ID, dialect="test")
    world.run()
    assert sorted(world.receiver.ids) == sorted([execution.firing_id, firing_id(job.ref, FIRST)])
    assert [one.state for one in world.executions(job)] == [ExecutionState.DELIVERED] * 2


@pytest.mark.parametrize("change", ["pause", "resume", "reschedule"])
def test_what_was_asked_to_run_runs_whatever_becomes_of_the_schedule(
    world: World, owner: Principal, job: Job, change: str
) -> None:
    if change == "resume":
        paused(world, owner)
    execution = run_now(world.services, owner, JOB_ID, dialect="test")
    match change:
        case "pause":
            paused(world, owner)
        case "resume":
            resumed(world, owner)
        case _:
            later = Change(definition=job.definition, schedule=Once(at=START + timedelta(days=1)))
            edit_job(world.services, owner, JOB_ID, dialect="test", edit=lambda _job: later)
    world.run()
    assert world.receiver.ids == [execution.firing_id]


def test_what_was_asked_to_run_does_not_when_the_job_is_deleted(world: World, owner: Principal, job: Job) -> None:
    execution = run_now(world.services, owner, JOB_ID, dialect="test")
    delete_job(world.services, owner, JOB_ID, dialect="test")
    world.let_pass(minutes=10)
    assert sent(world) == 0
    done = get_execution(world.services, owner, execution.firing_id, dialect="test")
    assert (done.state, done.ref) == (ExecutionState.CANCELLED, job.ref)


def test_run_now_is_retried_as_the_job_says(world: World, owner: Principal) -> None:
    world.a_job(Once(at=START + timedelta(days=1)), owner=owner, retry=RETRY)
    outcomes = [BROKEN, OK]
    world.receiver.answers = lambda _webhook: outcomes.pop(0)
    execution = run_now(world.services, owner, JOB_ID, dialect="test")
    world.let_pass(minutes=5)
    assert world.receiver.ids == [execution.firing_id] * 2
    done = get_execution(world.services, owner, execution.firing_id, dialect="test")
    assert done.state is ExecutionState.DELIVERED


def test_a_run_that_the_queue_does_not_take_never_runs(world: World, owner: Principal, job: Job) -> None:
    paused(world, owner)
    world.queue.down = True
    with pytest.raises(Unavailable):
        run_now(world.services, owner, JOB_ID, dialect="test")
    world.queue.down = False
    world.let_pass(minutes=20)
    assert (sent(world), world.queue.messages) == (0, [])
    assert [one.state for one in world.executions(job)] == [ExecutionState.CANCELLED]
    assert AuditEvent.CUSTOM_RUN not in events(world, owner)


@pytest.mark.parametrize("how", ["is away", "loses the reply"])
def test_a_run_that_the_database_does_not_take_never_runs(world: World, owner: Principal, job: Job, how: str) -> None:
    paused(world, owner)
    with breaking(world, "firings", "record", how), pytest.raises(Unavailable):
        run_now(world.services, owner, JOB_ID, dialect="test")
    world.let_pass(minutes=20)
    assert sent(world) == 0
    assert {one.state for one in world.executions(job)} <= {ExecutionState.CANCELLED}
    assert AuditEvent.CUSTOM_RUN not in events(world, owner)


def test_a_run_whose_message_is_lost_is_found_by_the_sweep(world: World, owner: Principal, job: Job) -> None:
    paused(world, owner)
    execution = run_now(world.services, owner, JOB_ID, dialect="test")
    world.queue.messages.clear()
    world.let_pass(minutes=10)
    assert world.receiver.ids == [execution.firing_id]
    assert [one.state for one in world.executions(job)] == [ExecutionState.DELIVERED]


@pytest.mark.parametrize(
    "step",
    [
        ("firings", "claim", "dies before"),
        ("firings", "claim", "dies after"),
        ("firings", "claim", "loses the reply"),
        ("firings", "executions", "is away"),
        ("firings", "record", "dies after"),
        ("webhooks", "send", "dies before"),
    ],
    ids=" ".join,
)
def test_t45_a_run_survives_what_breaks(world: World, owner: Principal, job: Job, step: tuple[str, str, str]) -> None:
    paused(world, owner)
    execution = run_now(world.services, owner, JOB_ID, dialect="test")
    with breaking(world, *step):
        world.run()
    world.let_pass(minutes=10)
    assert world.receiver.ids == [execution.firing_id]
    assert [one.state for one in world.executions(job)] == [ExecutionState.DELIVERED]


def test_an_audit_log_that_is_away_costs_its_entry_alone(world: World, owner: Principal, job: Job) -> None:
    with breaking(world, "audit", "add", "is away", times=3):
        paused(world, owner)
        run_now(world.services, owner, JOB_ID, dialect="test")
    world.run()
    assert (sent(world), stored(world, job).standing.state) == (1, JobState.PAUSED)
    assert len(world.events.of("audit_lost")) == 2


@pytest.mark.parametrize("move", [pause_job, resume_job, run_now])
@pytest.mark.parametrize("whose", ["another account", "another API", "nobody"])
def test_what_is_not_ones_own_is_not_there(world: World, owner: Principal, job: Job, move: Any, whose: str) -> None:
    other, _ = world.open_account()
    asks = other if whose == "another account" else owner
    job_id = "job-2" if whose == "nobody" else JOB_ID
    with pytest.raises(NotFound):
        move(world.services, asks, job_id, dialect="other" if whose == "another API" else "test")
    assert stored(world, job) == job
    assert executions_between(world.services, owner, START, world.clock.now(), dialect="test") == []


def test_an_edit_to_a_schedule_that_never_fires_is_refused(world: World, owner: Principal, job: Job) -> None:
    never = Change(definition=job.definition, schedule=Cron(expression="0 0 30 2 *"))
    with pytest.raises(Invalid):
        edit_job(world.services, owner, JOB_ID, dialect="test", edit=lambda _job: never)
    assert stored(world, job) == job


def test_the_history_is_the_accounts_and_the_apis_own(world: World, owner: Principal, job: Job) -> None:
    other, _ = world.open_account()
    world.let_pass(minutes=3)
    end = world.clock.now()
    found = executions_between(world.services, owner, START, end, dialect="test")
    assert [one.due_at for one in found] == [FIRST, FIRST + MINUTE, FIRST + 2 * MINUTE]
    assert executions_between(world.services, owner, start=FIRST, end=FIRST, dialect="test") == found[:1]
    assert jobs_of(world.services, found) == {job.ref: stored(world, job)}
    assert jobs_of(world.services, []) == {}
    assert executions_between(world.services, owner, START, end, dialect="other") == []
    assert executions_between(world.services, other, START, end, dialect="test") == []
    assert executions_between(world.services, owner, end, START, dialect="test") == []
    for asks, dialect in ((other, "test"), (owner, "other")):
        with pytest.raises(NotFound):
            get_execution(world.services, asks, found[0].firing_id, dialect=dialect)
    assert get_execution(world.services, owner, found[0].firing_id, dialect="test") == found[0]
    assert audit_between(world.services, other, START, end) == []
    assert audit_between(world.services, owner, end, START) == []


@pytest.mark.parametrize(
    "identifier", ["", "x", "0" * 31, "A" * 32, "é" * 32, "0" * 33, "#executions#0", "0" * 31 + "\n"]
)
def test_an_id_that_is_none_is_not_found(world: World, owner: Principal, identifier: str) -> None:
    with pytest.raises(NotFound):
        get_execution(world.services, owner, identifier, dialect="test")
