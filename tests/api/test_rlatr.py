"""rlatr, row by row of its protocol (numbers as in section 2), seen from outside: requests, receivers, the store.

Source: seeds/001.
"""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from chalicelib.api.dialects import rlatr
from chalicelib.scheduling.address import AddressPolicy, Reach
from chalicelib.scheduling.errors import Unavailable
from chalicelib.scheduling.execution import ExecutionState, Outcome, OutcomeKind
from chalicelib.scheduling.job import Job, JobState
from chalicelib.scheduling.target import Signing, Webhook
from chalicelib.signing import url_secret_sha1
from tests.api.client import FORM, Answer, Client, Headers, basic, form, typed
from tests.fakes import BROKEN, OK
from tests.world import START, World

FORM_TYPE = (typed(FORM),)
SCHEDULE = "/api/v1ish/schedule"
URI = "http://myapp.com/do/something"
CALLBACK = "http://myapp.com/handle/callback"
CHICAGO = timezone(timedelta(hours=-5))
TIMED_OUT = Outcome(kind=OutcomeKind.TIMED_OUT, took=timedelta(seconds=30), detail="no answer in time")
REFUSED = {"fail": {"errors": ["Invalid API key or secret"]}}
UNKNOWN = {"fail": {"errors": ["Job not found"]}}
COMPLETED = {"fail": {"errors": ["Request has already been completed"]}}


def at(**later: float) -> str:
    """A time as the seed writes it: with its offset, no fraction."""
    return (START + timedelta(**later)).astimezone(CHICAGO).isoformat()


