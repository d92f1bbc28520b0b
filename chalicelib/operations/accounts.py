"""Accounts and keys: opening, changing, removing them, and who is asking."""

import re
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from chalicelib import signing
from chalicelib.operations.fire import live_secrets, secret_place
from chalicelib.operations.keys import KEY, SECRET_BYTES, UUID, IssuedKey, added_key, issued_key, labelled, owned_key
from chalicelib.ports import Services
from chalicelib.scheduling.account import NOBODY, Account, Principal
from chalicelib.scheduling.errors import Invalid, NotFound, Unauthenticated, Unavailable
from chalicelib.scheduling.secret import Secret

EMAIL_LIMIT = 254
EMAIL = re.compile(r"[!-?A-~]+@[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?\.[A-Za-z]{2,}", re.ASCII)
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
PASSWORD_LIMIT = 1024  # characters: hashing more is work for nothing
DUMMY = Secret(signing.b64(bytes(SECRET_BYTES)))
REMOVERS = 8  # of jobs, at once
REMOVED_AT_ONCE = 1000  # which takes some seconds of the half minute that a request may take
MOST_SECRETS = 2  # of one key: while it is rotated


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAccount:
    """What a sign-up gave. Without a name the account is named by its id; without a password nobody can log in."""

    email: str
    name: str = ""
    password: Secret | None = None
    profile: Mapping[str, str] | None = None


def open_account(services: Services, asked: NewAccount) -> Account:
    """A new account without a key. Raises Invalid, and Taken for a name or an address in use."""
    account = _fresh(services, asked)
    hashed = _hashed(services, asked.password) if asked.password else None
    services.accounts.add(account, password=hashed)
    services.events.emit("account_opened", account=account.account_id)
    return account


def open_account_with_key(services: Services, asked: NewAccount) -> tuple[Account, IssuedKey]:
    """A new account and its first key: both or neither. Raises as `open_account`."""
    account = _fresh(services, asked)
    issued = issued_key(services, account, key=str(uuid.uuid4()), label="")
    services.accounts.add(account, key=issued.key)
    services.events.emit("account_opened", account=account.account_id)
    return account, issued


def change_account(services: Services, account: Account, asked: NewAccount, *, proven: str) -> Account:
    """Another address, profile or password; the name stays. `proven`: the hash that let the caller in.

    Raises Invalid, Taken, and Unavailable where the account or its password was changed meanwhile: who knows the old
    password must not bring it back.
    """
    _check_email(asked.email)
    changed = replace(account, email=asked.email, profile=asked.profile or account.profile)
    hashed = _hashed(services, asked.password) if asked.password else None
    services.accounts.change(changed, before=account, proven=proven, password=hashed)
    return changed


def remove_account(services: Services, account: Account) -> None:
    """With its keys and its jobs; of very many, the rest goes when it would fire: it finds no account."""
    _remove_keys(services, account)
    services.accounts.remove(account)
    _remove_keys(services, account)  # those that were made meanwhile: now there is no account to make one for
    try:
        jobs = services.jobs.list(account.account_id)[:REMOVED_AT_ONCE]
        services.crew.map(services.jobs.remove, jobs, hands=REMOVERS)
    except Unavailable as error:
        services.events.emit("jobs_left", account=account.account_id, reason=str(error))
    services.events.emit("account_removed", account=account.account_id)


def _remove_keys(services: Services, account: Account) -> None:
    for key in services.keys.of(account.account_id):
        services.keys.remove(key)


def add_key(services: Services, account: Account, label: str) -> IssuedKey:
    """A key under a label that is unique within the account. Raises Invalid, Taken, QuotaExceeded."""
    if not NAME.fullmatch(label):
        raise Invalid("key", "must be 1 to 64 letters, digits, dots, hyphens or underscores")
    return added_key(services, account, key=labelled(account, label), label=label)


def list_keys(services: Services, account: Account) -> Sequence[IssuedKey]:
    """An account's keys with their secrets, in order of creation: for the API that shows them."""
    return [
        IssuedKey(key=key, secret=services.vault.open(account, secret_place(key.key), key.secret))
        for key in services.keys.of(account.account_id)
    ]


