"""Accounts and API keys in the accounts table.

account  account#<account>      account
e-mail   email#<address>        email        holds the address for one account
key      key#<key>              key          its secret, sealed, and whose it is
listed   account#<account>      key#<key>    the account's keys, by name
"""

from datetime import timedelta

from chalicelib.ports import Clock
from chalicelib.scheduling.account import Account, ApiKey
from chalicelib.scheduling.errors import Taken
from chalicelib.scheduling.job import from_millis, to_millis
from chalicelib.scheduling.secret import Sealed
from chalicelib.storage.tables import ABSENT, Key, Refused, Table


class DynamoAccounts:
    """The AccountStore on DynamoDB."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def add(self, account: Account, key: ApiKey) -> None:
        """Account, e-mail, key and the key's listing: all or none. Raises Taken."""
        pk, sk = _account_key(account.account_id)
        account_item = {
            "pk": pk,
            "sk": sk,
            "email": account.email,
            "created_at": to_millis(account.created_at),
            "data_key": account.data_key,
        }
        key_pk, key_sk = _api_key(key.key)
        key_item = {
            "pk": key_pk,
            "sk": key_sk,
            "account": key.account_id,
            "secret": key.secret.ciphertext,
            "created_at": to_millis(key.created_at),
        }
        email_item = {"pk": f"email#{account.email.casefold()}", "sk": "email", "account": account.account_id}
        listed = {"pk": pk, "sk": f"key#{key.key}"}
        items = (account_item, key_item, email_item, listed)
        try:
            self._table.transact(*(self._table.putting(item, condition=ABSENT) for item in items))
        except Refused:
            raise Taken("email") from None

    def account(self, account_id: str) -> Account | None:
        """By id."""
        item = self._table.get(_account_key(account_id))
        if item is None:
            return None
        return Account(
            account_id=account_id,
            email=item["email"],
            created_at=from_millis(item["created_at"]),
            data_key=item["data_key"],
        )

    def key(self, key: str) -> ApiKey | None:
        """By its public part."""
        item = self._table.get(_api_key(key))
        if item is None:
            return None
        return ApiKey(
            key=key,
            account_id=item["account"],
            secret=Sealed(ciphertext=item["secret"]),
            created_at=from_millis(item["created_at"]),
        )


class RecentAccounts:
    """Accounts as they were at most `age` ago: for the worker, which needs the same few for every firing."""

    def __init__(self, accounts: DynamoAccounts, clock: Clock, *, age: timedelta = timedelta(seconds=10)) -> None:
        self._accounts, self._clock, self._age = accounts, clock, age
        self._known: dict[tuple[str, str], tuple[float, Account | ApiKey | None]] = {}

    def add(self, account: Account, key: ApiKey) -> None:
        """Straight through."""
        self._accounts.add(account, key)

    def account(self, account_id: str) -> Account | None:
        """By id, at most `age` old."""
        found = self._recent("account", account_id)
        return found if isinstance(found, Account) else None

    def key(self, key: str) -> ApiKey | None:
        """By its public part, at most `age` old."""
        found = self._recent("key", key)
        return found if isinstance(found, ApiKey) else None

    def _recent(self, kind: str, name: str) -> Account | ApiKey | None:
        now = self._clock.now().timestamp()
        since, found = self._known.get((kind, name), (float("-inf"), None))
        if now - since > self._age.total_seconds():
            found = self._accounts.account(name) if kind == "account" else self._accounts.key(name)
            if len(self._known) >= MOST_RECENT:
                self._known.clear()
            self._known[kind, name] = (now, found)
        return found


MOST_RECENT = 10_000


def _account_key(account_id: str) -> Key:
    return f"account#{account_id}", "account"


def _api_key(key: str) -> Key:
    return f"key#{key}", "key"
