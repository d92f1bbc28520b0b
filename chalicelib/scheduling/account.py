"""Accounts, their API keys, and who is asking."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from chalicelib.scheduling.secret import Sealed

NOBODY = "-"
"""No account has this id or name, and no key: looked up where there is nothing to look up, which takes as long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A tenant. `name` is unique, in any case of letters; who never chose one is named by its id.

    `data_key` is the account's AES key, wrapped by KMS: every secret of the account is under it. `profile` holds what
    an API's sign-up asks for and nothing here needs.
    """

    account_id: str
    name: str
    email: str
    created_at: datetime
    data_key: bytes = field(repr=False)
    profile: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class OldSecret:
    """The secret a key had before, sealed for a place of its own. Before `until` it goes on proving and signing."""

    secret: Sealed
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A public key and its sealed secret. One set of keys serves every API that uses keys.

    `key` is unique everywhere: a UUID, or `<account name>/<label>` where an API lets its users choose the label.
    """

    key: str
    account_id: str
    secret: Sealed
    created_at: datetime
    label: str = ""
    previous: OldSecret | None = None

    def previous_at(self, now: datetime) -> OldSecret | None:
        """The secret before the last rotation, while it counts."""
        return self.previous if self.previous and now < self.previous.until else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Who is asking, after the proof held: an account, through one of its keys.

    `superseded`: by the secret before the last rotation, which may be in hands that the rotation was meant for.
    """

    account_id: str
    key: str
    superseded: bool = False
