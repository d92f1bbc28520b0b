"""A message that its queue lost after the claim: only the daily reconciliation sees that its firing never was."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.operations.jobs import Change, edit_job, pause_job, run_now
from chalicelib.operations.reconcile import AGE, Place, reconcile
from chalicelib.ports import Due, Received
from chalicelib.scheduling.account import Principal
from chalicelib.scheduling.errors import Unavailable
from chalicelib.scheduling.execution import ExecutionState
from chalicelib.scheduling.job import Job, JobRef, JobState, Standing, firing_id
from chalicelib.scheduling.retry import Misfire, RetryPolicy
from chalicelib.scheduling.schedule import Every, Once, Schedule
from chalicelib.storage.ledger import DynamoLedger
from tests.fakes import BROKEN
from tests.operations.breaking import breaking
from tests.operations.test_twins import DUE as DUE_FAST
from tests.operations.test_twins import a_fast_job, fire_next, message, receive
from tests.world import START, World, a_world

DUE = START + timedelta(seconds=5)
HOURS = AGE + timedelta(minutes=1)
DAILY = Every(start=DUE, period=timedelta(days=1))


@dataclass
class Deserted:
    """A job whose firing was claimed by a worker that died, and whose message is lost."""

    world: World
    job: Job
    owner: Principal

    @property
    def firing(self) -> str:
        return firing_id(self.job.ref, DUE)

    def states(self) -> list[ExecutionState]:
        return [one.state for one in self.world.executions(self.job)]

    def standing(self) -> Standing:
        stored = self.world.job(self.job)
        assert stored
        return stored.standing


def ledger_of(world: World, **options: Any) -> DynamoLedger:
    return DynamoLedger(world.accounts, world.table, shards=2, **options)


def reconciled(world: World, *, after: timedelta = HOURS, **options: Any) -> int:
    """How many had no proof, after a while."""
    now = world.clock.forward(seconds=after.total_seconds())
    return reconcile(world.services, ledger_of(world), until=now + timedelta(minutes=10), **options)


def deserted(world: World, schedule: Schedule | None = None, *, dies: str = "claim", **options: Any) -> Deserted:
    """`dies`: at which call of the worker's store, before it tells what it came to."""
    owner, _ = world.open_account()
    job = world.a_job(schedule or Once(at=DUE), owner=owner, **options)
    with breaking(world, "firings", dies, "dies after" if dies == "claim" else "dies before"):
        world.run(until=DUE)
    world.queue.messages.clear()
    return Deserted(world, job, owner)


# --- a firing ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("schedule", [Once(at=DUE), DAILY], ids=["fires once", "fires daily"])
def test_a_firing_without_a_record_is_reported_and_fires(world: World, schedule: Schedule) -> None:
    lost = deserted(world, schedule)
    world.let_pass(hours=2)
    assert world.receiver.ids == []
    assert reconciled(world) == 1
    world.run()
    assert world.receiver.ids == [lost.firing]
    assert lost.states() == [ExecutionState.DELIVERED]
    [told] = world.events.of("unproved")
    assert told == {
        "account": lost.owner.account_id,
        "job": lost.job.ref.job_id,
        "firing": lost.firing,
        "given_back": "True",
    }


def test_the_job_is_where_it_would_be_without_the_loss(world: World) -> None:
    lost = deserted(world, DAILY)
    reconciled(world)
    world.run()
    assert (lost.standing().state, lost.standing().due_at) == (JobState.ACTIVE, DUE + timedelta(days=1))
    world.let_pass(hours=20)
    assert world.receiver.ids == [lost.firing, firing_id(lost.job.ref, DUE + timedelta(days=1))]


def test_a_firing_that_was_sent_before_its_worker_died_is_sent_again_under_its_id(world: World) -> None:
    lost = deserted(world, dies="record")
    assert reconciled(world) == 1
    world.run()
    assert world.receiver.ids == [lost.firing, lost.firing]
    assert lost.states() == [ExecutionState.DELIVERED]


def test_a_second_run_finds_nothing_more(world: World) -> None:
    deserted(world)
    assert reconciled(world) == 1
    world.run()
    assert reconciled(world, after=HOURS) == 0


def test_what_has_a_record_is_not_touched(world: World) -> None:
    world.a_job(Once(at=DUE))
    world.a_job(DAILY, job_id="job-2")
    world.run(until=DUE)
    assert reconciled(world) == 0
    world.run()
    assert len(world.receiver.ids) == 2
    assert world.events.of("unproved") == []


@pytest.mark.parametrize("after", [timedelta(0), AGE - timedelta(seconds=1)], ids=["at once", "just before its age"])
def test_a_claim_whose_message_may_come_back_is_left_to_it(world: World, after: timedelta) -> None:
    deserted(world)
    assert reconciled(world, after=after) == 0


