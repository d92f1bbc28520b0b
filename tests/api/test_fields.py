"""From bytes to fields: T08 Basic credentials, T28 JSON, T29 forms, T32 times. What is hostile is refused."""

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.api.fields import basic_credentials, body_fields, moment, query_fields
from chalicelib.api.http import Request
from chalicelib.scheduling.errors import Invalid, TooLarge

NAMES = ("uri", "at")
FORM = "application/x-www-form-urlencoded"
JSON = "application/json"
TWICE = "A field is given twice"
NOT_JSON = "The body is not valid JSON"


def a_request(body: bytes = b"", content_type: str | None = None, **headers: str) -> Request:
    types = {} if content_type is None else {"content-type": [content_type]}
    return Request(
        method="POST", path="/", body=body, headers=types | {name: [value] for name, value in headers.items()}
    )


def authorization(text: str) -> Request:
    return a_request(authorization=text)


def encoded(credentials: str | bytes) -> str:
    return base64.b64encode(credentials.encode() if isinstance(credentials, str) else credentials).decode()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(f"Basic {encoded('key:secret')}", ("key", "secret"), id="as curl sends it"),
        pytest.param(f"bAsIc {encoded('key:secret')}", ("key", "secret"), id="the scheme in any case"),
        pytest.param(f"Basic   {encoded('key:secret')} ", ("key", "secret"), id="spaces around"),
        pytest.param(f"Basic {encoded('key:a:b')}", ("key", "a:b"), id="two colons: the password keeps the second"),
        pytest.param(f"Basic {encoded('key:')}", ("key", ""), id="an empty password"),
        pytest.param(f"Basic {encoded('ключ:пароль')}", ("ключ", "пароль"), id="UTF-8"),
        pytest.param(f"Basic {encoded('key:a' + chr(0) + 'b')}", ("key", "a\0b"), id="a NUL"),
        pytest.param(f"Basic {encoded('key')}", None, id="no colon"),
        pytest.param(f"Basic {encoded(':secret')}", None, id="an empty user"),
        pytest.param(f"Basic {encoded(':')}", None, id="nothing but a colon"),
        pytest.param(f"Basic {encoded('key:secret').rstrip('=')}", None, id="no padding"),
        pytest.param(f"Basic {encoded('key:s')[:4]} {encoded('key:s')[4:]}", None, id="a space inside"),
        pytest.param("Basic a2V5OnNlY3Jl_A==", None, id="the URL alphabet"),
        pytest.param(f"Basic {encoded(b'key:' + bytes([0xFF]))}", None, id="bytes that are no UTF-8"),
        pytest.param("Basic é", None, id="not ASCII"),
        pytest.param("Basic \ud800", None, id="half a surrogate"),
        pytest.param("Basic", None, id="the scheme alone"),
        pytest.param("", None, id="empty"),
        pytest.param(f"Bearer {encoded('key:secret')}", None, id="another scheme"),
        pytest.param(f"Basic\t{encoded('key:secret')}", None, id="a tab"),
    ],
)
def test_t08_basic_credentials(text: str, expected: tuple[str, str] | None) -> None:
    assert basic_credentials(authorization(text)) == expected


def test_t08_no_header_and_two_headers_are_no_credentials() -> None:
    header = f"Basic {encoded('key:secret')}"
    assert basic_credentials(a_request()) is None
    assert basic_credentials(Request(method="GET", path="/", headers={"authorization": [header, header]})) is None


@given(st.text().filter(lambda text: text and ":" not in text), st.text())
def test_t08_all_that_can_be_said_is_read_back(user: str, password: str) -> None:
    assert basic_credentials(authorization(f"Basic {encoded(f'{user}:{password}')}")) == (user, password)


@given(st.text())
def test_t08_no_header_raises(text: str) -> None:
    assert basic_credentials(authorization(f"Basic {text}")) is None or text.strip()


