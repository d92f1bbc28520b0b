"""Secrets at rest, under a real KMS interface."""

from datetime import timedelta

import boto3
import pytest
from moto import mock_aws

from chalicelib.scheduling.account import Account
from chalicelib.scheduling.errors import Tampered, Unavailable
from chalicelib.scheduling.secret import Sealed, Secret
from chalicelib.storage.vault import KmsVault
from tests.doors import BotoDoor
from tests.fakes import FakeClock, FakeKms
from tests.world import START


def an_account(vault: KmsVault, account_id: str = "alice") -> Account:
    return Account(
        account_id=account_id,
        name=account_id,
        email="a@b.cd",
        created_at=START,
        data_key=vault.new_data_key(account_id),
    )


@pytest.mark.parametrize("text", ["secret", "wJalrXUtnFEMI/K7MDENG", "hé\N{PILE OF POO}", "x" * 10_000])
def test_t38_what_is_sealed_opens_at_its_own_place_alone(text: str) -> None:
    vault = KmsVault(FakeKms(), "key", FakeClock(START))
    alice, bob = an_account(vault), an_account(vault, "bob")
    sealed = vault.seal(alice, "job/1/keys", Secret(text))
    assert text.encode() not in sealed.ciphertext
    assert vault.open(alice, "job/1/keys", sealed) == Secret(text)
    assert vault.seal(alice, "job/1/keys", Secret(text)) != sealed, "a fresh nonce each time"
    for account, place in ((alice, "job/2/keys"), (alice, "key/1/secret"), (bob, "job/1/keys")):
        with pytest.raises(Tampered):
            vault.open(account, place, sealed)


@pytest.mark.parametrize("position", [0, 11, 12, -1])
def test_t38_a_changed_ciphertext_does_not_open(position: int) -> None:
    vault = KmsVault(FakeKms(), "key", FakeClock(START))
    alice = an_account(vault)
    box = bytearray(vault.seal(alice, "p", Secret("secret")).ciphertext)
    box[position] ^= 1
    for ciphertext in (bytes(box), b"", b"short"):
        with pytest.raises(Tampered):
            vault.open(alice, "p", Sealed(ciphertext))


def test_t39_the_key_service_is_asked_once_in_a_while_and_an_old_key_is_asked_for_again() -> None:
    kms, clock = FakeKms(), FakeClock(START)
    alice = an_account(KmsVault(kms, "key", clock))
    vault = KmsVault(kms, "key", clock, keep=timedelta(minutes=5))
    sealed = vault.seal(alice, "p", Secret("secret"))
    for _ in range(10):
        vault.open(alice, "p", sealed)
    assert kms.asked == 2
    clock.forward(minutes=5)
    kms.down = True
    with pytest.raises(Unavailable):
        vault.open(alice, "p", sealed)


def test_t38_a_data_key_of_another_account_is_refused_by_kms_itself() -> None:
    with mock_aws():
        kms = boto3.client("kms", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="y")
        key_id = kms.create_key()["KeyMetadata"]["KeyId"]
        door = BotoDoor("kms")
        vault = KmsVault(door, key_id, FakeClock(START), keep=timedelta(0))
        alice = an_account(vault)
        sealed = vault.seal(alice, "p", Secret("secret"))
        assert vault.open(alice, "p", sealed) == Secret("secret")
        thief = Account(account_id="bob", name="bob", email="b@b.cd", created_at=START, data_key=alice.data_key)
        with pytest.raises(Tampered):
            vault.open(thief, "p", sealed)
        gone = KmsVault(door, "no-such-key", FakeClock(START))
        with pytest.raises(Unavailable):
            gone.new_data_key("alice")
