"""What ndscheduler's API refuses, row by row of its protocol (numbers as in section 5), and that nothing comes of it.

One account with one job asks throughout: what is refused changes nothing, so nothing wears out.
"""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from tests.api.client import FORM, Answer, basic, typed
from tests.api.ndscheduler_caller import JOB, JSON_TYPE, Caller
from tests.world import World

NOBODY = "0" * 32
PREFLIGHT = (("Origin", "https://ui.example"), ("Access-Control-Request-Method", "PUT"))


@pytest.fixture(scope="module")
def asker(still: World) -> Caller:
    caller = Caller(still)
    caller.created()
    return caller


@pytest.fixture(scope="module")
def bob(still: World) -> Caller:
    return Caller(still)


def each(name: str, values: Sequence[object]) -> list[dict[str, object]]:
    """One field with each of the values in turn."""
    return [{name: value} for value in values]


def refused(answer: Answer, text: str) -> None:
    assert (answer.status, answer.json) == (400, {"error": text})


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "OPTIONS"])
@pytest.mark.parametrize(
    ("ref", "shown"),
    [(NOBODY, NOBODY), ("x", "x"), ("%00", "\0"), ("a%2Fb", "a/b"), ("a%252Fb", "a%2Fb"), ("..", ".."), ("é", "é")],
)
def test_5_3_5_9_5_10_5_11_an_unknown_id_is_400_with_the_id(asker: Caller, method: str, ref: str, shown: str) -> None:
    refused(asker.send(method, f"/jobs/{ref}", body=JOB if method == "PUT" else b""), f"Job not found: {shown}")


ONE_OF = (
    'Require at least one of following parameters in "trigger_params": '
    "['month', 'day', 'hour', 'minute', 'day_of_week']"
)


ONE_INTERVAL = 'Require the parameter "interval" in "trigger_params".'


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        pytest.param({"name": None}, "Require this parameter: name", id="no name"),
        pytest.param({"name": ""}, "Require this parameter: name", id="an empty name"),
        pytest.param({"job_class_string": None}, "Require this parameter: job_class_string", id="no class"),
        pytest.param({"trigger": None}, "Require this parameter: trigger", id="parameters of no trigger"),
        pytest.param({"trigger": None, "trigger_params": None}, "Require this parameter: trigger", id="no trigger"),
        pytest.param({"trigger_params": None}, "Require this parameter: trigger_params", id="no parameters"),
        pytest.param({"trigger_params": {}}, ONE_OF, id="cron without a field"),
        pytest.param({"trigger_params": {"minute": None}}, ONE_OF, id="cron with null alone"),
        pytest.param({"trigger_params": {"week": 1, "second": 5}}, ONE_OF, id="cron with none of the five"),
        pytest.param({"trigger": "interval", "trigger_params": {}}, ONE_INTERVAL, id="interval without one"),
        pytest.param({"trigger": "interval", "trigger_params": {"interval": None}}, ONE_INTERVAL, id="interval null"),
        pytest.param({"trigger": "interval"}, ONE_INTERVAL, id="interval with a minute"),
    ],
)
@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_5_4_5_9_what_is_missing_is_told_in_the_originals_words(
    asker: Caller, method: str, changes: dict[str, Any], text: str
) -> None:
    job_id, before = asker.job().ref.job_id, asker.jobs()
    refused(asker.create(**changes) if method == "POST" else asker.put(job_id, **changes), text)
    assert asker.jobs() == before


def test_5_5_the_old_flat_body_needs_one_of_the_five(asker: Caller) -> None:
    refused(asker.create(trigger=None, trigger_params=None, week=3), ONE_OF)


@pytest.mark.parametrize(
    "params",
    [
        *each("minute", ["61", "60", "-1", -1, "", "?", "10-5", "R", "H", "a", "*/0", "5 10", "٣"]),
        *each("minute", [[], {}, True, 1.5, "1," * 200, 10**300, "0\0", "\ud800", " "]),
        *each("day_of_week", ["7", 7, "sun-tue", "monday", "mon#1", "L"]),
        {"day": 30, "month": 2},
        {"month": 1, "year": 2020},
        {"minutes": 5, "hour": 1},
        {"minute": 1, "timezone": "Europe/Berlin"},
    ],
    ids=repr,
)
def test_5_6_5_21_cron_that_is_refused(asker: Caller, params: dict[str, Any]) -> None:
    answer = asker.create(trigger_params=params)
    assert (answer.status, [*answer.json], len(asker.jobs())) == (400, ["error"], 1)
    assert answer.json["error"].startswith("incorrect parameters: ")


