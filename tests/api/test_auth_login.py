"""T11: passwords. Who guesses is slowed down, and nobody else; what is hashed, and how often it is written.

Sessions, their end and the console (the rest of T11, and T12) do not exist here: every call proves itself.
"""

import json
from dataclasses import replace

import pytest
from argon2 import PasswordHasher

from chalicelib.api import dialects
from chalicelib.operations.accounts import NewAccount, open_account
from chalicelib.operations.login import log_in
from chalicelib.scheduling.account import Account
from chalicelib.scheduling.errors import Throttled, Unauthenticated
from chalicelib.scheduling.secret import Secret
from chalicelib.storage.passwords import Argon2Passwords
from tests.api.client import Answer, Client, basic, typed
from tests.fakes import FakePasswords
from tests.world import World

HERE, ELSEWHERE = "192.0.2.1", "198.51.100.7"
PASSWORD = "correct horse"


class Door:
    """Accounts with passwords, and whoever knocks."""

    def __init__(self, world: World) -> None:
        self.world, self.passwords = world, FakePasswords()
        world.services = replace(world.services, passwords=self.passwords)
        self.accounts = {name: self.opened(name) for name in ("joe", "eve")}
        self.client = Client(lambda: self.world.services, *dialects.every())

    def opened(self, name: str) -> Account:
        asked = NewAccount(email=f"{name}@example.com", name=name, password=Secret(PASSWORD))
        return open_account(self.world.services, asked)

    def knock(self, name: str = "joe", password: str = "wrong", *, source: str = HERE) -> str:
        """What came of an attempt: in, no, or how many seconds to wait."""
        try:
            account = log_in(self.world.services, name, Secret(password), source=source).account
        except Unauthenticated:
            return "no"
        except Throttled as throttled:
            return f"{throttled.retry_after.total_seconds():g} s"
        assert account.name in {name, name.lower(), *self.accounts}
        return "in"

    def fail(self, times: int, name: str = "joe", *, source: str = HERE) -> None:
        """As many failures, each after its wait."""
        for _ in range(times):
            while self.knock(name, source=source) != "no":
                self.world.clock.forward(seconds=1)

    def written(self) -> int:
        """Writes of the accounts table so far, in any form."""
        units = self.world.accounts.units
        return round(sum(units[name] for name in ("PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems")))


@pytest.fixture
def door(world: World) -> Door:
    return Door(world)


def test_t11_after_ten_failures_the_next_one_waits_and_each_after_it_longer(door: Door) -> None:
    assert [door.knock() for _ in range(12)] == ["no"] * 10 + ["1 s", "1 s"]
    waits = []
    for _ in range(5):
        wait = door.knock()
        waits.append(wait)
        door.world.clock.forward(seconds=float(wait.removesuffix(" s")))
        assert door.knock() == "no"
    assert waits == ["1 s", "2 s", "4 s", "8 s", "16 s"]


def test_t11_the_victim_is_not_locked_out(door: Door) -> None:
    door.fail(14)
    assert door.knock(password=PASSWORD) == "16 s", "here not even the right password is looked at"
    assert door.knock(password=PASSWORD, source=ELSEWHERE) == "in"
    assert door.knock("eve", PASSWORD) == "in", "nor is anybody else in the same house"
    door.world.clock.forward(seconds=16)
    assert door.knock(password=PASSWORD) == "in"


def test_t11_whoever_gets_in_begins_anew(door: Door) -> None:
    door.fail(9)
    assert [door.knock(password=PASSWORD), *(door.knock() for _ in range(10))] == ["in", *["no"] * 10]
    assert door.knock() == "1 s"


def test_t11_the_name_in_any_case_and_the_id_are_one_account(door: Door) -> None:
    spellings = ["joe", "JOE", "Joe", door.accounts["joe"].account_id]
    assert [door.knock(spellings[number % 4]) for number in range(10)] == ["no"] * 10
    assert {door.knock(name) for name in spellings} == {"1 s"}


def test_t11_names_that_nobody_has_are_slowed_down_as_those_that_somebody_has(door: Door) -> None:
    for name in ("nobody", "\0", "x" * 500, "a/b"):
        source = f"203.0.113.{len(name) % 200}"
        assert [door.knock(name, source=source) for _ in range(11)] == ["no"] * 10 + ["1 s"]


