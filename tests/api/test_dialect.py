"""The machinery under every dialect: whatever goes wrong is said in its own words, and the operator hears of it."""

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, Never

import pytest

from chalicelib.api.dialect import METHODS, STATUSES, Dialect, status_of
from chalicelib.api.dialects import cronally, rlatr
from chalicelib.api.http import Request, Response
from chalicelib.ports import Services
from chalicelib.scheduling.account import ApiKey
from chalicelib.scheduling.errors import (
    BelltowerError,
    Completed,
    Conflict,
    Invalid,
    MethodNotAllowed,
    NotFound,
    QuotaExceeded,
    Taken,
    Tampered,
    TooLarge,
    Unauthenticated,
    Unavailable,
)
from chalicelib.storage.accounts import DynamoKeys
from tests.api.client import FORM, Answer, Client, basic, cron_date, cron_signed, typed
from tests.world import World

CANARY = "canary-7f3a"
DIALECTS = (rlatr.DIALECT, cronally.DIALECT)
Raised = Callable[[], Exception]


class Broken:
    """A port in which every call ends badly."""

    def __init__(self, error: Raised) -> None:
        self._error = error

    def __getattr__(self, _name: str) -> Callable[..., Never]:
        def fail(*_args: object, **_named: object) -> Never:
            raise self._error()

        return fail


class LikeDynamo(DynamoKeys):
    """Takes no key that is longer than DynamoDB's may be."""

    def get(self, key: str) -> ApiKey | None:
        if len(key) > 2000:
            raise RuntimeError("ValidationException: 2048 bytes")
        return super().get(key)


def broken(error: Raised) -> Any:
    return Broken(error)


def a_dialect(view: Callable[[Services, Request], Response], **options: Any) -> Dialect:
    def rendered(error: BelltowerError) -> Response:
        return Response(status=status_of(error, {}), body=f"!{error}", content_type="text/plain")

    return Dialect(name="toy", routes={"/toy/{ref}": {"PUT": view, "GET": view}}, render_error=rendered, **options)


def raising(error: Raised) -> Callable[[Services, Request], Response]:
    def view(_services: Services, _request: Request) -> Response:
        raise error()

    return view


def toy(world: World, view: Callable[[Services, Request], Response], **options: Any) -> Client:
    return Client(lambda: world.services, a_dialect(view, **options))


def asked(client: Client, dialect: Dialect, *, world: World) -> Answer:
    """A request that gets as far as the account store, in either dialect."""
    if dialect is rlatr.DIALECT:
        headers = [basic("key", "secret"), typed(FORM)]
        return client.send("POST", "/api/v1ish/schedule", headers=headers, body="uri=http://a.example/&at=x")
    date = cron_date(world.clock.now())
    return client.send("GET", "/account/", headers=cron_signed("key", "c2VjcmV0", method="GET", path="/", date=date))


def reasons(dialect: Dialect, answer: Answer) -> list[str]:
    """What a dialect says went wrong, after a look at all of its shape."""
    if dialect is rlatr.DIALECT:
        [(kind, fail)] = answer.json.items()
        assert (kind, list(fail)) == ("fail", ["errors"])
        return list(fail["errors"])
    document = answer.json
    assert document == {
        "status": "error",
        "response": {"reason": document["reason"]},
        "reason": document["reason"],
    }
    return [document["reason"]]


def test_a_view_is_given_the_services_and_the_request(still: World) -> None:
    seen: list[tuple[Services, Request]] = []

    def view(services: Services, request: Request) -> Response:
        seen.append((services, request))
        return Response(status=202, body="ok", content_type="text/x-ok", headers={"X-Own": "1"})

    answer = toy(still, view).send("PUT", "/toy/a%2Fb/?x=1", headers=[("X-A", "1"), ("X-A", "2")], body="{not json")
    [(services, request)] = seen
    assert services.jobs is still.services.jobs
    assert (request.method, request.path, request.params) == ("PUT", "/toy/a%2Fb/", {"ref": "a%2Fb"})
    assert (request.query, request.headers, request.body) == ({"x": ["1"]}, {"x-a": ["1", "2"]}, b"{not json")
    assert (answer.status, answer.body) == (202, "ok")
    assert answer.headers == {"content-type": "text/x-ok", "x-own": "1", "cache-control": "no-store"}


