"""Who asks, in every scheme that proves it with a secret: T01 and T03 for RunLater, T02, T06, T07 and T08 for all.

A scheme here is a request that an API lets in, taken apart: what is sent of it may then be changed, part by part. What
T04 and T05 are about stands with RunLater's and Cronally's own tests, and passwords in test_auth_login.py.
"""

import base64
import hashlib
import hmac
import itertools
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from chalicelib import signing
from chalicelib.api import dialects
from chalicelib.operations import keys
from chalicelib.operations.accounts import (
    DUMMY,
    NewAccount,
    authenticate,
    authenticate_user,
    open_account,
    open_account_with_key,
)
from chalicelib.operations.keys import IssuedKey, Manager
from chalicelib.ports import Services
from chalicelib.scheduling.account import Account
from chalicelib.scheduling.errors import Unauthenticated
from chalicelib.scheduling.secret import Secret
from tests.api.client import Answer, Client, Headers, basic, cron_date, cron_signed, typed
from tests.api.runlater import a_document, signature
from tests.api.tenants import elsewhere
from tests.fakes import FakePasswords
from tests.world import a_world

Parts = dict[str, str]
NUMBERS = itertools.count(1)
NO_ROUTE = 403
"""What API Gateway answers where a changed path is none of ours."""


class House:
    """A world in which no time passes and passwords are quick, its door, and the one with RunLaterStrict."""

    def __init__(self) -> None:
        world = a_world()
        self.accounts = world.accounts
        self.services = replace(world.services, passwords=FakePasswords())
        rules = replace(world.services.rules, runlater_strict=True)
        self.client = Client(lambda: self.services, *dialects.every())
        self.strict = Client(lambda: replace(self.services, rules=rules), *dialects.every())


@dataclass(frozen=True)
class Owner:
    """An account with one key, which serves every API."""

    house: House
    account: Account
    issued: IssuedKey

    @property
    def key(self) -> str:
        return self.issued.key.key

    @property
    def secret(self) -> str:
        return self.issued.secret.reveal()

    def jobs(self) -> int:
        return self.house.services.jobs.count(self.account.account_id)


@dataclass(frozen=True)
class Scheme:
    """How one API is asked. `parts`: what is sent, each of them covered by the proof, or the proof itself."""

    name: str
    refusal: int
    method: str
    path: str
    parts: Callable[[Owner, str], Parts]
    headers: Callable[[Parts], Headers]
    proof: str  # the header that has it
    strict: bool = False

    def request(self, owner: Owner) -> Parts:
        """The parts of a request that is let in."""
        path = self.path.format(account=owner.account.name, key=owner.key)
        return self.parts(owner, path)

    def send(self, owner: Owner, parts: Parts, *, headers: Headers | None = None) -> Answer:
        path = parts.get("path") or self.path.format(account=owner.account.name, key=owner.key)
        client = owner.house.strict if self.strict else owner.house.client
        sent = [*(self.headers(parts) if headers is None else headers), typed("application/json")]
        return client.send(self.method, path, headers=sent, body=parts.get("body", ""), source=elsewhere())


BODY = json.dumps(a_document())


def by_basic(owner: Owner, _path: str) -> Parts:
    return {"key": owner.key, "secret": owner.secret}


def by_cronally(owner: Owner, path: str) -> Parts:
    date = cron_date(owner.house.services.clock.now())
    signed = dict(cron_signed(owner.key, owner.secret, method="GET", path=path, date=date))
    return {"key": owner.key, "date": date, "signature": signed["X-Cron-Signature"], "path": path}


def by_body(owner: Owner, _path: str) -> Parts:
    return {"key": owner.key, "signature": signature(owner.secret, BODY), "body": BODY}


def by_path(owner: Owner, path: str) -> Parts:
    return {"key": owner.key, "signature": signature(owner.secret, path), "path": path}