def test_t11_one_address_that_tries_every_account_is_slowed_down_for_all(door: Door) -> None:
    assert {door.knock(f"guess{number}") for number in range(100)} == {"no"}
    assert [door.knock("guess100"), door.knock("eve", PASSWORD)] == ["1 s", "1 s"]
    assert door.knock("eve", PASSWORD, source=ELSEWHERE) == "in"


def test_t11_getting_in_does_not_clear_what_an_address_did_to_others(door: Door) -> None:
    for number in range(99):
        door.knock(f"guess{number}")
    assert door.knock("eve", PASSWORD) == "in"
    assert [door.knock("guess99"), door.knock("guess100")] == ["no", "1 s"]


def test_t11_failures_are_forgotten_after_a_day(door: Door) -> None:
    door.fail(12)
    door.world.clock.forward(days=1)
    assert [door.knock() for _ in range(11)] == ["no"] * 10 + ["1 s"]


def test_t11_who_waits_costs_no_hash_and_no_write(door: Door) -> None:
    door.fail(10)
    hashed, written = len(door.passwords.worked), door.written()
    assert {door.knock() for _ in range(5)} == {"1 s"}
    assert (len(door.passwords.worked), door.written()) == (hashed, written)


def test_t11_a_login_without_failures_before_it_writes_nothing(door: Door) -> None:
    before = door.written()
    assert [door.knock(password=PASSWORD) for _ in range(3)] == ["in"] * 3
    assert door.written() == before
    door.knock()
    failed = door.written()
    assert failed > before
    door.knock(password=PASSWORD)
    forgiven = door.written()
    assert forgiven > failed
    door.knock(password=PASSWORD)
    assert door.written() == forgiven


# --- what is hashed ---------------------------------------------------------------------------------------------------

LONG = "x" * 10 * 1024 * 1024


@pytest.mark.parametrize(
    ("name", "password"),
    [
        pytest.param("joe", "wrong", id="a wrong password"),
        pytest.param("nobody", "wrong", id="an account that is not there"),
        pytest.param("not a name", "wrong", id="what is no name"),
        pytest.param("joe", "\ud800", id="half a character"),
        pytest.param("joe", LONG, id="10 MB"),
        pytest.param("nobody", LONG, id="10 MB for nobody"),
    ],
)
def test_t07_t11_every_refusal_takes_one_hash_and_never_of_what_is_too_long(
    door: Door, name: str, password: str
) -> None:
    door.passwords.worked.clear()
    assert door.knock(name, password) == "no"
    [worked] = door.passwords.worked
    assert len(worked) <= 1024


def test_t11_no_password_is_refused_without_any_work(door: Door) -> None:
    door.passwords.worked.clear()
    before = door.written()
    assert [door.knock("joe", ""), door.knock("nobody", "")] == ["no", "no"]
    assert (door.passwords.worked, door.written()) == ([], before)


@pytest.fixture(scope="module")
def hasher() -> Argon2Passwords:
    return Argon2Passwords()


@pytest.mark.parametrize(
    "password",
    [
        pytest.param("x" * 64, id="64 characters"),
        pytest.param("🐎🔋📎" * 20, id="emoji"),
        pytest.param("x" * 1024, id="as long as may be"),
        pytest.param("a\0b: c", id="a NUL, a colon and a space"),
        pytest.param("pässwörd", id="not ASCII"),
    ],
)
def test_t11_passwords_that_are_taken(still: World, hasher: Argon2Passwords, password: str) -> None:
    services = replace(still.services, passwords=hasher)
    client, name = Client(lambda: services, *dialects.every()), f"user{len(password)}-{len(password.encode())}"
    fields = {"account": name, "email": f"{name}@example.com", "password": password}
    made = client.send("PUT", "/users/", headers=[typed("application/json")], body=json.dumps(fields))
    assert made.status == 201, made.body
    wrong = password[:-1] + "?"
    answers = [client.send("GET", "/v1/keys", headers=[basic(name, one)]) for one in (password, wrong, password * 2)]
    assert [answer.status for answer in answers] == [200, 401, 401]


