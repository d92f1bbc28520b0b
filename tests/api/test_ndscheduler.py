"""ndscheduler's jobs, row by row of its protocol (numbers as in section 5): requests, the store, what is run.

Executions and logs are in test_ndscheduler_history.py, the seed's own examples in test_ndscheduler_examples.py.
"""

import json
import re
from datetime import datetime, timedelta
from typing import Any

import pytest

from chalicelib.api.dialects import ndscheduler
from chalicelib.scheduling.job import JobState
from chalicelib.scheduling.retry import NEVER, Misfire
from chalicelib.scheduling.schedule import Every
from chalicelib.scheduling.target import JobClass
from tests.api.client import Answer, Client
from tests.api.ndscheduler_caller import AWESOME, JOB, Caller
from tests.world import START, World

NOON = "2026-11-22T12:"
NOBODY = "0" * 32
PREFLIGHT = (("Origin", "https://ui.example"), ("Access-Control-Request-Method", "PUT"))
STARS = {"month": "*", "day": "*", "week": "*", "day_of_week": "*", "hour": "*", "minute": "*"}


@pytest.fixture
def caller(world: World) -> Caller:
    return Caller(world)


@pytest.fixture
def asker(still: World) -> Caller:
    """Where no time passes: for what is answered at once."""
    return Caller(still)


def refused(answer: Answer, text: str) -> None:
    assert (answer.status, answer.json) == (400, {"error": text})


def target(caller: Caller) -> JobClass:
    found = caller.job().definition.target
    assert isinstance(found, JobClass)
    return found


def test_5_1_jobs_are_listed_by_next_run_and_paused_ones_last(asker: Caller) -> None:
    assert asker.send("GET", "/jobs").json == {"jobs": []}
    late = asker.created(name="late", trigger_params={"hour": 23})
    paused = asker.created(name="paused")
    soon = asker.created(name="soon")
    assert asker.send("PATCH", f"/jobs/{paused}").status == 200
    listed = asker.send("GET", "/jobs").json["jobs"]
    assert [(job["job_id"], job["next_run_time"]) for job in listed] == [
        (soon, f"{NOON}01:00+00:00"),
        (late, "2026-11-22T23:00:00+00:00"),
        (paused, ""),
    ]


def test_5_2_a_job_has_these_fields_and_no_others(asker: Caller) -> None:
    job_id = asker.created()
    assert asker.shown(job_id) == {
        "job_id": job_id,
        "name": "My first job",
        "next_run_time": f"{NOON}01:00+00:00",
        "job_class_string": AWESOME,
        "pub_args": ["arg1", 2],
        "trigger": "cron",
        "trigger_params": STARS | {"minute": "*/1"},
    }


@pytest.mark.parametrize(
    ("given", "shown", "next_run"),
    [
        pytest.param({"minute": "*/1"}, {"minute": "*/1"}, "2026-11-22T12:01:00", id="minute: all others any"),
        pytest.param({"hour": "*/2"}, {"hour": "*/2", "minute": "0"}, "2026-11-22T14:00:00", id="hour: on the hour"),
        pytest.param({"day": 1}, {"day": "1", "hour": "0", "minute": "0"}, "2026-12-01T00:00:00", id="day: midnight"),
        pytest.param(
            {"month": "*/6"},
            {"month": "*/6", "day": "1", "hour": "0", "minute": "0"},
            "2027-01-01T00:00:00",
            id="month: its first day",
        ),
        pytest.param(
            {"day_of_week": "MON"},
            {"day_of_week": "mon", "hour": "0", "minute": "0"},
            "2026-11-23T00:00:00",
            id="day_of_week: midnight",
        ),
        pytest.param(
            {"day_of_week": "0", "hour": 9},
            {"day_of_week": "0", "hour": "9", "minute": "0"},
            "2026-11-23T09:00:00",
            id="0 is Monday",
        ),
        pytest.param(
            {"day": "1-7", "day_of_week": "sun", "hour": 0},
            {"day": "1-7", "day_of_week": "sun", "hour": "0", "minute": "0"},
            "2026-12-06T00:00:00",
            id="day and day_of_week: both",
        ),
        pytest.param(
            {"day": "last", "month": None},
            {"day": "last", "hour": "0", "minute": "0"},
            "2026-11-30T00:00:00",
            id="the last day, and null is not given",
        ),
        pytest.param(
            {"day": "3rd fri"},
            {"day": "3rd fri", "hour": "0", "minute": "0"},
            "2026-12-18T00:00:00",
            id="the third Friday",
        ),
        pytest.param({"minute": "5,10", "second": 30}, {"minute": "5,10"}, "2026-11-22T12:05:30", id="a second"),
        pytest.param(
            {"month": 1, "year": 2030},
            {"month": "1", "day": "1", "hour": "0", "minute": "0"},
            "2030-01-01T00:00:00",
            id="a year",
        ),
        pytest.param(
            {"week": 2, "hour": 0}, {"week": "2", "hour": "0", "minute": "0"}, "2027-01-11T00:00:00", id="a week"
        ),
    ],
)
def test_5_2_5_21_cron_is_apschedulers_and_all_six_fields_are_shown(
    asker: Caller, given: dict[str, Any], shown: dict[str, str], next_run: str
) -> None:
    job = asker.shown(asker.created(trigger_params=given))
    assert (job["trigger"], job["trigger_params"]) == ("cron", STARS | shown)
    assert job["next_run_time"] == f"{next_run}+00:00"