def strictly(method: str, body: str = "") -> Callable[[Owner, str], Parts]:
    """RunLater's parameter RunLaterStrict: method, path and digest of the body, a line feed between them."""

    def parts(owner: Owner, path: str) -> Parts:
        proof = strict_signature(owner.secret, method, path, body)
        return {"key": owner.key, "signature": proof, "path": path} | ({"body": body} if body else {})

    return parts


def strict_signature(secret: str, method: str, path: str, body: str = "") -> str:
    message = "\n".join([method, path, hashlib.sha256(body.encode()).hexdigest()])
    return base64.b64encode(hmac.new(secret.encode(), message.encode(), hashlib.sha1).digest()).decode()


def basic_headers(parts: Parts) -> Headers:
    return [basic(parts["key"], parts["secret"])]


def cron_headers(parts: Parts) -> Headers:
    names = {"X-Cron-Key": "key", "X-Cron-Date": "date", "X-Cron-Signature": "signature"}
    return [(name, parts[part]) for name, part in names.items()]


def run_headers(parts: Parts) -> Headers:
    return [("runlaterkey", parts["key"]), ("runlaterhash", parts["signature"])]


JOBS, LIST = "/users/{account}/jobs/", "/users/{account}/apikey/{key}/jobs/"
BASIC = [
    Scheme("rlatr", 401, "DELETE", "/api/v1ish/schedule/1", by_basic, basic_headers, "Authorization"),
    Scheme("job_scheduler", 401, "GET", "/1/jobs", by_basic, basic_headers, "Authorization"),
    Scheme("ndscheduler", 401, "GET", "/api/v1/jobs", by_basic, basic_headers, "Authorization"),
    Scheme("belltower", 401, "GET", "/v1/keys", by_basic, basic_headers, "Authorization"),
]
SIGNED = [
    Scheme("cronally", 401, "GET", "/account", by_cronally, cron_headers, "X-Cron-Signature"),
    Scheme("runlater body", 400, "PUT", JOBS, by_body, run_headers, "runlaterhash"),
    Scheme("runlater path", 400, "GET", LIST, by_path, run_headers, "runlaterhash"),
    Scheme("strict path", 400, "GET", LIST, strictly("GET"), run_headers, "runlaterhash", strict=True),
    Scheme("strict body", 400, "PUT", JOBS, strictly("PUT", BODY), run_headers, "runlaterhash", strict=True),
]
SCHEMES = [*BASIC, *SIGNED]


def named(scheme: Scheme) -> str:
    return scheme.name


@pytest.fixture(scope="module")
def house() -> House:
    return House()


def an_owner(house: House) -> Owner:
    account, issued = open_account_with_key(house.services, NewAccount(email=f"{elsewhere()}@example.com"))
    return Owner(house, account, issued)


@pytest.fixture(scope="module")
def owner(house: House) -> Owner:
    return an_owner(house)


@pytest.mark.parametrize("scheme", SCHEMES, ids=named)
def test_a_request_is_let_in_as_it_is(house: House, scheme: Scheme) -> None:
    """What is tried below with a part that was changed."""
    one = an_owner(house)
    answer = scheme.send(one, scheme.request(one))
    assert answer.status in ({404} if scheme.name == "rlatr" else {200, 201}), answer.body


# --- T01, T02, T03 ----------------------------------------------------------------------------------------------------

SEEDED = "62456bc123edf"


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        pytest.param(
            b'{"name":"trigger backup","when":"2013-09-08T06:15:42.215Z"}', "fUqz5HgdDdMz6E/ifEwNccmjZU0=", id="a body"
        ),
        pytest.param(b"/users/joeswebapp/apikey/production/jobs/", "cCPMJRLJ8uRbUnq8Q6dOU9As6c4=", id="a path"),
        pytest.param(
            b"DELETE\n/users/joeswebapp/jobs/50c2d4b33004a1f2abfaea10\n"
            b"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "2JIlrCLMkPQI6KwUjpgpau3lubU=",
            id="a strict one, without a body",
        ),
    ],
)
def test_t01_runlater_s_signatures_are_those_of_openssl(message: bytes, expected: str) -> None:
    assert signing.b64(signing.hmac_sha1(SEEDED.encode(), message)) == expected


