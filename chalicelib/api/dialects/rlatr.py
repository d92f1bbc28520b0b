"""rlatr: /api/v1ish/schedule. Source: seeds/001.

Kept on purpose: one `fail.errors` list with every problem at once; ids are JSON integers; PUT changes only what it
sends; there is nothing to GET; the method may be given in any case.
Interpreted: ids are random 53-bit numbers, exact in every JSON parser and not to be guessed. Fields come as a form, as
JSON or in the query string, the body first. A time up to a minute past runs now. Refusals are 400, 401 with a
challenge, 404 and 405. Four attempts in all, with redirects followed up to five times, since only those of callbacks
are forbidden. A request whose retries are pending is not completed. An empty field is one that was not sent, except
that an empty `callback_uri` takes the callback away. A PUT with no field that is known is refused, since it would say
success and do nothing. A new `at` starts the four attempts anew; the same one again changes nothing.
"""

import json
import secrets
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from chalicelib import signing
from chalicelib.api.dialect import Dialect, headers_of, status_of
from chalicelib.api.fields import basic_credentials, body_fields, moment, query_fields
from chalicelib.api.http import Request, Response
from chalicelib.operations.accounts import authenticate
from chalicelib.operations.jobs import Change, create_job, delete_job, edit_job, get_job, last_execution
from chalicelib.ports import Services
from chalicelib.scheduling.account import Principal
from chalicelib.scheduling.address import AddressPolicy, ascii_upper, check_method, check_url
from chalicelib.scheduling.errors import BelltowerError, Completed, Conflict, Invalid, Problem, Unauthenticated
from chalicelib.scheduling.job import Definition, Ending, Job, JobRef, JobState
from chalicelib.scheduling.retry import Misfire, RetryPolicy
from chalicelib.scheduling.schedule import Once, Schedule
from chalicelib.scheduling.target import Callback, Signing, Webhook

NAME = "rlatr"
FIELDS = ("uri", "at", "method", "callback_uri")
REQUIRED = ("uri", "at")
RETRY = RetryPolicy(waits=(timedelta(seconds=10), timedelta(minutes=1), timedelta(minutes=10)))
METHODS = ("GET", "POST", "PUT", "DELETE", "HEAD", "PATCH")
REDIRECTS = 5
GRACE = timedelta(minutes=1)
LOWEST_ID = 2**52


def create(services: Services, request: Request) -> Response:
    """POST /schedule."""
    principal = authenticated(services, request)
    definition, schedule = parsed(services, principal, given(request))
    return success(create_job(services, definition, schedule, misfire=Misfire.LATEST))


def update(services: Services, request: Request) -> Response:
    """PUT /schedule/{ref}."""
    principal, job_id = authenticated(services, request), request.params["ref"]
    fields = given(request)

    def edit(job: Job) -> Change:
        return changed(services, unfinished(services, job), fields)

    return success(edit_job(services, principal, job_id, dialect=NAME, edit=edit))


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


def given(request: Request) -> Mapping[str, str]:
    """The fields that were sent with something in them, and an empty callback."""
    fields = query_fields(request, FIELDS) | body_fields(request, FIELDS)
    return {name: text for name, text in fields.items() if text or name == "callback_uri"}


def parsed(services: Services, principal: Principal, fields: Mapping[str, str]) -> tuple[Definition, Schedule]:
    """The job in the fields of a creation. Raises Invalid with every problem in them."""
    now = services.clock.now()
    blank = Definition(
        ref=JobRef(account_id=principal.account_id, job_id=str(LOWEST_ID + secrets.randbelow(LOWEST_ID))),
        dialect=NAME,
        key=principal.key,
        name="",
        target=Webhook(url="", method="GET", redirects=REDIRECTS, signing=Signing.RLATR),
        created_at=now,
        retry=RETRY,
        ending=Ending.EXPIRE,
    )
    missing = tuple(Problem(name, "is required") for name in REQUIRED if name not in fields)
    return applied(services, (blank, Once(at=now)), fields, problems=missing)


def changed(services: Services, job: Job, fields: Mapping[str, str]) -> Change:
    """The edit that the fields of an update ask for: what is not sent stays as it is."""
    if not fields:
        raise Invalid("", f"Nothing to change: send one of {', '.join(FIELDS)}")
    before = job.standing.schedule
    definition, schedule = applied(services, (job.definition, before), fields)
    return Change(definition=definition, schedule=schedule if schedule != before else None)


def applied(
    services: Services,
    before: tuple[Definition, Schedule],
    fields: Mapping[str, str],
    *,
    problems: tuple[Problem, ...] = (),
) -> tuple[Definition, Schedule]:
    """What was asked before, with the given fields instead. Raises Invalid with all problems, `problems` included."""
    policy, (definition, schedule) = services.rules.addresses, before
    target, callback = definition.target, definition.callback
    for name, text in fields.items():
        try:
            match name, target:
                case "uri", Webhook():
                    check_url(text, field=name, policy=policy)
                    target = replace(target, url=text)
                case "method", Webhook():
                    check_method(ascii_upper(text), field=name, allowed=METHODS)
                    target = replace(target, method=ascii_upper(text))
                case "callback_uri", _:
                    callback = callback_to(text, definition.ref, policy=policy)
                case "at", _:
                    schedule = once(moment(text, name), before=schedule, now=services.clock.now())
        except Invalid as error:
            problems += error.problems
    if problems:
        raise Invalid(problems=problems)
    name = target.url if isinstance(target, Webhook) else definition.name
    return replace(definition, target=target, callback=callback, name=name), schedule


def once(at: datetime, *, before: Schedule, now: datetime) -> Once:
    """A time that may be asked for: to come, past by no more than a clock may be wrong, or what it was before."""
    after = Once(at=at)
    if after != before and after.at < now - GRACE:
        raise Invalid("at", "must be in the future")
    return after


def callback_to(url: str, ref: JobRef, *, policy: AddressPolicy) -> Callback | None:
    """A callback with the two bodies it may post; none for an empty URL."""
    if not url:
        return None
    check_url(url, field="callback_uri", policy=policy)
    delivered, failed = (
        json.dumps({"status": status, "id": int(ref.job_id)}).encode() for status in ("success", "failed")
    )
    return Callback(url=url, delivered=delivered, failed=failed, signing=Signing.RLATR)


def unfinished(services: Services, job: Job) -> Job:
    """The job, unless it has completed: fired, and not waiting for a retry."""
    if job.standing.state is JobState.FINISHED:
        execution = last_execution(services, job)
        if execution and execution.final:
            raise Completed("Request has already been completed")
    return job


def success(job: Job) -> Response:
    """`{"success": {"id": 123456}}`."""
    return Response(status=200, body=json.dumps({"success": {"id": int(job.ref.job_id)}}))


def render_error(error: BelltowerError) -> Response:
    """`{"fail": {"errors": ["..."]}}`, with every problem of an invalid request."""
    headers = headers_of(error)
    match error:
        case Unauthenticated():
            errors, headers = ["Invalid API key or secret"], {"WWW-Authenticate": 'Basic realm="rlatr"'}
        case Invalid(problems=problems):
            errors = [str(problem) for problem in problems]
        case _:
            errors = [str(error)]
    body = json.dumps({"fail": {"errors": errors}})
    return Response(status=status_of(error, {Conflict: 400}), body=body, headers=headers)


DIALECT = Dialect(
    name=NAME,
    routes={
        "/api/v1ish/schedule": {"POST": create},
        "/api/v1ish/schedule/{ref}": {"PUT": update, "DELETE": delete},
    },
    render_error=render_error,
)
