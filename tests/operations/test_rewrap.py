"""T40: the KMS key is rotated, and every account's data key is wrapped anew, whatever stops the work in between."""

import itertools
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from benchmarks.standin import schema
from benchmarks.standin.door import InProcess
from benchmarks.standin.dynamo import Dynamo
from chalicelib.operations.rewrap import Overtaken, Progress, rewrap
from chalicelib.scheduling.account import Account
from chalicelib.scheduling.errors import Tampered, Unavailable
from chalicelib.scheduling.job import to_millis
from chalicelib.scheduling.secret import Sealed, Secret
from chalicelib.storage.accounts import DynamoAccounts
from chalicelib.storage.data_keys import DynamoDataKeys
from chalicelib.storage.tables import Door, Table
from chalicelib.storage.vault import KmsVault
from chalicelib.wire import Refusal
from tests.fakes import FakeClock, FakeEvents
from tests.operations.breaking import Killed
from tests.world import START

NAMES = ("ada", "ben", "cleo", "dan", "eve")
PLACE = "key/1/secret"
PAGE = 4


class RotatingKms:
    """KMS with a key that is rotated: `material` counts its rotations, and what is older than `oldest` is gone."""

    def __init__(self, *, re_encrypts: bool = True) -> None:
        self.material, self.oldest, self.calls = 1, 1, list[str]()
        self._re_encrypts = re_encrypts
        self._blobs: dict[bytes, tuple[int, bytes, Mapping[str, str]]] = {}

    def call(self, operation: str, request: Mapping[str, Any], /) -> Mapping[str, Any]:
        self.calls.append(operation)
        match operation:
            case "GenerateDataKey":
                plain = os.urandom(32)
                return {"Plaintext": plain, "CiphertextBlob": self._wrap(plain, request["EncryptionContext"])}
            case "Encrypt":
                return {"CiphertextBlob": self._wrap(request["Plaintext"], request["EncryptionContext"])}
            case "Decrypt":
                return {"Plaintext": self._unwrap(request["CiphertextBlob"], request["EncryptionContext"])}
            case "ReEncrypt" if self._re_encrypts:
                assert request["SourceKeyId"] == request["DestinationKeyId"] == "key"
                plain = self._unwrap(request["CiphertextBlob"], request["SourceEncryptionContext"])
                return {"CiphertextBlob": self._wrap(plain, request["DestinationEncryptionContext"])}
        raise Refusal("InvalidAction", {})

    def _wrap(self, plain: bytes, context: Mapping[str, str]) -> bytes:
        blob = os.urandom(16)
        self._blobs[blob] = (self.material, plain, context)
        return blob

    def _unwrap(self, blob: bytes, context: Mapping[str, str]) -> bytes:
        material, plain, bound = self._blobs.get(blob, (0, b"", {}))
        if material < self.oldest or bound != context:
            raise Refusal("InvalidCiphertextException", {})
        return plain


@dataclass
class Failing:
    """A door whose `at`-th call ends the process: `after` it was made, or before."""

    door: Any
    at: int
    after: bool
    made: list[str] = field(default_factory=list)

    def call(self, operation: str, request: Mapping[str, Any], /) -> Any:
        self.made.append(operation)
        if len(self.made) != self.at:
            return self.door.call(operation, request)
        if self.after:
            self.door.call(operation, request)
        raise Killed