@pytest.mark.parametrize(
    "changes",
    [
        *each("trigger", ["weekly", "CRON", "", 7, True, [], {}, ["cron"]]),
        *each("trigger_params", ["minute", 5, True, ["minute"], [["minute", "1"]]]),
        *each("name", [7, True, [], {"a": 1}, "n" * 256, "\ud800"]),
        *each("job_class_string", [7, [], {}, "c" * 256, "\udfff"]),
        *each("pub_args", ["arg1", 7, True, {"arg1": 1}, ["x" * 33_000], ["é" * 6_000]]),
        {"more": "x" * 33_000},
    ],
    ids=lambda changes: repr(changes)[:40],
)
@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_5_6_5_9_fields_that_are_refused(asker: Caller, method: str, changes: dict[str, Any]) -> None:
    job_id, before = asker.job().ref.job_id, asker.jobs()
    answer = asker.create(**changes) if method == "POST" else asker.put(job_id, **changes)
    assert (answer.status, [*answer.json], asker.jobs()) == (400, ["error"], before)
    assert answer.json["error"].startswith("incorrect parameters: ")


@pytest.mark.parametrize(
    "body",
    [
        *("", "{", "[]", "7", "null", '"x"', "{}{}", "{'name': 1}", '{"name": 1, "name": 2}', "\0", "name=x&minute=1"),
        *(
            '{"pub_args": [NaN]}',
            '{"pub_args": [1e999]}',
            '{"pub_args": [-Infinity]}',
            b"\xff\xfe{}",
            b'{"name": "\xff"}',
        ),
        json.dumps(JOB | {"pub_args": "@"}).replace('"@"', "[" * 100_000 + "]" * 100_000),
        json.dumps(JOB | {"pub_args": "@"}).replace('"@"', "[" * 40 + "]" * 40),
        json.dumps(JOB | {"deep": "@"}).replace('"@"', '{"a":' * 40 + "1" + "}" * 40),
        json.dumps(JOB | {"pub_args": "@"}).replace('"@"', f"[{'9' * 5000}]"),
        json.dumps(JOB | {"pub_args": ["x" * 2_000_000]}),
    ],
    ids=lambda body: repr(body)[:30],
)
@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_5_6_bodies_that_are_no_job(asker: Caller, method: str, body: str | bytes) -> None:
    job_id, before = asker.job().ref.job_id, asker.jobs()
    answer = asker.send(method, "/jobs" if method == "POST" else f"/jobs/{job_id}", body=body)
    assert (answer.status, [*answer.json], asker.jobs()) == (400, ["error"], before)


@pytest.mark.parametrize("content_type", [FORM, "text/plain", "application/xml", "", "multipart/form-data"])
def test_5_6_a_body_that_is_not_sent_as_json_is_refused(asker: Caller, content_type: str) -> None:
    headers = [typed(content_type)] if content_type else []
    answer = asker.send("POST", "/jobs", body=JOB, headers=headers)
    refused(answer, "incorrect parameters: Content-Type must be application/json")
    assert len(asker.jobs()) == 1


@pytest.mark.parametrize(
    "params",
    [
        *each("run_date", ["2026-11-22T11:00:00Z", "tomorrow", "", 7, True, [], "2026-11-31T00:00:00"]),
        {"run_date": "2026-11-22T14:00:00", "timezone": "Europe/Berlin"},
        {"date": "2026-11-22T14:00:00"},
        {},
    ],
    ids=repr,
)
def test_5_7_dates_that_are_refused(asker: Caller, params: dict[str, Any]) -> None:
    answer = asker.create(trigger="date", trigger_params=params)
    assert (answer.status, [*answer.json], len(asker.jobs())) == (400, ["error"], 1)


@pytest.mark.parametrize(
    "sent", [0, -1, "0", "", "x", "1.5", 1.5, 0.5, True, [], {}, "1_0", "٣", 10**11, 10**300, "9" * 11, 1e300], ids=repr
)
def test_5_22_intervals_that_are_refused(asker: Caller, sent: object) -> None:
    answer = asker.create(trigger="interval", trigger_params={"interval": sent})
    assert (answer.status, len(asker.jobs())) == (400, 1)
    assert answer.json["error"].startswith("incorrect parameters: interval must be a whole number of seconds")


def test_5_22_an_interval_has_no_other_parameters(asker: Caller) -> None:
    answer = asker.create(trigger="interval", trigger_params={"interval": 5, "minutes": 1})
    refused(answer, "incorrect parameters: minutes is no parameter of this trigger: it has interval alone")


