"""Job Scheduler API: what is hostile or odd gets an answer in the dialect's words, and nothing of it is kept."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any, NoReturn

import pytest

from chalicelib.api.dialects import job_scheduler
from chalicelib.api.documents import texts_in
from chalicelib.api.http import Request
from chalicelib.scheduling.address import AddressPolicy, Reach
from chalicelib.scheduling.errors import Invalid
from chalicelib.storage.jobs import DynamoJobs
from tests.api.client import FORM, Client, typed
from tests.api.job_scheduler_caller import (
    CALLBACK,
    DAILY,
    JOBS,
    JSON,
    SINGLE_XML,
    TEXT,
    XML,
    Caller,
    accept,
    at,
    error_of,
)
from tests.world import World

LAUGHS = '<!DOCTYPE job [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><job><url>&b;</url></job>'
FIELDS = f'"url": "{CALLBACK}", "cron": "{DAILY}"'


@pytest.fixture
def caller(world: World) -> Caller:
    return Caller(world)


@pytest.fixture(scope="module")
def owner(still: World) -> Caller:
    return Caller(still)


@pytest.fixture
def asker(owner: Caller) -> Iterator[Caller]:
    with owner.alone() as caller:
        yield caller


def refused(asker: Caller, body: bytes | str, content_type: str | None, status: int) -> None:
    """By both calls that take documents, in each of the three types; nothing is kept."""
    job_id = asker.created(when=at(days=2))
    before = asker.job()
    for method, path in (("POST", ""), ("PUT", f"/{job_id}")):
        for media in (JSON, XML, TEXT):
            types = [typed(content_type)] if content_type else []
            answer = asker.send(method, path, body=body, headers=[*types, accept(media)])
            assert (answer.status, answer.headers["content-type"]) == (status, media)
            assert error_of(answer, media)
            assert answer.headers["content-length"] == str(len(answer.body.encode()))
    assert asker.job() == before


@pytest.mark.parametrize(
    "body",
    [
        pytest.param("[" * 100_000, id="100,000 levels"),
        pytest.param('{"a":' * 100_000, id="of objects"),
        pytest.param(f'{{{FIELDS}, "data": NaN}}', id="NaN"),
        pytest.param(f'{{{FIELDS}, "data": -Infinity}}', id="Infinity"),
        pytest.param(f'{{{FIELDS}, "x": 1e999}}', id="a number beyond a float"),
        pytest.param(f'{{{FIELDS}, "x": {"9" * 5000}}}', id="5,000 digits"),
        pytest.param(f'{{{FIELDS}, "cron": "{DAILY}"}}', id="a field twice"),
        pytest.param(f'{{{FIELDS}, "x": {{"a": 1, "a": 2}}}}', id="a field twice, further down"),
        pytest.param(f'{{{FIELDS}, "data": "\\ud800"}}', id="half a surrogate"),
        pytest.param(f"\ufeff{{{FIELDS}}}", id="a byte order mark"),
        pytest.param(f"{{{FIELDS}}}".encode("utf-16"), id="UTF-16"),
        pytest.param(f"{{{FIELDS}", id="cut off"),
        pytest.param(f'{{{FIELDS}, "data": "x', id="cut off in a string"),
        pytest.param('{"' + '\\"' * 200_000, id="a string without an end"),
        pytest.param('"' * 300_001, id="nothing but quotes"),
        pytest.param("," * 300_000, id="nothing but commas"),
        pytest.param("", id="nothing"),
        *(pytest.param(text, id=f"a bare {text}") for text in ("[]", "null", '"x"', "1", "true")),
    ],
)
def test_t28_json_that_is_none(asker: Caller, body: bytes | str) -> None:
    refused(asker, body, JSON, 400)


@pytest.mark.parametrize("wrong", [1, 1.5, True, [], ["x"], {}, {"a": "b"}], ids=str)
@pytest.mark.parametrize("field", ["url", "signature", "contentType", "data", "when", "cron"])
def test_t28_fields_of_another_type(asker: Caller, field: str, wrong: Any) -> None:
    answer = asker.post({"url": CALLBACK, "cron": DAILY, field: wrong})
    assert (answer.status, answer.json) == (400, {"error": f"{field} must be a string of valid Unicode"})
    assert asker.jobs() == []


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(LAUGHS, id="entities"),
        pytest.param('<!DOCTYPE job [<!ENTITY x SYSTEM "file:///etc/passwd">]><job><url>&x;</url></job>', id="XXE"),
        pytest.param(f"<!DOCTYPE job>{SINGLE_XML}", id="a bare document type"),
        pytest.param("<job>" * 100_000, id="100,000 levels"),
        pytest.param(f"<job><url>{CALLBACK}</url><url>{CALLBACK}</url></job>", id="a field twice"),
        pytest.param(f"<job><url><a/>{CALLBACK}</url></job>", id="an element in a field"),
        pytest.param(f"<jobs><url>{CALLBACK}</url><cron>{DAILY}</cron></jobs>", id="another root"),
        pytest.param('<?xml version="1.0" encoding="utf-7"?><job/>', id="UTF-7"),
        pytest.param(f"{{{FIELDS}}}", id="JSON"),
        pytest.param("", id="nothing"),
    ],
)
@pytest.mark.parametrize("content_type", [XML, "application/xml"])
def test_t26_xml_that_is_none(asker: Caller, body: str, content_type: str) -> None:
    refused(asker, body, content_type, 400)


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        (FORM, "url=https%3A%2F%2Fexample.com"),
        ("text/plain", f"{{{FIELDS}}}"),
        ("application/octet-stream", f"{{{FIELDS}}}"),
        ("garbage", f"{{{FIELDS}}}"),
        (f"{JSON}; charset=utf-7", f"{{{FIELDS}}}"),
        (f"{XML}; charset=unicode_escape", "<job/>"),
        (f"{XML}; charset=", "<job/>"),
    ],
)
def test_3_20_types_that_are_not_read(asker: Caller, content_type: str, body: str) -> None:
    refused(asker, body, content_type, 415)


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        pytest.param("APPLICATION/JSON", f"{{{FIELDS}}}", id="upper case"),
        pytest.param(f"{JSON};charset=UTF-8", f"{{{FIELDS}}}", id="a charset"),
        pytest.param("text/json", f"{{{FIELDS}}}", id="an old name"),
        pytest.param(f'{XML}; charset="utf-8"', f"<job><url>{CALLBACK}</url><cron>{DAILY}</cron></job>", id="for XML"),
        pytest.param(None, f"{{{FIELDS}}}", id="none: JSON"),
        pytest.param(None, f" \n<job><url>{CALLBACK}</url><cron>\n  {DAILY} </cron></job>", id="none, and a <: XML"),
    ],
)
def test_3_11_types_that_are_read(asker: Caller, content_type: str | None, body: str) -> None:
    types = [typed(content_type)] if content_type else []
    answer = asker.send("POST", body=body, headers=[*types, accept(JSON)])
    assert answer.status == 201, answer.body
    assert (answer.json["url"], answer.json["cron"]) == (CALLBACK, DAILY)


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        (f"{JSON}; charset=iso-8859-1", '{"url": "é"}'.encode("latin-1")),
        (f"{JSON}; charset=utf-16", '{"url": "é"}'.encode("utf-16")),
        (f"{XML}; charset=ISO-8859-1", "<job><url>é</url></job>".encode("latin-1")),
        (f"{XML}; charset=utf-8", '<?xml version="1.0" encoding="us-ascii"?><job><url>é</url></job>'.encode()),
    ],
)
def test_6_6_a_charset_counts_where_the_body_comes_as_bytes(content_type: str, body: bytes) -> None:
    request = Request(method="POST", path=JOBS, headers={"content-type": [content_type]}, body=body)
    assert texts_in(request, ["url"], root="job") == {"url": "é"}


@pytest.mark.parametrize("content_type", [JSON, f"{JSON}; charset=utf-8", f"{XML}; charset=utf-8", XML])
def test_6_6_bytes_of_another_charset_are_refused(content_type: str) -> None:
    body = '{"url": "é"}' if JSON in content_type else "<job><url>é</url></job>"
    request = Request(method="POST", path=JOBS, headers={"content-type": [content_type]}, body=body.encode("latin-1"))
    with pytest.raises(Invalid):
        texts_in(request, ["url"], root="job")


def test_a_body_beyond_all_measure(asker: Caller) -> None:
    answer = asker.send("POST", body="x" * (1024 * 1024 + 1), headers=[typed(JSON)])
    assert (answer.status, answer.json) == (413, {"error": "A request may have at most 1048576 bytes"})


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("signature", "a\r\nX-Evil: 1"),
        ("signature", "é"),
        ("signature", "\x00"),
        ("signature", "a" * 9000),
        ("contentType", "text/plain\r\nHost: b"),
        ("contentType", "text/\u2028plain"),
        ("url", "https://a.example/\r\nHost: b"),
        ("url", "https://user:pw@a.example/"),
        ("url", "http://127.0.0.1/"),
        ("url", "http://169.254.169.254/latest"),
        ("url", "http://localhost"),
        ("url", "javascript:alert(1)"),
        ("url", "https://a.example/" + "a" * 2048),
    ],
)
def test_t23_and_t31_what_may_not_go_out_is_refused(asker: Caller, field: str, text: str) -> None:
    for media in (JSON, XML, TEXT):
        answer = asker.post({"url": CALLBACK, "cron": DAILY, field: text}, media=media)
        assert (answer.status in {400, 413}, answer.headers["content-type"], asker.jobs()) == (True, media, [])
        assert field in answer.body


def test_t23_the_rules_are_those_of_the_deployment(caller: Caller) -> None:
    caller.world.with_rules(addresses=AddressPolicy(reach=Reach.LOCAL, own_hosts=frozenset({"api.example"})))
    assert caller.post({"url": "http://127.0.0.1:9999/", "cron": DAILY}).status == 201
    assert caller.post({"url": "https://api.example/1/jobs", "cron": DAILY}).status == 400


def test_t17_fields_that_are_not_the_callers_are_ignored(asker: Caller) -> None:
    other, _ = asker.world.open_account()
    extra = {"key": other.key, "target": {"body": "x"}, "ending": "keep", "state": "finished", "dialect": "rlatr"}
    job_id = asker.created(account=other.account_id, **extra)
    assert asker.job().definition.key == asker.key
    assert asker.put(job_id, {"url": CALLBACK, "cron": DAILY, "id": "7", "account": "x", **extra}).json["id"] == job_id
    assert asker.world.services.jobs.list(other.account_id, "job_scheduler") == []


def test_t27_an_error_with_what_xml_cannot_say_is_still_xml(asker: Caller) -> None:
    answer = asker.post({"url": CALLBACK, "cron": "0 \x01<&é 10 ? * *"}, media=XML)
    assert answer.status == 400
    assert "cron" in error_of(answer, XML)


def test_the_quota_is_told_in_the_dialects_words(caller: Caller) -> None:
    caller.created()
    caller.world.with_rules(jobs_per_account=1)
    answer = caller.post({"url": CALLBACK, "cron": DAILY})
    assert (answer.status, answer.json) == (403, {"error": "An account may have 1 jobs"})


@pytest.mark.parametrize("media", [JSON, XML, TEXT])
def test_t60_a_queue_that_is_down_is_told_and_nothing_is_kept(caller: Caller, media: str) -> None:
    caller.world.queue.down = True
    answer = caller.post({"url": CALLBACK, "when": at(seconds=5)}, media=media)
    assert (answer.status, answer.headers["retry-after"], answer.headers["content-type"]) == (503, "5", media)
    assert caller.jobs() == []


def test_t60_a_key_service_that_is_down_is_told(caller: Caller) -> None:
    caller.world.clock.forward(minutes=6)
    caller.world.kms.down = True
    answer = caller.send("GET", headers=[accept(JSON)])
    assert (answer.status, "unavailable" in answer.json["error"]) == (503, True)


def test_a_bug_of_ours_is_told_without_its_detail(caller: Caller) -> None:
    class Broken(DynamoJobs):
        def list(self, account_id: str, dialect: str = "") -> NoReturn:
            raise RuntimeError(account_id, dialect)

    broken = Broken(caller.world.table, shards=2, retention=timedelta(days=1))
    services = replace(caller.world.services, jobs=broken)
    caller.client = Client(lambda: services, job_scheduler.DIALECT)
    answer = caller.send("GET", headers=[accept(JSON)])
    assert (answer.status, answer.json) == (500, {"error": "Internal error; it was logged"})


def test_answers_are_not_to_be_kept(asker: Caller) -> None:
    assert asker.send("GET").headers["cache-control"] == "no-store"
    assert json.loads(asker.send("GET", headers=[accept(JSON)]).body) == []
