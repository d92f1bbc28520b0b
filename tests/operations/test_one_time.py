"""T53: jobs that fire for the last time: what becomes of them in each API, and of a time that has passed."""

from datetime import timedelta

import pytest

from chalicelib.scheduling.job import Ending, JobState
from chalicelib.scheduling.schedule import Cron, Every, Once, Schedule, Spelling
from tests.api.job_scheduler_caller import Caller as JobScheduler
from tests.api.job_scheduler_caller import at
from tests.api.ndscheduler_caller import Caller as NdSchedulerCaller
from tests.api.runlater import Caller as RunLaterCaller
from tests.operations.users import Rlatr, Tenant
from tests.world import START, World

MINUTE = timedelta(minutes=1)
THIS_YEAR = "0 0 13 22 11 ? 2026"  # 13:00, half an hour after the world begins, and never again


@pytest.mark.parametrize(
    "schedule",
    [
        pytest.param(Once(at=START + MINUTE), id="once"),
        pytest.param(Once(at=START - MINUTE), id="once, and its time has passed"),
        pytest.param(Cron(expression=THIS_YEAR, spelling=Spelling.QUARTZ), id="cron that names one year"),
    ],
)
@pytest.mark.parametrize("ending", Ending)
def test_t53_what_fires_for_the_last_time_fires_once_and_ends_as_was_asked(
    world: World, schedule: Schedule, ending: Ending
) -> None:
    job = world.a_job(schedule, ending=ending)
    world.let_pass(minutes=90)
    assert len(world.receiver.calls) == len(world.executions(job)) == 1
    stored = world.job(job)
    state = stored.standing.state if stored else None
    assert state is (None if ending is Ending.PURGE else JobState.FINISHED)


def test_t53_what_recurs_is_not_purged(world: World) -> None:
    job = world.a_job(Every(start=START, period=MINUTE), ending=Ending.PURGE)
    world.let_pass(minutes=10)
    stored = world.job(job)
    assert stored
    assert stored.standing.state is JobState.ACTIVE


def test_t53_rlatr_refuses_to_change_or_delete_what_was_completed(world: World) -> None:
    tenant, way = Tenant(world, "alice"), Rlatr()
    assert way.create(tenant, 1) == 200
    [job] = world.services.jobs.list(tenant.principal.account_id, "rlatr")
    world.let_pass(minutes=10)
    assert (way.edit(tenant, job, 2), way.delete(tenant, job)) == (400, 400)
    world.let_pass(minutes=10)
    assert len(world.receiver.calls) == 1


@pytest.mark.parametrize("timing", [{"when": at(minutes=30)}, {"cron": THIS_YEAR}], ids=["a date", "cron of one year"])
def test_t53_the_job_scheduler_has_no_job_after_its_last_firing(world: World, timing: dict[str, str]) -> None:
    caller = JobScheduler(world)
    job_id = caller.created(**timing)
    world.let_pass(minutes=60)
    assert len(world.receiver.calls) == 1
    later = {"url": "https://example.com/", "when": at(minutes=120)}
    assert (caller.get(job_id).status, caller.put(job_id, later).status, caller.ids()) == (404, 404, [])


def test_t53_the_job_scheduler_refuses_a_time_that_has_passed(world: World) -> None:
    answer = JobScheduler(world).post({"url": "https://example.com/", "when": at(minutes=-1)})
    assert (answer.status, answer.body) == (400, '{"error": "when must be in the future"}')


def test_t53_runlater_fires_at_once_what_has_passed_and_keeps_it_as_completed(world: World) -> None:
    caller = RunLaterCaller(world)
    job = caller.created(when="2013-09-08T06:15:42.215Z")
    world.let_pass(minutes=1)
    assert [call.timestamp for call in world.receiver.calls] == [START]
    assert caller.read(job["_id"])["status"] == "completed"


def test_t53_ndscheduler_keeps_what_ran_on_its_date(world: World) -> None:
    caller = NdSchedulerCaller(world)
    date = (START + MINUTE).strftime("%Y-%m-%dT%H:%M:%S")
    job_id = caller.created(trigger="date", trigger_params={"run_date": date})
    world.let_pass(minutes=10)
    assert [one["state"] for one in caller.executions()] == ["succeeded"]
    assert caller.shown(job_id)["job_id"] == job_id