def test_an_operator_who_purged_a_queue_need_not_wait(world: World) -> None:
    deserted(world)
    assert reconciled(world, after=timedelta(seconds=61), age=timedelta(seconds=60)) == 1


def test_no_age_is_less_than_a_lease(world: World) -> None:
    deserted(world)
    assert reconciled(world, after=timedelta(seconds=50), age=timedelta(0)) == 0


def test_a_claim_older_than_records_are_kept_is_not_judged(world: World) -> None:
    """Its record may have been there, and gone."""
    world.with_rules(retention=timedelta(days=1))
    deserted(world)
    assert reconciled(world, after=timedelta(days=1, hours=1)) == 0


def test_a_message_that_was_not_lost_after_all_sends_nothing_twice(world: World) -> None:
    job = world.a_job(Once(at=DUE))
    with breaking(world, "firings", "claim", "dies after"):
        world.run(until=DUE)
    assert reconciled(world) == 1
    assert len(world.queue.messages) == 2
    world.run()
    assert world.receiver.ids == [firing_id(job.ref, DUE)]


def test_a_lost_message_of_the_second_try_is_found_by_the_sweep(world: World) -> None:
    lost = deserted(world)
    world.queue.down = True
    assert reconciled(world) == 1
    world.queue.down = False
    world.let_pass(hours=2)
    assert world.receiver.ids == [lost.firing]


def test_a_job_that_skips_what_it_missed_says_so(world: World) -> None:
    lost = deserted(world, misfire=Misfire.SKIP)
    assert reconciled(world) == 1
    world.run()
    assert (world.receiver.ids, lost.states()) == ([], [ExecutionState.MISSED])


def test_a_job_whose_next_firing_is_overdue_is_left_to_the_sweep(world: World) -> None:
    lost = deserted(world, Every(start=DUE, period=timedelta(hours=1)))
    assert reconciled(world) == 0
    assert lost.standing().due_at == DUE + timedelta(hours=1)


# --- changed since ----------------------------------------------------------------------------------------------------


def paused(lost: Deserted) -> None:
    pause_job(lost.world.services, lost.owner, lost.job.ref.job_id, dialect="test")


def rescheduled(lost: Deserted) -> None:
    later = Every(start=START + timedelta(days=3), period=timedelta(days=1))

    def edit(job: Job) -> Change:
        return Change(definition=job.definition, schedule=later)

    edit_job(lost.world.services, lost.owner, lost.job.ref.job_id, dialect="test", edit=edit)


@pytest.mark.parametrize("change", [paused, rescheduled])
def test_a_firing_of_a_job_that_was_changed_since_is_recorded_as_cancelled(
    world: World, change: Callable[[Deserted], None]
) -> None:
    lost = deserted(world, DAILY)
    change(lost)
    stood = lost.standing()
    assert reconciled(world) == 1
    world.run()
    assert (world.receiver.ids, lost.states()) == ([], [ExecutionState.CANCELLED])
    assert lost.standing() == stood
    assert [told["given_back"] for told in world.events.of("unproved")] == ["False"]
    assert reconciled(world, after=timedelta(0)) == 0


# --- further attempts, and firings beside the schedule ----------------------------------------------------------------


def test_an_attempt_without_an_outcome_is_made_again(world: World) -> None:
    world.receiver.answers = lambda _webhook: BROKEN
    job = world.a_job(Once(at=DUE), retry=RetryPolicy(waits=(timedelta(seconds=10),)))
    world.run(until=DUE)
    with breaking(world, "firings", "claim", "dies after"):
        world.run(until=DUE + timedelta(seconds=10))
    world.queue.messages.clear()
    assert reconciled(world) == 1
    world.run()
    assert world.receiver.ids == [firing_id(job.ref, DUE)] * 2
    [execution] = world.executions(job)
    assert (execution.state, len(execution.attempts)) == (ExecutionState.FAILED, 2)


def test_a_firing_beside_the_schedule_is_made_again(world: World) -> None:
    owner, _ = world.open_account()
    job = world.a_job(Once(at=START + timedelta(days=30)), owner=owner)
    asked = run_now(world.services, owner, job.ref.job_id, dialect="test")
    with breaking(world, "firings", "claim", "dies after"):
        world.run()
    world.queue.messages.clear()
    assert reconciled(world) == 1
    world.run()
    assert world.receiver.ids == [asked.firing_id]


