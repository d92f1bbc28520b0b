"""One flat document, as JSON or XML, read and told: the same fields whichever it is. Source: seeds/002, "Documents"."""

import json
import re
from collections.abc import Collection
from dataclasses import replace

from chalicelib.api import xml
from chalicelib.api.fields import JSON_TYPES, body_fields
from chalicelib.api.http import Request
from chalicelib.scheduling.errors import Invalid

TEXT, JSON, XML = "text/plain", "application/json", "text/xml"
XML_TYPES = (XML, "application/xml")
DOCUMENTS = (JSON, *XML_TYPES)
CHARSET = re.compile(r";\s*charset\s*=\s*\"?([^\s;\"]*)", re.IGNORECASE)
TRAILING_COMMA = re.compile(rb'("(?:[^"\\]|\\.)*+"?)|,(?=\s*[}\]])', re.DOTALL)  # or a string, to step over it


class Unsupported(Invalid):
    """The body is of a type, or in an encoding, that is not read here."""


def texts_in(request: Request, names: Collection[str], *, root: str) -> dict[str, str]:
    """The named fields of the body. Strict, but for a comma after the last element. Raises Unsupported, Invalid.

    Without a content type it is XML where it begins with <. A charset counts only where the body came as bytes: what
    the gateway took for text is UTF-8 by now.
    """
    charset = CHARSET.search(request.header("content-type") or "")
    body = _recoded(request.body, charset[1].lower()) if charset else request.body
    media = request.media_type or (XML if body.lstrip().startswith(b"<") else JSON)
    if media in XML_TYPES:
        known = xml.read(body, root=root, encoding="utf-8" if charset else None)
        return {name: known[name] for name in names if name in known}
    if media in JSON_TYPES:
        tidied = TRAILING_COMMA.sub(lambda found: found[1] or b"", body)
        headers = {**request.headers, "content-type": [JSON]}
        return body_fields(replace(request, body=tidied, headers=headers), names)
    raise Unsupported("", f"Content-Type must be one of {', '.join(DOCUMENTS)}")


def told(media: str, *, text: str, value: object, document: str) -> str:
    """The one of text, JSON and XML that was asked for."""
    match media:
        case "text/plain":
            return text
        case "application/json":
            return json.dumps(value)
    return document


def _recoded(body: bytes, charset: str) -> bytes:
    """The body in UTF-8."""
    if charset not in xml.ENCODINGS:
        raise Unsupported("", f"The charset must be one of {', '.join(xml.ENCODINGS)}")
    try:
        return body.decode(charset).encode()
    except UnicodeError:
        raise Invalid("", f"The body is not valid {charset}") from None