@pytest.mark.parametrize("scheme", SCHEMES, ids=named)
@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_t02_every_change_of_a_single_bit_is_refused(owner: Owner, scheme: Scheme, data: st.DataObject) -> None:
    parts, before = scheme.request(owner), owner.jobs()
    name = data.draw(st.sampled_from(sorted(parts)))
    text = parts[name]
    place, bit = data.draw(st.integers(0, len(text) - 1)), data.draw(st.integers(0, 6))
    changed = text[:place] + chr(ord(text[place]) ^ 1 << bit) + text[place + 1 :]
    assume(name != "path" or changed.rstrip("/?") != text.rstrip("/"))  # `/jobs/` and `/jobs?` are one resource
    answer = scheme.send(owner, parts | {name: changed})
    assert answer.status in ({scheme.refusal, NO_ROUTE} if name == "path" else {scheme.refusal})
    assert owner.jobs() == before


@settings(max_examples=100, deadline=None)
@given(
    st.binary(min_size=1, max_size=64),
    st.sampled_from(["key", "message_id", "timestamp", "body"]),
    st.integers(0, 2**16),
)
def test_t02_a_webhook_s_signature_is_over_all_that_it_names(body: bytes, name: str, where: int) -> None:
    parts = {"key": bytes(range(32)), "message_id": b"msg_1", "timestamp": b"1614265330", "body": body}

    def signed(given: Mapping[str, bytes]) -> str:
        seconds, message_id = int(given["timestamp"]), given["message_id"].decode("latin-1")
        return signing.standard_webhook(given["key"], message_id=message_id, timestamp=seconds, body=given["body"])

    old = parts[name]
    place, bit = where % len(old), 0 if name == "timestamp" else where // 256 % 8
    changed = old[:place] + bytes([old[place] ^ 1 << bit]) + old[place + 1 :]
    assert signed(parts) != signed(parts | {name: changed})


def made(owner: Owner, *, strict: bool) -> str:
    """The path of a new job of RunLater's."""
    scheme = next(one for one in SIGNED if one.name == ("strict body" if strict else "runlater body"))
    answer = scheme.send(owner, scheme.request(owner))
    assert answer.status == 201, answer.body
    return f"/users/{owner.account.name}/jobs/{answer.json['_id']}"


def deleting(*, strict: bool) -> Scheme:
    return Scheme("delete", 400, "DELETE", "", by_path, run_headers, "runlaterhash", strict=strict)


def test_t03_the_signature_of_a_get_deletes_where_clients_are_as_they_were(house: House) -> None:
    """The hole that TLS has to hide: the original signs nothing but the path."""
    one = an_owner(house)
    path = made(one, strict=False)
    reading = replace(deleting(strict=False), method="GET")
    parts = by_path(one, path)
    assert (reading.send(one, parts).status, one.jobs()) == (200, 1)
    assert (deleting(strict=False).send(one, parts).status, one.jobs()) == (200, 0)


def test_t03_it_does_not_where_signatures_are_strict(house: House) -> None:
    one = an_owner(house)
    path = made(one, strict=True)
    parts = strictly("GET")(one, path)
    reading = replace(deleting(strict=True), method="GET")
    assert (reading.send(one, parts).status, one.jobs()) == (200, 1)
    answer = deleting(strict=True).send(one, parts)
    assert (answer.status, answer.json, one.jobs()) == (400, {"error": "Invalid HMAC Hash"}, 1)
    assert deleting(strict=True).send(one, strictly("DELETE")(one, path)).status == 200
    assert one.jobs() == 0


