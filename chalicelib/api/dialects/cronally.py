"""Cronally: /account/, /cronjob/, /cronjobs/. Source: seeds/003.

Kept on purpose: success is always 200; a GET of the account shows the API secret again, to whoever can sign with it;
AWS keys are never shown; the body is not covered by the signature, so TLS has to be its answer.
Interpreted: HMAC_256 is HMAC-SHA256 as base64, hex is taken too; X-Cron-Date may be five minutes off; the path is
signed as sent, its trailing slash included, and with or without that slash or the stage where a gateway changed it;
cron is Unix's in UTC; JSON bodies are read beside forms, query strings are not, since AWS keys have no place in a URL;
deleted jobs are not listed. Every answer is JSON, as clients parse each.
"""

import json
import re
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from chalicelib import signing
from chalicelib.api.dialect import Dialect, headers_of, status_of
from chalicelib.api.fields import body_fields
from chalicelib.api.http import Request, Response
from chalicelib.operations.accounts import (
    NewAccount,
    authenticate,
    describe_account,
    open_account_with_key,
)
from chalicelib.operations.jobs import count_jobs, create_job, delete_job, list_jobs
from chalicelib.operations.keys import IssuedKey
from chalicelib.ports import Services
from chalicelib.scheduling.account import Account, Principal
from chalicelib.scheduling.claiming import floor_to_minute
from chalicelib.scheduling.errors import (
    BelltowerError,
    Conflict,
    Invalid,
    Problem,
    TooLarge,
    Unauthenticated,
)
from chalicelib.scheduling.job import Definition, Job, JobRef
from chalicelib.scheduling.retry import Misfire
from chalicelib.scheduling.schedule import Cron
from chalicelib.scheduling.secret import Secret
from chalicelib.scheduling.target import AwsKeys, Topic
from chalicelib.scheduling.topic_rules import check_topic

NAME = "cronally"
SKEW = timedelta(minutes=5)
DATE = re.compile(r"[0-9]{12}")
HEX_DIGITS = 64  # of a SHA-256; its base64 has 44 letters
FIELDS = ("name", "cron", "sns_topic", "sns_message", "sns_region", "sns_access_key_id", "sns_secret_access_key")
VERBATIM = ("name", "sns_message")  # the others are stripped of white space around them
SHAPES: Mapping[str, tuple[re.Pattern[str], str]] = {
    "name": (re.compile(r".{1,255}", re.DOTALL), "must have at most 255 characters"),
    "sns_access_key_id": (re.compile(r"[A-Za-z0-9_]{1,128}"), "must be at most 128 letters and digits"),
    "sns_secret_access_key": (re.compile(r"[!-~]{1,255}"), "must be at most 255 visible ASCII characters"),
}


def create_account(services: Services, request: Request) -> Response:
    """POST /account/: the only call without a signature."""
    email = body_fields(request, ["email"]).get("email", "").strip()
    account, issued = open_account_with_key(services, NewAccount(email=email))
    return success(account_document(account, issued, cronjobs=0))


def read_account(services: Services, request: Request) -> Response:
    """GET /account/."""
    principal = authenticated(services, request)
    account, issued = describe_account(services, principal)
    return success(account_document(account, issued, cronjobs=count_jobs(services, principal, dialect=NAME)))


def create(services: Services, request: Request) -> Response:
    """POST /cronjob/."""
    principal = authenticated(services, request)
    definition, schedule = parsed(services, principal, body_fields(request, FIELDS))
    return success(job_document(create_job(services, definition, schedule, misfire=Misfire.LATEST)))


def list_all(services: Services, request: Request) -> Response:
    """GET /cronjobs/."""
    principal = authenticated(services, request)
    return success([job_document(job) for job in list_jobs(services, principal, dialect=NAME)])


def delete(services: Services, request: Request) -> Response:
    """DELETE /cronjob/{ref}/."""
    principal = authenticated(services, request)
    job = delete_job(services, principal, request.params["ref"], dialect=NAME)
    return success({**job_document(job), "deleted": True})