def test_5_4_a_job_is_created_with_an_id_of_32_hex_digits(asker: Caller) -> None:
    answer = asker.create()
    assert (answer.status, [*answer.json]) == (201, ["job_id"])
    assert re.fullmatch("[0-9a-f]{32}", answer.json["job_id"])
    job = asker.job()
    assert (job.ref.job_id, job.definition.key) == (answer.json["job_id"], asker.principal.key)
    assert (job.definition.retry, job.standing.misfire) == (NEVER, Misfire.LATEST)
    assert target(asker) == JobClass(class_string=AWESOME, args='["arg1", 2]')


@pytest.mark.parametrize(
    ("flat", "shown"),
    [
        pytest.param({"minute": "*/1"}, {"minute": "*/1"}, id="the minute of the old README"),
        pytest.param(
            {"hour": 9, "day_of_week": "mon-fri"},
            {"day_of_week": "mon-fri", "hour": "9", "minute": "0"},
            id="two fields",
        ),
        pytest.param({"week": "*", "second": 0, "minute": 5, "year": "*"}, {"minute": "5"}, id="week, second, year"),
    ],
)
def test_5_5_the_old_flat_body_is_cron(asker: Caller, flat: dict[str, Any], shown: dict[str, str]) -> None:
    job = asker.shown(asker.created(trigger=None, trigger_params=None, **flat))
    assert (job["trigger"], job["trigger_params"]) == ("cron", STARS | shown)
    assert target(asker).kwargs == "{}", "fields of cron are no arguments"


@pytest.mark.parametrize("class_string", ["no.such.Class", "os.system", "x", "../etc", "<b>", "simple_scheduler.É"])
def test_5_6_any_class_may_be_named_and_one_that_may_not_run_fails_then(caller: Caller, class_string: str) -> None:
    job_id = caller.created(job_class_string=class_string)
    assert caller.shown(job_id)["job_class_string"] == class_string
    caller.world.let_pass(minutes=1)
    [execution] = caller.executions()
    assert (execution["state"], execution["job"]["job_id"]) == ("scheduled error", job_id)
    assert execution["result"] == f"{class_string} is not a class that jobs may run here"


def test_5_7_a_date_job_runs_once_and_stays_listed(caller: Caller) -> None:
    params = {"run_date": "2026-11-22T14:05:00+02:00"}
    job_id = caller.created(trigger="date", trigger_params=params)
    shown = caller.shown(job_id)
    assert (shown["trigger"], shown["trigger_params"]) == ("date", {"run_date": f"{NOON}05:00+00:00"})
    assert shown["next_run_time"] == f"{NOON}05:00+00:00"
    caller.world.let_pass(minutes=10)
    [execution] = caller.executions()
    assert (execution["state"], execution["trigger"]) == ("succeeded", "date")
    assert caller.shown(job_id)["next_run_time"] == ""
    for method in ("PATCH", "OPTIONS"):
        assert caller.send(method, f"/jobs/{job_id}").status == 400, "there is nothing left to pause or resume"
    assert caller.put(job_id, trigger="date", trigger_params=params, name="renamed").status == 200
    assert caller.put(job_id).status == 200
    assert caller.shown(job_id)["next_run_time"] == f"{NOON}11:00+00:00", "it may be given another trigger"


def test_5_7_a_date_within_apschedulers_grace_runs_at_once(caller: Caller) -> None:
    caller.created(trigger="date", trigger_params={"run_date": f"{NOON}00:00"})
    caller.world.run()
    [execution] = caller.executions()
    assert execution["state"] == "succeeded"


