"""Job Scheduler API: the two creations in one line, rows 3.14 and 3.15, and the traps of encoded paths (6.5, T30)."""

import base64
from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chalicelib.api.dialects.job_scheduler import callback, shown, timing
from chalicelib.scheduling.errors import Invalid
from tests.api.client import FORM, Headers, typed
from tests.api.job_scheduler_caller import (
    CALLBACK,
    DAILY,
    JOBS,
    JSON,
    PAGE_TIME,
    SIGNATURE,
    TEXT,
    XML,
    Caller,
    accept,
    at,
    told,
    xml_of,
)
from tests.fakes import FakeClock
from tests.world import START, World

OCTETS = "application/octet-stream"
EVERY_BYTE = bytes(range(256)) * 8
SIGNED = ("X-Content-Signature", SIGNATURE)


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


@pytest.mark.parametrize("media", [JSON, XML, TEXT])
def test_seed_example_of_a_one_time_job_in_one_line(still: World, media: str) -> None:
    caller = Caller(still, clock=FakeClock(PAGE_TIME))
    path = "/2011-05-11T15%3A30%3A00Z/https%3A%2F%2Fexample.com"
    answer = caller.send("POST", path, headers=[accept(media)])
    job_id = caller.job().ref.job_id
    fields = {"id": job_id, "account": caller.name, "url": "https://example.com", "when": "2011-05-11T15:30:00Z"}
    assert (answer.status, answer.headers["location"]) == (201, f"{JOBS}/{job_id}")
    assert told(answer, media) == (job_id if media == TEXT else fields)
    assert caller.job().standing.due_at == PAGE_TIME + timedelta(minutes=30)


@pytest.mark.parametrize("media", [JSON, XML, TEXT])
def test_seed_example_of_a_recurring_job_in_one_line(still: World, media: str) -> None:
    caller = Caller(still, clock=FakeClock(PAGE_TIME))
    answer = caller.send("POST", "/0+15+10+%3F+*+*/https%3A%2F%2Fexample.com", headers=[accept(media)])
    job_id = caller.job().ref.job_id
    fields = {"id": job_id, "account": caller.name, "url": "https://example.com", "cron": DAILY}
    assert answer.status == 201
    assert told(answer, media) == (job_id if media == TEXT else fields | {"next": "2011-05-12T10:15:00Z"})


@pytest.mark.parametrize(
    ("segment", "expected"),
    [
        pytest.param("2011-05-11T15%3A30%3A00Z", ("when", "2011-05-11T15:30:00Z"), id="the page's own"),
        pytest.param("2011-05-11T15:30:00Z", ("when", "2011-05-11T15:30:00Z"), id="not encoded, or decoded already"),
        pytest.param("2011-05-11T15:30:00+02:00", ("when", "2011-05-11T15:30:00+02:00"), id="a + is a sign"),
        pytest.param("2011-05-11T15:30:00%2B02:00", ("when", "2011-05-11T15:30:00+02:00"), id="an encoded one too"),
        pytest.param("2011-05-11%2015:30:00Z", ("when", "2011-05-11 15:30:00Z"), id="a space in a date"),
        pytest.param("2011-05-11+15:30:00+02:00", ("when", "2011-05-11+15:30:00+02:00"), id="never one as a +"),
        pytest.param("0+15+10+%3F+*+*", ("cron", DAILY), id="the page's own cron"),
        pytest.param("0%2015%2010%20%3F%20*%20*", ("cron", DAILY), id="spaces as %20"),
        pytest.param("0+15+10+%3F+%2A+%2A", ("cron", DAILY), id="stars encoded"),
        pytest.param("0+0%2F10+*+*+*+%3F", ("cron", "0 0/10 * * * ?"), id="a step"),
        pytest.param("0 15 10 ? * *", ("cron", DAILY), id="decoded already"),
        pytest.param("0+15+10+%3F+*+*+2030", ("cron", f"{DAILY} 2030"), id="seven fields"),
        pytest.param("15+10+*+*+*", ("cron", "15 10 * * *"), id="five fields are a cron, of the wrong kind"),
        pytest.param("2011%252D05", ("when", "2011%2D05"), id="decoded once"),
        pytest.param("nonsense", ("when", "nonsense"), id="neither"),
    ],
)
def test_6_5_a_date_or_a_cron_expression(segment: str, expected: tuple[str, str]) -> None:
    assert timing(segment) == expected