class House:
    """Five accounts with a secret each, sealed before the key was rotated."""

    def __init__(self, kms: RotatingKms) -> None:
        self.clock, self.kms, self.table = FakeClock(START), kms, schema.names("test").accounts
        self.door: Door = InProcess(Dynamo(schema.tables("test"), lambda: to_millis(self.clock.now())))
        self.accounts, self.events = DynamoAccounts(Table(self.door, self.table)), FakeEvents()
        self.sealed: dict[str, Sealed] = {name: self.opened(name) for name in NAMES}
        kms.material = 2

    def vault(self, kms: Any = None) -> KmsVault:
        """With nothing in its memory."""
        return KmsVault(kms or self.kms, "key", self.clock)

    def opened(self, name: str) -> Sealed:
        data_key = self.vault().new_data_key(name)
        email = f"{name}@example.com"
        account = Account(account_id=name, name=name, email=email, created_at=START, data_key=data_key)
        self.accounts.add(account)
        return self.vault().seal(account, PLACE, Secret(f"secret of {name}"))

    def secrets(self) -> list[str]:
        """What opens, with what KMS has left."""
        stored = [(self.accounts.account(name), self.sealed[name]) for name in self.sealed]
        return [self.vault().open(account, PLACE, sealed).reveal() for account, sealed in stored if account]

    def keys(self, door: Any = None) -> DynamoDataKeys:
        return DynamoDataKeys(door or self.door, self.table, page=PAGE)

    def run(self, by: str = "first", *, door: Any = None, kms: Any = None) -> list[Progress]:
        return list(rewrap(self.keys(door), self.vault(kms), clock=self.clock, events=self.events, by=by))


SECRETS = [f"secret of {name}" for name in NAMES]


def test_t40_after_a_rotation_old_secrets_open_and_new_accounts_are_under_the_new_material() -> None:
    house = House(RotatingKms())
    assert house.secrets() == SECRETS
    house.sealed = {"fay": house.opened("fay")}
    house.kms.oldest = 2
    assert house.secrets() == ["secret of fay"]


@pytest.mark.parametrize("re_encrypts", [True, False], ids=["inside KMS", "through an engine that cannot re-encrypt"])
def test_t40_once_wrapped_anew_the_old_material_is_not_needed(*, re_encrypts: bool) -> None:
    house = House(RotatingKms(re_encrypts=re_encrypts))
    house.kms.calls.clear()
    pages = house.run()
    assert ("Decrypt" in house.kms.calls) is not re_encrypts
    house.kms.oldest = 2
    assert house.secrets() == SECRETS
    assert [page.ended for page in pages] == [False] * (len(pages) - 1) + [True]
    assert (pages[-1].wrapped, pages[-1].skipped, pages[-1].broken) == (5, 0, 0)
    assert len(pages) == 4, "15 items in pages of four"


@pytest.mark.parametrize("after", [False, True], ids=["before a call was made", "when its reply was lost"])
@pytest.mark.parametrize("broken", ["door", "kms"], ids=["at the table", "at the key service"])
def test_t40_a_run_that_ends_at_any_call_is_gone_on_with(broken: str, *, after: bool) -> None:
    for at in itertools.count(1):
        house = House(RotatingKms())
        failing = Failing(house.door if broken == "door" else house.kms, at, after)
        try:
            house.run(door=failing) if broken == "door" else house.run(kms=failing)
        except Killed:
            pass
        else:
            break
        last = house.run("second")[-1]
        house.kms.oldest = 2
        assert house.secrets() == SECRETS, f"stopped at call {at}, {failing.made[-1]}"
        assert last.wrapped == len(NAMES), "what was wrapped on the page that broke off is counted once"
    assert at > len(NAMES)


def test_t40_a_run_goes_on_behind_the_last_page_that_it_remembered() -> None:
    house = House(RotatingKms())
    run = rewrap(house.keys(), house.vault(), clock=house.clock, events=house.events, by="first")
    first, second = next(run), next(run)
    assert second.after
    house.clock.forward(hours=1)
    rest = house.run("second")
    assert [page.version for page in (first, second, *rest)] == [1, 2, 3, 4]
    assert (rest[-1].started_at, rest[-1].wrapped) == (START, 5)


def test_t40_of_two_runs_at_once_one_stops() -> None:
    house = House(RotatingKms())
    one = rewrap(house.keys(), house.vault(), clock=house.clock, events=house.events, by="one")
    other = rewrap(house.keys(), house.vault(), clock=house.clock, events=house.events, by="other")
    next(one)
    next(other)
    with pytest.raises(Overtaken):
        next(one)
    assert list(other)[-1].ended


