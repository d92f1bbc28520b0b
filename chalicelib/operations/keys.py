"""An account's keys as their owner manages them: made, rotated, revoked.

A rotation gives a key another secret. For an overlap both prove who asks, and webhooks carry the signatures of both,
so that callers and receivers can change over one by one. No overlap is for a secret that leaked: the old one proves
nothing from that moment on, and signs nothing once the workers have looked again, which they do every ten seconds.
A key has at most two secrets: a second rotation within the overlap ends the first one's.
"""

import re
import secrets
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from chalicelib import signing
from chalicelib.operations.fire import previous_place, secret_place
from chalicelib.ports import Services
from chalicelib.scheduling.account import Account, ApiKey, OldSecret
from chalicelib.scheduling.errors import Conflict, Forbidden, Invalid, NotFound, QuotaExceeded
from chalicelib.scheduling.secret import Secret

SECRET_BYTES = 32
LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
KEY = re.compile(r"[A-Za-z0-9._-]{1,64}(?:/[A-Za-z0-9._-]{1,64})?", re.ASCII)
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)
LONGEST_OVERLAP = timedelta(days=7)
MOST_KEYS = 100  # of an account: who asks by its name has every one of them tried


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedKey:
    """A key with its secret in the clear, for the one who may see it."""

    key: ApiKey
    secret: Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Manager:
    """Who manages an account's keys: by the account's password, or by one of its keys.

    `superseded`: by a secret that was rotated. Until the overlap ends it makes and fires jobs as before, but whoever
    has it alone must not get the new one by it, nor keep its owner out.
    """

    account: Account
    key: str = ""
    superseded: bool = False


def keys_of(services: Services, manager: Manager) -> Sequence[ApiKey]:
    """Those that the manager may see, in order of creation."""
    found = services.keys.of(manager.account.account_id)
    return found if manages_all(services, manager) else [one for one in found if one.key == manager.key]


def create_key(services: Services, manager: Manager, *, label: str = "") -> IssuedKey:
    """One more key. Raises Forbidden, Invalid, Taken, QuotaExceeded."""
    _check_present(manager)
    if not manages_all(services, manager):
        raise Forbidden("A key makes no other key: ask with the account's password")
    if label and (UUID.fullmatch(label) or not LABEL.fullmatch(label)):
        raise Invalid(
            "label", "must be 1 to 64 letters, digits, dots, hyphens or underscores, and not look like a UUID"
        )
    issued = added_key(services, manager.account, key=labelled(manager.account, label) if label else "", label=label)
    services.events.emit("key_added", account=manager.account.account_id)
    return issued


def rotate_key(services: Services, manager: Manager, name: str, *, overlap: timedelta) -> IssuedKey:
    """The same key with another secret. Raises NotFound, Forbidden, Invalid, and Conflict where another is at it."""
    if not timedelta(0) <= overlap <= LONGEST_OVERLAP:
        raise Invalid("overlap_seconds", f"must be from 0 to {LONGEST_OVERLAP // timedelta(seconds=1)}")
    before, account = managed(services, manager, name), manager.account
    fresh = issued_key(services, account, key=before.key, label=before.label)
    previous = _kept(services, account, before, until=services.clock.now() + overlap) if overlap else None
    after = replace(before, secret=fresh.key.secret, previous=previous)
    if not services.keys.replace(after, before=before):
        raise Conflict("The key was rotated or revoked at the same time")
    services.events.emit("key_rotated", account=account.account_id, overlap_s=overlap.total_seconds())
    return IssuedKey(key=after, secret=fresh.secret)


def revoke_key(services: Services, manager: Manager, name: str) -> None:
    """From now on it proves nothing. Raises NotFound, Forbidden, and Conflict for the last one without a password."""
    key, account_id = managed(services, manager, name), manager.account.account_id
    if services.accounts.password(account_id) is None and len(services.keys.of(account_id)) <= 1:
        raise Conflict("It is the only way into its account: make another key first, or rotate it")
    if not services.keys.remove(key):
        raise NotFound("API key", name)
    services.events.emit("key_revoked", account=manager.account.account_id)


def managed(services: Services, manager: Manager, name: str) -> ApiKey:
    """The key, if the manager may change it. Raises Forbidden before it looks, and NotFound, whoever else has it."""
    _check_present(manager)
    if name != manager.key and not manages_all(services, manager):
        raise Forbidden("A key manages itself alone: ask with the account's password")
    return owned_key(services, manager.account, name)


def _check_present(manager: Manager) -> None:
    if manager.superseded:
        raise Forbidden("The secret was rotated: ask with the new one")


def manages_all(services: Services, manager: Manager) -> bool:
    """Whether the manager may do as the account's owner: a key may where there is no password that could."""
    return not manager.key or services.accounts.password(manager.account.account_id) is None


def owned_key(services: Services, account: Account, name: str) -> ApiKey:
    """The account's key of that name. Raises NotFound, whoever else has it."""
    found = services.keys.get(name) if KEY.fullmatch(name) else None
    if found is None or found.account_id != account.account_id:
        raise NotFound("API key", name)
    return found


def labelled(account: Account, label: str) -> str:
    """The key, unique everywhere, that an account's label stands for."""
    return f"{account.name}/{label}"


def added_key(services: Services, account: Account, *, key: str = "", label: str = "") -> IssuedKey:
    """A key with a fresh secret; by default it is named at random. Raises Taken, and QuotaExceeded."""
    if len(services.keys.of(account.account_id)) >= MOST_KEYS:
        raise QuotaExceeded(f"An account may have {MOST_KEYS} keys")
    issued = issued_key(services, account, key=key or str(uuid.uuid4()), label=label)
    services.keys.add(issued.key)
    return issued


def issued_key(services: Services, account: Account, *, key: str, label: str) -> IssuedKey:
    """A key with a fresh secret, not stored yet."""
    secret = Secret(signing.b64(secrets.token_bytes(SECRET_BYTES)))
    sealed = services.vault.seal(account, secret_place(key), secret)
    now = services.clock.now()
    issued = ApiKey(key=key, account_id=account.account_id, secret=sealed, created_at=now, label=label)
    return IssuedKey(key=issued, secret=secret)


def _kept(services: Services, account: Account, key: ApiKey, *, until: datetime) -> OldSecret:
    """The key's secret, sealed for the place of the one before."""
    secret = services.vault.open(account, secret_place(key.key), key.secret)
    return OldSecret(secret=services.vault.seal(account, previous_place(key.key), secret), until=until)