def test_5_8_extra_fields_of_a_post_are_keyword_arguments(caller: Caller) -> None:
    extra = {"argument2": "by name", "max_instances": 9, "month": "an argument, where there is a trigger"}
    caller.created(pub_args=["first"], **extra)
    assert json.loads(target(caller).kwargs) == extra
    caller.world.let_pass(minutes=1)
    [execution] = caller.executions()
    assert (execution["state"], json.loads(execution["result"])) == ("succeeded", ["first", "by name"])
    assert "max_instances" not in caller.send("GET", "/jobs").body, "arguments by name are not shown"


def test_5_8_a_keyword_that_run_does_not_take_fails_with_a_traceback(caller: Caller) -> None:
    caller.created(argument1="twice")
    caller.world.let_pass(minutes=1)
    [execution] = caller.executions()
    assert execution["state"] == "failed"
    assert execution["result"].startswith("Traceback (most recent call last):")
    assert "TypeError" in execution["result"]


@pytest.mark.parametrize("sent", [3600, 3600.0, "3600", " 3600 "], ids=repr)
def test_5_2_5_22_an_interval_is_whole_seconds_and_runs_first_after_one(asker: Caller, sent: object) -> None:
    job = asker.shown(asker.created(trigger="interval", trigger_params={"interval": sent}))
    assert (job["trigger"], job["trigger_params"]) == ("interval", {"interval": 3600})
    assert isinstance(job["trigger_params"]["interval"], int)
    assert job["next_run_time"] == "2026-11-22T13:00:30+00:00"


def test_5_22_an_interval_keeps_its_rhythm(caller: Caller) -> None:
    caller.created(trigger="interval", trigger_params={"interval": 20})
    caller.world.let_pass(minutes=2)
    due = [datetime.fromisoformat(one["scheduled_time"]) for one in reversed(caller.executions())]
    assert due == [START + timedelta(seconds=20 * number) for number in range(1, 7)]


def test_5_9_an_update_is_the_whole_job_and_takes_effect(caller: Caller) -> None:
    job_id = caller.created(more="stays")
    changes = {"name": "Other", "pub_args": [], "job_class_string": "no.Such"}
    answer = caller.put(job_id, trigger="interval", trigger_params={"interval": 30}, **changes)
    assert (answer.status, answer.json) == (200, {"job_id": job_id})
    shown = caller.shown(job_id)
    assert {name: shown[name] for name in changes} == changes
    assert (shown["trigger"], shown["next_run_time"]) == ("interval", f"{NOON}01:00+00:00")
    assert json.loads(target(caller).kwargs) == {"more": "stays"}
    caller.world.let_pass(minutes=1)
    assert [one["state"] for one in caller.executions()] == ["scheduled error"] * 2


def test_5_9_arguments_that_an_update_leaves_out_are_none(asker: Caller) -> None:
    job_id = asker.created()
    assert asker.put(job_id, pub_args=None).status == 200
    assert asker.shown(job_id)["pub_args"] == []


def test_5_9_an_update_of_a_paused_job_leaves_it_paused(caller: Caller) -> None:
    job_id = caller.created()
    caller.send("PATCH", f"/jobs/{job_id}")
    assert caller.put(job_id, trigger="interval", trigger_params={"interval": 5}).status == 200
    assert caller.shown(job_id)["next_run_time"] == ""
    caller.world.let_pass(minutes=2)
    assert caller.executions() == []


def test_5_9_an_update_that_leaves_the_trigger_leaves_the_next_run(caller: Caller) -> None:
    job_id = caller.created(trigger="interval", trigger_params={"interval": 60})
    before = caller.job().standing
    caller.world.clock.forward(seconds=7)
    assert caller.put(job_id, name="renamed", trigger="interval", trigger_params={"interval": "60"}).status == 200
    assert caller.job().standing == before
    assert isinstance(before.schedule, Every)
    assert caller.put(job_id, trigger="interval", trigger_params={"interval": 61}).status == 200
    assert caller.job().standing.due_at == START + timedelta(seconds=68)


def test_5_9_what_apscheduler_lets_one_set_is_taken_and_what_was_read_may_be_sent_back(asker: Caller) -> None:
    job_id = asker.created(name="as it was")
    shown = asker.shown(job_id)
    settable = {"misfire_grace_time": 5, "coalesce": False, "max_instances": 1, "executor": "default"}
    answer = asker.send("PUT", f"/jobs/{job_id}", body=shown | settable)
    assert (answer.status, answer.json) == (200, {"job_id": job_id})
    assert asker.shown(job_id) == shown


