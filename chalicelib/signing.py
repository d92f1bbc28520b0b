"""Signatures, in and out. Pure: bytes to bytes.

Inbound proofs are compared as decoded bytes in constant time, so that text with spare base64 bits, white space or
non-ASCII letters is refused and never raises. Sources: seeds/001 "Validating Requests", seeds/003 "Signature
calculation", the Standard Webhooks specification.
"""

import base64
import binascii
import hashlib
import hmac
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache


def hmac_sha1(key: bytes, message: bytes) -> bytes:
    """HMAC-SHA1, as older protocols prescribe it; a keyed hash is not hurt by SHA-1's collisions."""
    return hmac.digest(key, message, hashlib.sha1)


def hmac_sha256(key: bytes, message: bytes) -> bytes:
    """HMAC-SHA256."""
    return hmac.digest(key, message, hashlib.sha256)


def same(left: bytes, right: bytes) -> bool:
    """Whether two byte strings are equal, in time that does not tell where they differ."""
    return hmac.compare_digest(left, right)


def b64(data: bytes) -> str:
    """Standard base64 with padding and without a newline."""
    return base64.b64encode(data).decode("ascii")


def unb64(text: str) -> bytes | None:
    """The bytes of canonical base64, or None: no white space, no missing padding, no spare bits."""
    try:
        raw = base64.b64decode(text.encode("ascii"), validate=True)
    except (UnicodeEncodeError, binascii.Error):
        return None
    return raw if b64(raw) == text else None


def b64url(data: bytes) -> str:
    """Base64 in the alphabet for URLs, without padding."""
    return base64.urlsafe_b64encode(data).decode("ascii").rstrip("=")


def unb64url(text: str) -> bytes | None:
    """The bytes of what `b64url` wrote, or None."""
    try:
        raw = base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (UnicodeEncodeError, binascii.Error):
        return None
    return raw if b64url(raw) == text else None


def unhex(text: str) -> bytes | None:
    """The bytes of a hex string, or None."""
    try:
        return binascii.unhexlify(text.encode("ascii"))
    except (UnicodeEncodeError, binascii.Error):
        return None


def url_secret_sha1(url: str, secret: str) -> str:
    """rlatr's X-RLatr-Signature: base64 of HMAC-SHA1 keyed with the secret over the URL followed by the secret."""
    return b64(hmac_sha1(secret.encode(), (url + secret).encode()))


def standard_webhook(key: bytes, *, message_id: str, timestamp: int, body: bytes) -> str:
    """One `v1,` value of the webhook-signature header, over the exact bytes sent; `timestamp` in Unix seconds."""
    message = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + b64(hmac_sha256(key, message))


def webhook_key(secret: str) -> bytes:
    """The Standard Webhooks key of an API secret: its base64 decoded (`whsec_` + secret), else its own bytes."""
    return unb64(secret) or secret.encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class AwsCredentials:
    """What AWS calls are signed with. The token belongs to a role's temporary keys."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class AwsScope:
    """What a signature is good for."""

    region: str
    service: str


def aws_headers(
    credentials: AwsCredentials, scope: AwsScope, *, headers: Mapping[str, str], body: bytes, now: float
) -> dict[str, str]:
    """The headers that sign a POST to `/` which bears `headers` and `body`. `now`: Unix seconds.

    Source: AWS, "Signature Version 4", for the one form of request made here: no path, no query.
    """
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
    added = {"X-Amz-Date": stamp}
    if credentials.session_token:
        added["X-Amz-Security-Token"] = credentials.session_token
    signed = sorted((name.lower(), value) for name, value in {**headers, **added}.items())
    names = ";".join(name for name, _ in signed)
    lines = "".join(f"{name}:{value}\n" for name, value in signed)
    canonical = f"POST\n/\n\n{lines}\n{names}\n{hashlib.sha256(body).hexdigest()}"
    where = f"{stamp[:8]}/{scope.region}/{scope.service}/aws4_request"
    text = f"AWS4-HMAC-SHA256\n{stamp}\n{where}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = _aws_key(credentials.secret_access_key, stamp[:8], scope.region, scope.service)
    signature = hmac.digest(key, text.encode(), hashlib.sha256).hex()
    added["Authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={credentials.access_key_id}/{where}, SignedHeaders={names}, Signature={signature}"
    )
    return added


@lru_cache(maxsize=64)
def _aws_key(secret: str, day: str, region: str, service: str) -> bytes:
    """The key of one day, region and service."""
    key = f"AWS4{secret}".encode()
    for part in (day, region, service, "aws4_request"):
        key = hmac.digest(key, part.encode(), hashlib.sha256)
    return key