@pytest.mark.parametrize(
    ("body", "content_type", "expected"),
    [
        pytest.param(b'{"uri": "a", "at": "b"}', JSON, {"uri": "a", "at": "b"}, id="JSON"),
        pytest.param(b'{"uri": "a"}', "Application/JSON ; Charset=latin-1", {"uri": "a"}, id="JSON is always UTF-8"),
        pytest.param(b'{"uri": "a"}', "text/json", {"uri": "a"}, id="text/json"),
        pytest.param(b'{"uri": null}', JSON, {}, id="null counts as not given"),
        pytest.param(b'{"id": 7, "x": {"uri": "b"}}', JSON, {}, id="what is not named is dropped, whatever it is"),
        pytest.param(b' {"uri":"\\u00e9"}\r\n', JSON, {"uri": "é"}, id="white space around"),
        pytest.param(b'{"uri": ""}', JSON, {"uri": ""}, id="an empty string is one"),
        pytest.param(b"uri=a&at=b", FORM, {"uri": "a", "at": "b"}, id="a form"),
        pytest.param(b"uri=a&at=b", None, {"uri": "a", "at": "b"}, id="no content type is a form"),
        pytest.param(b"uri=a", "text/plain", {"uri": "a"}, id="any other content type is a form"),
        pytest.param(b"uri=a", f"{FORM}; charset=ISO-8859-1", {"uri": "a"}, id="a form with a charset"),
        pytest.param(b"uri=a%20b+c", FORM, {"uri": "a b c"}, id="plus and %20 are spaces"),
        pytest.param(b"uri=a%2Bb", FORM, {"uri": "a+b"}, id="%2B is a plus"),
        pytest.param(b"uri=a;at=b", FORM, {"uri": "a;at=b"}, id="a semicolon separates nothing"),
        pytest.param(b"uri=a=b", FORM, {"uri": "a=b"}, id="a second = belongs to the value"),
        pytest.param(b"uri=&at", FORM, {"uri": "", "at": ""}, id="empty values"),
        pytest.param(b"%75ri=%C3%A9", FORM, {"uri": "é"}, id="percent-encoded UTF-8, in names too"),
        pytest.param("uri=é".encode(), FORM, {"uri": "é"}, id="raw UTF-8, as curl -d sends it"),
        pytest.param(b"uri=%zz%", FORM, {"uri": "%zz%"}, id="a percent sign that encodes nothing"),
        pytest.param(b"&&uri=a&&", FORM, {"uri": "a"}, id="empty pairs"),
        pytest.param(b"", FORM, {}, id="an empty form"),
        pytest.param(b"URI=a", FORM, {}, id="names have their case"),
    ],
)
def test_bodies_that_are_read(body: bytes, content_type: str | None, expected: Mapping[str, str]) -> None:
    assert body_fields(a_request(body, content_type), NAMES) == expected


