"""Job Scheduler API, row by row of its protocol (numbers as in section 3), seen from outside: documents and firings.

The examples of its page, with their typing errors corrected, are in job_scheduler_caller.py; the creations in one line
are in test_job_scheduler_line.py, what is hostile in test_job_scheduler_hostile.py. Source: seeds/002.
"""

import json
import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from chalicelib.operations.accounts import add_key
from chalicelib.scheduling.execution import Outcome
from chalicelib.scheduling.job import Ending, JobState
from chalicelib.scheduling.retry import NEVER
from chalicelib.scheduling.schedule import Cron, Once, Spelling
from chalicelib.scheduling.target import Webhook
from tests.api.client import Headers, basic, typed
from tests.api.job_scheduler_caller import (
    CALLBACK,
    DAILY,
    JOBS,
    JSON,
    PAGE_TIME,
    RECURRING_ANSWER,
    RECURRING_ANSWER_XML,
    RECURRING_JSON,
    RECURRING_XML,
    SIGNATURE,
    SINGLE_ANSWER,
    SINGLE_ANSWER_XML,
    SINGLE_JSON,
    SINGLE_XML,
    TEXT,
    XML,
    Caller,
    accept,
    at,
    xml_of,
)
from tests.fakes import BROKEN, OK, FakeClock
from tests.world import START, World

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
NOT_FOUND = {"error": "Job not found"}


@pytest.fixture
def caller(world: World) -> Caller:
    return Caller(world)


@pytest.fixture(scope="module")
def owner(still: World) -> Caller:
    return Caller(still)


@pytest.fixture
def asker(owner: Caller) -> Iterator[Caller]:
    """Where no time passes: for what is answered at once. One account for all, left without jobs each time."""
    with owner.alone() as caller:
        yield caller


@pytest.fixture
def pager(still: World) -> Caller:
    """On the afternoon of the page's own examples."""
    return Caller(still, clock=FakeClock(PAGE_TIME))


@pytest.mark.parametrize("media", [JSON, XML, TEXT])
@pytest.mark.parametrize(
    ("request_type", "document", "answers"),
    [
        pytest.param(JSON, RECURRING_JSON, (RECURRING_ANSWER, RECURRING_ANSWER_XML), id="a recurring job in JSON"),
        pytest.param(JSON, SINGLE_JSON, (SINGLE_ANSWER, SINGLE_ANSWER_XML), id="a single job in JSON"),
        pytest.param(XML, RECURRING_XML, (RECURRING_ANSWER, RECURRING_ANSWER_XML), id="a recurring job in XML"),
        pytest.param(XML, SINGLE_XML, (SINGLE_ANSWER, SINGLE_ANSWER_XML), id="a single job in XML"),
        pytest.param("application/xml", SINGLE_XML, (SINGLE_ANSWER, SINGLE_ANSWER_XML), id="and as application/xml"),
    ],
)
def test_seed_examples_of_a_creation(
    pager: Caller, media: str, request_type: str, document: str, answers: tuple[str, str]
) -> None:
    answer = pager.send("POST", body=document, headers=[typed(request_type), accept(media)])
    job_id = pager.job().ref.job_id
    texts = {JSON: answers[0], XML: answers[1], TEXT: "{id}"}
    expected = {name: text.replace("{id}", job_id).replace("{account}", pager.name) for name, text in texts.items()}
    assert (answer.status, answer.headers["content-type"]) == (201, media)
    assert answer.headers["location"] == f"{JOBS}/{job_id}"
    if media == JSON:
        assert list(answer.json.items()) == list(json.loads(expected[JSON]).items())
    else:
        assert answer.body == expected[media]
    assert list(pager.get(job_id).json.items()) == list(json.loads(expected[JSON]).items())
    assert pager.get(job_id, media=XML).body == expected[XML]
    assert pager.webhook().url == CALLBACK


def test_seed_examples_of_a_list(caller: Caller) -> None:
    ids = [caller.created(when=at(minutes=5)) for _ in range(3) if caller.world.clock.forward(seconds=1)]
    listed = {media: caller.send("GET", headers=[accept(media)]) for media in (TEXT, JSON, XML)}
    assert listed[TEXT].body == ",".join(ids)
    assert listed[JSON].json == ids
    assert listed[XML].body == "<jobs>\n" + "".join(f"  <id>{one}</id>\n" for one in ids) + "</jobs>"


