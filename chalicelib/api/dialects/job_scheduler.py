"""Job Scheduler API of job-sheduling.info: /1/jobs. Source: seeds/002.

Kept on purpose: answers as text, JSON or XML, whichever Accept likes best, text first; a job is gone after its last
firing; PUT replaces the whole job and may turn `when` into `cron`; `next` is there for cron jobs alone; a trailing
comma in a JSON request is forgiven, since the document's own example has one.
Interpreted: HTTP Basic, the user is an API key or the account's name, the password the key's secret. Cron is Quartz's
in UTC, and ten minutes are measured over all firings. `when` is given back as sent. A call that fails is not repeated,
redirects are not followed. The signature travels as X-Content-Signature and is never looked at. A payload that is no
UTF-8, or in XML has characters that XML has not, is shown as base64; a PUT that sends it back as shown leaves it as it
is. An empty field is one that was not sent. id, account and next are ignored in requests. A document without a type is
XML where it begins with <. A callback in the path that has its :// already is not decoded again.
"""

import base64
import re
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from urllib.parse import unquote, unquote_plus

from chalicelib import signing
from chalicelib.api import xml
from chalicelib.api.accept import NotAcceptable, noted, offering
from chalicelib.api.dialect import Dialect, headers_of, status_of
from chalicelib.api.documents import DOCUMENTS, JSON, TEXT, Unsupported, texts_in, told
from chalicelib.api.fields import basic_credentials, moment
from chalicelib.api.http import Request, Response
from chalicelib.operations.accounts import authenticate_user
from chalicelib.operations.jobs import Change, create_job, delete_job, edit_job, get_job, list_jobs
from chalicelib.ports import Services
from chalicelib.scheduling.account import Account, Principal
from chalicelib.scheduling.address import check_headers, check_url
from chalicelib.scheduling.errors import BelltowerError, Invalid, TooLarge, Unauthenticated
from chalicelib.scheduling.job import Definition, Ending, Job, JobRef
from chalicelib.scheduling.retry import Misfire
from chalicelib.scheduling.schedule import Cron, Once, Schedule, Spelling, smallest_gap
from chalicelib.scheduling.target import Webhook

