"""Accounts that are changed, removed and made anew at once: nobody loses a name, an address or a key to another."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from chalicelib.operations.accounts import NewAccount, add_key, open_account, remove_account
from chalicelib.scheduling.account import Account, ApiKey
from chalicelib.scheduling.errors import Taken, Unavailable
from chalicelib.scheduling.schedule import Every
from chalicelib.scheduling.secret import Sealed, Secret
from chalicelib.storage.accounts import DynamoAccounts, DynamoKeys
from tests.operations.breaking import breaking
from tests.storage.conftest import Store
from tests.world import START, World, a_world

MINUTE = timedelta(minutes=1)


def an_account(account_id: str, name: str = "joe", email: str = "joe@example.com") -> Account:
    return Account(account_id=account_id, name=name, email=email, created_at=START, data_key=account_id.encode())


def a_key(account: Account, label: str = "production") -> ApiKey:
    return ApiKey(
        key=f"{account.name}/{label}",
        account_id=account.account_id,
        secret=Sealed(ciphertext=account.account_id.encode()),
        created_at=START,
        label=label,
    )


def opened(store: Store, account: Account) -> DynamoAccounts:
    accounts = DynamoAccounts(store.accounts)
    accounts.add(account, password="hash")
    return accounts


def test_of_two_changes_at_once_one_is_told_to_look_again(store: Store) -> None:
    first = an_account("1")
    accounts = opened(store, first)
    accounts.change(replace(first, email="a@example.com"), before=first, proven="hash")
    with pytest.raises(Unavailable):
        accounts.change(replace(first, email="b@example.com"), before=first, proven="hash")
    accounts.add(an_account("2", "ben", "b@example.com"))
    accounts.add(an_account("3", "cleo", "joe@example.com"))
    with pytest.raises(Taken):
        accounts.add(an_account("4", "dan", "a@example.com"))


def test_who_knows_the_old_password_does_not_bring_it_back(store: Store) -> None:
    first = an_account("1")
    accounts = opened(store, first)
    accounts.change(first, before=first, proven="hash", password="new")
    for password in ("hash", None):
        with pytest.raises(Unavailable):
            accounts.change(replace(first, profile={"x": "y"}), before=first, proven="hash", password=password)
    assert (accounts.password("1"), accounts.account("1")) == ("new", first)


def test_an_address_that_is_another_s_is_taken(store: Store) -> None:
    first = an_account("1")
    accounts = opened(store, first)
    accounts.add(an_account("2", "ben", "ben@example.com"))
    with pytest.raises(Taken):
        accounts.change(replace(first, email="ben@example.com"), before=first, proven="hash")
    assert accounts.account("1") == first


def test_who_is_removed_while_it_changes_leaves_no_address_behind(store: Store) -> None:
    first = an_account("1")
    accounts = opened(store, first)
    accounts.change(replace(first, email="moved@example.com"), before=first, proven="hash")
    accounts.remove(first)
    assert (accounts.account("1"), accounts.named("joe"), accounts.password("1")) == (None, None, None)
    for number, email in enumerate(("joe@example.com", "moved@example.com")):
        accounts.add(an_account(f"new-{number}", f"new-{number}", email))


def test_a_change_of_who_was_removed_brings_nothing_back(store: Store) -> None:
    first = an_account("1")
    accounts = opened(store, first)
    accounts.remove(first)
    with pytest.raises(Unavailable):
        accounts.change(replace(first, email="moved@example.com"), before=first, proven="hash")
    accounts.add(an_account("2", "ben", "moved@example.com"))
    assert accounts.account("1") is None


def test_a_removal_that_comes_late_leaves_the_next_owner_of_the_name_alone(store: Store) -> None:
    first, second = an_account("1"), an_account("2")
    accounts, keys = opened(store, first), DynamoKeys(store.accounts)
    keys.add(a_key(first))
    assert keys.remove(a_key(first))
    accounts.remove(first)
    accounts.add(second, password="another")
    keys.add(a_key(second))
    accounts.remove(first)
    assert not keys.remove(a_key(first))
    assert (accounts.named("joe"), accounts.password("2"), keys.of("2")) == (second, "another", [a_key(second)])
    with pytest.raises(Taken):
        accounts.add(an_account("3", "ben"))


def test_who_is_gone_gets_no_key(store: Store) -> None:
    first = an_account("1")
    accounts, keys = opened(store, first), DynamoKeys(store.accounts)
    accounts.remove(first)
    with pytest.raises(Unavailable):
        keys.add(a_key(first))
    assert (keys.get("joe/production"), keys.of("1")) == (None, [])


def test_a_key_is_made_once(store: Store) -> None:
    first = an_account("1")
    opened(store, first)
    keys = DynamoKeys(store.accounts)
    keys.add(a_key(first))
    with pytest.raises(Taken):
        keys.add(a_key(first))


class Interrupted(DynamoAccounts):
    """One in which something happens just before an account is removed."""

    def __init__(self, world: World, meanwhile: Callable[[], object]) -> None:
        super().__init__(world.accounts)
        self._meanwhile = meanwhile

    def remove(self, account: Account) -> None:
        self._meanwhile()
        super().remove(account)


def test_a_key_that_is_made_while_its_account_is_removed_goes_with_it() -> None:
    world = a_world()
    asked = NewAccount(email="joe@example.com", name="joe", password=Secret("password"))
    account = open_account(world.services, asked)
    removing = Interrupted(world, lambda: add_key(world.services, account, "meanwhile"))
    remove_account(replace(world.services, accounts=removing), account)
    assert world.services.keys.of(account.account_id) == []
    again = open_account(world.services, asked)
    assert add_key(world.services, again, "meanwhile").key.account_id == again.account_id


def test_an_account_s_jobs_go_with_it() -> None:
    """At once, not when a worker has looked again: until then they would fire, and their URLs would be kept."""
    world = a_world()
    owner, _ = world.open_account()
    jobs = [world.a_job(Every(start=START, period=MINUTE), owner=owner, job_id=f"job-{number}") for number in range(5)]
    another = world.a_job(Every(start=START, period=MINUTE))
    account = world.services.accounts.account(owner.account_id)
    assert account
    remove_account(world.services, account)
    assert [job for job in (*jobs, another) if world.job(job)] == [another]
    world.let_pass(minutes=3)
    assert {call.message_id for call in world.receiver.calls} == {one.firing_id for one in world.executions(another)}


def test_jobs_that_could_not_be_removed_go_when_they_would_fire() -> None:
    world = a_world()
    owner, _ = world.open_account()
    job = world.a_job(Every(start=START, period=MINUTE), owner=owner)
    account = world.services.accounts.account(owner.account_id)
    assert account
    with breaking(world, "jobs", "remove", "is away"):
        remove_account(world.services, account)
    assert world.services.accounts.account(owner.account_id) is None
    world.let_pass(minutes=2)
    assert (world.receiver.calls, world.job(job)) == ([], None)