@pytest.mark.parametrize("scheme", [one for one in SIGNED if one.strict], ids=named)
def test_t03_what_the_original_signs_is_not_enough_where_signatures_are_strict(house: House, scheme: Scheme) -> None:
    one = an_owner(house)
    parts = scheme.request(one)
    original = signature(one.secret, parts.get("body") or parts["path"])
    assert scheme.send(one, parts | {"signature": original}).status == 400
    assert one.jobs() == 0


# --- T06 --------------------------------------------------------------------------------------------------------------

Abuse = Callable[[str], list[str]]

ABUSES: dict[str, Abuse] = {
    "missing": lambda _proof: [],
    "empty": lambda _proof: [""],
    "not ASCII": lambda proof: ["é" + proof[1:]],
    "nothing but letters that are not ASCII": lambda proof: ["é" * len(proof)],
    "half a character": lambda proof: [proof[:-4] + "\ud800"],
    "white space inside": lambda proof: [f"{proof[:-6]} {proof[-6:]}"],
    "a newline inside": lambda proof: [f"{proof[:-6]}\n{proof[-6:]}"],
    "a NUL at the end": lambda proof: [f"{proof}\0"],
    "1 MB long": lambda _proof: ["A" * 1024 * 1024],
    "1 MB longer": lambda proof: [proof + "A" * 1024 * 1024],
    "twice, one of them another": lambda proof: [proof, proof[:-6] + "AAAAA="],
    "two in one": lambda proof: [f"{proof}, {proof}"],
}


@pytest.mark.parametrize("scheme", SCHEMES, ids=named)
@pytest.mark.parametrize("what", ABUSES)
def test_t06_a_proof_that_is(owner: Owner, scheme: Scheme, what: str) -> None:
    parts, before = scheme.request(owner), owner.jobs()
    headers = list(scheme.headers(parts))
    [proof] = [value for name, value in headers if name == scheme.proof]
    others = [(name, value) for name, value in headers if name != scheme.proof]
    abused = [(scheme.proof, value) for value in ABUSES[what](proof)]
    answer = scheme.send(owner, parts, headers=[*others, *abused])
    assert (answer.status, owner.jobs()) == (scheme.refusal, before)


# --- T07 --------------------------------------------------------------------------------------------------------------


def revoked(house: House) -> Owner:
    one = an_owner(house)
    manager = Manager(account=one.account)
    keys.create_key(house.services, manager, label="another")
    keys.revoke_key(house.services, manager, one.key)
    return one


def regenerated(house: House) -> Owner:
    one = an_owner(house)
    keys.rotate_key(house.services, Manager(account=one.account), one.key, overlap=timedelta(0))
    return one


def rotating(house: House) -> Owner:
    """Wrong secret, while two are right."""
    one = an_owner(house)
    keys.rotate_key(house.services, Manager(account=one.account), one.key, overlap=timedelta(days=1))
    return with_secret(one, an_owner(house).secret)


def with_secret(one: Owner, secret: str) -> Owner:
    return replace(one, issued=replace(one.issued, secret=Secret(secret)))


def unknown(house: House) -> Owner:
    one = an_owner(house)
    return replace(one, issued=replace(one.issued, key=replace(one.issued.key, key=an_owner(house).key[:-1] + "x")))


CAUSES: dict[str, Callable[[House], Owner]] = {
    "a wrong secret": lambda house: with_secret(an_owner(house), an_owner(house).secret),
    "a key that is not there": unknown,
    "a key that was revoked": revoked,
    "a secret that was replaced at once": regenerated,
    "a wrong secret while two are right": rotating,
    "the secret of a dummy": lambda house: with_secret(an_owner(house), DUMMY.reveal()),
    "the secret of a dummy for a key that is not there": lambda house: with_secret(unknown(house), DUMMY.reveal()),
}