@pytest.mark.parametrize(
    ("body", "words"),
    [
        pytest.param(b'{"x": NaN}', NOT_JSON, id="NaN"),
        pytest.param(b'{"x": -Infinity}', NOT_JSON, id="Infinity"),
        pytest.param(b'{"x": 1e999}', NOT_JSON, id="a number beyond a float"),
        pytest.param(b'{"x": ' + b"9" * 5000 + b"}", NOT_JSON, id="5,000 digits"),
        pytest.param(b'{"x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "The JSON is nested too deeply", id="depth"),
        pytest.param(b'{"x":' * 100_000, "The JSON is nested too deeply", id="depth in objects, unclosed"),
        pytest.param(b'{"uri": "\\ud800"}', "uri must be a string of valid Unicode", id="half a surrogate"),
        pytest.param(b'{"uri": "\xff"}', NOT_JSON, id="bad UTF-8"),
        pytest.param(b'\xef\xbb\xbf{"uri": "a"}', NOT_JSON, id="a byte order mark"),
        pytest.param('{"uri": "a"}'.encode("utf-16"), NOT_JSON, id="UTF-16"),
        pytest.param('{"uri": "a"}'.encode("utf-16-le"), NOT_JSON, id="UTF-16 without a mark"),
        pytest.param(b'{"uri": "a", "uri": "b"}', TWICE, id="a name twice"),
        pytest.param(b'{"uri": "a", "\\u0075ri": "b"}', TWICE, id="a name twice, spelled differently"),
        pytest.param(b'{"x": {"y": 1, "y": 2}}', TWICE, id="a name twice, deeper"),
        pytest.param(b'{"uri": "a",}', NOT_JSON, id="a trailing comma"),
        pytest.param(b"{'uri': 'a'}", NOT_JSON, id="single quotes"),
        pytest.param(b'{"uri": "a\nb"}', NOT_JSON, id="a raw newline in a string"),
        pytest.param(b'{"uri": "a"} {}', NOT_JSON, id="more behind"),
        pytest.param(b'["uri", "a"]', "The body must be a JSON object", id="a list"),
        pytest.param(b'"uri"', "The body must be a JSON object", id="a string"),
        pytest.param(b"null", "The body must be a JSON object", id="null"),
        pytest.param(b"17", "The body must be a JSON object", id="a number"),
        pytest.param(b"", NOT_JSON, id="empty"),
        pytest.param(b"\0", NOT_JSON, id="a NUL"),
        pytest.param(b'{"uri": 7}', "uri must be a string of valid Unicode", id="a number for a text"),
        pytest.param(b'{"uri": true}', "uri must be a string of valid Unicode", id="true for a text"),
        pytest.param(b'{"uri": ["a"]}', "uri must be a string of valid Unicode", id="a list for a text"),
        pytest.param(
            b'{"uri": 1, "at": {}}',
            "uri must be a string of valid Unicode; at must be a string of valid Unicode",
            id="all at once",
        ),
    ],
)
def test_t28_json_that_is_refused(body: bytes, words: str) -> None:
    with pytest.raises(Invalid) as refusal:
        body_fields(a_request(body, JSON), NAMES)
    assert str(refusal.value) == words


@pytest.mark.parametrize(
    ("body", "words"),
    [
        pytest.param(b"uri=a&uri=b", TWICE, id="a field twice"),
        pytest.param(b"uri=a&uri=a", TWICE, id="a field twice with the same value"),
        pytest.param(b"x=1&x=2", TWICE, id="any field twice"),
        pytest.param(b"uri=%ff", "The form is not URL-encoded UTF-8", id="%ff"),
        pytest.param(b"uri=\xff", "The form is not URL-encoded UTF-8", id="a byte that is no UTF-8"),
        pytest.param(b"uri=%ed%a0%80", "The form is not URL-encoded UTF-8", id="half a surrogate"),
        pytest.param(b"&".join(b"f%d=" % n for n in range(51)), "A form may have at most 50 fields", id="51 fields"),
        pytest.param(b"a=&" * 200_000, "A form may have at most 50 fields", id="200,000 fields"),
        pytest.param(b"&" * 1_000_000, "A form may have at most 50 fields", id="a million separators"),
    ],
)
def test_t29_forms_that_are_refused(body: bytes, words: str) -> None:
    with pytest.raises(Invalid) as refusal:
        body_fields(a_request(body, FORM), NAMES)
    assert str(refusal.value) == words
    assert isinstance(refusal.value, TooLarge) == ("at most" in words)


@given(st.binary(max_size=200), st.sampled_from([FORM, JSON, "", "multipart/form-data; boundary=x"]))
def test_t28_t29_no_bytes_are_a_bug(body: bytes, content_type: str) -> None:
    try:
        fields = body_fields(a_request(body, content_type), NAMES)
    except Invalid:
        return
    assert set(fields) <= set(NAMES)


@given(st.dictionaries(st.sampled_from(NAMES), st.text()))
def test_the_same_fields_come_out_of_json_and_of_a_form(fields: dict[str, str]) -> None:
    document = a_request(json.dumps(fields).encode(), JSON)
    assert body_fields(document, NAMES) == body_fields(a_request(urlencode(fields).encode(), FORM), NAMES) == fields


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        pytest.param({}, {}, id="none"),
        pytest.param({"uri": ["a"], "_": ["123"]}, {"uri": "a"}, id="what is not named is dropped"),
        pytest.param({"_": ["1", "2"]}, {}, id="what is not named may come twice"),
        pytest.param({"uri": [""]}, {"uri": ""}, id="an empty value is one"),
    ],
)
def test_query_strings_that_are_read(query: Mapping[str, list[str]], expected: Mapping[str, str]) -> None:
    assert query_fields(Request(method="POST", path="/", query=query), NAMES) == expected