def test_5_9_an_update_may_have_the_old_flat_body(asker: Caller) -> None:
    job_id = asker.created()
    assert asker.put(job_id, trigger=None, trigger_params=None, hour="3").status == 200
    assert asker.shown(job_id)["trigger_params"] == STARS | {"hour": "3", "minute": "0"}


def test_5_10_a_deleted_job_is_gone_and_runs_no_more(caller: Caller) -> None:
    job_id = caller.created()
    caller.world.let_pass(minutes=1)
    answer = caller.send("DELETE", f"/jobs/{job_id}")
    assert (answer.status, answer.json) == (200, {"job_id": job_id})
    assert caller.send("GET", "/jobs").json == {"jobs": []}
    refused(caller.send("DELETE", f"/jobs/{job_id}"), f"Job not found: {job_id}")
    caller.world.let_pass(minutes=3)
    [execution] = caller.executions()
    assert "job" not in execution, "its executions stay, and lose their job"
    assert "trigger" not in execution


def test_5_11_a_paused_job_does_not_run_until_it_is_resumed(caller: Caller) -> None:
    job_id = caller.created()
    for _ in range(2):
        answer = caller.send("PATCH", f"/jobs/{job_id}")
        assert (answer.status, answer.json) == (200, {"job_id": job_id})
    caller.world.let_pass(minutes=5)
    assert (caller.executions(), caller.shown(job_id)["next_run_time"]) == ([], "")
    for _ in range(2):
        answer = caller.send("OPTIONS", f"/jobs/{job_id}", headers=[])
        assert (answer.status, answer.json) == (200, {"job_id": job_id})
    assert caller.shown(job_id)["next_run_time"] == f"{NOON}06:00+00:00"
    caller.world.let_pass(minutes=1)
    assert [one["scheduled_time"] for one in caller.executions()] == [f"{NOON}06:00+00:00"]


@pytest.mark.parametrize("path", ["/jobs/{}", "/jobs/{}/", "/jobs/" + NOBODY])
def test_5_11_6_3_a_preflight_resumes_nothing_and_needs_no_credentials(asker: Caller, path: str) -> None:
    job_id = asker.created()
    asker.send("PATCH", f"/jobs/{job_id}")
    answer = asker.client.send("OPTIONS", "/api/v1" + path.format(job_id), headers=PREFLIGHT)
    assert (answer.status, answer.body) == (204, "")
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["access-control-allow-methods"] == "GET, PUT, DELETE, PATCH, OPTIONS"
    assert "authorization" in answer.headers["access-control-allow-headers"].lower()
    assert asker.job().standing.state is JobState.PAUSED


@pytest.mark.parametrize("header", PREFLIGHT)
def test_5_11_6_3_half_a_preflight_is_a_resume(asker: Caller, header: tuple[str, str]) -> None:
    job_id = asker.created()
    asker.send("PATCH", f"/jobs/{job_id}")
    answer = asker.send("OPTIONS", f"/jobs/{job_id}", headers=[header])
    assert (answer.status, answer.json) == (200, {"job_id": job_id})
    assert answer.headers["access-control-allow-origin"] == "*"
    assert asker.job().standing.state is JobState.ACTIVE


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_5_19_a_slash_at_the_end_is_taken_without_a_redirect(still: World, version: str) -> None:
    asker = Caller(still, version=version)
    job_id = asker.send("POST", "/jobs/", body=JOB).json["job_id"]
    calls = (
        ("GET", "/jobs/"),
        ("GET", f"/jobs/{job_id}/"),
        ("PATCH", f"/jobs/{job_id}/"),
        ("OPTIONS", f"/jobs/{job_id}/"),
    )
    more = (
        ("GET", "/executions/"),
        ("GET", "/logs/"),
        ("POST", f"/executions/{job_id}/"),
        ("DELETE", f"/jobs/{job_id}/"),
    )
    assert [asker.send(method, path).status for method, path in (*calls, *more)] == [200] * 8


def test_both_prefixes_are_one_api(still: World) -> None:
    asker = Caller(still)
    job_id = asker.created()
    asker.version = "v2"
    assert asker.shown(job_id)["job_id"] == job_id