@pytest.mark.parametrize("scheme", SCHEMES, ids=named)
def test_t07_every_cause_has_the_same_answer(house: House, scheme: Scheme) -> None:
    answers = {cause: scheme.send(one := make(house), scheme.request(one)) for cause, make in CAUSES.items()}
    assert {answer.status for answer in answers.values()} == {scheme.refusal}
    assert len({(answer.body, *sorted(answer.headers.items())) for answer in answers.values()}) == 1


Authenticate = Callable[[Services, str, Callable[[Secret], bool]], object]
AUTHENTICATE: dict[str, Authenticate] = {
    "by key": lambda services, key, proves: authenticate(services, key, proves=proves),
    "by key or account": lambda services, key, proves: authenticate_user(services, key, proves=proves),
}


@pytest.mark.parametrize("how", AUTHENTICATE)
@pytest.mark.parametrize("cause", CAUSES)
def test_t07_every_cause_takes_as_many_proofs_as_a_success(house: House, how: str, cause: str) -> None:
    def proofs_of(one: Owner) -> tuple[bool, int]:
        tried: list[str] = []

        def proves(known: Secret) -> bool:
            tried.append(known.reveal())
            return signing.same(known.reveal().encode(), one.secret.encode())

        try:
            AUTHENTICATE[how](house.services, one.key, proves)
        except Unauthenticated:
            return False, len(tried)
        return True, len(tried)

    assert proofs_of(an_owner(house)) == (True, 2)
    assert proofs_of(CAUSES[cause](house)) == (False, 2)


def reads_of(house: House, ask: Callable[[], Answer]) -> Mapping[str, float]:
    """What a request takes of the accounts table, by operation; it is refused."""
    before = house.accounts.units.copy()
    assert ask().status >= 400
    return house.accounts.units - before


@pytest.mark.parametrize("scheme", SCHEMES, ids=named)
def test_t07_every_cause_takes_as_many_reads(house: House, scheme: Scheme) -> None:
    """Of the database: the time of one is more than all that is computed."""
    taken = []
    for make in CAUSES.values():
        one = make(house)
        taken.append(reads_of(house, partial(scheme.send, one, scheme.request(one))))
    assert taken == [taken[0]] * len(CAUSES)


BY_NAME: Mapping[str, tuple[str, str, Callable[[str], Headers]]] = {
    "rlatr": ("DELETE", "/api/v1ish/schedule/1", lambda name: [basic(name, "wrong")]),
    "job_scheduler": ("GET", "/1/jobs", lambda name: [basic(name, "wrong")]),
    "ndscheduler": ("GET", "/api/v1/jobs", lambda name: [basic(name, "wrong")]),
    "belltower": ("GET", "/v1/keys", lambda name: [basic(name, "wrong")]),
    "runlater's users": ("GET", "/users/{name}", lambda _name: [("runlater_password", "wrong")]),
    "runlater": (
        "GET",
        "/users/{name}/jobs/1",
        lambda _name: [("runlaterkey", "production"), ("runlaterhash", "aaaa")],
    ),
}


@pytest.mark.parametrize("api", BY_NAME)
@pytest.mark.parametrize("password", [None, Secret("password")], ids=["without a password", "with one"])
def test_t07_an_account_s_name_takes_as_many_reads_whether_it_is_there(
    house: House, api: str, password: Secret | None
) -> None:
    method, path, headers = BY_NAME[api]
    there = f"there{next(NUMBERS)}"
    account = open_account(house.services, NewAccount(email=f"{there}@example.com", name=there, password=password))
    keys.create_key(house.services, Manager(account=account), label="production")

    def asked(name: str) -> Mapping[str, float]:
        route = path.format(name=name)
        return reads_of(house, lambda: house.client.send(method, route, headers=headers(name), source=elsewhere()))

    assert asked(there) == asked(f"nobody{next(NUMBERS)}")


