"""rlatr: /api/v1ish/schedule. Source: seeds/001.

Kept on purpose: one `fail.errors` list with every problem at once; ids are JSON integers; PUT changes only what it
sends; there is nothing to GET; the method may be given in any case.
Interpreted: ids are random 53-bit numbers, exact in every JSON parser and not to be guessed. A time up to a minute past
runs now. Refusals are 400, 401 with a challenge, 404 and 405. Four attempts in all, with redirects followed up to five
times, since only those of callbacks are forbidden. A request whose retries are pending is not completed.
"""

import json
import secrets
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from chalicelib import signing
from chalicelib.api.dialect import Dialect, headers_of, status_of
from chalicelib.api.fields import basic_credentials, moment, text_fields
from chalicelib.api.http import Request, Response
from chalicelib.operations.accounts import authenticate
from chalicelib.operations.jobs import Change, create_job, delete_job, edit_job, get_job, last_execution
from chalicelib.ports import Services
from chalicelib.scheduling.account import Principal
from chalicelib.scheduling.address import check_method, check_url
from chalicelib.scheduling.errors import BelltowerError, Completed, Conflict, Invalid, Problem
from chalicelib.scheduling.job import Definition, Ending, Job, JobRef, JobState
from chalicelib.scheduling.retry import Misfire, RetryPolicy
from chalicelib.scheduling.schedule import Once
from chalicelib.scheduling.target import Callback, Signing, Webhook

NAME = "rlatr"
RETRY = RetryPolicy(waits=(timedelta(seconds=10), timedelta(minutes=1), timedelta(minutes=10)))
METHODS = ("GET", "POST", "PUT", "DELETE", "HEAD", "PATCH")
REDIRECTS = 5
GRACE = timedelta(minutes=1)
ID_BITS = 53


def create(services: Services, request: Request) -> Response:
    """POST /schedule."""
    principal = authenticated(services, request)
    ref = JobRef(account_id=principal.account_id, job_id=str(secrets.randbits(ID_BITS - 1) | 1 << (ID_BITS - 1)))
    definition, schedule = parsed(services, principal, ref, fields=text_fields(request))
    job = create_job(services, definition, schedule, misfire=Misfire.LATEST)
    return success(job)


def update(services: Services, request: Request) -> Response:
    """PUT /schedule/{ref}."""
    principal, fields = authenticated(services, request), text_fields(request)
    return success(
        edit_job(
            services,
            principal,
            request.params["ref"],
            dialect=NAME,
            edit=lambda job: changed(services, unfinished(services, job), fields),
        )
    )


def delete(services: Services, request: Request) -> Response:
    """DELETE /schedule/{ref}."""
    principal, job_id = authenticated(services, request), request.params["ref"]
    unfinished(services, get_job(services, principal, job_id, dialect=NAME))
    return success(delete_job(services, principal, job_id, dialect=NAME))


def authenticated(services: Services, request: Request) -> Principal:
    """HTTP Basic: user is the API key, password its secret."""
    key, secret = basic_credentials(request) or ("", "")
    proof = secret.encode()
    return authenticate(services, key, proves=lambda known: signing.same(known.reveal().encode(), proof))


def parsed(
    services: Services, principal: Principal, ref: JobRef, *, fields: Mapping[str, str]
) -> tuple[Definition, Once]:
    """The job in the fields of a creation. Raises Invalid with every problem in them."""
    missing = [Problem(name, "is required") for name in ("uri", "at") if not fields.get(name)]
    now = services.clock.now()
    blank = Definition(
        ref=ref,
        dialect=NAME,
        key=principal.key,
        name=fields.get("uri", ""),
        target=Webhook(url="", method="GET", redirects=REDIRECTS, signing=Signing.RLATR),
        created_at=now,
        retry=RETRY,
        ending=Ending.EXPIRE,
    )
    definition, at = applied(services, blank, {name: text for name, text in fields.items() if text}, missing=missing)
    return definition, Once(at=at or now)


def applied(
    services: Services, definition: Definition, fields: Mapping[str, str], *, missing: list[Problem]
) -> tuple[Definition, datetime | None]:
    """The definition with the fields that are given, and the new time if one is. Raises Invalid with all problems."""
    problems, policy, now = list(missing), services.rules.addresses, services.clock.now()
    target, callback, at = definition.target, definition.callback, None
    for name, text in fields.items():
        try:
            match name, target:
                case "uri", Webhook():
                    check_url(text, field=name, policy=policy)
                    target = replace(target, url=text)
                case "method", Webhook():
                    check_method(text.upper(), field=name, allowed=METHODS)
                    target = replace(target, method=text.upper())
                case "callback_uri", _:
                    check_url(text, field=name, policy=policy)
                    callback = callback_to(text, definition.ref)
                case "at", _:
                    at = future(moment(text, name), now)
        except Invalid as error:
            problems += error.problems
    if problems:
        raise Invalid(problems=tuple(problems))
    name = target.url if isinstance(target, Webhook) else definition.name
    return replace(definition, target=target, callback=callback, name=name), at


def future(at: datetime, now: datetime) -> datetime:
    """A time that may be asked for: to come, or past by no more than a clock may be wrong."""
    if at < now - GRACE:
        raise Invalid("at", "must be in the future")
    return at


def changed(services: Services, job: Job, fields: Mapping[str, str]) -> Change:
    """The edit that the fields of an update ask for: what is not sent stays as it is."""
    given = {name: text for name, text in fields.items() if text}
    definition, at = applied(services, job.definition, given, missing=[])
    return Change(definition=definition, schedule=Once(at=at) if at else None)


def unfinished(services: Services, job: Job) -> Job:
    """The job, unless it has completed: fired, and not waiting for a retry."""
    if job.standing.state is JobState.FINISHED:
        execution = last_execution(services, job)
        if execution and execution.final:
            raise Completed("Request has already been completed")
    return job


def callback_to(url: str, ref: JobRef) -> Callback:
    """A callback with the two bodies it may post."""
    delivered, failed = (
        json.dumps({"status": status, "id": int(ref.job_id)}).encode() for status in ("success", "failed")
    )
    return Callback(url=url, delivered=delivered, failed=failed, signing=Signing.RLATR)


def success(job: Job) -> Response:
    """`{"success": {"id": 123456}}`."""
    return Response(status=200, body=json.dumps({"success": {"id": int(job.ref.job_id)}}))


def render_error(error: BelltowerError) -> Response:
    """`{"fail": {"errors": ["..."]}}`, with every problem of an invalid request."""
    status, headers = status_of(error, {Conflict: 400}), dict(headers_of(error))
    errors = [str(problem) for problem in error.problems] if isinstance(error, Invalid) else [str(error)]
    if status == UNAUTHORIZED:
        errors, headers = ["Invalid API key or secret"], {"WWW-Authenticate": 'Basic realm="rlatr"'}
    return Response(status=status, body=json.dumps({"fail": {"errors": errors}}), headers=headers)


UNAUTHORIZED = 401

DIALECT = Dialect(
    name=NAME,
    routes={
        "/api/v1ish/schedule": {"POST": create},
        "/api/v1ish/schedule/{ref}": {"PUT": update, "DELETE": delete},
    },
    render_error=render_error,
)
