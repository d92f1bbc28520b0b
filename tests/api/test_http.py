"""Events in: what API Gateway sends, what Chalice's own server sends, and what is over a limit (T34)."""

import base64
from collections.abc import Mapping
from typing import Any

import pytest
from chalice.local import LambdaEventConverter, RouteMatcher

from chalicelib.api.http import MAX_BODY, MAX_HEADERS, Request, request_of
from chalicelib.scheduling.errors import Invalid, TooLarge


def an_event(**changes: Any) -> dict[str, Any]:
    event: dict[str, Any] = {
        "path": "/cronjob/a%2Fb/",
        "httpMethod": "DELETE",
        "requestContext": {
            "httpMethod": "DELETE",
            "resourcePath": "/cronjob/{ref}",
            "path": "/api/cronjob/a%2Fb/",
            "stage": "api",
        },
        "pathParameters": {"ref": "a%2Fb"},
        "multiValueHeaders": {"X-Cron-Key": ["k"], "Accept": ["a", "b"]},
        "headers": {"X-Cron-Key": "k", "Accept": "b"},
        "multiValueQueryStringParameters": {"x": ["1", "2"]},
        "body": None,
        "isBase64Encoded": False,
    }
    return event | changes


def test_path_and_variables_stay_as_they_were_sent() -> None:
    request = request_of(an_event())
    assert (request.method, request.path, request.staged) == ("DELETE", "/cronjob/a%2Fb/", "/api/cronjob/a%2Fb/")
    assert (request.params, request.query, request.body) == ({"ref": "a%2Fb"}, {"x": ["1", "2"]}, b"")


def test_what_a_gateway_leaves_null_is_empty() -> None:
    request = request_of(
        an_event(pathParameters=None, multiValueQueryStringParameters=None, multiValueHeaders=None, headers=None)
    )
    assert (request.params, request.query, request.headers) == ({}, {}, {})


def test_an_event_of_chalices_own_server_is_read_too() -> None:
    converter = LambdaEventConverter(RouteMatcher(["/cronjob/{ref}"]))
    event = converter.create_lambda_event("POST", "/cronjob/7/?x=1", {"Content-Type": "text/plain"}, b"\xff\0")
    request = request_of(event)
    assert (request.path, request.signable_paths) == ("/cronjob/7/", ("/cronjob/7/", "/cronjob/7"))
    assert (request.params, request.query, request.body) == ({"ref": "7"}, {"x": ["1"]}, b"\xff\0")
    assert request.media_type == "text/plain"


@pytest.mark.parametrize(
    ("path", "staged", "expected"),
    [
        pytest.param("/account/", "/account/", ("/account/", "/account"), id="a domain of one's own"),
        pytest.param("/account", "/account", ("/account", "/account/"), id="without the slash"),
        pytest.param("/account", "", ("/account", "/account/"), id="no context"),
        pytest.param(
            "/account/",
            "/api/account/",
            ("/account/", "/account", "/api/account/", "/api/account"),
            id="an invoke URL, with the stage",
        ),
    ],
)
def test_the_paths_a_client_may_have_signed(path: str, staged: str, expected: tuple[str, ...]) -> None:
    assert Request(method="GET", path=path, staged=staged).signable_paths == expected


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        pytest.param({"X-Cron-Key": ["k"]}, "k", id="once"),
        pytest.param({"x-CRON-key": ["k"]}, "k", id="in any case"),
        pytest.param({"X-Cron-Key": [""]}, "", id="empty"),
        pytest.param({"Accept": ["x"]}, None, id="not there"),
        pytest.param({"X-Cron-Key": ["k", "l"]}, None, id="twice"),
        pytest.param({"X-Cron-Key": ["k", "k"]}, None, id="twice the same"),
        pytest.param({"X-Cron-Key": ["k"], "x-cron-key": ["l"]}, None, id="twice in two cases"),
    ],
)
def test_t06_a_header_has_one_value_or_none(headers: Mapping[str, list[str]], expected: str | None) -> None:
    assert request_of(an_event(multiValueHeaders=headers)).header("X-Cron-Key") == expected


@pytest.mark.parametrize(
    ("content_type", "expected"),
    [
        *(("application/json", "application/json"), ("Application/JSON; charset=x", "application/json")),
        *((" text/xml ;a=b;c", "text/xml"), ("", ""), (";", ""), ("é", "é"), ("a" * 20_000, "a" * 20_000)),
    ],
)
def test_media_types_lose_their_parameters_and_case(content_type: str, expected: str) -> None:
    assert request_of(an_event(multiValueHeaders={"Content-Type": [content_type]})).media_type == expected


def test_t34_as_many_headers_as_may_be() -> None:
    headers = {f"X-{number}": ["v"] for number in range(MAX_HEADERS)}
    assert len(request_of(an_event(multiValueHeaders=headers)).headers) == MAX_HEADERS


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({f"X-{number}": ["v"] for number in range(MAX_HEADERS + 1)}, id="by name"),
        pytest.param({"X": ["v"] * (MAX_HEADERS + 1)}, id="by value"),
    ],
)
def test_t34_one_header_more_is_refused(headers: Mapping[str, list[str]]) -> None:
    with pytest.raises(TooLarge, match="at most 100 headers"):
        request_of(an_event(multiValueHeaders=headers))


@pytest.mark.parametrize(
    ("body", "encoded", "expected"),
    [
        pytest.param("a=é", False, "a=é".encode(), id="text"),
        pytest.param("/w==", True, b"\xff", id="base64"),
        pytest.param("", True, b"", id="empty"),
        pytest.param("x" * MAX_BODY, False, b"x" * MAX_BODY, id="as long as may be"),
        pytest.param(base64.b64encode(b"x" * MAX_BODY).decode(), True, b"x" * MAX_BODY, id="as long, in base64"),
    ],
)
def test_bodies_are_bytes(body: str, encoded: bool, expected: bytes) -> None:  # noqa: FBT001 - the gateway's own flag
    assert request_of(an_event(body=body, isBase64Encoded=encoded)).body == expected


@pytest.mark.parametrize(
    ("body", "encoded", "refusal"),
    [
        pytest.param("x" * (MAX_BODY + 1), False, TooLarge, id="a byte too long"),
        pytest.param("é" * (MAX_BODY // 2 + 1), False, TooLarge, id="a letter of two bytes too long"),
        pytest.param(base64.b64encode(b"x" * (MAX_BODY + 1)).decode(), True, TooLarge, id="too long in base64"),
        pytest.param("x" * 10 * MAX_BODY, True, TooLarge, id="far too long, not even decoded"),
        pytest.param("%%%", True, Invalid, id="no base64"),
        pytest.param("a", True, Invalid, id="half a base64"),
        pytest.param("é", True, Invalid, id="base64 that is not ASCII"),
        pytest.param("\ud800", False, Invalid, id="half a surrogate"),
    ],
)
def test_t34_bodies_that_are_refused(body: str, encoded: bool, refusal: type[Exception]) -> None:  # noqa: FBT001
    with pytest.raises(refusal):
        request_of(an_event(body=body, isBase64Encoded=encoded))
