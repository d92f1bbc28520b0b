"""Secrets at rest: AES-256-GCM under one data key per account, which KMS wraps.

KMS is asked once per account and process every few minutes, never per firing: a call per firing would cost more than
all the rest together. The encryption context binds the data key to its account, the associated data binds each
ciphertext to its account and place, so that a ciphertext moved to another account, job or field does not open.
"""

import base64
import os
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from chalicelib.ports import Clock
from chalicelib.scheduling.account import Account
from chalicelib.scheduling.errors import Tampered, Unavailable
from chalicelib.scheduling.secret import Sealed, Secret
from chalicelib.wire import Refusal

NONCE = 12
MOST_KEYS = 1_000
UNKNOWN_OPERATION = frozenset({"InvalidAction", "UnknownOperationException"})


class UnknownOperation(Exception):
    """What answers is not all of KMS: an embedded engine."""


class Kms(Protocol):
    """Where the calls go: the wire, or something in memory. Raises Refusal and Unavailable."""

    def call(self, operation: str, request: Mapping[str, Any], /) -> Mapping[str, Any]:
        """One call of KMS's API, in its own JSON."""
        ...


class KmsVault:
    """The Vault on KMS. An unwrapped data key is kept in memory for `keep`."""

    def __init__(self, kms: Kms, key_id: str, clock: Clock, *, keep: timedelta = timedelta(minutes=5)) -> None:
        self._kms, self._key_id, self._clock, self._keep = kms, key_id, clock, keep
        self._keys: dict[bytes, tuple[float, AESGCM]] = {}

    def new_data_key(self, account_id: str) -> bytes:
        """A fresh 256-bit data key, wrapped."""
        context = _context(account_id)
        answer = self._ask("GenerateDataKey", KeyId=self._key_id, KeySpec="AES_256", EncryptionContext=context)
        wrapped = _blob(answer["CiphertextBlob"])
        self._remember(wrapped, _blob(answer["Plaintext"]))
        return wrapped

    def seal(self, account: Account, place: str, secret: Secret) -> Sealed:
        """Encrypts for one place of one account."""
        nonce = os.urandom(NONCE)
        box = self._box(account).encrypt(nonce, secret.reveal().encode(), _bound(account.account_id, place))
        return Sealed(ciphertext=nonce + box)

    def open(self, account: Account, place: str, sealed: Sealed) -> Secret:
        """Decrypts what was sealed for this place. Raises Tampered."""
        nonce, box = sealed.ciphertext[:NONCE], sealed.ciphertext[NONCE:]
        try:
            return Secret(self._box(account).decrypt(nonce, box, _bound(account.account_id, place)).decode())
        except (InvalidTag, ValueError):
            raise Tampered(f"the ciphertext at {place} does not belong there") from None

    def rewrapped(self, account_id: str, wrapped: bytes) -> bytes:
        """The same data key under what the KMS key is now. It stays inside KMS, except where that cannot re-encrypt."""
        key, context = self._key_id, _context(account_id)
        try:
            answer = self._ask(
                "ReEncrypt",
                CiphertextBlob=wrapped,
                SourceKeyId=key,
                SourceEncryptionContext=context,
                DestinationKeyId=key,
                DestinationEncryptionContext=context,
            )
        except UnknownOperation:
            plain = self._ask("Decrypt", KeyId=key, CiphertextBlob=wrapped, EncryptionContext=context)["Plaintext"]
            answer = self._ask("Encrypt", KeyId=key, Plaintext=_blob(plain), EncryptionContext=context)
        return _blob(answer["CiphertextBlob"])

    def _box(self, account: Account) -> AESGCM:
        since, box = self._keys.get(account.data_key, (float("-inf"), None))
        if box and self._clock.now().timestamp() - since < self._keep.total_seconds():
            return box
        answer = self._ask(
            "Decrypt",
            KeyId=self._key_id,
            CiphertextBlob=account.data_key,
            EncryptionContext=_context(account.account_id),
        )
        return self._remember(account.data_key, _blob(answer["Plaintext"]))

    def _remember(self, wrapped: bytes, plain: bytes) -> AESGCM:
        if len(self._keys) >= MOST_KEYS:
            self._keys.clear()
        box = AESGCM(plain)
        self._keys[wrapped] = (self._clock.now().timestamp(), box)
        return box

    def _ask(self, operation: str, **request: Any) -> Mapping[str, Any]:
        try:
            return self._kms.call(operation, request)
        except Refusal as refusal:
            if refusal.code == "InvalidCiphertextException":
                raise Tampered("a data key does not belong to its account") from None
            if refusal.code in UNKNOWN_OPERATION:
                raise UnknownOperation from refusal
            raise Unavailable("the key service") from refusal


def _blob(value: str | bytes) -> bytes:
    """Bytes, which the wire has in base64."""
    return base64.b64decode(value) if isinstance(value, str) else value


def _context(account_id: str) -> Mapping[str, str]:
    return {"account": account_id}


def _bound(account_id: str, place: str) -> bytes:
    return f"{account_id}/{place}".encode()