def test_t40_the_key_service_goes_away_and_comes_back() -> None:
    house = House(RotatingKms())

    class Away:
        def call(self, _operation: str, _request: Mapping[str, Any], /) -> Mapping[str, Any]:
            raise Unavailable("the key service")

    with pytest.raises(Unavailable):
        house.run(kms=Away())
    assert house.run("second")[-1].wrapped == 5


def test_t40_a_second_rotation_is_a_run_of_its_own() -> None:
    house = House(RotatingKms())
    house.run()
    house.kms.material = 3
    assert house.run("second")[-1].wrapped == 5
    house.kms.oldest = 3
    assert house.secrets() == SECRETS


def test_t40_a_data_key_that_does_not_open_is_told_and_left_and_the_others_are_wrapped() -> None:
    house = House(RotatingKms())
    ada, ben = house.accounts.account("ada"), house.accounts.account("ben")
    assert ada
    assert ben
    Table(house.door, house.table).put({"pk": "account#ben", "sk": "account", "data_key": ada.data_key})
    assert (house.run()[-1].wrapped, house.run("second")[-1].broken) == (4, 1)
    assert [line["account"] for line in house.events.of("tampered")] == ["ben", "ben"]


def test_t40_an_account_that_is_removed_meanwhile_does_not_come_back() -> None:
    house = House(RotatingKms())
    page = house.keys().page(None)
    [key, *_] = page.keys
    account = house.accounts.account(key.account_id)
    assert account
    house.accounts.remove(account)
    assert not house.keys().replace(key.account_id, b"new", before=key.data_key)
    assert house.accounts.account(key.account_id) is None


def test_t40_a_data_key_that_was_wrapped_anew_meanwhile_is_not_written_over() -> None:
    house = House(RotatingKms())
    key = house.keys().page(None).keys[0]
    assert house.keys().replace(key.account_id, b"newer", before=key.data_key)
    assert not house.keys().replace(key.account_id, b"older", before=key.data_key)
    account = house.accounts.account(key.account_id)
    assert account
    assert account.data_key == b"newer"


def test_t40_a_write_that_is_made_again_because_its_reply_was_lost_counts_once() -> None:
    house = House(RotatingKms())
    key, progress = house.keys().page(None).keys[0], Progress(started_at=START, by="first", wrapped=1, version=1)
    for _ in range(2):
        assert house.keys().replace(key.account_id, b"newer", before=key.data_key)
        assert house.keys().remember(progress)
    assert not house.keys().remember(replace(progress, by="other"))


def test_t40_an_edit_that_read_the_account_before_does_not_bring_the_old_wrapping_back() -> None:
    house = House(RotatingKms())
    before = house.accounts.account("ada")
    assert before
    Table(house.door, house.table).put({"pk": "password#ada", "sk": "password", "hash": "hash"})
    house.run()
    with pytest.raises(Unavailable):
        house.accounts.change(replace(before, profile={"state": "new"}), before=before, proven="hash")
    now = house.accounts.account("ada")
    assert now
    house.accounts.change(replace(now, profile={"state": "new"}), before=now, proven="hash")
    house.kms.oldest = 2
    assert house.secrets() == SECRETS


def test_t40_removing_an_account_destroys_its_data_key_and_with_it_what_was_sealed() -> None:
    house = House(RotatingKms())
    account = house.accounts.account("ada")
    assert account
    house.accounts.remove(account)
    items = house.door.call("Scan", {"TableName": house.table})["Items"]
    assert account.data_key not in [value for item in items for kind in item.values() for value in kind.values()]
    again = replace(account, data_key=house.vault().new_data_key("ada"))
    with pytest.raises(Tampered):
        house.vault().open(again, PLACE, house.sealed["ada"])
