"""From bytes to fields: forms, strict JSON, query strings, times, and Basic credentials. Every refusal is `Invalid`."""

import base64
import binascii
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Never
from urllib.parse import parse_qsl

from chalicelib.api.http import Request
from chalicelib.scheduling.errors import Invalid, TooLarge

MAX_FIELDS = 50
JSON_TYPES = frozenset({"application/json", "text/json"})
MOMENT = re.compile(
    r"(?P<date>\d{4}-\d\d-\d\d)[Tt ](?P<time>\d\d:\d\d(?::\d\d)?)(?:[.,](?P<fraction>\d{1,9}))?"
    r"(?P<zone>[Zz]|[+-]\d\d(?::?\d\d)?)?",
    re.ASCII,
)
LOST_PLUS = re.compile(r"(T[\d:.,]+) (\d\d:?\d\d)$", re.ASCII)


def text_fields(request: Request) -> Mapping[str, str]:
    """The fields of a form, a JSON object or the query string, as text; a field given twice is refused."""
    given = json_object(request) if request.media_type in JSON_TYPES else _form(request)
    query = {name: values for name, values in request.query.items() if name not in given}
    for name, values in query.items():
        given[name] = values[0] if len(values) == 1 else values
    return {_clean(name, name): _clean(name, value) for name, value in given.items() if value is not None}


def json_object(request: Request) -> dict[str, Any]:
    """The body as a JSON object: RFC 8259, so no NaN, no number beyond a float, UTF-8 alone, every name once."""
    try:
        text = request.body.decode()
        document = json.loads(text, parse_constant=_refuse, parse_float=_finite, object_pairs_hook=_once)
    except RecursionError:
        raise Invalid("", "The JSON is nested too deeply") from None
    except ValueError:
        raise Invalid("", "The body is not valid JSON") from None
    if not isinstance(document, dict):
        raise Invalid("", "The body must be a JSON object")
    return document


def moment(text: str, field: str) -> datetime:
    """An ISO 8601 date and time, in UTC and to the millisecond; without a zone it is UTC.

    A `+` that a form turned into a space is put back. Raises Invalid.
    """
    match = MOMENT.fullmatch(LOST_PLUS.sub(r"\1+\2", text.strip()))
    if match is None:
        raise Invalid(field, "must be an ISO 8601 date and time, such as 2026-07-26T20:34:56-05:00")
    fraction = (match["fraction"] or "0").ljust(3, "0")[:3]
    zone = (match["zone"] or "Z").upper()
    try:
        parsed = datetime.fromisoformat(f"{match['date']}T{match['time']}{zone}").astimezone(UTC)
        return parsed + timedelta(milliseconds=int(fraction))
    except (ValueError, OverflowError):
        raise Invalid(field, "is no date and time that exists") from None


def basic_credentials(request: Request) -> tuple[str, str] | None:
    """User and password of an Authorization header; None where there are none that can be read. Source: RFC 7617."""
    scheme, _, encoded = (request.header("authorization") or "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, colon, password = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        return None
    return (user, password) if colon and user else None


def _form(request: Request) -> dict[str, Any]:
    if not request.body:
        return {}
    try:
        pairs = parse_qsl(
            request.body.decode("ascii"),
            keep_blank_values=True,
            encoding="utf-8",
            errors="strict",
            max_num_fields=MAX_FIELDS,
        )
    except UnicodeDecodeError:
        raise Invalid("", "The form is not URL-encoded UTF-8") from None
    except ValueError:
        raise TooLarge("", f"A form may have at most {MAX_FIELDS} fields") from None
    return _once(pairs)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise Invalid("", "A field is given twice")
    return fields


def _clean(field: str, value: object) -> str:
    if not isinstance(value, str):
        raise Invalid(field, "must be a string")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise Invalid(ascii(field), "is not valid Unicode") from None
    return value


def _refuse(_constant: str) -> Never:
    raise ValueError


def _finite(text: str) -> float:
    number = float(text)
    if abs(number) == float("inf"):
        raise ValueError
    return number
