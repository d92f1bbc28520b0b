"""Belltower's own: /v1/keys and /v1/executions. Source: what the five others leave out.

They make jobs; this manages the keys that all of them share, and shows what became of every firing, whichever API made
its job. Every account may ask, also one that Cronally opened.

Decided: HTTP Basic, with a key and its secret, or with an account's name, or id, and its password; one refusal for
every cause, and 429 with Retry-After after ten wrong passwords from one address. Where an account has a password, a key
shows, rotates and revokes itself alone (T15), and the rest asks for the password. A secret is shown when it is made and
never again. A key is percent-encoded in the path, for its `/`. A body may be left out, as all of its fields may. Times
are ISO 8601 in UTC, to the millisecond. Executions come newest first, by due time, in pages whose tokens open for their
own account and query alone; `lateness` is over the attempts on the page.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import unquote

from chalicelib import signing
from chalicelib.api.dialect import Dialect, headers_of, status_of
from chalicelib.api.fields import basic_credentials, json_object, moment, query_fields, texts
from chalicelib.api.http import Request, Response
from chalicelib.operations import history, keys
from chalicelib.operations.accounts import authenticate
from chalicelib.operations.keys import IssuedKey, Manager
from chalicelib.operations.login import log_in
from chalicelib.ports import Services
from chalicelib.scheduling.account import ApiKey
from chalicelib.scheduling.errors import BelltowerError, Invalid, Unauthenticated
from chalicelib.scheduling.execution import Attempt, Execution
from chalicelib.scheduling.lateness import Lateness, late_ms, lateness
from chalicelib.scheduling.secret import Secret

NAME = "belltower"
OVERLAP = timedelta(hours=24)
MOST, USUAL = 1000, 100  # executions on a page
LONGEST_JOB_ID = 255
ASKED = ("job", "from", "to", "limit", "page")


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyAsked:
    """What a body says of a key."""

    label: str = ""
    overlap: timedelta = OVERLAP


def list_keys(services: Services, request: Request) -> Response:
    """GET /v1/keys."""
    manager, now = authenticated(services, request), services.clock.now()
    return success({"keys": [key_document(key, now) for key in keys.keys_of(services, manager)]})


def create_key(services: Services, request: Request) -> Response:
    """POST /v1/keys."""
    manager = authenticated(services, request)
    issued = keys.create_key(services, manager, label=parsed(request).label)
    return success(issued_document(issued, services.clock.now()), status=201)


def rotate_key(services: Services, request: Request) -> Response:
    """POST /v1/keys/{key}/rotate."""
    manager, overlap = authenticated(services, request), parsed(request).overlap
    issued = keys.rotate_key(services, manager, unquote(request.params["ref"]), overlap=overlap)
    return success(issued_document(issued, services.clock.now()))


def revoke_key(services: Services, request: Request) -> Response:
    """DELETE /v1/keys/{key}."""
    name = unquote(request.params["ref"])
    keys.revoke_key(services, authenticated(services, request), name)
    return success({"revoked": name})


def list_executions(services: Services, request: Request) -> Response:
    """GET /v1/executions."""
    manager = authenticated(services, request)
    page = history.history_page(services, manager.account, queried(request))
    return success(
        {
            "executions": [execution_document(one) for one in page.executions],
            "lateness": lateness_document(lateness(page.executions)),
            "next": page.following or None,
        }
    )


def authenticated(services: Services, request: Request) -> Manager:
    """HTTP Basic: a key and its secret, else an account and its password. Whoever is refused has had both tried."""
    credentials = basic_credentials(request)
    if credentials is None:
        raise Unauthenticated("No credentials that can be read")
    user, password = credentials
    proof = password.encode()
    try:
        principal = authenticate(services, user, proves=lambda known: signing.same(known.reveal().encode(), proof))
    except Unauthenticated:
        return Manager(account=log_in(services, user, Secret(password), source=request.source).account)
    account = services.accounts.account(principal.account_id)
    if account is None:
        raise Unauthenticated("The account was removed meanwhile")
    return Manager(account=account, key=principal.key, superseded=principal.superseded)


def parsed(request: Request) -> KeyAsked:
    """The fields of a body; none where there is none. Raises Invalid."""
    document = json_object(request) if request.body.strip() else {}
    seconds = document.get("overlap_seconds", OVERLAP // timedelta(seconds=1))
    if type(seconds) is not int or not 0 <= seconds <= keys.LONGEST_OVERLAP // timedelta(seconds=1):
        raise Invalid("overlap_seconds", f"must be a whole number up to {keys.LONGEST_OVERLAP // timedelta(seconds=1)}")
    return KeyAsked(label=texts(document, ["label"]).get("label", ""), overlap=timedelta(seconds=seconds))


def queried(request: Request) -> history.Query:
    """The history that a query string asks for. Raises Invalid."""
    fields = {name: text for name, text in query_fields(request, ASKED).items() if text}
    limit, job_id = fields.get("limit", str(USUAL)), fields.get("job", "")
    if not (limit.isascii() and limit.isdecimal() and len(limit) <= len(str(MOST)) and 1 <= int(limit) <= MOST):
        raise Invalid("limit", f"must be a whole number from 1 to {MOST}")
    if len(job_id) > LONGEST_JOB_ID:
        raise Invalid("job", "is no job's id")
    start, end = (moment(fields[name], name) if name in fields else None for name in ("from", "to"))
    return history.Query(job_id=job_id, start=start, end=end, limit=int(limit), page=fields.get("page", ""))


def success(document: Mapping[str, object], *, status: int = 200) -> Response:
    """A document as it is."""
    return Response(status=status, body=json.dumps(document))


def key_document(key: ApiKey, now: datetime) -> Mapping[str, object]:
    """A key without its secret. While it is rotated, `until` is when the secret before stops to prove."""
    previous = key.previous_at(now)
    return {
        "key": key.key,
        "label": key.label,
        "created_at": written(key.created_at),
        "state": "rotating" if previous else "active",
        "until": written(previous.until) if previous else None,
    }


def issued_document(issued: IssuedKey, now: datetime) -> Mapping[str, object]:
    """A key with the secret that was just made for it."""
    return {**key_document(issued.key, now), "secret": issued.secret.reveal()}


def execution_document(execution: Execution) -> Mapping[str, object]:
    """A firing and its attempts. `retry_at` is there while it waits for the next one."""
    return {
        "firing_id": execution.firing_id,
        "job": execution.ref.job_id,
        "dialect": execution.dialect,
        "key": execution.key,
        "due_at": written(execution.due_at),
        "state": execution.state.value,
        "reason": execution.reason or None,
        "retry_at": written(execution.retry_at) if execution.retry_at else None,
        "attempts": [attempt_document(attempt) for attempt in execution.attempts],
    }


def attempt_document(attempt: Attempt) -> Mapping[str, object]:
    """One attempt: its four times, how late it was, and what came of it."""
    return {
        "due_at": written(attempt.due_at),
        "claimed_at": written(attempt.claimed_at),
        "sent_at": written(attempt.sent_at),
        "answered_at": written(attempt.answered_at),
        "late_ms": late_ms(attempt),
        "outcome": attempt.outcome.kind.value,
        "status": attempt.outcome.status,
        "detail": attempt.outcome.detail or None,
    }


def lateness_document(late: Lateness) -> Mapping[str, object]:
    """In milliseconds; null where nothing was sent."""
    return {"count": late.count, "p50_ms": late.p50, "p99_ms": late.p99, "max_ms": late.longest}


def written(when: datetime) -> str:
    """A time, to the millisecond."""
    return when.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def render_error(error: BelltowerError) -> Response:
    """`{"error": "..."}`."""
    headers, text = dict(headers_of(error)), str(error)
    if isinstance(error, Unauthenticated):
        headers["WWW-Authenticate"], text = f'Basic realm="{NAME}"', "Unknown caller or wrong proof"
    return Response(status=status_of(error, {}), body=json.dumps({"error": text}), headers=headers)


DIALECT = Dialect(
    name=NAME,
    routes={
        "/v1/keys": {"GET": list_keys, "POST": create_key},
        "/v1/keys/{ref}": {"DELETE": revoke_key},
        "/v1/keys/{ref}/rotate": {"POST": rotate_key},
        "/v1/executions": {"GET": list_executions},
    },
    render_error=render_error,
)
