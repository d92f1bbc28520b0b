"""Secrets at rest: AES-256-GCM under one data key per account, which KMS wraps.

KMS is asked once per account and process every few minutes, never per firing: a call per firing would cost more than
all the rest together. The encryption context binds the data key to its account, the associated data binds each
ciphertext to its account and place, so that a ciphertext moved to another account, job or field does not open.
"""

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

NONCE = 12
MOST_KEYS = 1_000


class Kms(Protocol):
    """The two calls of a KMS client that are made here."""

    def generate_data_key(self, **kwargs: Any) -> Mapping[str, Any]:
        """A new data key, plain and wrapped."""

    def decrypt(self, **kwargs: Any) -> Mapping[str, Any]:
        """A wrapped data key, plain."""


class KmsVault:
    """The Vault on KMS. An unwrapped data key is kept in memory for `keep`."""

    def __init__(self, kms: Kms, key_id: str, clock: Clock, *, keep: timedelta = timedelta(minutes=5)) -> None:
        self._kms, self._key_id, self._clock, self._keep = kms, key_id, clock, keep
        self._keys: dict[bytes, tuple[float, AESGCM]] = {}

    def new_data_key(self, account_id: str) -> bytes:
        """A fresh 256-bit data key, wrapped."""
        answer = self._ask(
            "generate_data_key", KeyId=self._key_id, KeySpec="AES_256", EncryptionContext=_context(account_id)
        )
        self._remember(answer["CiphertextBlob"], answer["Plaintext"])
        return bytes(answer["CiphertextBlob"])

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

    def _box(self, account: Account) -> AESGCM:
        since, box = self._keys.get(account.data_key, (float("-inf"), None))
        if box and self._clock.now().timestamp() - since < self._keep.total_seconds():
            return box
        answer = self._ask(
            "decrypt",
            KeyId=self._key_id,
            CiphertextBlob=account.data_key,
            EncryptionContext=_context(account.account_id),
        )
        return self._remember(account.data_key, answer["Plaintext"])

    def _remember(self, wrapped: bytes, plain: bytes) -> AESGCM:
        if len(self._keys) >= MOST_KEYS:
            self._keys.clear()
        box = AESGCM(plain)
        self._keys[bytes(wrapped)] = (self._clock.now().timestamp(), box)
        return box

    def _ask(self, call: str, **kwargs: Any) -> Mapping[str, Any]:
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - costs 0.2 s where nothing is sealed

        try:
            answer: Mapping[str, Any] = getattr(self._kms, call)(**kwargs)
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") == "InvalidCiphertextException":
                raise Tampered("a data key does not belong to its account") from None
            raise Unavailable("the key service") from error
        except BotoCoreError as error:
            raise Unavailable("the key service") from error
        return answer


def _context(account_id: str) -> Mapping[str, str]:
    return {"account": account_id}


def _bound(account_id: str, place: str) -> bytes:
    return f"{account_id}/{place}".encode()
