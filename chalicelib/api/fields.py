"""From bytes to fields: forms, strict JSON, query strings, times, and Basic credentials. Every refusal is `Invalid`.

A dialect names the fields it knows. Whatever else is sent is dropped here, so nothing can be assigned that no dialect
asked for: an `id` or an `account` in a body never gets further than this.
"""

import base64
import binascii
import json
import re
from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Never
from urllib.parse import parse_qsl

from chalicelib.api.http import Request
from chalicelib.scheduling.errors import Invalid, Problem, TooLarge

MAX_FIELDS = 50
JSON_TYPES = frozenset({"application/json", "text/json"})
MOMENT = re.compile(
    r"(?P<date>\d{4}(?P<dash>-?)\d\d(?P=dash)\d\d)"
    r"[Tt ](?P<time>\d\d(?P<colon>:?)\d\d(?:(?P=colon)\d\d(?:[.,](?P<fraction>\d{1,9}))?)?)"
    r"(?P<zone>[Zz]|[+-]\d\d(?::?\d\d)?)?",
    re.ASCII,
)
LOST_PLUS = re.compile(r"([Tt ][\d:.,]+) (\d\d(?::?\d\d)?)$", re.ASCII)


def body_fields(request: Request, names: Collection[str]) -> dict[str, str]:
    """The named fields of a JSON object or a form, as text; null counts as not given."""
    return texts(json_object(request) if request.media_type in JSON_TYPES else _form(request), names)


def query_fields(request: Request, names: Collection[str]) -> dict[str, str]:
    """The named fields of the query string."""
    return texts(_once([(name, value) for name in names for value in request.query.get(name, [])]), names)


def texts(given: Mapping[str, object], names: Collection[str]) -> dict[str, str]:
    """The named fields of a document that must all be text; null counts as not given."""
    found: dict[str, str] = {}
    problems: list[Problem] = []
    for name in names:
        match given.get(name):
            case None:
                pass
            case str() as text if _is_unicode(text):
                found[name] = text
            case _:
                problems.append(Problem(name, "must be a string of valid Unicode"))
    if problems:
        raise Invalid(problems=tuple(problems))
    return found


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
    """An ISO 8601 calendar date and time, in UTC and cut to the millisecond; without a zone it is UTC.

    A `+` that a form turned into a space is put back. Week and ordinal dates are refused, and so are 24:00 and leap
    seconds, which Python cannot say. Raises Invalid.
    """
    match = MOMENT.fullmatch(LOST_PLUS.sub(r"\1+\2", text.strip()))
    if match is None:
        raise Invalid(field, "must be an ISO 8601 date and time, such as 2026-07-26T20:34:56-05:00")
    date, clock = match["date"].replace("-", ""), re.split("[.,]", match["time"])[0].replace(":", "")
    zone = (match["zone"] or "Z").upper().replace(":", "")
    millis = int((match["fraction"] or "0").ljust(3, "0")[:3])
    try:
        return datetime.fromisoformat(f"{date}T{clock}{zone}").astimezone(UTC) + timedelta(milliseconds=millis)
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
    try:
        text = request.body.decode()
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS)
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


def _is_unicode(text: str) -> bool:
    """Whether a text can leave this process: half a surrogate pair cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _refuse(_constant: str) -> Never:
    raise ValueError


def _finite(text: str) -> float:
    number = float(text)
    if abs(number) == float("inf"):
        raise ValueError
    return number