@pytest.mark.parametrize(
    ("segment", "expected"),
    [
        pytest.param("https%3A%2F%2Fexample.com", "https://example.com", id="the page's own"),
        pytest.param("https:%2F%2Fexample.com%2Fa", "https://example.com/a", id="its colon bare"),
        pytest.param(
            "https%3A%2F%2Fa.example%2Fx%252Fy%3Fz%3D%2526", "https://a.example/x%2Fy?z=%26", id="its own %2F"
        ),
        pytest.param("https://a.example/x%2Fy", "https://a.example/x%2Fy", id="decoded by a proxy: not again"),
        pytest.param("https%3A%2F%2Fa.example%2F%3Fq%3Da+b", "https://a.example/?q=a+b", id="a + stays a +"),
        pytest.param("https%3A%2Fa.example%2Fx", "https://a.example/x", id="slashes collapsed before decoding"),
        pytest.param("http:/a.example", "http://a.example", id="and after it"),
        pytest.param("HTTPS:/a.example", "HTTPS://a.example", id="in capitals"),
        pytest.param("https%3A%2F%2Fa.example%2Fhttp%3A%2Fb", "https://a.example/http:/b", id="elsewhere they stay"),
    ],
)
def test_6_5_a_callback_is_decoded_once(segment: str, expected: str) -> None:
    assert callback(segment) == expected


@given(st.text(alphabet="abc/%2F+ ?=&é:", max_size=30))
def test_t30_whatever_url_is_encoded_comes_out(rest: str) -> None:
    url = f"https://example.com/{rest}"
    assert callback(quote(url, safe="")) == url


@pytest.mark.parametrize("segment", ["%ff", "%c3%28", "%ED%A0%80"])
def test_t30_what_is_no_utf_8_is_refused(segment: str) -> None:
    with pytest.raises(Invalid):
        timing(segment)
    with pytest.raises(Invalid):
        callback(segment)


@pytest.mark.parametrize(
    ("when", "url", "field"),
    [
        ("nonsense", "https%3A%2F%2Fexample.com", "when"),
        ("2011-05-11T15%3A30%3A00Z", "https%3A%2F%2Fexample.com", "when"),
        ("15+10+*+*+*", "https%3A%2F%2Fexample.com", "cron"),
        ("0+*+*+*+*+%3F", "https%3A%2F%2Fexample.com", "cron"),
        ("0+15+10+%3F+*+*", "https%253A%252F%252Fexample.com", "url"),
        ("0+15+10+%3F+*+*", "https%3A%2F%2Fexample.com%0d%0aHost%3A%20b", "url"),
        ("0+15+10+%3F+*+*", "example.com", "url"),
        ("0+15+10+%3F+*+*", "http%3A%2F%2F169.254.169.254%2F", "url"),
        ("0+15+10+%3F+*+*", "%ff", "The"),
        ("%00", "https%3A%2F%2Fexample.com", "when"),
        ("0+15+10+%3F+*+*%0d%0a", "%20", "url"),
        ("0+15+10+%3F+*+*", "https%3A%2F%2Fexample.com%2F" + "a" * 3000, "url"),
    ],
)
def test_t30_what_cannot_be_is_refused_and_nothing_is_kept(asker: Caller, when: str, url: str, field: str) -> None:
    answer = asker.raw_line(when, url)
    assert (answer.status in {400, 413}, answer.body.split(" ")[0], asker.jobs()) == (True, field, [])


def test_t30_the_same_job_whether_the_gateway_shows_its_stage_or_not(asker: Caller) -> None:
    path = f"{JOBS}/{quote(at(hours=1), safe='')}/{quote(CALLBACK, safe='')}"
    for staged, prefix in ((False, ""), (True, "/api")):
        with asker.alone():
            answer = asker.client.send("POST", path, headers=[asker.credentials], staged=staged)
            assert answer.headers["location"] == f"{prefix}{JOBS}/{asker.job().ref.job_id}"
            assert asker.webhook().url == CALLBACK


def test_a_proxy_that_decodes_slashes_leaves_no_route_of_ours(asker: Caller) -> None:
    """Chalice has no greedy paths: 6.5's fallback of splitting there is not to be had."""
    assert asker.raw_line("0+15+10+%3F+*+*", "https://example.com/a").status == 403