class Caller:
    """One account of rlatr."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.client = Client(lambda: world.services, rlatr.DIALECT)
        self.principal, self.secret = world.open_account()
        self.credentials = basic(self.principal.key, self.secret.reveal())

    def send(self, method: str, path: str = "", *, body: str = "", headers: Headers = FORM_TYPE) -> Answer:
        return self.client.send(method, SCHEDULE + path, headers=[self.credentials, *headers], body=body)

    def post(self, fields: Mapping[str, str]) -> Answer:
        return self.send("POST", body=form(fields))

    def put(self, job_id: int, fields: Mapping[str, str]) -> Answer:
        return self.send("PUT", f"/{job_id}", body=form(fields))

    def created(self, **fields: str) -> int:
        answer = self.post({"uri": URI, "at": at(seconds=5), **fields})
        assert answer.status == 200, answer.body
        job_id = answer.json["success"]["id"]
        assert isinstance(job_id, int)
        return job_id

    def jobs(self) -> list[Job]:
        return list(self.world.services.jobs.list(self.principal.account_id, "rlatr"))

    def job(self) -> Job:
        [job] = self.jobs()
        return job

    def webhook(self) -> Webhook:
        target = self.job().definition.target
        assert isinstance(target, Webhook)
        return target


@pytest.fixture
def caller(world: World) -> Caller:
    return Caller(world)


@pytest.fixture
def asker(still: World) -> Caller:
    """Where no time passes: for what is answered at once."""
    return Caller(still)


def sent(world: World) -> list[tuple[str, float]]:
    """Every request that was sent: its URL, and when, in seconds from the start."""
    return [(call.webhook.url, (call.timestamp - START).total_seconds()) for call in world.receiver.calls]


def failing(world: World, *outcomes: Outcome) -> None:
    """The scheduled request ends with each of the outcomes in turn, then well; callbacks are always taken."""
    waiting = list(outcomes)
    world.receiver.answers = lambda webhook: waiting.pop(0) if webhook.url == URI and waiting else OK


def test_seed_example_create_with_curl(asker: Caller) -> None:
    answer = asker.send("POST", body=f"at={at(seconds=5)}&uri=http%3A%2F%2Fmyapp.com%2Fdo%2Fsomething")
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    assert answer.json == {"success": {"id": int(asker.job().ref.job_id)}}
    assert (asker.webhook().url, asker.webhook().method, asker.webhook().body) == (URI, "GET", b"")
    assert asker.job().standing.due_at == START + timedelta(seconds=5)


def test_seed_example_update_with_method_alone(asker: Caller) -> None:
    job_id = asker.created(callback_uri=CALLBACK)
    before = asker.job()
    answer = asker.send("PUT", f"/{job_id}", body="method=post")
    assert (answer.status, answer.json) == (200, {"success": {"id": job_id}})
    assert (asker.webhook().url, asker.webhook().method) == (URI, "POST")
    assert (asker.job().standing, asker.job().definition.callback) == (before.standing, before.definition.callback)


def test_seed_example_delete(caller: Caller) -> None:
    job_id = caller.created()
    answer = caller.send("DELETE", f"/{job_id}", headers=())
    assert (answer.status, answer.json) == (200, {"success": {"id": job_id}})
    caller.world.let_pass(minutes=2)
    assert (caller.jobs(), caller.world.receiver.calls) == ([], [])


def test_seed_example_callback_with_curl(asker: Caller) -> None:
    asker.send(
        "POST",
        body=f"at={at(seconds=5)}&callback_uri=http%3A%2F%2Fmyapp.com%2Fhandle%2Fcallback"
        "&uri=http%3A%2F%2Fmyapp.com%2Fdo%2Fsomething",
    )
    callback = asker.job().definition.callback
    assert callback
    assert callback.url == CALLBACK


@pytest.mark.parametrize("path", ["/api/v1/schedule", "/api/v2/schedule", "/api/schedule", "/api/V1ISH/schedule"])
def test_2_1_only_v1ish_is_served_and_other_versions_are_no_route_of_ours(asker: Caller, path: str) -> None:
    answer = asker.client.send("POST", path, headers=[asker.credentials, typed(FORM)], body=f"at={at(days=1)}")
    assert (answer.status, asker.jobs()) == (403, [])


def test_2_1_a_trailing_slash_is_forgiven(asker: Caller) -> None:
    answer = asker.send("POST", "/", body=form({"uri": URI, "at": at(days=1)}))
    job_id = answer.json["success"]["id"]
    assert asker.send("DELETE", f"/{job_id}/").json == {"success": {"id": job_id}}


@pytest.mark.parametrize(
    "credentials",
    [
        pytest.param(lambda _key, _secret: None, id="none at all"),
        pytest.param(lambda key, _secret: basic(key, "wrong"), id="a wrong secret"),
        pytest.param(lambda key, _secret: basic(key, ""), id="an empty secret"),
        pytest.param(lambda _key, secret: basic("unknown", secret), id="an unknown key"),
        pytest.param(lambda key, secret: basic(secret, key), id="key and secret the wrong way round"),
        pytest.param(lambda key, secret: basic(key.upper(), secret), id="the key in upper case"),
        pytest.param(lambda key, secret: basic(key, secret + "\n"), id="a newline after the secret"),
        pytest.param(lambda key, secret: basic(key, secret + "é"), id="a secret that is not ASCII"),
        pytest.param(lambda key, _secret: basic(f"{key}\0", "x"), id="a NUL in the key"),
        pytest.param(lambda key, secret: ("Authorization", f"Bearer {key}:{secret}"), id="another scheme"),
        pytest.param(lambda key, secret: ("Authorization", f"Basic {key}:{secret}"), id="not encoded"),
        pytest.param(lambda _key, _secret: ("Authorization", "Basic é"), id="a header that is not ASCII"),
        pytest.param(lambda _key, _secret: ("Authorization", "Basic " + "A" * 1_000_000), id="a header of 1 MB"),
    ],
)
@pytest.mark.parametrize(("method", "path"), [("POST", ""), ("PUT", "/4503599627370497"), ("DELETE", "/1")])
def test_2_2_credentials_that_do_not_hold_are_refused_in_one_way(
    asker: Caller, credentials: Any, method: str, path: str
) -> None:
    header = credentials(asker.principal.key, asker.secret.reveal())
    headers = [header, typed(FORM)] if header else [typed(FORM)]
    answer = asker.client.send(method, SCHEDULE + path, headers=headers, body=f"uri={URI}&at={at(seconds=9)}")
    assert (answer.status, answer.json) == (401, REFUSED)
    assert answer.headers["www-authenticate"] == 'Basic realm="rlatr"'
    assert asker.jobs() == []


def test_2_2_two_authorization_headers_are_no_choice_of_ours(asker: Caller) -> None:
    answer = asker.send("POST", body=form({"uri": URI, "at": at(days=1)}), headers=[asker.credentials, typed(FORM)])
    assert (answer.status, asker.jobs()) == (401, [])


def test_2_4_ids_are_integers_of_53_bits_that_do_not_count_up(asker: Caller) -> None:
    ids = [asker.created(at=at(days=1)) for _ in range(8)]
    assert {job_id.bit_length() for job_id in ids} == {53}
    assert ids != sorted(ids)
    assert json.loads(json.dumps(ids), parse_int=float) == ids


@pytest.mark.parametrize(
    ("query", "body", "content_type"),
    [
        pytest.param("", "uri=http://myapp.com/do/something&at={at}", FORM, id="a form"),
        pytest.param("", "uri=http://myapp.com/do/something&at={at}", "", id="a form without a content type"),
        pytest.param("", '{"uri": "http://myapp.com/do/something", "at": "{at}"}', "application/json", id="JSON"),
        pytest.param(
            "", '{"uri": "http://myapp.com/do/something", "at": "{at}"}', "Application/JSON; charset=UTF-8", id="JSON 2"
        ),
        pytest.param(
            "",
            '{"uri": "http://myapp.com/do/something", "at": "{at}", "method": null, "callback_uri": null}',
            "application/json",
            id="JSON with nulls for what is optional",
        ),
        pytest.param("?uri=http%3A%2F%2Fmyapp.com%2Fdo%2Fsomething&at={at}", "", "", id="the query string"),
        pytest.param("?at={at}", "uri=http://myapp.com/do/something", FORM, id="some in the query, some in a form"),
        pytest.param("?uri=http://loser.example", "uri=http://myapp.com/do/something&at={at}", FORM, id="body first"),
        pytest.param("", "uri=http://myapp.com/do/something&at={at}&method=&callback_uri=", FORM, id="empty options"),
    ],
)
def test_2_5_fields_come_as_a_form_as_json_or_in_the_query(
    asker: Caller, query: str, body: str, content_type: str
) -> None:
    headers = [typed(content_type)] if content_type else []
    when = at(hours=1)
    answer = asker.send("POST", query.replace("{at}", when), body=body.replace("{at}", when), headers=headers)
    assert answer.status == 200, answer.body
    assert (asker.webhook().url, asker.webhook().method, asker.job().definition.callback) == (URI, "GET", None)
    assert asker.job().standing.due_at == START + timedelta(hours=1)


@pytest.mark.parametrize(
    ("fields", "errors"),
    [
        pytest.param({}, ["uri is required", "at is required"], id="nothing"),
        pytest.param({"uri": "", "at": ""}, ["uri is required", "at is required"], id="empty fields"),
        pytest.param({"uri": URI}, ["at is required"], id="no time"),
        pytest.param(
            {"uri": "ftp://myapp.com", "at": "tomorrow", "method": "TRACE", "callback_uri": "nowhere"},
            [
                "uri must begin with http:// or https://",
                "at must be an ISO 8601 date and time, such as 2026-07-26T20:34:56-05:00",
                "method must be one of GET, HEAD, POST, PUT, PATCH, DELETE",
                "callback_uri must begin with http:// or https://",
            ],
            id="everything wrong",
        ),
        pytest.param(
            {"at": "2011-07-26T20:34:56-05:00"}, ["uri is required", "at must be in the future"], id="one of each kind"
        ),
    ],
)
def test_2_5_all_errors_are_told_at_once_and_nothing_is_kept(
    asker: Caller, fields: Mapping[str, str], errors: list[str]
) -> None:
    answer = asker.post(fields)
    assert (answer.status, answer.json, asker.jobs()) == (400, {"fail": {"errors": errors}}, [])


@pytest.mark.parametrize(
    ("fields", "changes"),
    [
        pytest.param({"method": "DELETE"}, {"method": "DELETE"}, id="method"),
        pytest.param({"method": "dElEtE"}, {"method": "DELETE"}, id="method in any case"),
        pytest.param({"uri": "https://other.example/?q=a%20b"}, {"url": "https://other.example/?q=a%20b"}, id="uri"),
    ],
)
def test_2_6_an_update_changes_what_it_sends(asker: Caller, fields: dict[str, str], changes: dict[str, str]) -> None:
    job_id = asker.created(at=at(hours=1))
    before = asker.job()
    assert asker.put(job_id, fields).json == {"success": {"id": job_id}}
    webhook = asker.webhook()
    assert {name: getattr(webhook, name) for name in changes} == changes
    assert asker.job().standing == before.standing


def test_2_6_an_update_of_the_time_moves_the_firing(caller: Caller) -> None:
    job_id = caller.created()
    assert caller.put(job_id, {"at": at(seconds=50)}).status == 200
    caller.world.let_pass(minutes=3)
    assert sent(caller.world) == [(URI, 50)]


def test_2_6_an_update_may_send_everything_as_json(caller: Caller) -> None:
    job_id = caller.created()
    document = {"uri": "http://b.example/", "at": at(minutes=9), "method": "put", "callback_uri": CALLBACK}
    answer = caller.send("PUT", f"/{job_id}", body=json.dumps(document), headers=[typed("application/json")])
    assert answer.status == 200
    caller.world.let_pass(minutes=10)
    assert sent(caller.world) == [("http://b.example/", 540), (CALLBACK, 540)]


def test_2_6_an_empty_callback_takes_it_away(caller: Caller) -> None:
    job_id = caller.created(callback_uri=CALLBACK)
    assert caller.put(job_id, {"callback_uri": ""}).status == 200
    caller.world.let_pass(minutes=1)
    assert sent(caller.world) == [(URI, 5)]


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        pytest.param("", FORM, id="empty"),
        pytest.param("method=", FORM, id="an empty field"),
        pytest.param("colour=blue", FORM, id="a field that is not there"),
        pytest.param('{"method": "post"}', FORM, id="JSON sent as a form, as curl -d does"),
        pytest.param("{}", "application/json", id="an empty object"),
        pytest.param('{"id": 7, "state": "finished"}', "application/json", id="fields that are not the caller's"),
    ],
)
def test_2_6_an_update_that_changes_nothing_is_refused(asker: Caller, body: str, content_type: str) -> None:
    job_id = asker.created()
    before = asker.job()
    answer = asker.send("PUT", f"/{job_id}", body=body, headers=[typed(content_type)])
    errors = ["Nothing to change: send one of uri, at, method, callback_uri"]
    assert (answer.status, answer.json) == (400, {"fail": {"errors": errors}})
    assert asker.job() == before


def test_2_6_an_update_with_errors_tells_them_all_and_changes_nothing(asker: Caller) -> None:
    job_id = asker.created()
    before = asker.job()
    answer = asker.put(job_id, {"uri": "http://10.0.0.1/", "method": "TRACE", "callback_uri": CALLBACK})
    assert (answer.status, len(answer.json["fail"]["errors"])) == (400, 2)
    assert asker.job() == before


def test_2_7_deleted_twice_is_not_found(asker: Caller) -> None:
    job_id = asker.created()
    assert [asker.send("DELETE", f"/{job_id}").status for _ in range(2)] == [200, 404]


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
@pytest.mark.parametrize("outcomes", [pytest.param([], id="success"), pytest.param([BROKEN] * 4, id="failure")])
def test_2_8_a_completed_request_can_neither_be_changed_nor_deleted(
    caller: Caller, method: str, outcomes: list[Outcome]
) -> None:
    failing(caller.world, *outcomes)
    job_id = caller.created()
    caller.world.let_pass(minutes=15)
    before, calls = caller.job(), len(caller.world.receiver.calls)
    answer = caller.send(method, f"/{job_id}", body=form({"at": at(minutes=17)}))
    assert (answer.status, answer.json) == (400, COMPLETED)
    caller.world.let_pass(minutes=5)
    assert (caller.job(), len(caller.world.receiver.calls)) == (before, calls)


def test_2_8_while_a_retry_waits_a_request_can_be_changed(caller: Caller) -> None:
    failing(caller.world, BROKEN)
    job_id = caller.created()
    caller.world.let_pass(seconds=10)
    assert caller.put(job_id, {"method": "post"}).status == 200
    caller.world.let_pass(minutes=1)
    methods = [(call.webhook.method, (call.timestamp - START).seconds) for call in caller.world.receiver.calls]
    assert methods == [("GET", 5), ("POST", 15)]


def test_2_8_while_a_retry_waits_a_request_can_be_deleted(caller: Caller) -> None:
    failing(caller.world, *[BROKEN] * 9)
    job_id = caller.created(callback_uri=CALLBACK)
    caller.world.let_pass(seconds=10)
    assert caller.send("DELETE", f"/{job_id}").status == 200
    caller.world.let_pass(minutes=15)
    assert sent(caller.world) == [(URI, 5)]


def test_2_8_a_new_time_while_a_retry_waits_starts_the_attempts_anew(caller: Caller) -> None:
    failing(caller.world, *[BROKEN] * 9)
    job_id = caller.created()
    caller.world.let_pass(seconds=20)
    assert sent(caller.world) == [(URI, 5), (URI, 15)]
    assert caller.put(job_id, {"at": at(minutes=5)}).status == 200
    caller.world.let_pass(minutes=30)
    again = [when for _, when in sent(caller.world)[2:]]
    assert again == [300, 310, 370, 970]
    cancelled, last = caller.world.executions(caller.job())
    assert (cancelled.state, len(cancelled.attempts)) == (ExecutionState.CANCELLED, 2)
    assert (last.state, len(last.attempts)) == (ExecutionState.FAILED, 4)


def test_2_8_t59_a_new_time_while_an_attempt_is_under_way_ends_that_firing(caller: Caller) -> None:
    job_id = caller.created(callback_uri=CALLBACK)
    edits: list[int] = []

    def edited_while_it_is_sent(webhook: Webhook) -> Outcome:
        if webhook.url == CALLBACK:
            return OK
        if not edits:
            edits.append(caller.put(job_id, {"at": at(minutes=5)}).status)
        return BROKEN

    caller.world.receiver.answers = edited_while_it_is_sent
    caller.world.let_pass(minutes=18)
    assert edits == [200]
    assert sent(caller.world) == [(URI, 5), (URI, 300), (URI, 310), (URI, 370), (URI, 970), (CALLBACK, 970)]


@pytest.mark.parametrize("minutes", [0, 3], ids=["within the grace", "after the grace"])
def test_2_8_t59_the_same_time_again_neither_starts_anew_nor_is_too_late(caller: Caller, minutes: int) -> None:
    failing(caller.world, *[BROKEN] * 9)
    job_id = caller.created()
    caller.world.let_pass(seconds=10, minutes=minutes)
    assert caller.put(job_id, {"at": at(seconds=5), "uri": URI, "method": "put"}).json == {"success": {"id": job_id}}
    caller.world.let_pass(minutes=15)
    assert [when for _, when in sent(caller.world)] == [5, 15, 75, 675]
    [execution] = caller.world.executions(caller.job())
    assert len(execution.attempts) == 4


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
@pytest.mark.parametrize(
    "ref", ["4503599627370497", "1", "007", "-1", "abc", "%00", "%2e%2e", "1%2F2", "9" * 65, "9" * 3000, "١٢٣", "+1"]
)
def test_2_8_an_unknown_id_is_not_found(asker: Caller, method: str, ref: str) -> None:
    asker.created()
    answer = asker.send(method, f"/{ref}", body="method=post")
    assert (answer.status, answer.json) == (404, UNKNOWN)


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_2_8_t13_anothers_id_is_answered_like_an_unknown_one(still: World, method: str) -> None:
    owner, stranger = Caller(still), Caller(still)
    job_id, before = owner.created(), owner.job()
    theirs = stranger.send(method, f"/{job_id}", body="method=post")
    nobodys = stranger.send(method, f"/{job_id ^ 1}", body="method=post")
    assert (theirs.status, theirs.body, theirs.headers) == (404, nobodys.body, nobodys.headers)
    assert (owner.job(), stranger.jobs()) == (before, [])


def test_2_8_a_job_of_another_api_is_not_found(asker: Caller) -> None:
    asker.world.a_job(owner=asker.principal, job_id="4503599627370497")
    answer = asker.send("DELETE", "/4503599627370497")
    assert (answer.status, answer.json) == (404, UNKNOWN)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        *((method, "", "POST") for method in ("GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS")),
        *((method, "/1", "PUT, DELETE") for method in ("GET", "HEAD", "POST", "PATCH", "OPTIONS")),
    ],
)
def test_2_9_other_methods_are_refused_in_the_dialects_shape(
    asker: Caller, method: str, path: str, allowed: str
) -> None:
    answer = asker.send(method, path)
    assert (answer.status, answer.headers["allow"]) == (405, allowed)
    assert answer.json == {"fail": {"errors": [f"Method not allowed; use {allowed}"]}}


@pytest.mark.parametrize(
    ("text", "due"),
    [
        pytest.param("2026-11-22T07:01:00-05:00", "2026-11-22T12:01:00+00:00", id="an offset"),
        pytest.param("2026-11-22T14:01:00+02:00", "2026-11-22T12:01:00+00:00", id="a plus that a form makes a space"),
        pytest.param("2026-11-22T14:01:00%2B02:00", "2026-11-22T12:01:00+00:00", id="a plus that was encoded"),
        pytest.param("2026-11-22T14:01:00+0200", "2026-11-22T12:01:00+00:00", id="an offset without a colon"),
        pytest.param("2026-11-22T12:01:00", "2026-11-22T12:01:00+00:00", id="no offset is UTC"),
        pytest.param("2026-11-22T12:01:00Z", "2026-11-22T12:01:00+00:00", id="Z"),
        pytest.param("2026-11-22T12:01:00.250Z", "2026-11-22T12:01:00.250000+00:00", id="a fraction"),
        pytest.param("2026-11-22T11:59:30Z", "2026-11-22T11:59:30+00:00", id="a minute past, which runs now"),
    ],
)
def test_2_10_times_that_are_taken_fire_at_their_instant(caller: Caller, text: str, due: str) -> None:
    answer = caller.send("POST", body=f"uri={URI}&at={text}")
    assert answer.status == 200, answer.body
    assert caller.job().standing.due_at == datetime.fromisoformat(due)
    caller.world.let_pass(minutes=2)
    assert sent(caller.world) == [(URI, max((datetime.fromisoformat(due) - START).total_seconds(), 0))]


@pytest.mark.parametrize(
    "text",
    [
        *("2026-11-22T11:59:29Z", "2011-07-26T20:34:56-05:00", "0001-01-01T00:00:00Z", "tomorrow", "1800000000"),
        *("2026-11-31T12:00:00Z", "2026-11-22T24:00:00Z", "2026-12-31T23:59:60Z", "2026-W50-1T12:00:00Z", "2026-360"),
        *("9999-12-31T23:59:59-23:59", "2026-11-23T12:00:00%2B99:99", "2026-11-23", "%D9%A2026-11-23T12:00:00Z"),
        *("2026-11-23T12:00:00Z2026-11-24T12:00:00Z", "2026-11-23T12:00:00Z%00", "10000-01-01T00:00:00Z"),
    ],
)
def test_2_10_t32_times_that_are_refused(asker: Caller, text: str) -> None:
    answer = asker.send("POST", body=f"uri={URI}&at={text}")
    [error] = answer.json["fail"]["errors"]
    assert (answer.status, error.split(" ")[0], asker.jobs()) == (400, "at", [])


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "HEAD", "PATCH", "post"])
def test_2_11_each_method_is_sent_without_headers_and_without_a_body(caller: Caller, method: str) -> None:
    caller.created(method=method)
    caller.world.let_pass(seconds=10)
    [call] = caller.world.receiver.calls
    assert (call.webhook.method, call.webhook.headers, call.webhook.body) == (method.upper(), (), b"")


@pytest.mark.parametrize("method", ["OPTIONS", "CONNECT", "TRACE", "FETCH", " GET", "GET\r\nX: y"])
def test_2_11_other_methods_are_refused(asker: Caller, method: str) -> None:
    answer = asker.post({"uri": URI, "at": at(days=1), "method": method})
    errors = ["method must be one of GET, HEAD, POST, PUT, PATCH, DELETE"]
    assert (answer.status, answer.json, asker.jobs()) == (400, {"fail": {"errors": errors}}, [])


def test_2_12_four_attempts_10_seconds_1_minute_and_10_minutes_apart(caller: Caller) -> None:
    failing(caller.world, *[BROKEN] * 9)
    caller.created()
    caller.world.let_pass(minutes=30)
    assert sent(caller.world) == [(URI, 5), (URI, 15), (URI, 75), (URI, 675)]


@pytest.mark.parametrize(
    ("outcomes", "attempts"),
    [
        pytest.param([], 1, id="a success at once"),
        pytest.param([BROKEN], 2, id="an error of the server"),
        pytest.param([TIMED_OUT], 2, id="no answer in time"),
        pytest.param([BROKEN, TIMED_OUT, BROKEN], 4, id="a success at the last attempt"),
    ],
)
def test_2_13_what_fails_is_tried_again_until_it_succeeds(
    caller: Caller, outcomes: list[Outcome], attempts: int
) -> None:
    failing(caller.world, *outcomes)
    caller.created(callback_uri=CALLBACK)
    caller.world.let_pass(minutes=15)
    assert [url for url, _ in sent(caller.world)] == [URI] * attempts + [CALLBACK]
    assert json.loads(caller.world.receiver.calls[-1].webhook.body)["status"] == "success"


def test_2_14_each_attempt_is_logged_with_its_time_status_error_and_body(caller: Caller) -> None:
    failing(caller.world, BROKEN, TIMED_OUT)
    caller.created()
    caller.world.let_pass(minutes=5)
    [execution] = caller.world.executions(caller.job())
    logged = [
        (
            (one.sent_at - START).seconds,
            one.outcome.kind.value,
            one.outcome.status,
            one.outcome.detail,
            one.outcome.body,
        )
        for one in execution.attempts
    ]
    assert logged == [
        (5, "refused", 500, "", b"broken"),
        (15, "timed_out", None, "no answer in time", b""),
        (75, "delivered", 200, "", b"ok"),
    ]
    assert execution.state is ExecutionState.DELIVERED


@pytest.mark.parametrize(
    ("outcomes", "status", "when"),
    [
        pytest.param([], "success", 5, id="after a success"),
        pytest.param([BROKEN], "success", 15, id="after a success at the second attempt"),
        pytest.param([BROKEN] * 4, "failed", 675, id="after the last attempt"),
    ],
)
def test_2_15_the_callback_is_posted_once_after_the_last_attempt(
    caller: Caller, outcomes: list[Outcome], status: str, when: int
) -> None:
    failing(caller.world, *outcomes)
    job_id = caller.created(callback_uri=CALLBACK)
    caller.world.let_pass(minutes=15)
    [(call, sent_at)] = [
        (call, sent_at)
        for call, (url, sent_at) in zip(caller.world.receiver.calls, sent(caller.world), strict=True)
        if url == CALLBACK
    ]
    assert (call.webhook.method, call.webhook.content_type, sent_at) == ("POST", "application/json", when)
    assert call.webhook.body == b'{"status": "%s", "id": %d}' % (status.encode(), job_id)
    assert call.webhook.redirects == 0


def test_2_15_a_callback_that_fails_is_logged_and_not_repeated(caller: Caller) -> None:
    caller.world.receiver.answers = lambda webhook: OK if webhook.url == URI else BROKEN
    caller.created(callback_uri=CALLBACK)
    caller.world.let_pass(minutes=15)
    assert sent(caller.world) == [(URI, 5), (CALLBACK, 5)]
    [execution] = caller.world.executions(caller.job())
    assert execution.callback
    assert (execution.callback.status, execution.callback.body, execution.state) == (500, b"broken", "delivered")


def test_2_16_redirects_of_the_request_are_followed_five_times(asker: Caller) -> None:
    asker.created()
    assert asker.webhook().redirects == 5


def test_2_17_every_request_bears_the_signature_of_its_url_and_the_accounts_secret(caller: Caller) -> None:
    failing(caller.world, BROKEN)
    caller.created(uri=URI, callback_uri=CALLBACK)
    caller.world.let_pass(minutes=5)
    calls = caller.world.receiver.calls
    assert [(call.webhook.url, call.webhook.signing, call.secret) for call in calls] == [
        (URI, Signing.RLATR, caller.secret),
        (URI, Signing.RLATR, caller.secret),
        (CALLBACK, Signing.RLATR, caller.secret),
    ]


@pytest.mark.parametrize(
    "uri",
    [
        "http://MyApp.com/Do/./Something",
        "http://myapp.com",
        "http://myapp.com:8080/?a=%7e&b=é#part",
        "http://a.example/%",
    ],
)
def test_2_17_the_url_is_kept_exactly_as_supplied(caller: Caller, uri: str) -> None:
    caller.created(uri=uri, callback_uri=uri)
    caller.world.let_pass(minutes=1)
    assert [call.webhook.url for call in caller.world.receiver.calls] == [uri, uri]


def test_2_18_https_targets_are_taken(caller: Caller) -> None:
    caller.created(uri="https://myapp.com/x", callback_uri="https://myapp.com/y")
    caller.world.let_pass(minutes=1)
    assert [url for url, _ in sent(caller.world)] == ["https://myapp.com/x", "https://myapp.com/y"]


def test_2_19_the_seeds_own_signature_has_no_newline() -> None:
    assert url_secret_sha1(URI, "12345") == "ZriJ80klaSFl7aCc8U2Ndam4E4I="


@pytest.mark.parametrize("field", ["uri", "callback_uri"])
@pytest.mark.parametrize(
    "url",
    [
        *("ftp://a.example/", "file:///etc/passwd", "gopher://a.example/", "data:,x", "javascript:alert(1)"),
        *("http:", "//a.example/", "http:///x", "http://user:pw@a.example/", "http://host\\@evil/", "http://a\t.b/"),
        *(
            "http://a.example/\nHost: b",
            "http://" + "a" * 3000,
            "http://127.0.0.1/",
            "http://[::1]/",
            "http://localhost",
        ),
        *("http://169.254.169.254/latest", "http://2130706433/", "http://0x7f.1/", "http://a.example:25/"),
    ],
)
def test_t23_urls_that_no_webhook_may_have_are_refused_and_nothing_is_kept(asker: Caller, field: str, url: str) -> None:
    answer = asker.post({"uri": URI, "at": at(days=1)} | {field: url})
    [error] = answer.json["fail"]["errors"]
    assert (answer.status, error.split(" ")[0], asker.jobs()) == (400, field, [])


def test_t23_the_rules_are_those_of_the_deployment(caller: Caller) -> None:
    caller.world.with_rules(addresses=AddressPolicy(reach=Reach.LOCAL, own_hosts=frozenset({"api.example"})))
    assert caller.post({"uri": "http://127.0.0.1:9999/", "at": at(days=1)}).status == 200
    assert caller.post({"uri": "http://API.example/api/v1ish/schedule", "at": at(days=1)}).status == 400


def test_t17_fields_that_are_not_the_callers_are_ignored(asker: Caller) -> None:
    other, _ = asker.world.open_account()
    theirs = {"account": other.account_id, "key": other.key}
    ours = {"id": 7, "job_id": "7", "state": "finished", "next": at(seconds=1), "retry": [], "target": {"body": "x"}}
    document = {"uri": URI, "at": at(hours=1)} | theirs | ours
    answer = asker.send("POST", body=json.dumps(document), headers=[typed("application/json")])
    assert answer.status == 200, answer.body
    job = asker.job()
    assert (job.ref.account_id, job.definition.key) == (asker.principal.account_id, asker.principal.key)
    assert answer.json["success"]["id"] != 7
    assert (job.standing.state, job.standing.due_at) == (JobState.ACTIVE, START + timedelta(hours=1))
    assert asker.world.services.jobs.list(other.account_id, "rlatr") == []


def test_t17_an_update_moves_no_job_to_another_account(asker: Caller) -> None:
    other, _ = asker.world.open_account()
    job_id = asker.created()
    fields = {"method": "post", "account": other.account_id, "id": "7", "key": other.key, "state": "paused"}
    assert asker.put(job_id, fields).json == {"success": {"id": job_id}}
    job = asker.job()
    assert (job.ref.account_id, job.definition.key) == (asker.principal.account_id, asker.principal.key)
    assert asker.world.services.jobs.list(other.account_id, "rlatr") == []


def test_the_quota_is_told_in_the_dialects_words(caller: Caller) -> None:
    caller.world.with_rules(jobs_per_account=1)
    caller.created()
    answer = caller.post({"uri": URI, "at": at(days=1)})
    assert (answer.status, answer.json) == (403, {"fail": {"errors": ["An account may have 1 jobs"]}})


def test_t60_a_queue_that_is_down_is_told_and_nothing_is_kept(caller: Caller) -> None:
    caller.world.queue.down = True
    answer = caller.post({"uri": URI, "at": at(seconds=5)})
    assert (answer.status, answer.headers["retry-after"]) == (503, "5")
    assert answer.json == {"fail": {"errors": ["the queue is unavailable, try again"]}}
    assert caller.jobs() == []


def test_t60_a_key_service_that_is_down_is_told(caller: Caller) -> None:
    caller.world.clock.forward(minutes=6)
    caller.world.kms.down = True
    answer = caller.post({"uri": URI, "at": at(days=1)})
    assert (answer.status, answer.headers["retry-after"]) == (
        503,
        str(int(Unavailable("").retry_after.total_seconds())),
    )
    assert caller.jobs() == []


def test_the_furthest_time_there_is_can_be_asked_for(asker: Caller) -> None:
    answer = asker.post({"uri": URI, "at": "9999-12-31T23:59:59Z"})
    assert answer.status == 200, answer.body


def test_answers_are_not_to_be_kept(asker: Caller) -> None:
    assert asker.post({"uri": URI, "at": at(days=1)}).headers["cache-control"] == "no-store"
