"""HTTP as the dialects see it: the event of API Gateway in, bytes and pairs out.

The path is kept as sent, because signatures cover it: percent-encoded, and with its trailing slash. What the gateway
calls `path` has no stage prefix; Chalice's own server has it in the request context alone.
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
    """`path` and `params` as sent, undecoded; header names in lower case, each with all its values."""

    method: str
    path: str
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
    return Request(
        method=event["requestContext"]["httpMethod"],
        path=event.get("path") or event["requestContext"]["path"],
        params=event.get("pathParameters") or {},
        query=event.get("multiValueQueryStringParameters") or {},
        headers=headers,
        body=_body(event),
    )


def _single(event: Mapping[str, Any]) -> Mapping[str, list[str]]:
    return {name: [value] for name, value in (event.get("headers") or {}).items()}


def _body(event: Mapping[str, Any]) -> bytes:
    body = event.get("body") or ""
    if len(body) > MAX_BODY * 4 / 3 + 4:
        raise TooLarge("", f"A request may have at most {MAX_BODY} bytes")
    try:
        raw = base64.b64decode(body) if event.get("isBase64Encoded") else body.encode()
    except (binascii.Error, ValueError):  # what the gateway passed on is no text
        raise Invalid("", "The body cannot be read") from None
    if len(raw) > MAX_BODY:
        raise TooLarge("", f"A request may have at most {MAX_BODY} bytes")
    return raw