def test_a_firing_that_was_marked_by_a_worker_that_died_is_made_again(world: World) -> None:
    """The job's own claim is a later firing's: only the mark tells of it."""
    job = a_fast_job(world)
    world.clock.forward(minutes=1)
    with breaking(world, "firings", "claim", "dies after"):
        receive(world, message(job, "first"), nonce="first")
    fire_next(world, job)
    world.clock.forward(minutes=5)
    with breaking(world, "firings", "mark", "dies after"):
        receive(world, message(job, "other"), nonce="other")
    world.queue.messages.clear()
    sent = list(world.receiver.ids)
    assert reconciled(world) == 1
    world.run()
    assert world.receiver.ids == [*sent, firing_id(job.ref, DUE_FAST)]


# --- beside others, and in parts --------------------------------------------------------------------------------------


class Overtaken(DynamoLedger):
    """One in which something happens after the claims were read."""

    def __init__(self, world: World, meanwhile: Callable[[], object]) -> None:
        super().__init__(world.accounts, world.table, shards=2)
        self._meanwhile = meanwhile

    def standings(self, account_id: str) -> Iterator[Sequence[tuple[JobRef, Standing]]]:
        for page in super().standings(account_id):
            self._meanwhile()
            yield page


def test_what_two_runs_find_at_once_is_given_back_once(world: World) -> None:
    lost, found = deserted(world), list[int]()
    ledger = Overtaken(world, lambda: found.append(reconciled(world, after=timedelta(0))))
    now = world.clock.forward(seconds=HOURS.total_seconds())
    found.append(reconcile(world.services, ledger, until=now + timedelta(minutes=1)))
    world.run()
    assert (found, world.receiver.ids) == ([1, 0], [lost.firing])


def test_a_worker_that_comes_between_keeps_its_firing(world: World) -> None:
    """Its redelivery came back hours late, and took the claim over before the run could give it back."""
    lost = deserted(world)
    late = Received(message_id="message-1", receives=2, due=Due(subject=lost.job.ref, due_at=DUE, rev=1))
    ledger = Overtaken(world, lambda: receive(world, late, nonce="late"))
    now = world.clock.forward(seconds=HOURS.total_seconds())
    assert reconcile(world.services, ledger, until=now) == 0
    world.run()
    assert world.receiver.ids == [lost.firing]


def test_a_run_goes_on_where_the_last_one_ran_out_of_time() -> None:
    world = a_world()
    lost = deserted(world)
    for _ in range(5):
        world.open_account()
    more = world.a_job(Once(at=world.clock.now()), job_id="job-2")
    with breaking(world, "firings", "claim", "dies after"):
        world.run()
    world.queue.messages.clear()
    now, places = world.clock.forward(seconds=HOURS.total_seconds()), list[Place | None]()
    found = 0
    while None not in places:
        ledger = ledger_of(world, page=3)
        found += reconcile(world.services, ledger, until=now - timedelta(seconds=1))
        places.append(ledger.place())
    world.run()
    assert found == 2
    assert len(places) > 2
    assert sorted(world.receiver.ids) == sorted([lost.firing, firing_id(more.ref, more.standing.due_at or DUE)])
    assert [told["ended"] for told in world.events.of("reconciled")] == ["False"] * (len(places) - 1) + ["True"]


def test_a_run_that_the_database_broke_off_is_made_again(world: World) -> None:
    lost = deserted(world)
    with breaking(world, "firings", "executions", "is away"), pytest.raises(Unavailable):
        reconciled(world)
    assert reconciled(world, after=timedelta(0)) == 1
    world.run()
    assert world.receiver.ids == [lost.firing]


def test_a_standing_knows_what_it_was_before_its_claim(world: World) -> None:
    job = world.a_job(DAILY)
    before = job.standing
    world.run(until=DUE)
    after = world.job(job)
    assert after
    assert after.standing.unclaimed() == before
    assert before.unclaimed() is None
    assert after.standing.paused().unclaimed() is None
    assert replace(after.standing, due_at=DUE).unclaimed() is None


def test_an_account_that_cannot_be_read_keeps_no_other_from_its_proof(world: World) -> None:
    """It stands before it and after it: else every run would end at the same place."""
    broken = [deserted(world, job_id=f"broken-{number}") for number in range(2)]
    lost = deserted(world, Once(at=world.clock.now()), job_id="whole")
    for one in broken:
        item = world.table.get((f"{one.owner.account_id}#{one.job.ref.job_id}", "standing"))
        assert item
        world.table.put({**item, "state": "of another version"})
    assert reconciled(world) == 1
    world.run()
    assert [call.message_id for call in world.receiver.calls] == [one["firing"] for one in world.events.of("unproved")]
    assert [told["account"] for told in world.events.of("unproved")] == [lost.owner.account_id]
    assert {told["account"] for told in world.events.of("fault")} == {one.owner.account_id for one in broken}