@pytest.mark.parametrize("content_type", ["application/xml", "image/png", "application/json", "", "garbage", "é;;=,"])
@pytest.mark.parametrize("accept", ["", "text/html", "image/png", "*/*;q=0", "garbage"])
def test_every_type_reaches_the_view(still: World, content_type: str, accept: str) -> None:
    bodies: list[bytes] = []

    def view(_services: Services, request: Request) -> Response:
        bodies.append(request.body)
        return Response(status=200, body="{}")

    headers = [typed(content_type), ("Accept", accept)]
    answer = toy(still, view).send("PUT", "/toy/1", headers=headers, body=b'{"a": NaN')
    assert (answer.status, bodies) == (200, [b'{"a": NaN'])


@pytest.mark.parametrize(
    ("error", "status", "body", "fault"),
    [
        pytest.param(lambda: Invalid("at", "is wrong"), 400, "!at is wrong", "Invalid", id="Invalid"),
        pytest.param(lambda: TooLarge("at", "is long"), 413, "!at is long", "TooLarge", id="TooLarge"),
        pytest.param(lambda: Unauthenticated("no"), 401, "!no", "Unauthenticated", id="Unauthenticated"),
        pytest.param(lambda: QuotaExceeded("enough"), 403, "!enough", "QuotaExceeded", id="QuotaExceeded"),
        pytest.param(lambda: NotFound("Job", CANARY), 404, "!Job not found", "NotFound", id="NotFound"),
        pytest.param(lambda: Taken("email"), 409, "!email is already in use", "Taken", id="Taken"),
        pytest.param(lambda: Completed("done"), 409, "!done", "Completed", id="Completed"),
        pytest.param(lambda: Unavailable("x"), 503, "!x is unavailable, try again", "Unavailable", id="Unavailable"),
    ],
)
def test_an_error_of_ours_is_rendered_and_reported(
    still: World, error: Raised, status: int, body: str, fault: str
) -> None:
    still.events.lines.clear()
    answer = toy(still, raising(error)).send("PUT", "/toy/1")
    assert (answer.status, answer.body, answer.headers["content-type"]) == (status, body, "text/plain")
    [facts] = still.events.of("request")
    took = facts.pop("took_ms")
    assert facts == {"api": "toy", "method": "PUT", "route": "/toy/{ref}", "status": status, "error": fault}
    assert took >= 0


@pytest.mark.parametrize(
    "error",
    [
        *(lambda: KeyError(CANARY), lambda: RuntimeError(CANARY), lambda: RecursionError(CANARY)),
        *(lambda: UnicodeEncodeError("utf-8", CANARY, 0, 1, CANARY), lambda: BelltowerError(CANARY)),
        *(lambda: Tampered(f"the ciphertext at key/{CANARY} does not belong there"), lambda: MemoryError(CANARY)),
    ],
)
def test_a_bug_of_ours_is_rendered_without_any_detail(still: World, error: Raised) -> None:
    answer = toy(still, raising(error)).send("PUT", "/toy/1")
    assert (answer.status, answer.body) == (500, "!Internal error; it was logged")


def test_a_bug_is_reported_with_its_way_through_our_files_and_without_its_text(still: World) -> None:
    still.events.lines.clear()
    services = replace(still.services, clock=broken(lambda: KeyError(CANARY)))
    client = Client(lambda: services, cronally.DIALECT)
    answer = client.send("POST", "/account/", headers=[typed(FORM)], body="email=a@example.com")
    [facts] = still.events.of("request")
    assert (answer.status, facts["status"]) == (500, 500)
    kind, _, way = facts["error"].partition(" at ")
    files = [step.partition(":")[0] for step in way.split(" > ")]
    assert (kind, files) == ("bug: KeyError", ["dialect.py", "cronally.py", "accounts.py", "accounts.py"])
    assert CANARY not in json.dumps(still.events.lines)


