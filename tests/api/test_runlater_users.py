"""RunLater's users and API accounts (row 1.26 of its protocol), from outside, and what the store then holds.

Source: seeds/000 "The user account consists of a username and password"; paths and texts are the original system's.
"""

import itertools
import json
from typing import Any

import pytest

from chalicelib.operations.accounts import NewAccount, open_account_with_key
from tests.api.client import Answer, Headers
from tests.api.runlater import JSON, Caller, client_of, signature
from tests.world import World

NUMBERS = itertools.count(1)
LOST = {"error": "Unable to find user"}
ACCOUNT = {"error": "Invalid or duplicated account name"}
EMAIL = {"error": "Invalid or duplicated email address"}
PASSWORD = {"error": "Invalid password"}


class User:
    """A user who signed up through the API."""

    def __init__(self, world: World, **changes: Any) -> None:
        number = next(NUMBERS)
        self.world, self.client = world, client_of(world)
        self.fields = {
            "first": "Dan",
            "last": "Griffin",
            "company": "Run Later",
            "account": f"dan{number}",
            "email": f"dan{number}@runlater.com",
            "password": "pass",
        } | changes
        self.answer = self.sign_up(self.fields)
        self.path = f"/users/{self.fields['account']}"

    def sign_up(self, fields: Any) -> Answer:
        return self.client.send("PUT", "/users/", headers=JSON, body=json.dumps(fields))

    def send(
        self, method: str, path: str = "", *, password: str = "pass", body: str = "", headers: Headers = ()
    ) -> Answer:
        proof = [("runlater_password", password)]
        return self.client.send(method, self.path + path, headers=[*proof, *JSON, *headers], body=body)

    def keys(self) -> Any:
        answer = self.send("GET", "/apikeys/")
        assert answer.status == 200, answer.body
        return answer.json


@pytest.fixture
def user(still: World) -> User:
    user = User(still)
    assert user.answer.status == 201, user.answer.body
    return user


@pytest.fixture(scope="module")
def dan(still: World) -> User:
    """One user for what is only asked or refused: passwords are slow on purpose."""
    return User(still)


def test_1_26_sign_up_answers_the_user_without_the_password(user: User) -> None:
    document = user.answer.json
    expected = {name: text for name, text in user.fields.items() if name != "password"}
    assert document == expected | {"_id": document["_id"], "created": "2026-11-22T12:00:30.000Z"}
    assert (len(document["_id"]), set(document["_id"]) - set("0123456789abcdef")) == (24, set())
    account = user.world.services.accounts.named(user.fields["account"])
    assert account
    hashed = user.world.services.accounts.password(account.account_id)
    assert hashed
    assert hashed.startswith("$argon2id$")


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        pytest.param({"_id": "50c2d4b33004a1f2abfaea10"}, "Do not specify _id", id="an id"),
        pytest.param({"account": None}, "Missing Keys", id="no account"),
        pytest.param({"email": None}, "Missing Keys", id="no address"),
        pytest.param({"password": None}, "Missing Keys", id="no password"),
        pytest.param({"account": ""}, "Missing Keys", id="an empty account"),
        pytest.param({"password": ""}, PASSWORD["error"], id="an empty password"),
        pytest.param({"password": "x" * 1025}, PASSWORD["error"], id="a password that is too long to hash"),
        pytest.param({"password": 7}, PASSWORD["error"], id="a password that is a number"),
        pytest.param({"password": "\ud800"}, PASSWORD["error"], id="half a character"),
        pytest.param({"account": "a/b"}, ACCOUNT["error"], id="an account with a slash"),
        pytest.param({"account": "a b"}, ACCOUNT["error"], id="an account with a space"),
        pytest.param({"account": "é"}, ACCOUNT["error"], id="an account that is not ASCII"),
        pytest.param({"account": "x" * 65}, ACCOUNT["error"], id="an account that is too long"),
        pytest.param({"account": ["a"]}, ACCOUNT["error"], id="an account that is a list"),
        pytest.param({"email": "nobody"}, EMAIL["error"], id="no e-mail address"),
        pytest.param({"email": {}}, EMAIL["error"], id="an address that is a map"),
        pytest.param({"first": 7}, "first must be a string of valid Unicode", id="a name that is a number"),
        pytest.param({"state": "x" * 5000}, "state must have at most 4096 bytes", id="a state that is too long"),
    ],
)
def test_1_26_sign_ups_that_are_refused(dan: User, changes: dict[str, Any], error: str) -> None:
    number = next(NUMBERS)
    fields = dan.fields | {"account": f"new{number}", "email": f"new{number}@runlater.com"} | changes
    answer = dan.sign_up({name: value for name, value in fields.items() if value is not None})
    assert (answer.status, answer.json) == (400, {"error": error})
    assert dan.world.services.accounts.named(f"new{number}") is None


