"""RunLater's jobs and their log: /users/:account/jobs/, /apikey/:apikey/jobs/, /logs/:apikey. Source: seeds/000.

What the seed leaves open is as in the original system. Its users and keys are in `runlater_users`.

Kept on purpose: refusals are always 400 with `{"error": "<text>"}`; a job has the documented fields and no other, since
the original client raises on them; `when` may have passed, the job then fires at once, and it moves on with the
schedule; a job that ran for the last time stays listed as completed; nothing is tried again; redirects are followed for
GET alone. The signature covers the body of a PUT or POST, or the path of a GET or DELETE, and nothing else: whoever
sees the signature of a GET can DELETE with it (T03), and a signed PUT can be sent again (T04). TLS has to be the answer
to both, as the clients can say no more. For clients that can, the parameter `RunLaterStrict` asks for a signature over
method, path and body, and takes no other: the HMAC-SHA1 of the method, the path and the SHA-256 of the body in hex,
with a line feed between them. It closes T03 and not T04: there is no time in it, so a request can be sent again as it
was.
Interpreted: header names come with `_`, with `-` or without; two that differ are refused. A job belongs to the key that
made it; other keys of its account can list it and read its log. `userid` is the first 24 hex digits of the SHA-256 of
the account's id. The log has the last 100 runs. A month is counted from the first run. A `when` and an interval sent
back as they are change nothing, others start the job anew; before 1970 there is no `when`. `on_failure`, which the
original documents and ignores, is ignored. Wrong hash and unknown key are one refusal. Failures of ours are 5xx.
"""

import hashlib
import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from chalicelib import signing
from chalicelib.api.dialect import Dialect
from chalicelib.api.fields import json_object
from chalicelib.api.http import Request, Response
from chalicelib.api.runlater import (
    answered,
    header,
    job_document,
    key_named,
    label,
    limited,
    log_document,
    param,
    read_headers,
    read_when,
    refused,
    told,
    written,
)
from chalicelib.operations import accounts, history, jobs
from chalicelib.ports import Services
from chalicelib.scheduling.account import Principal
from chalicelib.scheduling.address import ascii_upper, check_url
from chalicelib.scheduling.errors import (
    BelltowerError,
    Invalid,
    NotFound,
    Unauthenticated,
)
from chalicelib.scheduling.interval import read_interval, scheduled
from chalicelib.scheduling.job import Definition, Job, JobRef, first_due
from chalicelib.scheduling.retry import Misfire
from chalicelib.scheduling.schedule import Schedule
from chalicelib.scheduling.secret import Secret
from chalicelib.scheduling.target import Webhook

NAME = "runlater"
REQUIRED = ("name", "when", "interval", "url", "method", "headers")
METHODS = ("POST", "GET", "PUT", "DELETE")
SHAPED_LIKE_ID = re.compile(r"[0-9a-f]{24}")
LIMITS = {"name": 1000, "when": 100, "url": 8192, "method": 100, "body": 64 * 1024}  # bytes
REDIRECTS = 5
LOGGED = 100  # runs, so that the longest answers fit into what a Lambda may return


def create(services: Services, request: Request) -> Response:
    """PUT /users/:account/jobs/, and POST."""
    principal, document = authenticated(services, request), json_object(request)
    if "_id" in document:
        raise Invalid("", "Do not specify _id")
    definition, schedule = parsed(services, principal, document, job_id=secrets.token_hex(12))
    job = jobs.create_job(services, definition, schedule, misfire=Misfire.LATEST)
    return answered(job_document(services, job), status=201)


def list_all(services: Services, request: Request) -> Response:
    """GET /users/:account/apikey/:apikey/jobs/."""
    principal, key = authenticated(services, request), param(request, "ref")
    found = jobs.list_jobs(services, principal, dialect=NAME)
    return answered([job_document(services, job) for job in found if label(job.definition.key) == key])


def read(services: Services, request: Request) -> Response:
    """GET /users/:account/jobs/:jobid."""
    principal, job_id = authenticated(services, request), object_id(request)
    job = jobs.get_job(services, principal, job_id, dialect=NAME)
    return answered(job_document(services, owned(services, job, principal)))


def update(services: Services, request: Request) -> Response:
    """PUT /users/:account/jobs/:jobid."""
    principal, job_id, document = authenticated(services, request), object_id(request), json_object(request)

    def edit(job: Job) -> jobs.Change:
        return edited(services, owned(services, job, principal), parsed(services, principal, document, job_id=job_id))

    if str(document.get("_id", job_id)).lower() != job_id:
        raise Invalid("_id", "must be the id in the URL")
    return answered(job_document(services, jobs.edit_job(services, principal, job_id, dialect=NAME, edit=edit)))


def delete(services: Services, request: Request) -> Response:
    """DELETE /users/:account/jobs/:jobid."""
    principal, job_id = authenticated(services, request), param(request, "ref").lower()
    try:
        owned(services, jobs.get_job(services, principal, job_id, dialect=NAME), principal)
        jobs.delete_job(services, principal, job_id, dialect=NAME)
    except NotFound:
        raise Invalid("", "Unable to delete, is the ID valid?") from None
    return told(f"Delete {job_id}")