@pytest.mark.parametrize(
    "extra", [{"id": 1}, {"argument2": 2}, {"month": 1}, {"job_id": NOBODY}, {"job_id": 7}], ids=repr
)
def test_5_9_any_other_field_of_an_update_is_refused(asker: Caller, extra: dict[str, Any]) -> None:
    job_id, before = asker.job().ref.job_id, asker.jobs()
    refused(asker.put(job_id, **extra), f"incorrect parameters: {next(iter(extra))} cannot be modified")
    assert asker.jobs() == before


def test_5_9_a_trigger_that_never_fires_is_refused_and_the_job_goes_on(asker: Caller) -> None:
    job_id = asker.job().ref.job_id
    refused(asker.put(job_id, trigger_params={"day": 30, "month": 2}), "incorrect parameters: the schedule never fires")
    assert asker.shown(job_id)["next_run_time"] == "2026-11-22T12:01:00+00:00"


@pytest.mark.parametrize("version", ["v1", "v2"])
@pytest.mark.parametrize("preflight", [False, True])
@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/jobs", "GET, POST, OPTIONS"),
        ("/jobs/", "GET, POST, OPTIONS"),
        ("/executions", "GET, POST, OPTIONS"),
        (f"/executions/{NOBODY}", "GET, POST, DELETE, OPTIONS"),
        ("/executions/jobs", "GET, POST, DELETE, OPTIONS"),
        ("/logs", "GET, OPTIONS"),
    ],
)
def test_5_11_6_3_options_where_there_is_nothing_to_resume(
    asker: Caller, version: str, path: str, allowed: str, *, preflight: bool
) -> None:
    headers = PREFLIGHT if preflight else ()
    answer = asker.client.send("OPTIONS", f"/api/{version}{path}", headers=headers)
    assert (answer.status, answer.body, answer.headers["allow"]) == (204, "", allowed)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        *((method, "/jobs", "GET, POST, OPTIONS") for method in ("HEAD", "PUT", "DELETE", "PATCH")),
        *((method, f"/jobs/{NOBODY}", "GET, PUT, DELETE, PATCH, OPTIONS") for method in ("HEAD", "POST")),
        *((method, "/logs/", "GET, OPTIONS") for method in ("HEAD", "POST", "PUT")),
    ],
)
def test_5_19_a_wrong_method_is_405_in_json(asker: Caller, method: str, path: str, allowed: str) -> None:
    answer = asker.send(method, path)
    assert (answer.status, answer.headers["allow"]) == (405, allowed)
    assert answer.json == {"error": f"Method not allowed; use {allowed}"}


CALLS = [
    *(("GET", "/jobs"), ("POST", "/jobs"), ("GET", f"/jobs/{NOBODY}"), ("PUT", f"/jobs/{NOBODY}")),
    *(("DELETE", f"/jobs/{NOBODY}"), ("PATCH", f"/jobs/{NOBODY}"), ("OPTIONS", f"/jobs/{NOBODY}")),
    *(("GET", "/executions"), ("POST", "/executions"), ("GET", f"/executions/{NOBODY}"), ("GET", "/logs")),
    *(("POST", f"/executions/{NOBODY}"), ("DELETE", f"/executions/{NOBODY}")),
]


@pytest.mark.parametrize(("method", "path"), CALLS)
def test_5_27_every_call_needs_a_key_and_its_secret(asker: Caller, bob: Caller, method: str, path: str) -> None:
    alice, before = asker, (asker.jobs(), asker.executions(), asker.logs())
    wrong = [
        [],
        [basic(alice.principal.key, "wrong")],
        [basic(alice.principal.key, bob.secret.reveal())],
        [basic("nobody", alice.secret.reveal())],
        [basic(alice.principal.key, "")],
        [("Authorization", "Basic é")],
        [("Authorization", f"Bearer {alice.secret.reveal()}")],
        [alice.credentials, bob.credentials],
    ]
    for headers in wrong:
        sent = json.dumps(JOB) if method in {"POST", "PUT"} else ""
        answer = alice.client.send(method, f"/api/v1{path}", headers=[*headers, *JSON_TYPE], body=sent)
        assert (answer.status, answer.json) == (401, {"error": "Unknown API key or wrong secret"})
        assert answer.headers["www-authenticate"] == 'Basic realm="ndscheduler"'
    assert (asker.jobs(), asker.executions(), asker.logs()) == before