@pytest.mark.parametrize("user", ["name", "key"])
def test_3_1_the_user_is_the_accounts_name_or_a_key(asker: Caller, user: str) -> None:
    asker.credentials = basic(getattr(asker, user), asker.secret)
    job_id = asker.created()
    assert asker.get(job_id).json["account"] == asker.name
    assert asker.job().definition.key == asker.key


def test_3_1_any_key_of_the_account_opens_it_and_signs_what_it_makes(asker: Caller) -> None:
    second = add_key(asker.world.services, asker.account, "second")
    asker.credentials = basic(asker.name.upper(), second.secret.reveal())
    asker.created()
    assert asker.job().definition.key == second.key.key
    asker.credentials = basic(asker.key, second.secret.reveal())
    assert asker.send("GET").status == 401


def test_3_1_an_account_that_never_chose_a_name_is_named_by_its_id(asker: Caller) -> None:
    principal, secret = asker.world.open_account()
    asker.credentials = basic(principal.account_id, secret.reveal())
    job_id = asker.created()
    assert asker.get(job_id).json["account"] == principal.account_id


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param([], id="none"),
        pytest.param([basic("nobody", "x")], id="an unknown name"),
        pytest.param([basic(str(uuid.UUID(int=5)), "x")], id="an unknown key"),
        pytest.param([basic("no such/key", "x")], id="what can be no key"),
        pytest.param([basic("{name}", "wrong")], id="a wrong secret for a name"),
        pytest.param([basic("{key}", "wrong")], id="a wrong secret for a key"),
        pytest.param([basic("{name}", "")], id="no secret"),
        pytest.param([basic("ключ", "пароль")], id="another alphabet"),
        pytest.param([("Authorization", "Bearer x")], id="another scheme"),
        pytest.param([("Authorization", "Basic !")], id="no base64"),
        pytest.param([basic("a", "b"), basic("c", "d")], id="two headers"),
    ],
)
@pytest.mark.parametrize(
    ("method", "path"), [("GET", ""), ("POST", ""), ("GET", "/x"), ("PUT", "/x"), ("DELETE", "/x"), ("POST", "/x/y")]
)
def test_3_1_every_failure_has_the_same_answer(asker: Caller, headers: Headers, method: str, path: str) -> None:
    given = [
        basic(getattr(asker, kind), "wrong") if pair == basic(f"{{{kind}}}", "wrong") else pair
        for pair in headers
        for kind in ["key" if pair == basic("{key}", "wrong") else "name"]
    ]
    answer = asker.client.send(method, JOBS + path, headers=[*given, accept(JSON)], body="{}")
    assert (answer.status, answer.json) == (401, {"error": "Unknown user or wrong secret"})
    assert answer.headers["www-authenticate"] == 'Basic realm="job_scheduler"'


def test_3_1_two_tenants_never_meet(still: World) -> None:
    alice, bob = Caller(still), Caller(still)
    theirs = bob.created(data="theirs")
    before = bob.job()
    unknown = str(uuid.uuid4())
    for job_id in (theirs, unknown):
        assert (alice.get(job_id).status, alice.get(job_id).json) == (404, NOT_FOUND)
        answer = alice.put(job_id, {"url": CALLBACK, "cron": DAILY})
        assert (answer.status, answer.json) == (404, NOT_FOUND)
        answer = alice.send("DELETE", f"/{job_id}", headers=[accept(JSON)])
        assert (answer.status, answer.json) == (404, NOT_FOUND)
    assert (alice.ids(), bob.job()) == ([], before)


def test_3_2_ids_are_random_uuids_and_what_is_given_is_ignored(asker: Caller) -> None:
    other, _ = asker.world.open_account()
    job_id = asker.created(id=str(uuid.UUID(int=1)), account=other.account_id, next=at(minutes=1), key=other.key)
    assert (uuid.UUID(job_id).version, str(uuid.UUID(job_id))) == (4, job_id)
    shown = asker.get(job_id).json
    assert (shown["account"], "next" in shown) == (asker.name, False)
    assert asker.world.services.jobs.list(other.account_id, "job_scheduler") == []


