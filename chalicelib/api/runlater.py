"""What RunLater's two halves share, users and jobs: its headers, documents and refusals. Source: seeds/000.

The original client raises on a field of a job that it does not know, so there is none here that it lacks. `when` is the
next firing of a job, or its last one where there is no next.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote

from chalicelib.api.dialect import headers_of, status_of
from chalicelib.api.fields import moment, texts
from chalicelib.api.http import Request, Response
from chalicelib.operations.jobs import last_execution
from chalicelib.operations.keys import labelled
from chalicelib.ports import Services
from chalicelib.scheduling.account import Account
from chalicelib.scheduling.address import check_headers
from chalicelib.scheduling.errors import BelltowerError, Invalid, MethodNotAllowed, TooLarge
from chalicelib.scheduling.execution import Execution, Outcome
from chalicelib.scheduling.job import Job, JobState
from chalicelib.scheduling.target import Webhook

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ID_LENGTH = 24
SHAPED_LIKE_KEY = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def param(request: Request, name: str) -> str:
    """A segment of the path, decoded once."""
    return unquote(request.params[name])


def header(request: Request, name: str) -> str:
    """One of RunLater's headers, however its name is spelt. Raises Invalid where two are there and differ."""
    values = {value for dash in ("", "_", "-") for value in request.headers.get(f"runlater{dash}{name}", [])}
    if len(values) > 1:
        raise Invalid("", f"Two values of runlater_{name} in headers")
    return next(iter(values), "")


def limited(document: Mapping[str, Any], limits: Mapping[str, int]) -> dict[str, str]:
    """The texts of a document that are named, each with its most bytes. Raises Invalid, TooLarge."""
    fields = texts(document, limits)
    for name, text in fields.items():
        if len(text.encode()) > limits[name]:
            raise TooLarge(name, f"must have at most {limits[name]} bytes")
    return fields


def answered(document: object, *, status: int = 200) -> Response:
    """A document as it is."""
    return Response(status=status, body=json.dumps(document, ensure_ascii=False))


def told(text: str) -> Response:
    """A sentence."""
    return Response(status=200, body=text, content_type="text/plain")


def refused(error: BelltowerError, text: str) -> Response:
    """`{"error": "<text>"}` and 400, but for 429 and failures of ours; a method that is not there is a missing page."""
    if isinstance(error, MethodNotAllowed):
        return Response(status=404, body="Page not found", content_type="text/plain", headers=headers_of(error))
    status = status_of(error, {})
    if status < HTTPStatus.INTERNAL_SERVER_ERROR and status != HTTPStatus.TOO_MANY_REQUESTS:
        status = 400
    return Response(status=status, body=json.dumps({"error": text}), headers=headers_of(error))


def user_document(account: Account) -> Mapping[str, object]:
    """A user, without what proves it."""
    return {
        **account.profile,
        "account": account.name,
        "email": account.email,
        "_id": user_id(account.account_id),
        "created": written(account.created_at),
    }


def job_document(services: Services, job: Job) -> Mapping[str, object]:
    """A job: its words as they were given, and how it stands."""
    target, echo = job.definition.target, job.definition.echo
    if not isinstance(target, Webhook):
        raise TypeError("RunLater's jobs are webhooks")
    body = target.body.decode() or echo.get("body")
    return {
        "name": job.definition.name,
        "when": written(when_of(job)),
        "interval": json.loads(echo["interval"]),
        "url": target.url,
        "method": target.method.lower(),
        "headers": json.loads(echo["headers"]),
        **({} if body is None else {"body": body}),
        "status": progress(services, job),
        "userid": user_id(job.ref.account_id),
        "doctype": "job",
        "runlater_key": label(job.definition.key),
        "_id": job.ref.job_id,
        **{name: echo[name] for name in ("editted",) if name in echo},
    }


def log_document(execution: Execution) -> Mapping[str, object]:
    """One run; the times of one that was never sent are null."""
    attempt = execution.attempts[-1] if execution.attempts else None
    return {
        "_id": execution.firing_id[:ID_LENGTH],
        "jobid": execution.ref.job_id,
        "userid": user_id(execution.ref.account_id),
        "runlater_key": label(execution.key),
        "result": result_document(attempt.outcome) if attempt else unsent_document(execution.reason),
        "began": written(attempt.sent_at) if attempt else None,
        "scheduled": written(execution.due_at),
        "ended": written(attempt.answered_at) if attempt else None,
    }


def result_document(outcome: Outcome) -> Mapping[str, object]:
    """What came back, as far as it is kept, and what was wrong with it."""
    headers: dict[str, str] = {}
    for name, value in outcome.headers:
        before = headers.get(name.lower())
        headers[name.lower()] = value if before is None else f"{before}, {value}"
    document = {"status": outcome.status, "headers": headers, "body": outcome.body.decode(errors="replace")}
    return document if outcome.delivered else {**document, "error": outcome.detail or outcome.kind.value}


def unsent_document(reason: str) -> Mapping[str, object]:
    """What came back from a run that was never sent: nothing."""
    return {"status": None, "headers": {}, "body": "", "error": reason}


def progress(services: Services, job: Job) -> str:
    """Waiting, running or completed; a worker that is silent for longer than it may live runs nothing."""
    claim, now = job.standing.claim, services.clock.now()
    if claim and now < claim.claimed_at + services.rules.lease and last_execution(services, job) is None:
        return "running"
    return "completed" if job.standing.state is JobState.FINISHED else "waiting"


def when_of(job: Job) -> datetime:
    """When a job fires next, or fired last."""
    standing = job.standing
    last = standing.claim.due_at if standing.claim else job.definition.created_at
    return standing.due_at or last


def user_id(account_id: str) -> str:
    """An account's id in the form of RunLater's: nothing has to be kept for it."""
    return hashlib.sha256(account_id.encode()).hexdigest()[:ID_LENGTH]


def label(key: str) -> str:
    """A key as its account calls it: its label, or the key itself where another API made it."""
    return key.rpartition("/")[2]


def key_named(account: Account, name: str) -> str:
    """The key that a label of an account's stands for; the UUIDs of other APIs stand for themselves."""
    return name if SHAPED_LIKE_KEY.fullmatch(name) else labelled(account, name)


def written(when: datetime) -> str:
    """A time in RunLater's one form."""
    return when.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def read_when(text: str) -> datetime:
    """The time in a `when`. Raises Invalid, also for one before 1970: ids open with the time, counted from there."""
    when = moment(text, "when")
    if when < EPOCH:
        raise Invalid("when", "must not be before 1970")
    return when


def read_headers(given: object) -> tuple[tuple[str, str], ...]:
    """The headers to send: numbers may be given, text is sent. Raises Invalid, TooLarge."""
    if not isinstance(given, dict) or not all(isinstance(value, str | int | float) for value in given.values()):
        raise Invalid("headers", "must be a map of strings and numbers")
    headers = tuple((name, value if isinstance(value, str) else json.dumps(value)) for name, value in given.items())
    check_headers(headers, field="headers")
    return headers
