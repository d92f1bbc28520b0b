"""Accounts: opening one, and who is asking."""

import re
import secrets
import uuid
from collections.abc import Callable

from chalicelib import signing
from chalicelib.operations.fire import secret_place
from chalicelib.ports import Services
from chalicelib.scheduling.account import Account, ApiKey, Principal
from chalicelib.scheduling.errors import Invalid, NotFound, Unauthenticated
from chalicelib.scheduling.secret import Secret

SECRET_BYTES = 32
EMAIL_LIMIT = 254
EMAIL = re.compile(r"[!-?A-~]+@[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?\.[A-Za-z]{2,}", re.ASCII)
KEY = re.compile(r"[A-Za-z0-9-]{1,64}", re.ASCII)
DUMMY = Secret(signing.b64(bytes(SECRET_BYTES)))


def open_account(services: Services, email: str) -> tuple[Account, ApiKey, Secret]:
    """A new account with its first key. Raises Invalid for what is no e-mail address, Taken for one in use."""
    if len(email) > EMAIL_LIMIT or not EMAIL.fullmatch(email):
        raise Invalid("email", "must be an e-mail address")
    now, account_id = services.clock.now(), str(uuid.uuid4())
    data_key = services.vault.new_data_key(account_id)
    account = Account(account_id=account_id, email=email, created_at=now, data_key=data_key)
    name, secret = str(uuid.uuid4()), new_secret()
    sealed = services.vault.seal(account, secret_place(name), secret)
    key = ApiKey(key=name, account_id=account_id, secret=sealed, created_at=now)
    services.accounts.add(account, key)
    services.events.emit("account_opened", account=account_id)
    return account, key, secret


def authenticate(services: Services, key: str, *, proves: Callable[[Secret], bool]) -> Principal:
    """Who holds the key, if `proves` accepts its secret.

    One refusal for every cause, and the same work: for an unknown key the proof is checked against a dummy.
    """
    known = services.accounts.key(key) if KEY.fullmatch(key) else None
    account = services.accounts.account(known.account_id) if known else None
    secret = services.vault.open(account, secret_place(key), known.secret) if known and account else DUMMY
    if not proves(secret) or not known:
        raise Unauthenticated("Unknown API key or wrong proof")
    return Principal(account_id=known.account_id, key=key)


def describe_account(services: Services, principal: Principal) -> tuple[Account, ApiKey, Secret]:
    """The principal's own account, key and secret, for the one API that shows them again."""
    account, key = services.accounts.account(principal.account_id), services.accounts.key(principal.key)
    if account is None or key is None:
        raise NotFound("Account")
    return account, key, services.vault.open(account, secret_place(key.key), key.secret)


def new_secret() -> Secret:
    """32 random bytes as base64, which is also the key of the Standard Webhooks signature."""
    return Secret(signing.b64(secrets.token_bytes(SECRET_BYTES)))