@pytest.mark.parametrize(
    ("method", "path", "proof"),
    [("PUT", "/users/", None), ("PUT", "/users/joe", PASSWORD), ("GET", "/users/joe", "\ud800")],
    ids=["at sign-up", "as a new one", "at a login"],
)
def test_t11_half_a_character_is_400_and_never_500(door: Door, method: str, path: str, proof: str | None) -> None:
    fields = {"account": "joe" if proof else "new", "email": "new@example.com", "password": "\ud800"}
    headers = [typed("application/json"), *([("runlater_password", proof)] if proof else [])]
    answer = door.client.send(method, path, headers=headers, body=json.dumps(fields))
    assert answer.status == 400
    assert door.knock(password=PASSWORD) == "in"


def test_t11_half_a_character_is_no_argument_for_argon2(hasher: Argon2Passwords) -> None:
    hashed = hasher.hashed(Secret("right"))
    assert [hasher.matches(Secret(one), hashed) for one in ("right", "wrong", "\ud800")] == [True, False, False]


def weaker() -> str:
    """A hash of our password by the parameters of some years ago."""
    return PasswordHasher(time_cost=1, memory_cost=8 * 1024, parallelism=1).hash(PASSWORD)


def test_t11_a_hash_by_other_parameters_is_outdated(hasher: Argon2Passwords) -> None:
    assert [hasher.outdated(one) for one in (weaker(), hasher.hashed(Secret(PASSWORD)))] == [True, False]


def rehashed(door: Door) -> str | None:
    return door.world.services.accounts.password(door.accounts["joe"].account_id)


def test_t11_a_hash_by_other_parameters_is_made_anew_at_a_login_and_at_no_other_time(door: Door) -> None:
    door.passwords.make = "stronger"
    door.knock(password="wrong")
    assert rehashed(door) == f"plain:{PASSWORD}"
    assert door.knock(password=PASSWORD, source=ELSEWHERE) == "in"
    assert rehashed(door) == f"stronger:{PASSWORD}"
    before = door.written()
    assert door.knock(password=PASSWORD, source=ELSEWHERE) == "in"
    assert door.written() == before


# --- in each API's words ----------------------------------------------------------------------------------------------


def asked(door: Door, api: str, password: str, source: str = HERE) -> Answer:
    if api == "belltower":
        return door.client.send("GET", "/v1/keys", headers=[basic("joe", password)], source=source)
    return door.client.send("GET", "/users/joe", headers=[("runlater_password", password)], source=source)


@pytest.mark.parametrize(("api", "refusal"), [("belltower", 401), ("runlater_users", 400)])
def test_t11_429_says_when_to_ask_again(door: Door, api: str, refusal: int) -> None:
    answers = [asked(door, api, "wrong") for _ in range(10)]
    assert {answer.status for answer in answers} == {refusal}
    door.world.clock.forward(milliseconds=1)
    throttled = asked(door, api, PASSWORD)
    assert (throttled.status, throttled.headers["retry-after"]) == (429, "1"), "seconds, rounded up"
    assert throttled.json == {"error": "Too many failed logins, try again later"}
    assert asked(door, api, PASSWORD, ELSEWHERE).status == 200
    door.world.clock.forward(seconds=1)
    assert asked(door, api, PASSWORD).status == 200


def test_t11_a_key_with_its_secret_is_let_in_where_passwords_have_to_wait(door: Door) -> None:
    made = door.client.send("POST", "/v1/keys", headers=[basic("joe", PASSWORD)]).json
    door.fail(12)
    answers = [
        door.client.send("GET", "/v1/keys", headers=[basic(*proof)])
        for proof in ((made["key"], made["secret"]), ("joe", PASSWORD))
    ]
    assert [answer.status for answer in answers] == [200, 429]


def test_t42_what_is_logged_of_logins_has_no_password(door: Door) -> None:
    door.knock(password="a-canary-of-a-password")
    door.passwords.make = "stronger"
    door.knock(password=PASSWORD)
    assert [name for name, _ in door.world.events.lines[-2:]] == ["login_failed", "password_rehashed"]
    assert "canary" not in str(door.world.events.lines)