def test_what_was_tampered_with_is_told_to_the_operator_alone(still: World) -> None:
    still.events.lines.clear()
    toy(still, raising(lambda: Tampered("the ciphertext at job/7/keys"))).send("PUT", "/toy/1")
    [facts] = still.events.of("request")
    assert facts["error"] == "Tampered: the ciphertext at job/7/keys"


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
def test_services_that_cannot_be_built_are_a_bug_in_the_dialects_words(
    dialect: Dialect, still: World, caplog: pytest.LogCaptureFixture
) -> None:
    def services() -> Services:
        raise RuntimeError(f"BELLTOWER_STAGE is not set {CANARY}")

    with caplog.at_level(logging.ERROR):
        answer = asked(Client(services, dialect), dialect, world=still)
    assert (answer.status, reasons(dialect, answer)) == (500, ["Internal error; it was logged"])
    assert "BELLTOWER_STAGE is not set" in caplog.text


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
def test_a_bug_is_told_in_each_dialects_words(dialect: Dialect, still: World) -> None:
    services = replace(still.services, keys=broken(lambda: RuntimeError(CANARY)))
    answer = asked(Client(lambda: services, dialect), dialect, world=still)
    assert (answer.status, reasons(dialect, answer)) == (500, ["Internal error; it was logged"])
    assert answer.headers == {"content-type": "application/json", "cache-control": "no-store"}


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
def test_t60_a_service_that_is_away_is_503_with_retry_after_in_each_dialect(dialect: Dialect, still: World) -> None:
    away = broken(lambda: Unavailable("the database", retry_after=timedelta(seconds=7)))
    services = replace(still.services, keys=away)
    answer = asked(Client(lambda: services, dialect), dialect, world=still)
    assert (answer.status, answer.headers["retry-after"]) == (503, "7")
    assert reasons(dialect, answer) == ["the database is unavailable, try again"]


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
def test_t06_a_key_longer_than_dynamodb_takes_is_an_unknown_key(dialect: Dialect, still: World) -> None:
    services = replace(still.services, keys=LikeDynamo(still.accounts))
    client, key = Client(lambda: services, dialect), "k" * 3000
    signed = cron_signed(key, "c2VjcmV0", method="GET", path="/account", date=cron_date(still.clock.now()))
    path = "/account" if dialect is cronally.DIALECT else "/api/v1ish/schedule"
    method = "GET" if dialect is cronally.DIALECT else "POST"
    assert client.send(method, path, headers=[basic(key, "secret"), *signed]).status == 401


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
@pytest.mark.parametrize(
    ("headers", "body", "words"),
    [
        pytest.param([("X", "y")] * 101, "", "A request may have at most 100 headers", id="headers"),
        pytest.param([typed(FORM)], "x" * (1024 * 1024 + 1), "A request may have at most 1048576 bytes", id="body"),
    ],
)
def test_t34_limits_are_told_in_each_dialects_words(
    dialect: Dialect, still: World, headers: list[tuple[str, str]], body: str, words: str
) -> None:
    path = "/cronjob/" if dialect is cronally.DIALECT else "/api/v1ish/schedule"
    answer = Client(lambda: still.services, dialect).send("POST", path, headers=headers, body=body)
    assert (answer.status in {400, 413}, reasons(dialect, answer)) == (True, [words])


@pytest.mark.parametrize(
    ("dialect", "path", "method"),
    [(dialect, path, method) for dialect in DIALECTS for path in dialect.routes for method in METHODS],
    ids=lambda value: getattr(value, "name", value),
)
@pytest.mark.parametrize("content_type", ["application/json", "application/xml", "application/octet-stream", ""])
def test_no_answer_is_in_chalices_own_shape(
    still: World, dialect: Dialect, path: str, method: str, content_type: str
) -> None:
    client = Client(lambda: still.services, dialect)
    answer = client.send(method, path.replace("{ref}", "1"), headers=[typed(content_type)], body='{"a": NaN')
    assert (answer.headers["content-type"], answer.status < 500) == ("application/json", True)
    assert (answer.status == 405) == (method not in dialect.routes[path])
    assert (answer.status == 405) == ("allow" in answer.headers)
    assert reasons(dialect, answer)


def test_a_dialects_own_status_comes_before_https() -> None:
    assert status_of(Taken("email"), {Conflict: 400}) == 400
    assert status_of(TooLarge("x", "y"), {Invalid: 422}) == 413
    assert status_of(TooLarge("x", "y"), {TooLarge: 400}) == 400
    assert status_of(BelltowerError("x"), {}) == 500


def test_every_error_that_is_meant_for_a_caller_has_a_status() -> None:
    meant = set(BelltowerError.__subclasses__()) - {Tampered}
    ours = {kind for kind in meant if kind.__module__ == MethodNotAllowed.__module__}
    assert ours <= set(STATUSES)


@pytest.mark.parametrize("headers", [{}, {"X-Every": "1"}], ids=["none", "one"])
def test_a_dialect_may_set_its_own_headers_for_every_answer(still: World, headers: Mapping[str, str]) -> None:
    client = toy(still, raising(lambda: NotFound("Job")), headers=headers)
    answer = client.send("GET", "/toy/1")
    assert {name: value for name, value in answer.headers.items() if name != "content-type"} == {
        name.lower(): value for name, value in headers.items()
    }