@pytest.mark.parametrize("again", [str, str.upper], ids=["the same", "in upper case"])
def test_1_26_accounts_and_addresses_are_unique(dan: User, again: Any) -> None:
    account, email = again(dan.fields["account"]), again(dan.fields["email"])
    first = dan.sign_up(dan.fields | {"account": account, "email": "other@runlater.com"})
    second = dan.sign_up(dan.fields | {"account": f"other{next(NUMBERS)}", "email": email})
    assert [(one.status, one.json) for one in (first, second)] == [(400, ACCOUNT), (400, EMAIL)]


@pytest.mark.parametrize("body", ["", "{", "[]", "null", "7", "[" * 100_000, '{"account": NaN}', "account=x"])
def test_1_26_t28_a_body_that_is_no_user_is_400(dan: User, body: str) -> None:
    answer = dan.client.send("PUT", "/users/", headers=JSON, body=body)
    assert (answer.status, list(answer.json)) == (400, ["error"])


def test_1_26_nobody_sees_all_users(dan: User) -> None:
    answer = dan.client.send("GET", "/users")
    assert (answer.status, answer.json) == (400, {"error": "Viewing all Users is not allowed"})


@pytest.mark.parametrize("name", ["runlater_password", "runlaterpassword", "runlater-password", "RunLater_Password"])
def test_1_26_the_password_comes_in_a_header(dan: User, name: str) -> None:
    answer = dan.client.send("GET", dan.path, headers=[(name, "pass"), ("runlater_user", dan.fields["account"])])
    assert (answer.status, answer.json) == (200, dan.answer.json)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        *(("GET", ""), ("PUT", ""), ("DELETE", ""), ("GET", "/apikeys/"), ("PUT", "/apikeys/new")),
        ("DELETE", "/apikeys/new"),
    ],
)
def test_1_26_t07_every_call_needs_the_password_and_tells_nobody_who_is_there(
    dan: User, method: str, path: str
) -> None:
    answers = [
        dan.send(method, path, password="wrong", body="{}"),
        dan.send(method, path, password="", body="{}"),
        dan.client.send(method, dan.path + path, body="{}"),
        dan.client.send(method, f"/users/nobody{path}", headers=[("runlater_password", "pass")], body="{}"),
        dan.client.send(method, f"/users/%00{path}", headers=[("runlater_password", "pass")], body="{}"),
    ]
    assert [(answer.status, answer.json) for answer in answers] == [(400, LOST)] * 5
    assert dan.keys() == []


def test_1_26_two_passwords_that_differ_are_refused(dan: User) -> None:
    answer = dan.send("GET", headers=[("runlater-password", "other")])
    assert (answer.status, answer.json) == (400, {"error": "Two values of runlater_password in headers"})


def test_1_26_one_users_password_opens_no_other(still: World, dan: User) -> None:
    bob = User(still, password="bob's own")
    answer = dan.client.send("GET", bob.path, headers=[("runlater_password", "pass")])
    assert (answer.status, answer.json) == (400, LOST)
    assert bob.send("GET", password="bob's own").json == bob.answer.json


def test_1_26_an_account_without_a_password_is_opened_by_none(still: World, dan: User) -> None:
    account, _ = open_account_with_key(still.services, NewAccount(email="cron-only@example.com"))
    answer = dan.client.send("GET", f"/users/{account.account_id}", headers=[("runlater_password", "")])
    assert (answer.status, answer.json) == (400, LOST)


def test_1_26_an_update_changes_what_it_sends(user: User) -> None:
    changes = {"company": "Joe's Widgets", "postal": "80301", "email": "new." + user.fields["email"], "password": "new"}
    answer = user.send("PUT", body=json.dumps(changes | {"account": user.fields["account"], "_id": "ignored"}))
    expected = user.answer.json | {name: text for name, text in changes.items() if name != "password"}
    assert (answer.status, answer.json) == (200, expected)
    assert user.send("GET").json == LOST
    assert user.send("GET", password="new").json == expected


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"account": "another"}, ACCOUNT),
        ({"email": "nobody"}, EMAIL),
        ({"email": ""}, EMAIL),
        ({"password": ""}, PASSWORD),
        ({"company": 7}, {"error": "company must be a string of valid Unicode"}),
    ],
)
def test_1_26_updates_that_are_refused_change_nothing(dan: User, changes: dict[str, Any], error: Any) -> None:
    answer = dan.send("PUT", body=json.dumps({"first": "Eve"} | changes))
    assert (answer.status, answer.json) == (400, error)
    assert dan.send("GET").json == dan.answer.json


def test_1_26_the_address_of_another_is_refused(still: World, dan: User) -> None:
    bob = User(still)
    answer = dan.send("PUT", body=json.dumps({"email": bob.fields["email"]}))
    assert (answer.status, answer.json) == (400, EMAIL)