def remove_key(services: Services, account: Account, key: str) -> None:
    """Nothing is signed with it any more. Raises NotFound, whoever else has it."""
    if not services.keys.remove(owned_key(services, account, key)):
        raise NotFound("API key", key)


def find_account(services: Services, name: str) -> Account | None:
    """By name, or by id where the account never chose a name."""
    return services.accounts.named(_name(name))


def authenticate(services: Services, key: str, *, proves: Callable[[Secret], bool]) -> Principal:
    """Who holds the key, if `proves` accepts its secret.

    One refusal for every cause, and the same work: as many secrets are tried as a key may have, and dummies where it
    has fewer or is unknown.
    """
    known = services.keys.get(key if KEY.fullmatch(key) else NOBODY)
    account = services.accounts.account(known.account_id if known else NOBODY)
    live = live_secrets(services, account, known) if known and account else ()
    proven = _proven(live, proves)
    if not any(proven) or not known:
        raise Unauthenticated("Unknown API key or wrong proof")
    return Principal(account_id=known.account_id, key=key, superseded=not proven[0])


def authenticate_user(services: Services, user: str, *, proves: Callable[[Secret], bool]) -> tuple[Account, Principal]:
    """Who asks as `user`: an API key with its own secret, or an account's name with the secret of any of its keys.

    One refusal for every cause, and the same work: all secrets are tried, and dummies where there are none.
    """
    known = services.keys.get(user if KEY.fullmatch(user) else NOBODY)
    account = services.accounts.account(known.account_id) if known else services.accounts.named(_name(user))
    keys = (known,) if known else services.keys.of(account.account_id if account else NOBODY)
    live = [(key, secret) for key in keys for secret in live_secrets(services, account, key)] if account else []
    proven = _proven([secret for _, secret in live], proves)
    if not account or not any(proven):
        if known:  # what it takes to look for an account by its name
            services.accounts.account(NOBODY)
            services.keys.of(NOBODY)
        raise Unauthenticated("Unknown user or wrong secret")
    key, _ = live[proven.index(True)]
    return account, Principal(account_id=account.account_id, key=key.key)


def describe_account(services: Services, principal: Principal) -> tuple[Account, IssuedKey]:
    """The principal's own account and key, for the one API that shows the secret again.

    Raises Unauthenticated where the principal proved what a rotation took away: it is not shown what came instead.
    """
    if principal.superseded:
        raise Unauthenticated("The secret was rotated: sign with the new one")
    account, key = services.accounts.account(principal.account_id), services.keys.get(principal.key)
    if account is None or key is None:
        raise NotFound("Account")
    return account, IssuedKey(key=key, secret=services.vault.open(account, secret_place(key.key), key.secret))


def _fresh(services: Services, asked: NewAccount) -> Account:
    _check_email(asked.email)
    if asked.name and (UUID.fullmatch(asked.name) or not NAME.fullmatch(asked.name)):
        problem = "must be 1 to 64 letters, digits, dots, hyphens or underscores, and not look like a UUID"
        raise Invalid("account", problem)  # who never chose a name is called by its id, a UUID
    account_id = str(uuid.uuid4())
    return Account(
        account_id=account_id,
        name=asked.name or account_id,
        email=asked.email,
        created_at=services.clock.now(),
        data_key=services.vault.new_data_key(account_id),
        profile=asked.profile or {},
    )


def _name(user: str) -> str:
    return user if NAME.fullmatch(user) else NOBODY


def _check_email(email: str) -> None:
    if len(email) > EMAIL_LIMIT or not EMAIL.fullmatch(email):
        raise Invalid("email", "must be an e-mail address")


def _proven(live: Sequence[Secret], proves: Callable[[Secret], bool]) -> Sequence[bool]:
    """Which of the secrets the proof holds for. What it says of dummies counts for nothing."""
    dummies = [DUMMY] * (MOST_SECRETS - len(live))
    return [proves(secret) for secret in (*live, *dummies)][: len(live)]


def _hashed(services: Services, password: Secret) -> str:
    if not 1 <= len(password.reveal()) <= PASSWORD_LIMIT:
        raise Invalid("password", f"must have 1 to {PASSWORD_LIMIT} characters")
    return services.passwords.hashed(password)
