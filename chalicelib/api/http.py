"""HTTP as the dialects see it: the event of API Gateway in, bytes and pairs out.

The path is kept as sent, because signatures cover it: percent-encoded, and with its trailing slash. API Gateway calls
it `path`, and puts the stage before it in the request context; Chalice's own server has it in the request context
alone, and gives the body as bytes.
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from chalicelib.scheduling.errors import Invalid, TooLarge

MAX_BODY = 1024 * 1024
MAX_HEADERS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """`path` and `params` as sent, undecoded; header names in lower case, each with all its values.

    `staged` is the path behind the host of an invoke URL: with the stage in front. Behind a domain of one's own it is
    the path itself. `source` is the address of who asks, as API Gateway saw it: no header can claim another.
    """

    method: str
    path: str
    staged: str = ""
    source: str = ""
    params: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, list[str]] = field(default_factory=dict)
    headers: Mapping[str, list[str]] = field(default_factory=dict)
    body: bytes = b""

    def header(self, name: str) -> str | None:
        """The value of a header that is there once. None where it is missing, or there twice: never a choice."""
        values = self.headers.get(name.lower(), [])
        return values[0] if len(values) == 1 else None

    @property
    def media_type(self) -> str:
        """The content type in lower case, without its parameters."""
        return (self.header("content-type") or "").partition(";")[0].strip().lower()

    @property
    def signable_paths(self) -> tuple[str, ...]:
        """The paths that a client may have signed: with the stage or without, with the last slash or without."""
        sent = (self.path, self.staged or self.path)
        return tuple(
            dict.fromkeys(spelt for path in sent for spelt in (path, path.rstrip("/"), f"{path.rstrip('/')}/"))
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """What goes back."""

    status: int
    body: str
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


def request_of(event: Mapping[str, Any]) -> Request:
    """The request in an event of API Gateway's proxy integration. Raises TooLarge, Invalid."""
    headers: dict[str, list[str]] = {}
    for name, values in (event.get("multiValueHeaders") or _single(event)).items():
        headers.setdefault(name.lower(), []).extend(values)
    if sum(map(len, headers.values())) > MAX_HEADERS:
        raise TooLarge("", f"A request may have at most {MAX_HEADERS} headers")
    context = event["requestContext"]
    return Request(
        method=context["httpMethod"],
        path=event.get("path") or context["path"],
        staged=context.get("path") or "",
        source=(context.get("identity") or {}).get("sourceIp") or "",
        params=event.get("pathParameters") or {},
        query=event.get("multiValueQueryStringParameters") or {},
        headers=headers,
        body=_body(event),
    )


def _single(event: Mapping[str, Any]) -> Mapping[str, list[str]]:
    return {name: [value] for name, value in (event.get("headers") or {}).items()}


def _body(event: Mapping[str, Any]) -> bytes:
    body: str | bytes = event.get("body") or b""
    if len(body) > MAX_BODY * 4 / 3 + 4:
        raise TooLarge("", f"A request may have at most {MAX_BODY} bytes")
    try:
        raw = body.encode() if isinstance(body, str) else body
        raw = base64.b64decode(raw, validate=True) if event.get("isBase64Encoded") else raw
    except (binascii.Error, ValueError):  # what the gateway passed on is no text
        raise Invalid("", "The body cannot be read") from None
    if len(raw) > MAX_BODY:
        raise TooLarge("", f"A request may have at most {MAX_BODY} bytes")
    return raw