def test_1_26_keys_are_made_listed_and_deleted(user: User) -> None:
    assert user.keys() == []
    made = [user.send("PUT", f"/apikeys/{name}") for name in ("production", "backup")]
    assert [(one.status, list(one.json), one.json["public"]) for one in made] == [
        (201, ["public", "private"], "production"),
        (201, ["public", "private"], "backup"),
    ]
    secrets = {one.json["public"]: one.json["private"] for one in made}
    assert user.keys() == secrets
    again = user.send("PUT", "/apikeys/backup")
    assert (again.status, again.json) == (400, {"error": "API key backup already created"})
    gone = [user.send("DELETE", "/apikeys/backup") for _ in range(2)]
    assert [(one.status, one.json) for one in gone] == [
        (200, {"message": "API Key Deleted"}),
        (400, {"error": "API Key backup Not Found"}),
    ]
    assert user.keys() == {"production": secrets["production"]}


def test_1_26_a_key_that_was_made_signs_until_it_is_deleted(user: User) -> None:
    secret = user.send("PUT", "/apikeys/production").json["private"]
    path = f"{user.path}/apikey/production/jobs/"
    headers = [("runlater_key", "production"), ("runlater_hash", signature(secret, path))]
    assert user.client.send("GET", path, headers=headers).json == []
    user.send("DELETE", "/apikeys/production")
    answer = user.client.send("GET", path, headers=headers)
    assert (answer.status, answer.json) == (400, {"error": "Invalid HMAC Hash"})


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("a%2Fb", "key must be 1 to 64 letters, digits, dots, hyphens or underscores"),
        ("%20", "key must be 1 to 64 letters, digits, dots, hyphens or underscores"),
        ("x" * 65, "key must be 1 to 64 letters, digits, dots, hyphens or underscores"),
        ("%C3%A9", "key must be 1 to 64 letters, digits, dots, hyphens or underscores"),
        ("59AB5a9c-ce44-4446-9501-76f4f64be3c6", "key must not look like a UUID"),
    ],
)
def test_1_26_names_that_no_key_may_have(dan: User, name: str, error: str) -> None:
    answer = dan.send("PUT", f"/apikeys/{name}")
    assert (answer.status, answer.json, dan.keys()) == (400, {"error": error}, [])


def test_1_26_t13_nobody_deletes_the_key_of_another(still: World, dan: User) -> None:
    alice = Caller(still)
    cron, issued = open_account_with_key(still.services, NewAccount(email="alice-cron@example.com"))
    for name in ("production", f"{alice.account.name}%2Fproduction", issued.key.key, "nobody"):
        answer = dan.send("DELETE", f"/apikeys/{name}")
        assert (answer.status, answer.json["error"].endswith(" Not Found")) == (400, True)
    assert len(still.services.keys.of(alice.account.account_id)) == 1
    assert len(still.services.keys.of(cron.account_id)) == 1


def test_1_26_a_deleted_user_is_gone_and_nothing_of_its_jobs_is_sent(world: World) -> None:
    user = User(world)
    account = world.services.accounts.named(user.fields["account"])
    caller = Caller(world, account=account)
    caller.created()
    answer = user.send("DELETE")
    assert (answer.status, answer.body, answer.headers["content-type"]) == (
        200,
        f"Delete {user.fields['account']}",
        "text/plain",
    )
    assert user.send("GET").json == LOST
    assert caller.create().json == {"error": "Invalid HMAC Hash"}
    world.let_pass(minutes=2)
    assert world.receiver.calls == []
    again = user.sign_up(user.fields)
    assert (again.status, again.json["_id"] != user.answer.json["_id"]) == (201, True)


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", ""), ("PATCH", ""), ("PUT", "/apikeys"), ("GET", "/apikeys/x"), ("OPTIONS", "/apikeys")],
)
def test_1_25_a_method_that_is_not_there_is_a_page_that_is_not(dan: User, method: str, path: str) -> None:
    answer = dan.send(method, path)
    assert (answer.status, answer.body) == (404, "Page not found")


def test_1_26_nobody_is_named_like_an_id(world: World) -> None:
    """Who never chose a name is called by its id: another of that name would be found in its place."""
    other, _ = open_account_with_key(world.services, NewAccount(email="other@example.com"))
    fields = dict.fromkeys(
        ("first", "last", "company", "address", "city", "state", "country", "postal", "password"), "x"
    )
    for name in (other.account_id, other.account_id.upper()):
        body = json.dumps({**fields, "account": name, "email": "squatter@example.com"})
        answer = client_of(world).send("PUT", "/users/", headers=JSON, body=body)
        assert (answer.status, answer.json) == (400, ACCOUNT)
