"""Signatures, in and out. Pure: bytes to bytes.

Inbound proofs are compared as decoded bytes in constant time, so that text with spare base64 bits, white space or
non-ASCII letters is refused and never raises. Sources: seeds/001 "Validating Requests", seeds/003 "Signature
calculation", the Standard Webhooks specification.
"""

import base64
import binascii
import hashlib
import hmac


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