@pytest.mark.parametrize("cause", CAUSES)
def test_t07_a_key_that_is_refused_takes_a_password_s_work_as_well_where_either_would_do(
    house: House, cause: str
) -> None:
    scheme = next(one for one in BASIC if one.name == "belltower")
    passwords = FakePasswords()
    one = CAUSES[cause](house)
    house.services = replace(house.services, passwords=passwords)
    assert scheme.send(one, scheme.request(one)).status == 401
    assert len(passwords.worked) == 1


# --- T08 --------------------------------------------------------------------------------------------------------------


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


Header = Callable[[str, str], str]
READ: dict[str, Header] = {  # of a key k and its secret s
    "as curl sends it": lambda k, s: f"Basic {encoded(f'{k}:{s}')}",
    "the scheme in any case": lambda k, s: f"bAsIc {encoded(f'{k}:{s}')}",
}
REFUSED: dict[str, Header] = {
    "no colon": lambda k, s: f"Basic {encoded(f'{k}{s}')}",
    "two colons: the second is the password's": lambda k, s: f"Basic {encoded(f'{k}::{s}')}",
    "a colon at the end of the password": lambda k, s: f"Basic {encoded(f'{k}:{s}:')}",
    "an empty user": lambda _k, s: f"Basic {encoded(f':{s}')}",
    "an empty password": lambda k, _s: f"Basic {encoded(f'{k}:')}",
    "nothing but a colon": lambda _k, _s: f"Basic {encoded(':')}",
    "letters that are not ASCII": lambda _k, _s: f"Basic {encoded('ключ:пароль')}",
    "bytes that are no UTF-8": lambda k, _s: "Basic " + base64.b64encode(f"{k}:".encode() + b"\xff").decode(),
    "a NUL in the user": lambda k, s: f"Basic {encoded(f'{k}' + chr(0) + f':{s}')}",
    "a NUL in the password": lambda k, s: f"Basic {encoded(f'{k}:{s}' + chr(0))}",
    "a letter less than base64 has": lambda k, s: f"Basic {encoded(f'{k}:{s}')[:-1]}",
    "the password alone": lambda _k, s: f"Basic {encoded(s)}",
    "another scheme": lambda k, s: f"Bearer {encoded(f'{k}:{s}')}",
    "nothing": lambda _k, _s: "",
}
HEADERS = {**READ, **REFUSED}


@pytest.mark.parametrize("scheme", BASIC, ids=named)
@pytest.mark.parametrize("what", HEADERS)
def test_t08_credentials_are_read_or_refused(owner: Owner, scheme: Scheme, what: str) -> None:
    header = HEADERS[what](owner.key, owner.secret)
    answer = scheme.send(owner, scheme.request(owner), headers=[("Authorization", header)])
    assert (answer.status == scheme.refusal) is (what in REFUSED)
    assert answer.status < 500


@pytest.mark.parametrize(
    ("password", "sent", "status"),
    [
        pytest.param("a:b", encoded("joe:a:b"), 200, id="two colons: the password keeps the second"),
        pytest.param(":", encoded("joe::"), 200, id="a colon alone"),
        pytest.param("пароль", encoded("joe:пароль"), 200, id="UTF-8"),
        pytest.param("a\0b", encoded("joe:a\0b"), 200, id="a NUL"),
        pytest.param("four", encoded("joe:four"), 200, id="padding"),
        pytest.param("four", encoded("joe:four").rstrip("="), 401, id="no padding"),
        pytest.param("four", encoded("joe:four") + "=", 401, id="too much padding"),
        pytest.param("four", encoded("joe:fou r").replace("=", ""), 401, id="a space in the password"),
    ],
)
def test_t08_a_password_may_be_any_text(password: str, sent: str, status: int) -> None:
    house = House()
    open_account(house.services, NewAccount(email="joe@example.com", name="joe", password=Secret(password)))
    answer = house.client.send("GET", "/v1/keys", headers=[("Authorization", f"Basic {sent}")])
    assert answer.status == status