NAME = "job_scheduler"
JOBS = "/1/jobs"
ANY = (TEXT, *DOCUMENTS)
ASKED = ("url", "signature", "contentType", "data", "when", "cron")
SHOWN = ("id", "account", *ASKED, "next")
MAX_PAYLOAD = 2048
SHORTEST_GAP = timedelta(minutes=10)
MOST_WORDS = 3  # of a date: "2011-05-11 15:30:00 +02:00"; a cron expression has twice as many
SIGNATURE = "X-Content-Signature"
UNTYPED = "application/octet-stream"
COLLAPSED = re.compile(r"\A(https?):/(?=[^/])", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a request says of a job: the fields that are not empty, without `data`, and the payload."""

    texts: Mapping[str, str]
    payload: bytes


@offering(ANY, errors=ANY)
def list_all(services: Services, request: Request, media: str) -> Response:
    """GET /1/jobs."""
    _, principal = authenticated(services, request)
    return answer(200, media, ids_document(list_jobs(services, principal, dialect=NAME), media=media))


@offering(ANY, errors=ANY)
def create(services: Services, request: Request, media: str) -> Response:
    """POST /1/jobs."""
    account, principal = authenticated(services, request)
    definition, schedule = parsed(services, principal, in_document(request))
    job = create_job(services, definition, schedule, misfire=Misfire.LATEST)
    return answer(201, media, job_document(job, account, media=media), headers=location(request, job))


@offering(ANY, errors=ANY)
def create_in_line(services: Services, request: Request, media: str) -> Response:
    """POST /1/jobs/{when or cron}/{callback}."""
    account, principal = authenticated(services, request)
    definition, schedule = parsed(services, principal, in_line(request))
    job = create_job(services, definition, schedule, misfire=Misfire.LATEST)
    return answer(201, media, job_document(job, account, media=media), headers=location(request, job))


@offering(DOCUMENTS, errors=ANY)
def read(services: Services, request: Request, media: str) -> Response:
    """GET /1/jobs/{id}."""
    account, principal = authenticated(services, request)
    job = get_job(services, principal, request.params["ref"], dialect=NAME)
    return answer(200, media, job_document(job, account, media=media))


@offering(ANY, errors=ANY)
def update(services: Services, request: Request, media: str) -> Response:
    """PUT /1/jobs/{id}."""
    account, principal = authenticated(services, request)
    asked, job_id = in_document(request), request.params["ref"]
    job = edit_job(services, principal, job_id, dialect=NAME, edit=lambda before: changed(services, before, asked))
    return answer(200, media, job_document(job, account, media=media))


@offering((), errors=ANY)
def delete(services: Services, request: Request, media: str) -> Response:
    """DELETE /1/jobs/{id}."""
    _, principal = authenticated(services, request)
    delete_job(services, principal, request.params["ref"], dialect=NAME)
    return Response(status=204, body="", content_type=media)


def authenticated(services: Services, request: Request) -> tuple[Account, Principal]:
    """HTTP Basic: user is an API key or the account's name, password the secret."""
    user, password = basic_credentials(request) or ("", "")
    proof = password.encode()
    return authenticate_user(services, user, proves=lambda known: signing.same(known.reveal().encode(), proof))


def in_document(request: Request) -> Asked:
    """The job in a JSON or XML document. Raises Unsupported, Invalid."""
    texts = texts_in(request, ASKED, root="job")
    payload = texts.pop("data", "").encode()
    return Asked(texts=filled(texts), payload=payload)


def in_line(request: Request) -> Asked:
    """The job in a path and the payload in the body, whose headers count only where there is one."""
    name, text = timing(request.params["ref"])
    texts = {name: text, "url": callback(request.params["callback"])}
    if request.body:
        described = {"contentType": request.header("content-type"), "signature": request.header(SIGNATURE)}
        texts |= {name: text or "" for name, text in described.items()}
    return Asked(texts=filled(texts), payload=request.body)


def filled(texts: Mapping[str, str]) -> Mapping[str, str]:
    """The texts that are not empty, without the white space around them."""
    return {name: text.strip() for name, text in texts.items() if text.strip()}


def timing(segment: str) -> tuple[str, str]:
    """`when` or `cron`, and its text: a + is a space in a cron expression, and may be the sign of a date's zone."""
    spaced = decoded(segment, unquote_plus)
    return ("cron", spaced) if len(spaced.split()) > MOST_WORDS else ("when", decoded(segment, unquote))


def callback(segment: str) -> str:
    """A URL in the path: decoded once; and with the second slash that proxies make one of two."""
    return COLLAPSED.sub(r"\1://", segment if "://" in segment else decoded(segment, unquote), count=1)


def decoded(segment: str, decode: Callable[..., str]) -> str:
    """A segment of the path, decoded."""
    try:
        return decode(segment, errors="strict")
    except UnicodeDecodeError:
        raise Invalid("", "The path is not percent-encoded UTF-8") from None


def parsed(services: Services, principal: Principal, asked: Asked) -> tuple[Definition, Schedule]:
    """The job that was asked for. Raises Invalid for the first thing that is wrong, TooLarge."""
    now, texts = services.clock.now(), asked.texts
    url, signature = texts.get("url", ""), texts.get("signature", "")
    if not url:
        raise Invalid("url", "is required")
    check_url(url, field="url", policy=services.rules.addresses)
    for name in ("signature", "contentType"):
        check_headers([(name, texts.get(name, ""))], field=name)
    if len(asked.payload) > MAX_PAYLOAD:
        raise TooLarge("data", f"must have at most {MAX_PAYLOAD} bytes")
    target = Webhook(
        url=url,
        headers=((SIGNATURE, signature),) if signature else (),
        body=asked.payload,
        content_type=texts.get("contentType", UNTYPED) if asked.payload else "",
    )
    definition = Definition(
        ref=JobRef(account_id=principal.account_id, job_id=str(uuid.uuid4())),
        dialect=NAME,
        key=principal.key,
        name=url,
        target=target,
        created_at=now,
        ending=Ending.PURGE,
        echo=texts,
    )
    return definition, scheduled(texts, now)


def changed(services: Services, job: Job, asked: Asked) -> Change:
    """The edit that puts what was asked in the place of what was; a payload that comes back as shown stays."""
    before, payload = job.definition, payload_of(job)
    if asked.payload in {shown(payload, media=media).encode() for media in DOCUMENTS}:
        asked = replace(asked, payload=payload)
    same = Principal(account_id=before.ref.account_id, key=before.key)
    definition, schedule = parsed(services, same, asked)
    return Change(
        definition=replace(definition, ref=before.ref, created_at=before.created_at),
        schedule=schedule if schedule != job.standing.schedule else None,
    )


def scheduled(texts: Mapping[str, str], now: datetime) -> Schedule:
    """The one date, or the cron expression. Raises Invalid unless it will fire, and no oftener than it may."""
    match texts:
        case {"when": _, "cron": _}:
            raise Invalid("", "Only one of when and cron may be given")
        case {"when": text}:
            once = Once(at=moment(text, "when"))
            if once.at <= now:
                raise Invalid("when", "must be in the future")
            return once
        case {"cron": text}:
            cron = Cron(expression=text, spelling=Spelling.QUARTZ)
            gap = smallest_gap(cron)
            if gap is not None and gap < SHORTEST_GAP:
                raise Invalid("cron", "must not fire more often than once every ten minutes")
            if cron.next_after(now) is None:
                raise Invalid("cron", "must have a firing in the future")
            return cron
    raise Invalid("", "One of when and cron is required")


def answer(status: int, media: str, body: str, *, headers: Mapping[str, str] | None = None) -> Response:
    """With its length: all bodies are ASCII."""
    sized = {**(headers or {}), "Content-Length": str(len(body))}
    return Response(status=status, body=body, content_type=media, headers=sized)


def location(request: Request, job: Job) -> Mapping[str, str]:
    """Where the new job is, behind the stage where there is one."""
    return {"Location": f"{request.staged.partition(JOBS)[0]}{JOBS}/{job.ref.job_id}"}


def ids_document(jobs: Iterable[Job], *, media: str) -> str:
    """`1,2,3`, `["1", "2", "3"]` or `<jobs><id>1</id>...</jobs>`."""
    ids = [job.ref.job_id for job in jobs]
    return told(media, text=",".join(ids), value=ids, document=xml.written("jobs", [("id", one) for one in ids]))


def job_document(job: Job, account: Account, *, media: str) -> str:
    """The bare id, or every field that has something in it, in the order of the document."""
    due_at = job.standing.due_at if "cron" in job.definition.echo else None
    values = {
        "id": job.ref.job_id,
        "account": account.name,
        **job.definition.echo,
        "data": shown(payload_of(job), media=media),
        "next": due_at.strftime("%Y-%m-%dT%H:%M:%SZ") if due_at else "",
    }
    fields = {name: values[name] for name in SHOWN if values.get(name)}
    return told(media, text=job.ref.job_id, value=fields, document=xml.written("job", fields.items()))


def payload_of(job: Job) -> bytes:
    """What the job sends."""
    return job.definition.target.body if isinstance(job.definition.target, Webhook) else b""


def shown(payload: bytes, *, media: str) -> str:
    """A payload as text where it is text that the format can say, else as base64."""
    try:
        text = payload.decode()
    except UnicodeDecodeError:
        return base64.b64encode(payload).decode()
    return text if media == JSON or xml.can_say(text) else base64.b64encode(payload).decode()


def render_error(error: BelltowerError) -> Response:
    """`{"error": "..."}`, `<error>...</error>` or the text alone; JSON where no view was reached."""
    words, headers = str(error), dict(headers_of(error))
    if isinstance(error, Unauthenticated):
        words, headers["WWW-Authenticate"] = "Unknown user or wrong secret", f'Basic realm="{NAME}"'
    media, text = noted(error) or JSON, words.encode("ascii", "backslashreplace").decode()
    body = told(media, text=text, value={"error": words}, document=xml.element("error", words))
    return answer(status_of(error, {NotAcceptable: 406, Unsupported: 415}), media, body, headers=headers)


DIALECT = Dialect(
    name=NAME,
    routes={
        "/1/jobs": {"GET": list_all, "POST": create},
        "/1/jobs/{ref}": {"GET": read, "PUT": update, "DELETE": delete},
        "/1/jobs/{ref}/{callback}": {"POST": create_in_line},
    },
    render_error=render_error,
)