def test_a_field_twice_in_the_query_string_is_refused() -> None:
    with pytest.raises(Invalid, match=TWICE):
        query_fields(Request(method="POST", path="/", query={"uri": ["a", "b"]}), NAMES)


def test_half_a_surrogate_in_the_query_string_is_refused() -> None:
    with pytest.raises(Invalid, match="uri must be a string of valid Unicode"):
        query_fields(Request(method="POST", path="/", query={"uri": ["\ud800"]}), NAMES)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("2011-07-26T20:34:56-05:00", "2011-07-27T01:34:56+00:00", id="the seed's own"),
        pytest.param("2011-07-26T20:34:56Z", "2011-07-26T20:34:56+00:00", id="Z"),
        pytest.param("2011-07-26t20:34:56z", "2011-07-26T20:34:56+00:00", id="lower case"),
        pytest.param("2011-07-26 20:34:56Z", "2011-07-26T20:34:56+00:00", id="a space for the T"),
        pytest.param("2011-07-26T20:34:56", "2011-07-26T20:34:56+00:00", id="no zone is UTC"),
        pytest.param("2011-07-26T20:34Z", "2011-07-26T20:34:00+00:00", id="no seconds"),
        pytest.param("2011-07-26T20:34:56+02", "2011-07-26T18:34:56+00:00", id="an offset of hours"),
        pytest.param("2011-07-26T20:34:56+0530", "2011-07-26T15:04:56+00:00", id="an offset without a colon"),
        pytest.param("2011-07-26T20:34:56 02:00", "2011-07-26T18:34:56+00:00", id="a lost plus"),
        pytest.param("2011-07-26T20:34:56 0200", "2011-07-26T18:34:56+00:00", id="a lost plus without a colon"),
        pytest.param("2011-07-26T20:34:56 02", "2011-07-26T18:34:56+00:00", id="a lost plus before hours"),
        pytest.param("2011-07-26t20:34:56.5 02:00", "2011-07-26T18:34:56.500000+00:00", id="a lost plus in lower case"),
        pytest.param("2011-07-26 20:34:56 02:00", "2011-07-26T18:34:56+00:00", id="a lost plus after a lost T"),
        pytest.param("  2011-07-26T20:34:56Z\n", "2011-07-26T20:34:56+00:00", id="white space around"),
        pytest.param("2011-07-26T20:34:56.123Z", "2011-07-26T20:34:56.123000+00:00", id="milliseconds"),
        pytest.param("2011-07-26T20:34:56,123Z", "2011-07-26T20:34:56.123000+00:00", id="a comma"),
        pytest.param("2011-07-26T20:34:56.1Z", "2011-07-26T20:34:56.100000+00:00", id="tenths"),
        pytest.param("2011-07-26T20:34:56.123999999Z", "2011-07-26T20:34:56.123000+00:00", id="cut, not rounded"),
        pytest.param("20110726T203456Z", "2011-07-26T20:34:56+00:00", id="the basic form"),
        pytest.param("20110726T2034-0500", "2011-07-27T01:34:00+00:00", id="the basic form without seconds"),
        pytest.param("20110726T203456.250+05:30", "2011-07-26T15:04:56.250000+00:00", id="the basic form, a fraction"),
        pytest.param("2024-02-29T00:00:00+14:00", "2024-02-28T10:00:00+00:00", id="29 February"),
        pytest.param("9999-12-31T23:59:59Z", "9999-12-31T23:59:59+00:00", id="the last second"),
        pytest.param("0001-01-01T00:00:00Z", "0001-01-01T00:00:00+00:00", id="the first second"),
        pytest.param("2011-07-26T20:34:56-23:59", "2011-07-27T20:33:56+00:00", id="the widest offset"),
    ],
)
def test_t32_times_that_are_read(text: str, expected: str) -> None:
    assert moment(text, "at") == datetime.fromisoformat(expected)


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "now", "tomorrow", "1311737696", "2011", "2011-07", "2011-07-26", "20:34:56", "T20:34:56Z"),
        *("2011-07-26T", "2011-07-26T20Z", "2011-07-26T2:34:56Z", "11-07-26T20:34:56Z", "2011-7-26T20:34:56Z"),
        *("2011-131", "2011-131T20:34:56Z", "2011-W30-2T20:34:56Z", "2011W302T203456Z", "--07-26T20:34:56Z"),
        *("2011-0726T20:34:56Z", "201107-26T20:34:56Z", "2011-07-26T20:3456Z", "2011-07-26T2034:56Z"),
        *("2011-07-26T20:34.5Z", "2011-07-26T20.5Z", "2011-07-26T20:34:56.Z", "2011-07-26T20:34:56.1234567890Z"),
        *("2011-07-26T24:00:00Z", "2011-07-26T23:59:60Z", "2011-07-26T20:60:00Z", "2011-07-26T25:00:00Z"),
        *("2011-02-29T20:34:56Z", "2011-13-01T20:34:56Z", "2011-00-01T20:34:56Z", "2011-07-32T20:34:56Z"),
        *("0000-01-01T00:00:00Z", "10000-01-01T00:00:00Z", "-2011-07-26T20:34:56Z", "+2011-07-26T20:34:56Z"),
        *("9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+00:01", "2011-07-26T20:34:56+24:00"),
        *("2011-07-26T20:34:56+99:99", "2011-07-26T20:34:56+2:00", "2011-07-26T20:34:56+02:00:00"),
        *("2011-07-26T20:34:56ZZ", "2011-07-26T20:34:56 UTC", "2011-07-26T20:34:56 EST", "2011-07-26T20:34:56Z[UTC]"),
        *(
            "2011-07-26T20:34:56\u221205:00",
            "\uff12\uff10\uff11\uff11-07-26T20:34:56Z",
            "\u0662\u0660\u0661\u0661-07-26T20:34:56Z",
        ),
        *("2011-07-26T20:34:56Z\0", "2011-07-26\nT20:34:56Z", "2011/07/26T20:34:56Z", "2011-07-26T20:34:56Z/P1D"),
        *("P1D", "R5/2011-07-26T20:34:56Z/P1D", "\ud800", "2" * 100_000, " " * 100_000 + "x"),
    ],
)
def test_t32_times_that_are_refused(text: str) -> None:
    with pytest.raises(Invalid) as refusal:
        moment(text, "at")
    assert [problem.field for problem in refusal.value.problems] == ["at"]


OFFSETS = st.integers(-23 * 60 - 59, 23 * 60 + 59).map(lambda minutes: timezone(timedelta(minutes=minutes)))
TIMES = st.datetimes(min_value=datetime(2, 1, 1), max_value=datetime(9998, 12, 31), timezones=OFFSETS)  # noqa: DTZ001


@given(TIMES)
def test_t32_every_time_is_read_as_the_instant_it_is_to_the_millisecond(time: datetime) -> None:
    expected = time.astimezone(UTC).replace(microsecond=time.microsecond // 1000 * 1000)
    assert moment(time.isoformat(), "at") == expected
    assert moment(time.isoformat().replace("+", " "), "at") == expected
    assert moment(time.strftime("%Y").zfill(4) + time.strftime("%m%dT%H%M%S.%f%z"), "at") == expected


@given(st.text(alphabet="0123456789-:.,TZtz+ W"))
def test_t32_whatever_is_read_is_utc_and_whole_milliseconds(text: str) -> None:
    try:
        read = moment(quote(text, safe="-:.,+ "), "at")
    except Invalid:
        return
    assert (read.utcoffset(), read.microsecond % 1000) == (timedelta(0), 0)