@pytest.mark.parametrize(
    ("payload", "headers", "sent"),
    [
        pytest.param(b"", [typed("text/plain"), SIGNED], ("", ()), id="without a payload neither header counts"),
        pytest.param(b"x", [], (OCTETS, ()), id="no type"),
        pytest.param(b"x", [typed("text/plain; charset=utf-8")], ("text/plain; charset=utf-8", ()), id="a type"),
        pytest.param(b"a=b", [typed(FORM), SIGNED], (FORM, (SIGNED,)), id="what curl -d says, and a signature"),
        pytest.param(b'{"url": "x"}', [typed(JSON)], (JSON, ()), id="JSON is a payload here"),
        pytest.param(b"<!DOCTYPE job>", [typed(XML)], (XML, ()), id="so is XML"),
        pytest.param(b"x", [typed("no type at all")], ("no type at all", ()), id="any type passes"),
        pytest.param(EVERY_BYTE, [typed(OCTETS), SIGNED], (OCTETS, (SIGNED,)), id="2,048 bytes of all kinds"),
    ],
)
@pytest.mark.parametrize("when", [at(minutes=10), "0 10 12 * * ?"])
def test_3_14_and_3_15_the_payload_goes_out_byte_for_byte(
    caller: Caller, when: str, payload: bytes, headers: Headers, sent: tuple[str, Headers]
) -> None:
    answer = caller.line(when, body=payload, headers=[*headers, accept(TEXT)])
    assert answer.status == 201, answer.body
    caller.world.clock.forward(minutes=9)
    caller.world.let_pass(minutes=2)
    [call] = caller.world.receiver.calls
    assert call.timestamp == START.replace(minute=10, second=30 if when.startswith("2") else 0)
    assert (call.webhook.method, call.webhook.body, call.webhook.redirects) == ("POST", payload, 0)
    assert (call.webhook.content_type, call.webhook.headers) == sent


def test_3_14_one_byte_more_is_too_large(asker: Caller) -> None:
    answer = asker.line(at(hours=1), body=EVERY_BYTE + b"x", headers=[typed(OCTETS), accept(JSON)])
    assert (answer.status, answer.json) == (413, {"error": "data must have at most 2048 bytes"})
    assert asker.jobs() == []


@pytest.mark.parametrize(
    "headers", [[typed("text/plain\x01")], [("X-Content-Signature", "é")], [("X-Content-Signature", "a\r\nb: c")]]
)
def test_t31_headers_that_cannot_be_sent_are_refused(asker: Caller, headers: Headers) -> None:
    answer = asker.line(at(hours=1), body=b"x", headers=headers)
    assert (answer.status, asker.jobs()) == (400, [])


def test_3_14_any_accept_that_fits_nothing_makes_nothing(asker: Caller) -> None:
    assert asker.line(at(hours=1), headers=[accept("image/png")]).status == 406
    assert asker.jobs() == []


@pytest.mark.parametrize(
    ("payload", "as_json", "as_xml"),
    [
        pytest.param(b"testing", "testing", "testing", id="text"),
        pytest.param("é😀".encode(), "é😀", "é😀", id="text of any letters"),
        pytest.param(b"a\x01\x00", "a\x01\x00", "YQEA", id="control characters: base64 in XML alone"),
        pytest.param(b"\xff\xfe", "//4=", "//4=", id="no UTF-8: base64"),
        pytest.param("\uffff".encode(), "\uffff", "77+/", id="what is no character"),
        pytest.param(b"a\r\nb\r", "a\r\nb\r", "a\r\nb\r", id="line ends"),
    ],
)
def test_3_4_and_t27_a_payload_is_shown_as_text_where_it_can_be(
    asker: Caller, payload: bytes, as_json: str, as_xml: str
) -> None:
    asker.line(at(hours=1), body=payload, headers=[typed(OCTETS)])
    job_id = asker.job().ref.job_id
    assert asker.get(job_id).json["data"] == as_json
    document = asker.get(job_id, media=XML).body
    assert xml_of(document)["data"] == as_xml
    for media, body in ((XML, document), (JSON, asker.get(job_id).body)):
        assert asker.send("PUT", f"/{job_id}", body=body, headers=[typed(media)]).status == 200
        assert asker.webhook().body == payload


def test_3_4_the_largest_binary_payload_survives_a_put(asker: Caller) -> None:
    asker.line(at(hours=1), body=EVERY_BYTE, headers=[typed(OCTETS)])
    job_id, shown_as = asker.job().ref.job_id, base64.b64encode(EVERY_BYTE).decode()
    fields = asker.get(job_id).json
    assert fields["data"] == shown_as
    assert asker.put(job_id, fields | {"url": CALLBACK + "?2"}).status == 200
    assert (asker.webhook().url, asker.webhook().body) == (CALLBACK + "?2", EVERY_BYTE)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.text(max_size=40))
def test_t27_the_same_job_as_json_and_as_xml(asker: Caller, data: str) -> None:
    with asker.alone():
        answer = asker.post({"url": CALLBACK, "cron": DAILY, "data": data}, media=XML)
        as_xml, as_json = xml_of(answer.body), asker.get(asker.job().ref.job_id).json
        expected = shown(data.encode(), media=XML)
        assert (as_xml.pop("data", ""), as_json.pop("data", "")) == (expected, data)
        assert as_xml == as_json
