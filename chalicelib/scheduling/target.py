"""Where a firing goes, and what must be on it. All that differs between the APIs is data here."""

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

from chalicelib.scheduling.secret import Sealed, Secret

DEFAULT_TIMEOUT = timedelta(seconds=30)


class Signing(StrEnum):
    """A signature that the job's own API promises, beside the Standard Webhooks headers on every call."""

    NONE = "none"
    RLATR = "rlatr"  # X-RLatr-Signature: HMAC-SHA1 over URL and secret. Source: seeds/001 "Validating Requests"


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """One HTTP request. `url` is kept exactly as given: signatures cover its text. `redirects`: hops followed."""

    url: str
    method: str = "POST"
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    content_type: str = ""
    redirects: int = 0
    timeout: timedelta = DEFAULT_TIMEOUT
    signing: Signing = Signing.NONE
    keeps_headers: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AwsKeys:
    """A job's own AWS keys: never the service's role."""

    access_key_id: str
    secret_access_key: Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """An SNS message, published with the keys given by the job's owner. `keys` is sealed before it is stored."""

    arn: str
    region: str
    message: str
    keys: AwsKeys | Sealed = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobClass:
    """A class of the worker's allow-list to run. `args` is a JSON array, `kwargs` a JSON object, both as text."""

    class_string: str
    args: str = "[]"
    kwargs: str = "{}"


Target = Webhook | Topic | JobClass


@dataclass(frozen=True, slots=True, kw_only=True)
class Callback:
    """A POST after the last attempt, made once and never retried; the two bodies are written at creation.

    Source: seeds/001 "Callbacks".
    """

    url: str
    delivered: bytes
    failed: bytes
    content_type: str = "application/json"
    signing: Signing = Signing.NONE
