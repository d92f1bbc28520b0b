"""What a dialect is, and how it is mounted.

Every view is wrapped: an error of ours is rendered in the caller's own words and status, our own bugs included.
Chalice's middleware never sees exceptions, so it cannot do this. Chalice would also answer wrong methods and content
types itself, in its own shape: so every path takes every method and every type, and the table here decides.
"""

import json
import logging
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from chalice.app import Chalice
from chalice.app import Response as ChaliceResponse

from chalicelib.api.http import Request, Response, request_of
from chalicelib.ports import Services
from chalicelib.scheduling.errors import (
    BelltowerError,
    Conflict,
    Forbidden,
    Invalid,
    MethodNotAllowed,
    NotFound,
    QuotaExceeded,
    Throttled,
    TooLarge,
    Unauthenticated,
    Unavailable,
    told,
)

LOG = logging.getLogger(__name__)
MAX_ANSWER = 6 * 1024 * 1024 - 64 * 1024  # what a Lambda may answer with, less some headers
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")

View = Callable[[Services, Request], Response]


class OurFault(BelltowerError):
    """A bug of ours, for the caller: no detail leaves the house."""

    def __init__(self) -> None:
        super().__init__("Internal error; it was logged")


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """One API: its name, its routes (path -> method -> view), and how it says what went wrong."""

    name: str
    routes: Mapping[str, Mapping[str, View]]
    render_error: Callable[[BelltowerError], Response]
    headers: Mapping[str, str] = field(default_factory=lambda: {"Cache-Control": "no-store"})


STATUSES: Mapping[type[BelltowerError], int] = {
    TooLarge: 413,
    Invalid: 400,
    Unauthenticated: 401,
    QuotaExceeded: 403,
    Forbidden: 403,
    Throttled: 429,
    NotFound: 404,
    MethodNotAllowed: 405,
    Conflict: 409,
    Unavailable: 503,
}


def status_of(error: BelltowerError, own: Mapping[type[BelltowerError], int]) -> int:
    """The status of an error: the dialect's own for its nearest kind, else what HTTP has for it, else 500."""
    kinds = [kind for kind in type(error).__mro__ if issubclass(kind, BelltowerError)]
    return next((table[kind] for kind in kinds for table in (own, STATUSES) if kind in table), 500)


def headers_of(error: BelltowerError) -> Mapping[str, str]:
    """The headers that say what to do about an error, in every dialect."""
    match error:
        case MethodNotAllowed(allowed=allowed):
            return {"Allow": ", ".join(allowed)}
        case Unavailable(retry_after=retry_after) | Throttled(retry_after=retry_after):
            return {"Retry-After": str(math.ceil(retry_after.total_seconds()))}
    return {}


def mount(app: Chalice, dialect: Dialect, services: Callable[[], Services]) -> None:
    """Puts a dialect's routes on the app."""
    for path, views in dialect.routes.items():
        app.route(path, methods=list(METHODS), content_types=["*/*"], name=f"{dialect.name}{path}")(
            _handler(app, dialect, views, services)
        )


def _handler(
    app: Chalice, dialect: Dialect, views: Mapping[str, View], services: Callable[[], Services]
) -> Callable[..., ChaliceResponse]:
    def handle(**_params: str) -> ChaliceResponse:
        current = app.current_request
        event: Mapping[str, Any] = current.to_original_event() if current else {}
        response = answer(dialect, views, services, event)
        headers: dict[str, str | list[str]] = {**dialect.headers, **response.headers}
        headers["Content-Type"] = response.content_type
        return ChaliceResponse(body=response.body, status_code=response.status, headers=headers)

    return handle


def answer(
    dialect: Dialect, views: Mapping[str, View], services: Callable[[], Services], event: Mapping[str, Any]
) -> Response:
    """The view's answer, or the dialect's words for what went wrong; one event of ours says which it was."""
    began, context = time.perf_counter(), event.get("requestContext", {})
    try:
        given = _at_home(services(), context).bound(request=context.get("requestId"))
    except Exception:  # without services there is nobody to tell but the log of the process
        LOG.exception("no services")
        return dialect.render_error(OurFault())
    response, fault = _attempt(dialect, views, given, event)
    given.events.emit(
        "request",
        api=dialect.name,
        method=str(context.get("httpMethod")),
        route=str(context.get("resourcePath")),
        status=response.status,
        took_ms=round((time.perf_counter() - began) * 1000),
        error=fault or None,
    )
    return response


def _at_home(services: Services, context: Mapping[str, Any]) -> Services:
    """For these requests also the host that they came to is one that no webhook may call."""
    host = context.get("domainName")
    if not host:
        return services
    rules = replace(services.rules, addresses=services.rules.addresses.also_own(str(host)))
    return replace(services, rules=rules)


def _attempt(
    dialect: Dialect, views: Mapping[str, View], services: Services, event: Mapping[str, Any]
) -> tuple[Response, str]:
    """The answer, and what the operator should know about it.

    An error of ours without a place in STATUSES, such as Tampered, is for the operator alone: its text may name what
    the caller must not see.
    """
    try:
        request = request_of(event)
        view = views.get(request.method) or partial(_refuse, tuple(views))
        return _sendable(view(services, request)), ""
    except BelltowerError as error:
        if isinstance(error, tuple(STATUSES)):
            return dialect.render_error(error), type(error).__name__
        return dialect.render_error(OurFault()), f"{type(error).__name__}: {error}"
    except Exception as error:  # noqa: BLE001 - whatever it is, the caller gets an answer in its own words
        return dialect.render_error(OurFault()), f"bug: {told(error)}"


def _sendable(response: Response) -> Response:
    """The answer, if a Lambda may give it: its body counts as JSON text, in which a character has up to twelve bytes.

    Raises TooLarge: a list is whole or refused, never cut without a word.
    """
    if len(response.body) * 12 > MAX_ANSWER and len(json.dumps(response.body)) > MAX_ANSWER:
        raise TooLarge("", "The answer would have more than 6 MB: ask for a shorter time range, or for single jobs")
    return response


def _refuse(allowed: tuple[str, ...], _services: Services, _request: Request) -> Response:
    raise MethodNotAllowed(allowed)
