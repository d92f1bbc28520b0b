"""Accounts and API keys in the accounts table.

account   account#<account>      account
name      name#<name>            name         in lower case: holds the name for one account
e-mail    email#<address>        email        the same for its address
key       key#<key>              key          its secrets, sealed, and whose it is
listed    account#<account>      key#<key>    the account's keys
password  password#<account>     password     apart, so that a role can be kept from it
failures  failures#<place>       failures     of logins, until they expire: see logins.py
"""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Generic, TypeVar

from pynamodb.expressions.condition import Condition

from chalicelib.ports import Clock
from chalicelib.scheduling.account import NOBODY, Account, ApiKey, OldSecret
from chalicelib.scheduling.errors import Taken, Unavailable
from chalicelib.scheduling.job import from_millis, to_millis
from chalicelib.scheduling.secret import Sealed
from chalicelib.storage.codec import optional
from chalicelib.storage.tables import ABSENT, PRESENT, Key, Refused, Table, equals
from chalicelib.storage.values import Item

TRIES = 5
MOST_RECENT = 10_000
RECENT = timedelta(seconds=10)

T = TypeVar("T")


class DynamoAccounts:
    """The AccountStore on DynamoDB."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def add(self, account: Account, *, key: ApiKey | None = None, password: str | None = None) -> None:
        """All or none. Raises Taken for the name, or the address."""
        held = (("name", account.name), ("email", account.email))
        items = [_account_item(account), *(_holder(kind, value, account) for kind, value in held)]
        items += _key_items(key) if key else []
        items += [_password_item(account, password)] if password else []
        try:
            self._table.transact(*(self._table.putting(item, condition=ABSENT) for item in items))
        except Refused:
            raise Taken("account" if self.named(account.name) else "email") from None

    def account(self, account_id: str) -> Account | None:
        """By id."""
        item = self._table.get(_account_key(account_id))
        return _account(account_id, item) if item else None

    def named(self, name: str) -> Account | None:
        """By name, in any case of letters. Whether there is one does not show in how many reads it takes."""
        item = self._table.get(_held("name", name))
        return self.account(item["account"] if item else NOBODY)

    def password(self, account_id: str) -> str | None:
        """The password's hash, if the account has one."""
        item = self._table.get(_password_key(account_id))
        return str(item["hash"]) if item else None

    def change(self, account: Account, *, before: Account, proven: str, password: str | None = None) -> None:
        """Puts `account` where `before` and the hash `proven` stand. Raises Taken for an address that is another's.

        Raises Unavailable where it was changed or removed meanwhile, or its data key wrapped anew: the old one must not
        come back, and no address is let go that is somebody else's by now.
        """
        unchanged = equals("data_key", before.data_key) & equals("email", before.email)
        changes = [self._table.putting(_account_item(account), condition=unchanged)]
        if account.email.casefold() != before.email.casefold():
            holder = _holder("email", account.email, account)
            changes.append(self._table.putting(holder, condition=ABSENT))
            changes.append(self._table.deleting(_held("email", before.email), condition=_of(account)))
        same = equals("hash", proven)
        if password:
            changes.append(self._table.putting(_password_item(account, password), condition=same))
        else:
            changes.append(self._table.checking(_password_key(account.account_id), condition=same))
        try:
            self._table.transact(*changes)
        except Refused:
            stands = self.account(before.account_id) == before and self.password(before.account_id) == proven
            raise (Taken("email") if stands else Unavailable("the account")) from None

    def remove(self, account: Account) -> None:
        """From now on nobody signs in as it. Its jobs find no account any more and are not sent.

        Only what is its own is let go: whoever has taken its name or address meanwhile keeps them. Raises Unavailable
        where it is changed again and again.
        """
        stands: Account | None = account
        for _ in range(TRIES):
            if stands is None:
                return
            held = (_held("name", stands.name), _held("email", stands.email))
            try:
                self._table.transact(
                    self._table.deleting(_account_key(stands.account_id), condition=equals("email", stands.email)),
                    *(self._table.deleting(key, condition=_of(stands)) for key in held),
                    self._table.deleting(_password_key(stands.account_id)),
                )
            except Refused:
                stands = self.account(account.account_id)
            else:
                return
        raise Unavailable("the account")


