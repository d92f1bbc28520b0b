"""Canaries: secrets that are looked for in all that a system leaves behind, in every form they may have taken."""

import base64
import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, quote_plus

BORDER = 4  # characters of base64 at each end that depend on what stands beside
SHORTEST = 6


def forms(secret: str | bytes) -> set[bytes]:
    """What a secret may look like: as it is, in base64 wherever it begins, in hex, in a URL, in JSON, and backwards."""
    raw = secret.encode() if isinstance(secret, str) else secret
    found = {raw, raw.hex().encode(), raw.hex().upper().encode(), *_in_base64(raw)}
    if isinstance(secret, str):
        texts = (quote(secret, safe=""), quote(secret), quote_plus(secret), json.dumps(secret)[1:-1], secret)
        found |= {text.encode() for text in texts}
        found |= {json.dumps(text).encode()[1:-1] for text in texts}
    found |= {form[::-1] for form in found}
    return {form for form in found if len(form) >= SHORTEST}


def seen(secrets: Mapping[str, str | bytes], places: Mapping[str, bytes]) -> list[str]:
    """Which secret stands where, in a sentence each."""
    wanted = {name: forms(secret) for name, secret in secrets.items()}
    return [
        f"{name} is in {place}, as {form!r}"
        for place, text in places.items()
        for name, known in wanted.items()
        for form in sorted(known)
        if form in text
    ]


def flat(value: Any) -> bytes:
    """All that is in a value of DynamoDB's or of JSON's, one thing a line; bytes as they are."""
    return b"\n".join(_leaves(value))


def _leaves(value: Any) -> Iterator[bytes]:
    match value:
        case bytes():
            yield value
        case str():
            yield value.encode(errors="surrogatepass")
        case Mapping():
            for key, one in value.items():
                yield from _leaves(key)
                yield from _leaves(one)
        case list() | tuple():
            for one in value:
                yield from _leaves(one)
        case _:
            yield repr(value).encode()


def _in_base64(raw: bytes) -> Iterator[bytes]:
    """Standard and for URLs, at each of the three places a byte may have in a group."""
    for shift in range(3):
        text = base64.b64encode(bytes(shift) + raw)
        inner = text[BORDER if shift else 0 : len(text) - BORDER]
        yield inner
        yield inner.replace(b"+", b"-").replace(b"/", b"_")
