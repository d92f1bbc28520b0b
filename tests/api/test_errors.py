"""The one error table: every error of the core, in the words and with the status of every API.

An error that is new in the core, or a dialect without a column, fails here until somebody decides.
"""

import json
from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import cast
from xml.etree import ElementTree as ET

import pytest

from chalicelib.api import dialects
from chalicelib.api.dialect import Dialect, OurFault, answer
from chalicelib.api.http import Request, Response
from chalicelib.ports import Services
from chalicelib.scheduling import errors
from chalicelib.scheduling.errors import BelltowerError
from tests.fakes import FakeEvents

SECRET = "what the house knows"  # the texts of errors that are our own affair

SAMPLES: dict[type[BelltowerError], Callable[[], BelltowerError]] = {
    errors.Invalid: lambda: errors.Invalid("name", "is <wrong> & \x00 \ud800 é"),
    errors.TooLarge: lambda: errors.TooLarge("name", "must be shorter"),
    errors.Unauthenticated: lambda: errors.Unauthenticated("Unknown API key or wrong proof"),
    errors.NotFound: lambda: errors.NotFound("Job", "<b>1</b>"),
    errors.MethodNotAllowed: lambda: errors.MethodNotAllowed(("GET", "POST")),
    errors.Conflict: lambda: errors.Conflict("not now"),
    errors.Taken: lambda: errors.Taken("email"),
    errors.Completed: lambda: errors.Completed("it has fired"),
    errors.QuotaExceeded: lambda: errors.QuotaExceeded("An account may have 1 jobs"),
    errors.Forbidden: lambda: errors.Forbidden("A key makes no other key"),
    errors.Throttled: lambda: errors.Throttled(timedelta(seconds=6, milliseconds=1)),
    errors.Unavailable: lambda: errors.Unavailable("the database", retry_after=timedelta(seconds=7)),
    errors.Tampered: lambda: errors.Tampered(SECRET),
    BelltowerError: lambda: BelltowerError(SECRET),
}

HTTP = {"Invalid": 400, "TooLarge": 413, "Unauthenticated": 401, "NotFound": 404, "MethodNotAllowed": 405}
HTTP |= {"Conflict": 409, "Taken": 409, "Completed": 409, "QuotaExceeded": 403, "Unavailable": 503}
HTTP |= {"Forbidden": 403, "Throttled": 429}
HTTP |= {"Tampered": 500, "BelltowerError": 500, "OurFault": 500}
BAD = dict.fromkeys(("Conflict", "Taken", "Completed"), 400)
# RunLater says 404 in plain text where it has no route for a method, and 400 for all else that is the caller's.
ALWAYS_400 = dict.fromkeys(HTTP, 400) | {
    "Throttled": 429,
    "Unavailable": 503,
    "Tampered": 500,
    "BelltowerError": 500,
    "OurFault": 500,
    "MethodNotAllowed": 404,
}

STATUSES: dict[str, dict[str, int]] = {
    "runlater": ALWAYS_400,
    "runlater_users": ALWAYS_400,
    "rlatr": HTTP | BAD,
    "job_scheduler": HTTP,
    "cronally": HTTP | BAD | {"TooLarge": 400},
    "ndscheduler": HTTP | BAD | {"NotFound": 400, "TooLarge": 400},
    "belltower": HTTP,
}


def words_of(dialect: Dialect, body: str) -> str:
    """The text of an error in a dialect's own shape; fails where the shape is another."""
    if body == "Page not found" and dialect.name.startswith("runlater"):
        return body
    if body.startswith("<"):
        return ET.fromstring(body).text or ""  # noqa: S314 - our own words
    said = json.loads(body)
    match dialect.name, said:
        case "rlatr", {"fail": {"errors": [str(first), *_]}}:
            return first
        case "cronally", {"status": "error", "reason": str(reason), "response": {"reason": str(again)}}:
            assert reason == again
            return reason
        case _, {"error": str(text)}:
            return text
    raise AssertionError(f"{dialect.name} says {body}")


def rendered(dialect: Dialect, error: BelltowerError) -> Response:
    """What a caller is told when a view of the dialect raises."""

    def view(_services: Services, _request: Request) -> Response:
        raise error

    bare: SimpleNamespace = SimpleNamespace(events=FakeEvents(), bound=lambda **_facts: bare)
    services = cast("Services", bare)
    event = {"requestContext": {"httpMethod": "GET", "resourcePath": "/", "path": "/"}}
    return answer(dialect, {"GET": view}, lambda: services, event)


def family(kind: type[BelltowerError]) -> set[type[BelltowerError]]:
    own = {one for one in kind.__subclasses__() if one.__module__ == errors.__name__}
    return {kind, *(one for child in own for one in family(child))}


def test_every_error_of_the_core_is_in_the_table() -> None:
    assert set(SAMPLES) == family(BelltowerError)
    assert set(STATUSES) == {dialect.name for dialect in dialects.every()}


@pytest.mark.parametrize("dialect", dialects.every(), ids=lambda dialect: dialect.name)
@pytest.mark.parametrize("kind", [*SAMPLES, OurFault], ids=lambda kind: kind.__name__)
def test_an_error_has_its_status_and_the_dialect_s_own_shape(dialect: Dialect, kind: type[BelltowerError]) -> None:
    response = rendered(dialect, SAMPLES[kind]() if kind in SAMPLES else OurFault())
    assert response.status == STATUSES[dialect.name][kind.__name__]
    words = words_of(dialect, response.body)
    assert words
    assert SECRET not in response.body
    response.body.encode()  # what cannot be written would be a 500
    for name, value in response.headers.items():
        assert f"{name}{value}".isascii()
        assert not set(value) & set("\r\n\0")


@pytest.mark.parametrize("dialect", dialects.every(), ids=lambda dialect: dialect.name)
def test_t60_what_is_away_says_when_to_ask_again_and_what_is_wrong_says_what_may_be_asked(dialect: Dialect) -> None:
    away = rendered(dialect, SAMPLES[errors.Unavailable]())
    throttled = rendered(dialect, SAMPLES[errors.Throttled]())
    assert (away.headers["Retry-After"], throttled.headers["Retry-After"]) == ("7", "7")
    wrong = rendered(dialect, SAMPLES[errors.MethodNotAllowed]())
    assert wrong.headers["Allow"] == "GET, POST"
