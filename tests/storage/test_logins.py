"""What logins and rotations leave in the accounts table, on every engine."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest

from chalicelib.scheduling.account import Account, ApiKey, OldSecret
from chalicelib.scheduling.secret import Sealed
from chalicelib.scheduling.throttle import FORGOTTEN_AFTER, Failures
from chalicelib.storage.accounts import DynamoAccounts, DynamoKeys
from chalicelib.storage.logins import DynamoLogins
from tests.storage.conftest import Store
from tests.world import START

KEY = ApiKey(key="alice/one", account_id="alice", secret=Sealed(b"\x00first"), created_at=START, label="one")
ALICE = Account(account_id="alice", name="alice", email="alice@example.com", created_at=START, data_key=b"k")
UNTIL = START + timedelta(hours=24)


def owned(store: Store) -> DynamoKeys:
    """The keys, and the account they are of."""
    DynamoAccounts(store.accounts).add(ALICE)
    return DynamoKeys(store.accounts)


def test_failures_are_counted_in_each_respect_and_the_last_one_is_known(store: Store) -> None:
    logins, later = DynamoLogins(store.accounts), START + timedelta(seconds=5)
    logins.failed(("here/alice", "here"), START)
    logins.failed(("here/bob", "here"), later)
    assert logins.failures(("here/alice", "here", "elsewhere"), later) == {
        "here/alice": Failures(count=1, last=START),
        "here": Failures(count=2, last=later),
    }


def test_what_is_forgiven_is_as_if_it_had_not_been(store: Store) -> None:
    logins = DynamoLogins(store.accounts)
    logins.failed(("here/alice", "here"), START)
    logins.forgive("here/alice")
    logins.forgive("here/nobody")
    assert set(logins.failures(("here/alice", "here"), START)) == {"here"}


def test_failures_are_forgotten_a_day_after_the_last_one_although_the_item_is_there_still(store: Store) -> None:
    logins = DynamoLogins(store.accounts)
    for _ in range(3):
        logins.failed(("here",), START)
    just_before, then = START + FORGOTTEN_AFTER - timedelta(seconds=1), START + FORGOTTEN_AFTER
    assert logins.failures(("here",), just_before)["here"].count == 3
    assert logins.failures(("here",), then) == {}
    logins.failed(("here",), then)
    assert logins.failures(("here",), then) == {"here": Failures(count=1, last=then)}


def test_the_table_s_time_to_live_deletes_them(store: Store) -> None:
    DynamoLogins(store.accounts).failed(("here",), START)
    item = store.accounts.get(("failures#here", "failures"))
    assert item
    assert item["expires_at"] == (START + timedelta(days=1)).timestamp()


def test_no_failure_is_lost_where_many_happen_at_once(claiming: Store) -> None:
    logins = DynamoLogins(claiming.accounts)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: logins.failed(("here",), START), range(16)))
    assert logins.failures(("here",), START)["here"].count == 16


def test_a_password_that_was_changed_meanwhile_stays_changed(store: Store) -> None:
    logins = DynamoLogins(store.accounts)
    store.accounts.put({"pk": "password#alice", "sk": "password", "hash": "old"})
    assert logins.rehash("alice", before="old", after="anew")
    assert not logins.rehash("alice", before="old", after="the one that was changed away")
    assert not logins.rehash("nobody", before="old", after="anew")
    item = store.accounts.get(("password#alice", "password"))
    assert item
    assert item["hash"] == "anew"


def rotated(key: ApiKey, secret: bytes) -> ApiKey:
    return replace(key, secret=Sealed(secret), previous=OldSecret(secret=key.secret, until=UNTIL))


def test_t09_a_rotated_key_reads_back_with_both_secrets(store: Store) -> None:
    keys = owned(store)
    keys.add(KEY)
    second = rotated(KEY, b"\x00second")
    assert keys.replace(second, before=KEY)
    assert (keys.get(KEY.key), keys.of("alice")) == (second, [second])
    alone = replace(second, secret=Sealed(b"\x00third"), previous=None)
    assert keys.replace(alone, before=second)
    assert keys.get(KEY.key) == alone


@pytest.mark.parametrize("gone", [True, False], ids=["revoked", "rotated"])
def test_t09_of_two_that_change_a_key_at_once_the_second_is_told(store: Store, *, gone: bool) -> None:
    keys = owned(store)
    keys.add(KEY)
    first = rotated(KEY, b"\x00first to come")
    assert keys.remove(KEY) if gone else keys.replace(first, before=KEY)
    assert not keys.replace(rotated(KEY, b"\x00late"), before=KEY)
    assert keys.get(KEY.key) == (None if gone else first)