@pytest.mark.parametrize("media", [JSON, XML])
@pytest.mark.parametrize(
    "fields",
    [
        {"cron": DAILY},
        {"when": at(hours=3), "data": "a", "contentType": "text/plain", "signature": "s"},
        {"when": at(hours=3), "data": " <a>&é\r\n\t😀 "},
    ],
)
def test_3_2_what_get_shows_can_be_put_back(asker: Caller, media: str, fields: dict[str, str]) -> None:
    job_id = asker.created(**fields)
    before, document = asker.job(), asker.get(job_id, media=media).body
    answer = asker.send("PUT", f"/{job_id}", body=document, headers=[typed(media), accept(media)])
    assert (answer.status, answer.body) == (200, document)
    after = asker.job()
    assert (after.definition.target, after.definition.echo) == (before.definition.target, before.definition.echo)
    assert after.standing == before.standing


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"url": CALLBACK}, "One of when and cron is required"),
        ({"url": CALLBACK, "when": "", "cron": " "}, "One of when and cron is required"),
        ({"url": CALLBACK, "when": at(days=1), "cron": DAILY}, "Only one of when and cron may be given"),
        ({"cron": DAILY}, "url is required"),
        ({"url": "", "cron": DAILY}, "url is required"),
        ({"url": None, "cron": DAILY}, "url is required"),
        ({"url": "ftp://a.example/", "cron": DAILY}, "url must begin with http:// or https://"),
        ({}, "url is required"),
    ],
)
def test_3_3_a_url_and_one_of_when_and_cron(asker: Caller, fields: dict[str, Any], error: str) -> None:
    answer = asker.post(fields)
    assert (answer.status, answer.json, asker.jobs()) == (400, {"error": error}, [])
    job_id = asker.created()
    before = asker.job()
    answer = asker.put(job_id, fields)
    assert (answer.status, answer.json, asker.job()) == (400, {"error": error}, before)


