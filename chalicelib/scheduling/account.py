"""Accounts, their API keys, and who is asking."""

from dataclasses import dataclass, field
from datetime import datetime

from chalicelib.scheduling.secret import Sealed


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A tenant. `data_key` is the account's AES key, wrapped by KMS: every secret of the account is under it."""

    account_id: str
    email: str
    created_at: datetime
    data_key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A public key and its sealed secret. One set of keys serves every API that uses keys."""

    key: str
    account_id: str
    secret: Sealed
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Who is asking, after the proof held: an account, through one of its keys."""

    account_id: str
    key: str