class DynamoKeys:
    """The KeyStore on DynamoDB."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def add(self, key: ApiKey) -> None:
        """Raises Taken, and Unavailable where the account is gone: no key is left behind by one."""
        there = self._table.checking(_account_key(key.account_id), condition=PRESENT)
        try:
            self._table.transact(there, *(self._table.putting(item, condition=ABSENT) for item in _key_items(key)))
        except Refused:
            raise (Taken("key") if self.get(key.key) else Unavailable("the account")) from None

    def get(self, key: str) -> ApiKey | None:
        """By its public part."""
        item = self._table.get(_api_key(key))
        return _key(key, item) if item else None

    def of(self, account_id: str) -> Sequence[ApiKey]:
        """An account's keys, in order of creation."""
        pages = self._table.query(_account_key(account_id)[0], prefix="key#")
        names = [item["sk"].removeprefix("key#") for page in pages for item in page]
        items = self._table.batch_get(_api_key(name) for name in names or [NOBODY])
        found = [_key(item["pk"].removeprefix("key#"), item) for item in items]
        return sorted(found, key=lambda one: (one.created_at, one.key))

    def replace(self, key: ApiKey, *, before: ApiKey) -> bool:
        """A compare-and-set on the sealed secret, which is never the same twice."""
        [item, _] = _key_items(key)
        try:
            self._table.put(item, condition=equals("secret", before.secret.ciphertext))
        except Refused:
            return False
        return True

    def remove(self, key: ApiKey) -> bool:
        """From now on nothing is signed with it. False: it was gone, or is another account's by now."""
        first, second = _key_keys(key)
        own = equals("account", key.account_id)
        try:
            self._table.transact(self._table.deleting(first, condition=own), self._table.deleting(second))
        except Refused:
            return False
        return True


class RecentAccounts(DynamoAccounts):
    """Accounts by id as they were at most `age` ago: a worker needs the same few for every firing."""

    def __init__(self, table: Table, clock: Clock, *, age: timedelta = RECENT) -> None:
        super().__init__(table)
        self._recent = Recent(super().account, clock, age)

    def account(self, account_id: str) -> Account | None:
        """By id, at most `age` old."""
        return self._recent.get(account_id)


class RecentKeys(DynamoKeys):
    """Keys as they were at most `age` ago."""

    def __init__(self, table: Table, clock: Clock, *, age: timedelta = RECENT) -> None:
        super().__init__(table)
        self._recent = Recent(super().get, clock, age)

    def get(self, key: str) -> ApiKey | None:
        """By its public part, at most `age` old."""
        return self._recent.get(key)


class Recent(Generic[T]):
    """What a look-up found, at most `age` ago."""

    def __init__(self, look_up: Callable[[str], T | None], clock: Clock, age: timedelta) -> None:
        self._look_up, self._clock, self._age = look_up, clock, age
        self._known: dict[str, tuple[float, T | None]] = {}

    def get(self, name: str) -> T | None:
        """By name."""
        now = self._clock.now().timestamp()
        since, found = self._known.get(name, (float("-inf"), None))
        if now - since > self._age.total_seconds():
            found = self._look_up(name)
            if len(self._known) >= MOST_RECENT:
                self._known.clear()
            self._known[name] = (now, found)
        return found


def _account_item(account: Account) -> Item:
    pk, sk = _account_key(account.account_id)
    return {
        "pk": pk,
        "sk": sk,
        "name": account.name,
        "email": account.email,
        "created_at": to_millis(account.created_at),
        "data_key": account.data_key,
        "profile": dict(account.profile),
    }


def _account(account_id: str, item: Item) -> Account:
    return Account(
        account_id=account_id,
        name=item["name"],
        email=item["email"],
        created_at=from_millis(item["created_at"]),
        data_key=item["data_key"],
        profile=item["profile"],
    )


def _key_items(key: ApiKey) -> list[Item]:
    (pk, sk), (listed_pk, listed_sk) = _key_keys(key)
    secret = {
        "pk": pk,
        "sk": sk,
        "account": key.account_id,
        "secret": key.secret.ciphertext,
        "created_at": to_millis(key.created_at),
        "label": key.label,
        "previous": optional(_previous_map, key.previous),
    }
    return [secret, {"pk": listed_pk, "sk": listed_sk}]


def _key(name: str, item: Item) -> ApiKey:
    return ApiKey(
        key=name,
        account_id=item["account"],
        secret=Sealed(ciphertext=item["secret"]),
        created_at=from_millis(item["created_at"]),
        label=item["label"],
        previous=optional(_previous, item.get("previous")),
    )


def _previous_map(previous: OldSecret) -> Item:
    return {"secret": previous.secret.ciphertext, "until": to_millis(previous.until)}


def _previous(item: Item) -> OldSecret:
    return OldSecret(secret=Sealed(ciphertext=item["secret"]), until=from_millis(item["until"]))


def _password_item(account: Account, password: str) -> Item:
    pk, sk = _password_key(account.account_id)
    return {"pk": pk, "sk": sk, "hash": password}


def _password_key(account_id: str) -> Key:
    return f"password#{account_id}", "password"


def _holder(kind: str, value: str, account: Account) -> Item:
    pk, sk = _held(kind, value)
    return {"pk": pk, "sk": sk, "account": account.account_id}


def _held(kind: str, value: str) -> Key:
    return f"{kind}#{value.casefold()}", kind


def _of(account: Account) -> Condition:
    """That a name or an address is held by this account."""
    condition: Condition = equals("account", account.account_id)
    return condition


def _account_key(account_id: str) -> Key:
    return f"account#{account_id}", "account"


def _api_key(key: str) -> Key:
    return f"key#{key}", "key"


def _key_keys(key: ApiKey) -> tuple[Key, Key]:
    return _api_key(key.key), (_account_key(key.account_id)[0], f"key#{key.key}")