def test_5_20_answers_are_json_in_utf_8(asker: Caller) -> None:
    job_id = asker.created(name="König")
    unknown = asker.client.send("GET", "/api/v1/jobs")
    for answer in (asker.send("GET", f"/jobs/{job_id}"), asker.send("GET", "/jobs/x"), unknown):
        assert answer.headers["content-type"] == "application/json; charset=UTF-8"
        assert answer.headers["cache-control"] == "no-store"
    assert asker.shown(job_id)["name"] == "König"


def test_5_23_missed_times_are_coalesced_to_one_run(caller: Caller) -> None:
    caller.created()
    caller.world.clock.forward(minutes=30)
    caller.world.let_pass(minutes=2)
    due = [one["scheduled_time"] for one in reversed(caller.executions(f"?time_range_start={NOON}00:00Z"))]
    assert due[0] == f"{NOON}01:00+00:00"
    assert all(datetime.fromisoformat(one) > START + timedelta(minutes=29) for one in due[1:])


def test_t13_t14_what_is_anothers_is_answered_like_what_is_not_there(still: World) -> None:
    alice, bob = Caller(still), Caller(still)
    theirs = bob.created(name="bob's")
    run = bob.ran(theirs)
    before = bob.jobs(), bob.executions(), bob.logs()
    calls = [("GET", "jobs", theirs), ("PUT", "jobs", theirs), ("PATCH", "jobs", theirs), ("OPTIONS", "jobs", theirs)]
    calls += [("DELETE", "jobs", theirs), ("POST", "executions", theirs), ("GET", "executions", run)]
    for method, what, ref in calls:
        answers = [alice.send(method, f"/{what}/{one}", body=JOB if method == "PUT" else b"") for one in (ref, NOBODY)]
        assert [answer.status for answer in answers] == [400, 400]
        assert answers[0].body.replace(ref, NOBODY) == answers[1].body
        assert answers[0].headers == answers[1].headers
    assert (alice.jobs(), alice.executions(), alice.logs()) == ([], [], [])
    assert alice.send("POST", f"/executions?job_id={theirs}").status == 400
    assert (bob.jobs(), bob.executions(), bob.logs()) == before


def test_jobs_of_the_accounts_other_apis_are_not_there(asker: Caller) -> None:
    job = asker.world.a_job(owner=asker.principal, job_id="f" * 32)
    assert asker.send("GET", "/jobs").json == {"jobs": []}
    refused(asker.send("POST", f"/executions/{job.ref.job_id}"), f"Job not found: {job.ref.job_id}")


def test_t17_fields_that_are_not_the_callers_are_arguments_and_nothing_else(still: World) -> None:
    alice, bob = Caller(still), Caller(still)
    theirs = {"account_id": bob.principal.account_id, "key": bob.principal.key}
    ours = {"job_id": NOBODY, "id": 7, "state": "paused", "next_run_time": None, "dialect": "rlatr", "target": {}}
    job_id = alice.created(**theirs, **ours)
    job = alice.job()
    assert (job.ref.account_id, job.definition.key) == (alice.principal.account_id, alice.principal.key)
    assert (job.standing.state, job.definition.dialect) == (JobState.ACTIVE, "ndscheduler")
    assert job_id != NOBODY
    assert bob.jobs() == []


def test_t34_values_of_any_kind_come_back_as_they_were_sent(asker: Caller) -> None:
    args = [1, 1.5, "1", None, True, {"a": [{}]}, "Ω\0\n\ud800", [], -(10**40), "x" * 10_000]
    job_id = asker.created(pub_args=args, name='<script>"\r\n Ω')
    shown = asker.shown(job_id)
    assert (shown["pub_args"], shown["name"]) == (args, '<script>"\r\n Ω')


def test_the_quota_is_403(caller: Caller) -> None:
    caller.world.with_rules(jobs_per_account=1)
    caller.created()
    answer = caller.create()
    assert (answer.status, answer.json) == (403, {"error": "An account may have 1 jobs"})


def test_t60_a_queue_that_is_down_is_503_and_nothing_is_kept(caller: Caller) -> None:
    caller.world.queue.down = True
    answer = caller.create()
    assert (answer.status, answer.headers["retry-after"]) == (503, "5")
    assert (answer.json, caller.jobs()) == ({"error": "the queue is unavailable, try again"}, [])


def test_a_bug_of_ours_is_500_in_the_seeds_words(asker: Caller) -> None:
    def fail() -> Any:
        raise RuntimeError

    answer = Client(fail, ndscheduler.DIALECT).send("GET", "/api/v1/jobs", headers=[asker.credentials])
    assert (answer.status, answer.json) == (500, {"error": "server side error"})