@pytest.mark.parametrize("letter", ["a", "é", "😀"])
def test_3_4_2048_bytes_of_data_are_taken_and_one_more_is_not(asker: Caller, letter: str) -> None:
    most = letter * (2048 // len(letter.encode()))
    job_id = asker.created(data=most)
    assert (asker.get(job_id).json["data"], xml_of(asker.get(job_id, media=XML).body)["data"]) == (most, most)
    answer = asker.post({"url": CALLBACK, "when": at(days=1), "data": most + "a"})
    assert (answer.status, answer.json) == (413, {"error": "data must have at most 2048 bytes"})
    assert asker.put(job_id, {"url": CALLBACK, "when": at(days=1), "data": most + "a"}).status == 413
    assert (asker.ids(), asker.webhook().body) == ([job_id], most.encode())


def test_3_5_when_fires_exactly_once_and_then_the_job_is_gone(caller: Caller) -> None:
    job_id = caller.created(when=at(minutes=2, seconds=7))
    job = caller.job()
    assert (job.definition.ending, job.definition.retry) == (Ending.PURGE, NEVER)
    caller.world.let_pass(minutes=30)
    [call] = caller.world.receiver.calls
    assert (call.webhook.url, call.timestamp) == (CALLBACK, START + timedelta(minutes=2, seconds=7))
    assert (caller.get(job_id).status, caller.ids()) == (404, [])
    assert [execution.state for execution in caller.world.executions(job)] == ["delivered"]


@pytest.mark.parametrize(
    ("when", "due_at"),
    [
        pytest.param("2026-11-22T14:30:00+02:00", START + timedelta(seconds=1770), id="an offset"),
        pytest.param("2026-11-23T00:00:00-05:00", START + timedelta(hours=16, minutes=59, seconds=30), id="another"),
        pytest.param("2026-11-22T12:00:31.5Z", START + timedelta(seconds=1.5), id="a fraction"),
        pytest.param("20261122T130000Z", START + timedelta(seconds=3570), id="the basic form"),
        pytest.param("2026-11-22t13:00z", START + timedelta(seconds=3570), id="small letters, no seconds"),
        pytest.param("2026-11-22T13:00:00", START + timedelta(seconds=3570), id="no zone is UTC"),
    ],
)
def test_3_5_any_zone_and_given_back_as_sent(asker: Caller, when: str, due_at: datetime) -> None:
    job_id = asker.created(when=when)
    assert (asker.get(job_id).json["when"], asker.job().standing.due_at) == (when, due_at)


@pytest.mark.parametrize(
    "when",
    [
        *("2011-05-11T15:30:00Z", at(), at(seconds=-1), "2026-02-30T00:00:00Z", "tomorrow", "2026-W50-1", "1795435200"),
        *("2026-12-01", f"{at(days=1)},{at(days=2)}", f"{at(days=1)}/P1D", "9999-12-31T23:59:59-23:59", "x" * 9999),
    ],
)
def test_3_5_what_is_past_or_no_date_is_refused(asker: Caller, when: str) -> None:
    answer = asker.post({"url": CALLBACK, "when": when})
    assert (answer.status, answer.json["error"].split(" ")[0], asker.jobs()) == (400, "when", [])


@pytest.mark.parametrize(
    "cron",
    [
        *("0 0/10 * * * ?", "0 5,55 * * * ?", "0 55 23,0 * * ?", DAILY, "0 0/30 9-17 ? * MON-FRI", "0 0 12 L * ?"),
        *("0 0,50 * * * ?", "0 0 0 1 1 ? 2030", "0 59 23 * * *", "0 0 0 29 2 ?", "0 15 10 ? * 6#3", "0 0 22-2 * * *"),
    ],
)
def test_3_6_six_an_hour_and_fewer_are_taken(asker: Caller, cron: str) -> None:
    job_id = asker.created(cron=cron)
    assert asker.get(job_id).json["cron"] == cron
    assert asker.job().standing.schedule == Cron(expression=cron, spelling=Spelling.QUARTZ)


@pytest.mark.parametrize(
    "cron",
    [
        *("0 0/7 * * * ?", "0 0,55 * * * ?", "0,30 0 12 * * ?", "* 0 12 * * ?", "0 * * * * ?", "* * * * * ?"),
        *("0 0/9 * * * ?", "0 0,59 0,23 * * ?", "0/59 0 0 1 1 ?", "0 51,0 * * * ?", "1,599 0 0 * * ?"),
    ],
)
def test_3_6_a_smaller_gap_between_any_two_firings_is_refused(asker: Caller, cron: str) -> None:
    answer = asker.post({"url": CALLBACK, "cron": cron})
    assert (answer.status, answer.json["error"].split(" ")[0], asker.jobs()) == (400, "cron", [])
    if "599" not in cron:
        assert answer.json == {"error": "cron must not fire more often than once every ten minutes"}


@pytest.mark.parametrize(
    "cron",
    [
        *("15 10 * * *", "0 15 10 1 * MON", "0 15 10 ? * ?", "0 15 25 ? * *", "0 15 10 ? * 8", "0 15 10 ? * * 2026 *"),
        *("R * * * * ?", "@daily", "cron(0 10 * * ? *)", "0 15 10 ? * *; drop", "\x00", "0 15 10 ? * é", "0 " * 500),
    ],
)
def test_3_6_what_is_no_quartz_expression_is_refused(asker: Caller, cron: str) -> None:
    for media in (JSON, XML, TEXT):
        answer = asker.post({"url": CALLBACK, "cron": cron}, media=media)
        assert (answer.status, answer.headers["content-type"], asker.jobs()) == (400, media, [])


def test_6_12_sunday_is_1_and_the_zone_is_utc(caller: Caller) -> None:
    caller.created(cron="0 0 9 ? * 1")  # START is a Sunday, past nine
    assert caller.job().standing.due_at == datetime.fromisoformat("2026-11-29T09:00:00Z")


def test_3_7_a_recurring_job_is_gone_after_its_last_firing(caller: Caller) -> None:
    job_id = caller.created(cron="0 10,20 12 22 11 ? 2026")
    caller.world.let_pass(minutes=12)
    assert caller.get(job_id).json["next"] == "2026-11-22T12:20:00Z"
    caller.world.let_pass(minutes=12)
    assert len(caller.world.receiver.calls) == 2
    assert (caller.get(job_id).status, caller.ids()) == (404, [])


@pytest.mark.parametrize("cron", ["0 15 10 ? * * 2010", "0 0 0 30 2 ?", "0 0 12 22 11 ? 2026"])
def test_3_7_a_cron_that_never_fires_again_is_refused(asker: Caller, cron: str) -> None:
    error = {"error": "cron must have a firing in the future"}
    answer = asker.post({"url": CALLBACK, "cron": cron})
    assert (answer.status, answer.json, asker.jobs()) == (400, error, [])
    job_id = asker.created()
    before = asker.job()
    answer = asker.put(job_id, {"url": CALLBACK, "cron": cron})
    assert (answer.status, answer.json, asker.job()) == (400, error, before)


def test_3_7_a_job_that_is_rescheduled_during_its_last_firing_stays(caller: Caller) -> None:
    job_id = caller.created(when=at(minutes=1))

    def meanwhile(_webhook: Webhook) -> Outcome:
        assert caller.put(job_id, {"url": CALLBACK, "when": at(minutes=30)}).status == 200
        caller.world.receiver.answers = lambda _webhook: OK
        return OK

    caller.world.receiver.answers = meanwhile
    caller.world.let_pass(minutes=5)
    assert caller.get(job_id).json["when"] == at(minutes=30)
    caller.world.let_pass(minutes=30)
    assert (len(caller.world.receiver.calls), caller.get(job_id).status) == (2, 404)


def test_3_8_next_is_utc_without_a_fraction_and_for_cron_alone(caller: Caller) -> None:
    cron, once = caller.created(cron="0 0/30 * * * ?"), caller.created()
    assert caller.get(cron).json["next"] == "2026-11-22T12:30:00Z"
    assert "next" not in caller.get(once).json
    caller.world.let_pass(minutes=31)
    assert caller.get(cron).json["next"] == "2026-11-22T13:00:00Z"


@pytest.mark.parametrize(("media", "expected"), [(TEXT, ""), (JSON, "[]"), (XML, "<jobs/>")])
def test_3_9_an_empty_list(asker: Caller, media: str, expected: str) -> None:
    answer = asker.send("GET", headers=[accept(media)])
    assert (answer.status, answer.headers["content-type"], answer.body) == (200, media, expected)


@pytest.mark.parametrize(
    "job_id", ["0c6a4a04-17a1-4b7e-9d4c-4a4f7d7f2a10", "1", "%00", "a" * 5000, "..", "%2e%2e%2fjobs"]
)
def test_3_10_an_unknown_job_is_not_found(asker: Caller, job_id: str) -> None:
    assert (asker.get(job_id).status, asker.get(job_id).json) == (404, NOT_FOUND)
    assert asker.get(job_id, media=XML).body == "<error>Job not found</error>"


def test_3_10_a_job_is_never_shown_as_text(asker: Caller) -> None:
    answer = asker.get(asker.created(), media=TEXT)
    assert (answer.status, answer.headers["content-type"]) == (406, TEXT)
    assert answer.body == "Accept must take one of application/json, text/xml, application/xml"


def test_3_12_put_replaces_the_whole_job(asker: Caller) -> None:
    job_id = asker.created(data="old", contentType="text/plain", signature="old", when=at(hours=1))
    before = asker.job()
    answer = asker.put(job_id, {"url": "https://example.com/new", "cron": "0 0 13 * * ?"})
    expected = {"id": job_id, "account": asker.name, "url": "https://example.com/new", "cron": "0 0 13 * * ?"}
    assert (answer.status, answer.json) == (200, {**expected, "next": "2026-11-22T13:00:00Z"})
    assert asker.webhook() == Webhook(url="https://example.com/new")
    after = asker.job()
    assert (after.definition.key, after.definition.created_at) == (before.definition.key, before.definition.created_at)
    assert asker.put(job_id, {"url": CALLBACK, "when": at(hours=9)}, media=TEXT).body == job_id
    assert asker.job().standing.schedule == Once(at=START + timedelta(hours=9))
    assert asker.ids() == [job_id]


def test_3_12_from_when_to_cron_and_back_fires_only_as_asked_last(caller: Caller) -> None:
    job_id = caller.created(when=at(minutes=5))
    caller.put(job_id, {"url": CALLBACK, "cron": "0 30 12 * * ?"})
    caller.put(job_id, {"url": CALLBACK + "?2", "when": at(minutes=45), "data": "last"})
    caller.world.let_pass(minutes=60)
    [call] = caller.world.receiver.calls
    assert (call.webhook.url, call.webhook.body) == (CALLBACK + "?2", b"last")
    assert call.timestamp == START + timedelta(minutes=45)


def test_3_12_the_same_schedule_again_moves_no_firing(asker: Caller) -> None:
    job_id = asker.created(cron=DAILY)
    before = asker.job().standing
    assert asker.put(job_id, {"url": CALLBACK, "cron": DAILY, "data": "new"}).status == 200
    assert (asker.job().standing, asker.webhook().body) == (before, b"new")


def test_3_13_delete_is_empty_and_a_second_one_is_not_found(caller: Caller) -> None:
    job_id = caller.created(when=at(minutes=1))
    answer = caller.send("DELETE", f"/{job_id}")
    assert (answer.status, answer.body) == (204, "")
    answer = caller.send("DELETE", f"/{job_id}")
    assert (answer.status, answer.headers["content-type"], answer.body) == (404, TEXT, "Job not found")
    caller.world.let_pass(minutes=3)
    assert (caller.get(job_id).status, caller.ids(), caller.world.receiver.calls) == (404, [], [])


def test_3_13_delete_answers_nothing_so_accept_refuses_nothing(asker: Caller) -> None:
    answer = asker.send("DELETE", f"/{asker.created()}", headers=[accept("image/png")])
    assert (answer.status, asker.jobs()) == (204, [])


@pytest.mark.parametrize(
    ("fields", "body", "content_type", "headers"),
    [
        pytest.param({}, b"", "", (), id="no payload: no type"),
        pytest.param({"data": "x"}, b"x", "application/octet-stream", (), id="a payload without a type"),
        pytest.param(
            {"data": "<a/>", "contentType": "text/xml; charset=utf-8"}, b"<a/>", "text/xml; charset=utf-8", ()
        ),
        pytest.param({"contentType": "text/plain"}, b"", "", (), id="a type without a payload is only kept"),
        pytest.param(
            {"data": "x", "signature": SIGNATURE},
            b"x",
            "application/octet-stream",
            (("X-Content-Signature", SIGNATURE),),
            id="a signature",
        ),
        pytest.param({"data": ""}, b"", "", (), id="an empty payload is none"),
    ],
)
def test_3_16_what_the_callback_gets(
    caller: Caller, fields: dict[str, str], body: bytes, content_type: str, headers: tuple[tuple[str, str], ...]
) -> None:
    job_id = caller.created(when=at(seconds=5), **fields)
    shown = {name: text for name, text in fields.items() if text}
    assert caller.get(job_id).json.items() >= shown.items()
    caller.world.let_pass(minutes=1)
    [call] = caller.world.receiver.calls
    assert (call.webhook.url, call.webhook.method, call.webhook.redirects) == (CALLBACK, "POST", 0)
    assert (call.webhook.body, call.webhook.content_type, call.webhook.headers) == (body, content_type, headers)


def test_3_16_a_call_that_fails_is_not_made_again(caller: Caller) -> None:
    once, often = caller.created(when=at(minutes=1)), caller.created(cron="0 0/30 * * * ?")
    job = next(job for job in caller.jobs() if job.ref.job_id == once)
    caller.world.receiver.answers = lambda _webhook: BROKEN
    caller.world.let_pass(minutes=40)
    assert len(caller.world.receiver.calls) == 2
    assert [execution.state for execution in caller.world.executions(job)] == ["failed"]
    assert caller.ids() == [often]


@pytest.mark.parametrize(
    ("wanted", "listed", "got"),
    [
        pytest.param([], TEXT, JSON, id="no header: the first of the call's own list"),
        pytest.param([accept("*/*")], TEXT, JSON, id="anything"),
        pytest.param([accept("text/xml;q=.5, application/json;q=.9")], JSON, JSON, id="the higher quality"),
        pytest.param([accept("text/xml;q=.5"), accept("application/json;q=.9")], JSON, JSON, id="in two headers"),
        pytest.param([accept("text/*")], TEXT, XML, id="a range"),
        pytest.param([accept(BROWSER)], "application/xml", "application/xml", id="a browser"),
        pytest.param([accept("application/xml")], "application/xml", "application/xml", id="the type as asked"),
        pytest.param([accept("application/json;charset=utf-8")], JSON, JSON, id="a charset"),
        pytest.param([accept("APPLICATION/JSON")], JSON, JSON, id="upper case"),
        pytest.param([typed(XML)], TEXT, JSON, id="the request's own type does not count"),
    ],
)
def test_3_17_the_answer_is_of_the_type_that_accept_likes_best(
    asker: Caller, wanted: Headers, listed: str, got: str
) -> None:
    job_id = asker.created(data="é")
    for path, media in (("", listed), (f"/{job_id}", got)):
        answer = asker.send("GET", path, headers=wanted)
        assert (answer.status, answer.headers["content-type"]) == (200, media)
        assert answer.headers["content-length"] == str(len(answer.body.encode()))


@pytest.mark.parametrize("wanted", ["image/png", "garbage", "*/*;q=0", "text/html;q=1", "x" * 20_000])
def test_3_17_nothing_that_fits_is_406_and_changes_nothing(asker: Caller, wanted: str) -> None:
    answer = asker.post({"url": CALLBACK, "cron": DAILY}, media=wanted)
    assert (answer.status, answer.headers["content-type"], asker.jobs()) == (406, TEXT, [])
    job_id = asker.created()
    assert asker.put(job_id, {"url": CALLBACK, "cron": DAILY}, media=wanted).status == 406
    assert asker.get(job_id, media=wanted).headers["content-type"] == JSON
    assert "when" in asker.get(job_id).json


def test_3_18_fields_come_in_the_order_of_the_page_and_only_those_there_are(asker: Caller) -> None:
    job_id = asker.created(when=at(hours=1), data="d", signature="s", contentType="t/t")
    order = ["id", "account", "url", "signature", "contentType", "data", "when"]
    assert [list(asker.get(job_id).json), list(xml_of(asker.get(job_id, media=XML).body))] == [order, order]
    job_id = asker.created(cron=DAILY)
    assert list(asker.get(job_id).json) == ["id", "account", "url", "cron", "next"]


@pytest.mark.parametrize(
    ("document", "status"),
    [
        ('{"url": "%s", "cron": "%s",}', 201),
        ('{"url": "%s", "cron": "%s" , \n }', 201),
        ('{"url": "%s", "cron": "%s", "extra": [1, 2,],}', 201),
        ('{"url": "%s", "cron": "%s",,}', 400),
        ('{"url": "%s" "cron": "%s"}', 400),
        ('{,"url": "%s", "cron": "%s"}', 400),
        ('["%s", "%s",]', 400),
    ],
)
def test_3_19_a_trailing_comma_is_forgiven_and_nothing_else(asker: Caller, document: str, status: int) -> None:
    answer = asker.send("POST", body=document % (CALLBACK, DAILY), headers=[typed(JSON)])
    assert (answer.status, len(asker.jobs())) == (status, int(status == 201))


def test_3_19_commas_in_strings_stay(asker: Caller) -> None:
    data = 'a,} ,] \\",}" \\\\",]'
    job_id = asker.created(data=data)
    assert asker.get(job_id).json["data"] == data


@pytest.mark.parametrize(
    ("media", "body"),
    [
        (JSON, '{"error": "url is required"}'),
        (XML, "<error>url is required</error>"),
        ("application/xml", "<error>url is required</error>"),
        (TEXT, "url is required"),
    ],
)
def test_3_20_errors_are_told_in_the_type_that_was_asked_for(asker: Caller, media: str, body: str) -> None:
    answer = asker.post({}, media=media)
    assert (answer.status, answer.headers["content-type"], answer.body) == (400, media, body)
    assert answer.headers["content-length"] == str(len(body))


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "", "GET, POST"),
        ("DELETE", "", "GET, POST"),
        ("POST", "/x", "GET, PUT, DELETE"),
        ("GET", "/x/y", "POST"),
        ("HEAD", "", "GET, POST"),
    ],
)
def test_3_20_other_methods_are_405_in_json(asker: Caller, method: str, path: str, allowed: str) -> None:
    answer = asker.send(method, path)
    assert (answer.status, answer.headers["allow"], answer.json["error"][:10]) == (405, allowed, "Method not")


def test_3_20_states_of_a_finished_world(caller: Caller) -> None:
    """A job whose last firing is under way can still be read, and has no next."""
    job_id = caller.created(cron="0 5 12 22 11 ? 2026")
    seen: list[dict[str, str]] = []

    def look(_webhook: Webhook) -> Outcome:
        assert caller.job().standing.state is JobState.FINISHED
        seen.append(caller.get(job_id).json)
        return OK

    caller.world.receiver.answers = look
    caller.world.let_pass(minutes=6)
    assert [list(one) for one in seen] == [["id", "account", "url", "cron"]]