def logs(services: Services, request: Request) -> Response:
    """GET /users/:account/logs/:apikey."""
    principal, key = authenticated(services, request), param(request, "ref")
    found = history.latest_executions(
        services, principal, dialect=NAME, keep=lambda one: label(one.key) == key, most=LOGGED
    )
    return answered([log_document(execution) for execution in found])


def authenticated(services: Services, request: Request) -> Principal:
    """HMAC-SHA1 over the body or the path, keyed with the secret's own bytes, by a key of the account in the path."""
    name, key, proof = param(request, "account"), header(request, "key"), header(request, "hash")
    if not key:
        raise Unauthenticated("Must Specify runlater_key")
    if not proof:
        raise Unauthenticated(f"Must supply valid runlater_key and runlater_hash in headers {name}")
    given, messages = signing.unb64(proof) or b"", signed(services, request)

    def proves(secret: Secret) -> bool:
        material = secret.reveal().encode()
        return sum(signing.same(signing.hmac_sha1(material, one), given) for one in messages) > 0

    account = accounts.find_account(services, name)
    try:
        principal = accounts.authenticate(services, key_named(account, key) if account else "", proves=proves)
    except Unauthenticated:
        raise Unauthenticated("Invalid HMAC Hash") from None
    if account is None or principal.account_id != account.account_id:
        raise Unauthenticated("Invalid HMAC Hash")
    return principal


def signed(services: Services, request: Request) -> list[bytes]:
    """What the hash may cover: the body, or one of the spellings of the path; all of the request where it is strict."""
    paths = request.signable_paths
    if services.rules.runlater_strict:
        digest = hashlib.sha256(request.body).hexdigest()
        return [f"{request.method}\n{path}\n{digest}".encode() for path in paths]
    return [request.body] if request.method in {"PUT", "POST"} else [path.encode() for path in paths]


def parsed(
    services: Services, principal: Principal, document: Mapping[str, Any], *, job_id: str
) -> tuple[Definition, Schedule]:
    """The job in a document, whatever else is in it. Raises Invalid for the first thing that is wrong."""
    fields = limited(document, LIMITS)
    given = {**document, **fields}
    if any(given.get(name) in (None, "") for name in REQUIRED if name != "interval") or given.get("interval") is None:
        raise Invalid("", "Missing required fields")
    method, body = ascii_upper(fields["method"]), fields.get("body")
    if method not in METHODS:
        raise Invalid("", f"Invalid method :{fields['method'][:40].lower()}")
    check_url(fields["url"], field="url", policy=services.rules.addresses)
    headers, interval = read_headers(given["headers"]), read_interval(given["interval"])
    schedule = scheduled(read_when(fields["when"]), interval)
    sent = body.encode() if body and method != "GET" else b""
    echo = {"interval": json.dumps(interval), "headers": json.dumps(given["headers"])}
    definition = Definition(
        ref=JobRef(account_id=principal.account_id, job_id=job_id),
        dialect=NAME,
        key=principal.key,
        name=fields["name"],
        target=Webhook(
            url=fields["url"],
            method=method,
            headers=headers,
            body=sent,
            redirects=REDIRECTS if method == "GET" else 0,
            keeps_headers=True,
        ),
        created_at=services.clock.now(),
        echo=echo if body is None or sent else {**echo, "body": body},
    )
    return definition, schedule


def edited(services: Services, job: Job, asked: tuple[Definition, Schedule]) -> jobs.Change:
    """The edit that an update asks for. A client that changes a URL sends the schedule back as it read it."""
    definition, schedule = asked
    before, now = job.definition, services.clock.now()
    after = replace(definition, created_at=before.created_at, echo={**definition.echo, "editted": written(now)})
    same_interval = json.loads(after.echo["interval"]) == json.loads(before.echo["interval"])
    same = same_interval and first_due(schedule, now) == job.standing.due_at
    return jobs.Change(definition=after, schedule=None if same else schedule)


def object_id(request: Request) -> str:
    """The job's id in the path. Raises Invalid as Mongo would."""
    ref = param(request, "ref").lower()
    if not SHAPED_LIKE_ID.fullmatch(ref):
        raise Invalid("", f"invalid ObjectId [{ref[:40]}]")
    return ref


def owned(services: Services, job: Job, principal: Principal) -> Job:
    """The job, if the key that asks made it; one whose key is gone is any other key's, or nobody could stop it."""
    key = job.definition.key
    if key != principal.key and services.keys.get(key):
        raise NotFound("Job", job.ref.job_id)
    return job


def render_error(error: BelltowerError) -> Response:
    """The original's words."""
    return refused(error, "No Job Found" if isinstance(error, NotFound) else str(error))


DIALECT = Dialect(
    name=NAME,
    routes={
        "/users/{account}/jobs": {"PUT": create, "POST": create},
        "/users/{account}/apikey/{ref}/jobs": {"GET": list_all},
        "/users/{account}/jobs/{ref}": {"GET": read, "PUT": update, "DELETE": delete},
        "/users/{account}/logs/{ref}": {"GET": logs},
    },
    render_error=render_error,
)