def authenticated(services: Services, request: Request) -> Principal:
    """HMAC-SHA256 over path, method and date, keyed with the base64-decoded secret."""
    names = ("x-cron-key", "x-cron-date", "x-cron-signature")
    key, date, signature = (request.header(name) or "" for name in names)
    given = signing.unhex(signature) if len(signature) == HEX_DIGITS else signing.unb64(signature)
    messages = [f"{path}{request.method}{date}".encode() for path in request.signable_paths]

    def proves(secret: Secret) -> bool:
        material = signing.unb64(secret.reveal()) or b""
        return sum(signing.same(signing.hmac_sha256(material, one), given or b"") for one in messages) > 0

    principal = authenticate(services, key, proves=proves)
    if not is_current(date, services.clock.now()):
        raise Unauthenticated("X-Cron-Date is not the current UTC time")
    return principal


def is_current(date: str, now: datetime) -> bool:
    """Whether a date of the form %Y%m%d%H%M is within five minutes of the present minute."""
    if not DATE.fullmatch(date):
        return False
    try:
        moment = datetime.strptime(date, "%Y%m%d%H%M").replace(tzinfo=UTC)
    except ValueError:
        return False
    return abs(moment - floor_to_minute(now)) <= SKEW


def parsed(services: Services, principal: Principal, fields: Mapping[str, str]) -> tuple[Definition, Cron]:
    """The cron job in the fields of a creation. Raises Invalid for the first thing that is wrong."""
    texts = {name: text if name in VERBATIM else text.strip() for name, text in fields.items()}
    missing = tuple(Problem(name, "is required") for name in FIELDS if not texts.get(name, "").strip())
    if missing:
        raise Invalid(problems=missing)
    for name, (shape, words) in SHAPES.items():
        if not shape.fullmatch(texts[name]):
            raise Invalid(name, words)
    arn, region, message = texts["sns_topic"], texts["sns_region"], texts["sns_message"]
    names = {"arn_field": "sns_topic", "region_field": "sns_region", "message_field": "sns_message"}
    check_topic(arn, region, message, **names)
    secret = Secret(texts["sns_secret_access_key"])
    keys = AwsKeys(access_key_id=texts["sns_access_key_id"], secret_access_key=secret)
    schedule = Cron(expression=texts["cron"])
    definition = Definition(
        ref=JobRef(account_id=principal.account_id, job_id=str(uuid.uuid4())),
        dialect=NAME,
        key=principal.key,
        name=texts["name"],
        target=Topic(arn=arn, region=region, message=message, keys=keys),
        created_at=services.clock.now(),
        echo={"cron": schedule.expression},
    )
    return definition, schedule


def success(response: object) -> Response:
    """`{"status": "success", "response": ...}`."""
    return Response(status=200, body=json.dumps({"status": "success", "response": response}))


def account_document(account: Account, issued: IssuedKey, *, cronjobs: int) -> Mapping[str, object]:
    """An account, with the key that asked."""
    return {
        "account_id": account.account_id,
        "email": account.email,
        "api_key": issued.key.key,
        "api_secret": issued.secret.reveal(),
        "cronjob_count": cronjobs,
    }


def job_document(job: Job) -> Mapping[str, object]:
    """A cron job."""
    return {
        "account_id": job.ref.account_id,
        "cronjob_id": job.ref.job_id,
        "deleted": False,
        "name": job.definition.name,
        "cron": job.definition.echo["cron"],
    }


def render_error(error: BelltowerError) -> Response:
    """`{"status": "error", "response": {"reason": ...}, "reason": ...}`."""
    status = status_of(error, {TooLarge: 400, Conflict: 400})
    reason = "API key is wrong, invalid signature, etc." if isinstance(error, Unauthenticated) else str(error)
    document = {"status": "error", "response": {"reason": reason}, "reason": reason}
    return Response(status=status, body=json.dumps(document), headers=headers_of(error))


DIALECT = Dialect(
    name=NAME,
    routes={
        "/account": {"POST": create_account, "GET": read_account},
        "/cronjob": {"POST": create},
        "/cronjobs": {"GET": list_all},
        "/cronjob/{ref}": {"DELETE": delete},
    },
    render_error=render_error,
)
