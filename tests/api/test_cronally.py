"""Cronally, row by row of its protocol (numbers as in section 4), seen from outside: requests, topics, the store.

Source: seeds/003.
"""

import base64
import json
import re
import string
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chalicelib.api.dialects import cronally
from chalicelib.operations.accounts import authenticate
from chalicelib.operations.fire import secret_place
from chalicelib.scheduling.account import Account, ApiKey
from chalicelib.scheduling.errors import Unauthenticated
from chalicelib.scheduling.execution import ExecutionState
from chalicelib.scheduling.job import Job, JobState
from chalicelib.scheduling.retry import NEVER
from chalicelib.scheduling.secret import Sealed, Secret
from chalicelib.scheduling.target import AwsKeys, Topic
from tests.api.client import FORM, Answer, Client, Headers, cron_date, cron_signature, cron_signed, form, typed
from tests.fakes import BROKEN, FakeClock
from tests.world import START, World

FORM_TYPE = (typed(FORM),)
ARN = "arn:aws:sns:eu-west-1:123456789012:nightly"
KEY_ID, SECRET_KEY = "AKIACANARYKEY7F3AB2C", "canary/secret+KEY/9d0e4f5a6b7c8d9eABCDEFGH"
FIELDS = {
    "name": "Nightly",
    "cron": "* * * * *",
    "sns_topic": ARN,
    "sns_message": "good morning, König",
    "sns_region": "eu-west-1",
    "sns_access_key_id": KEY_ID,
    "sns_secret_access_key": SECRET_KEY,
}
SEED_SECRET = "h/Be+K0LvQxanvcabBL5Pjg3HL8g7CekNkG090he6rk="
SEED_KEY = "59ab5a9c-ce44-4446-9501-76f4f64be3c6"
SEED_NOW = datetime(2006, 1, 2, 15, 4, 5, tzinfo=UTC)
GOLDEN = "cZB+B8398Tv7rxdnYzVNxzF9fs54B5hPmFFWwWP8Oqc="
GOLDEN_HEX = "71907e07cdfdf13bfbaf176763354dc7317d7ece7807984f985156c163fc3aa7"
REFUSED = "API key is wrong, invalid signature, etc."


def error(reason: str) -> dict[str, object]:
    return {"status": "error", "response": {"reason": reason}, "reason": reason}


class Caller:
    """One account of Cronally, opened through its own door."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.client = Client(lambda: world.services, cronally.DIALECT)
        self.account = self.register(f"{uuid.uuid4()}@example.com").json["response"]
        self.key, self.secret = self.account["api_key"], self.account["api_secret"]

    def register(self, email: str) -> Answer:
        return self.client.send("POST", "/account/", headers=[typed(FORM)], body=form({"email": email}))

    def signed(self, method: str, path: str) -> list[tuple[str, str]]:
        date = cron_date(self.world.clock.now())
        return cron_signed(self.key, self.secret, method=method, path=path.partition("?")[0], date=date)

    def send(self, method: str, path: str, *, body: str = "", headers: Headers = FORM_TYPE) -> Answer:
        return self.client.send(method, path, headers=[*self.signed(method, path), *headers], body=body)

    def create(self, **changes: str) -> Answer:
        return self.send("POST", "/cronjob/", body=form(FIELDS | changes))

    def created(self, **changes: str) -> str:
        answer = self.create(**changes)
        assert answer.status == 200, answer.body
        return str(answer.json["response"]["cronjob_id"])

    def jobs(self) -> list[Job]:
        return list(self.world.services.jobs.list(self.account["account_id"], "cronally"))

    def job(self) -> Job:
        [job] = self.jobs()
        return job


@pytest.fixture
def caller(world: World) -> Caller:
    return Caller(world)


@pytest.fixture
def asker(still: World) -> Caller:
    """Where no time passes: for what is answered at once."""
    return Caller(still)


def seeded(still: World, *, now: datetime = SEED_NOW) -> Client:
    """The account of the seed's own example, at the time of its own example."""
    services = still.services
    if services.keys.get(SEED_KEY) is None:
        data_key = services.vault.new_data_key("seed")
        account = Account(
            account_id="seed", name="seed", email="username@example.com", created_at=SEED_NOW, data_key=data_key
        )
        sealed = services.vault.seal(account, secret_place(SEED_KEY), Secret(SEED_SECRET))
        key = ApiKey(key=SEED_KEY, account_id="seed", secret=sealed, created_at=SEED_NOW)
        services.accounts.add(account, key=key)
    return Client(lambda: replace(services, clock=FakeClock(now)), cronally.DIALECT)


def seed_headers(**changes: str | None) -> list[tuple[str, str]]:
    """The headers of the golden vector, with other values in them, or None to leave one out."""
    values = {"key": SEED_KEY, "date": "200601021504", "signature": GOLDEN} | changes
    return [(f"X-Cron-{name.title()}", value) for name, value in values.items() if value is not None]


def test_seed_example_create_account_with_curl(still: World) -> None:
    client = Client(lambda: still.services, cronally.DIALECT)
    answer = client.send("POST", "/account/", headers=[typed(FORM)], body="email=another@example.com")
    response = answer.json["response"]
    assert (answer.status, answer.json["status"]) == (200, "success")
    assert list(response) == ["account_id", "email", "api_key", "api_secret", "cronjob_count"]
    assert (response["email"], response["cronjob_count"]) == ("another@example.com", 0)
    assert [str(uuid.UUID(response[name])) for name in ("account_id", "api_key")] == [
        response["account_id"],
        response["api_key"],
    ]
    assert len(base64.b64decode(response["api_secret"], validate=True)) == 32


def test_seed_example_the_golden_vector_of_its_documentation(still: World) -> None:
    answer = seeded(still).send("GET", "/account", headers=seed_headers())
    assert answer.status == 200, answer.body
    assert answer.json["response"] == {
        "account_id": "seed",
        "email": "username@example.com",
        "api_key": SEED_KEY,
        "api_secret": SEED_SECRET,
        "cronjob_count": 0,
    }


def test_4_1_all_but_creating_an_account_is_signed(asker: Caller) -> None:
    paths = [
        ("GET", "/account/"),
        ("POST", "/cronjob/"),
        ("GET", "/cronjobs/"),
        ("DELETE", f"/cronjob/{uuid.uuid4()}/"),
    ]
    answers = [asker.client.send(method, path, headers=[typed(FORM)], body=form(FIELDS)) for method, path in paths]
    assert [(answer.status, answer.json) for answer in answers] == [(401, error(REFUSED))] * 4
    assert asker.jobs() == []


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"key": None}, id="no key"),
        pytest.param({"date": None}, id="no date"),
        pytest.param({"signature": None}, id="no signature"),
        pytest.param({"key": ""}, id="an empty key"),
        pytest.param({"signature": ""}, id="an empty signature"),
        pytest.param({"key": SEED_KEY.upper()}, id="the key in upper case"),
        pytest.param({"key": SEED_KEY + "\0"}, id="a NUL after the key"),
        pytest.param({"key": "é"}, id="a key that is not ASCII"),
        pytest.param({"key": "account#seed"}, id="a key that names something else in the store"),
        pytest.param({"date": "200601021503"}, id="another date than was signed"),
        pytest.param({"signature": GOLDEN.lower()}, id="base64 in lower case"),
        pytest.param({"signature": GOLDEN.rstrip("=")}, id="base64 without padding"),
        pytest.param({"signature": GOLDEN[:-2] + "d="}, id="base64 with spare bits"),
        pytest.param({"signature": GOLDEN[:20] + " " + GOLDEN[20:]}, id="base64 with a space inside"),
        pytest.param({"signature": GOLDEN[:20] + "\n" + GOLDEN[20:]}, id="base64 with a newline inside"),
        pytest.param({"signature": GOLDEN + "\n"}, id="base64 with the newline of Ruby"),
        pytest.param({"signature": GOLDEN.replace("+", "-").replace("/", "_")}, id="base64 for URLs"),
        pytest.param({"signature": GOLDEN_HEX[:-1]}, id="hex with a digit missing"),
        pytest.param({"signature": GOLDEN_HEX[:-1] + "g"}, id="hex with a letter that is none"),
        pytest.param({"signature": GOLDEN_HEX[:-1] + "٣"}, id="hex with an Arabic digit"),
        pytest.param({"signature": base64.b64encode(GOLDEN_HEX.encode()).decode()}, id="base64 of hex"),
        pytest.param({"signature": "é" * 44}, id="not ASCII"),
        pytest.param({"signature": "é" * 64}, id="not ASCII, as long as hex"),
        pytest.param({"signature": "A" * 1_000_000}, id="1 MB"),
        pytest.param({"signature": f"{GOLDEN}, {GOLDEN}"}, id="two in one"),
    ],
)
def test_4_1_t06_headers_that_are_refused(still: World, changes: dict[str, str | None]) -> None:
    answer = seeded(still).send("GET", "/account", headers=seed_headers(**changes))
    assert (answer.status, answer.json) == (401, error(REFUSED))


@pytest.mark.parametrize("name", ["X-Cron-Key", "X-Cron-Date", "X-Cron-Signature"])
def test_4_1_t06_a_header_twice_is_refused(still: World, name: str) -> None:
    headers = seed_headers()
    headers += [pair for pair in headers if pair[0] == name]
    assert seeded(still).send("GET", "/account", headers=headers).status == 401


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_t02_every_change_of_a_single_bit_is_refused(still: World, data: st.DataObject) -> None:
    client = seeded(still)
    name = data.draw(st.sampled_from(["key", "date", "signature"]))
    text = {"key": SEED_KEY, "date": "200601021504", "signature": GOLDEN}[name]
    place, bit = data.draw(st.integers(0, len(text) - 1)), data.draw(st.integers(0, 6))
    changed = text[:place] + chr(ord(text[place]) ^ 1 << bit) + text[place + 1 :]
    assert client.send("GET", "/account", headers=seed_headers(**{name: changed})).status == 401


@pytest.mark.parametrize(
    ("method", "path"),
    [
        pytest.param("GET", "/cronjobs", id="another path"),
        pytest.param("DELETE", "/cronjob/x", id="another method and path"),
        pytest.param("POST", "/cronjob", id="a method that changes something"),
    ],
)
def test_t02_a_signature_holds_for_its_path_and_method_alone(still: World, method: str, path: str) -> None:
    assert seeded(still).send(method, path, headers=seed_headers()).status == 401


@pytest.mark.parametrize(
    ("minutes", "status"),
    [(0, 200), (-1, 200), (1, 200), (-5, 200), (5, 200), (-6, 401), (6, 401), (-1440, 401), (60, 401), (525_600, 401)],
)
def test_4_2_t05_dates_up_to_five_minutes_off_are_taken(still: World, minutes: int, status: int) -> None:
    client, date = seeded(still), cron_date(SEED_NOW + timedelta(minutes=minutes))
    headers = cron_signed(SEED_KEY, SEED_SECRET, method="GET", path="/account/", date=date)
    answer = client.send("GET", "/account/", headers=headers)
    assert answer.status == status, answer.body
    assert status == 200 or answer.json == error(REFUSED)


@pytest.mark.parametrize(
    "date",
    [
        *("", " ", "NaN", "now", "202602300000", "200602301504", "200601022504", "200601021560", "200600021504"),
        *("000001010000", "999912312359", "2006010215040", "20060102150", "0200601021504", "2006-01-02T15:04"),
        *(
            "٢٠٠٦٠١٠٢١٥٠٤",
            "\uff12\uff10\uff10\uff16\uff10\uff11\uff10\uff12\uff11\uff15\uff10\uff14",
            "20060102150\u0664",
            " 200601021504",
            "200601021504 ",
            "200601021504\n",
        ),
        *("-20060102150", "+20060102150", "2006010215_4", "1e11", "200601021504\0", "2" * 10_000),
    ],
)
def test_4_2_t05_what_is_no_date_is_refused_however_well_it_is_signed(still: World, date: str) -> None:
    headers = cron_signed(SEED_KEY, SEED_SECRET, method="GET", path="/account/", date=date)
    answer = seeded(still).send("GET", "/account/", headers=headers)
    assert (answer.status, answer.json) == (401, error(REFUSED))


@given(st.one_of(st.text(), st.text(alphabet=string.digits, min_size=12, max_size=12)))
def test_4_2_t05_no_date_is_a_bug(date: str) -> None:
    current = cronally.is_current(date, SEED_NOW)
    assert not current or abs(datetime.strptime(date, "%Y%m%d%H%M").replace(tzinfo=UTC) - SEED_NOW) < timedelta(
        minutes=6
    )


@pytest.mark.parametrize(
    ("asked", "signed", "staged", "status"),
    [
        pytest.param("/account/", "/account/", False, 200, id="with the slash, as documented"),
        pytest.param("/account", "/account", False, 200, id="without the slash"),
        pytest.param("/account", "/account/", False, 200, id="signed with the slash that was taken away"),
        pytest.param("/account/", "/account", False, 200, id="signed without the slash that was added"),
        pytest.param("/account/", "/account/", True, 200, id="at the invoke URL, signed without the stage"),
        pytest.param("/account/", "/api/account/", True, 200, id="at the invoke URL, signed with the stage"),
        pytest.param("/account", "/api/account/", True, 200, id="at the invoke URL, the slash added"),
        pytest.param("/account/", "/api/account/", False, 401, id="signed with a stage that is not there"),
        pytest.param("/account/", "/account//", False, 401, id="two slashes"),
        pytest.param("/account/", "/ACCOUNT/", False, 401, id="another case"),
        pytest.param("/account/?x=1", "/account/", False, 200, id="the query is not signed"),
        pytest.param("/account/?x=1", "/account/?x=1", False, 401, id="a query that was signed"),
        pytest.param("/account/", "https://api.cronally.com/account/", False, 401, id="the host is not signed"),
    ],
)
def test_4_3_the_path_is_signed_as_it_was_sent(
    still: World,
    asked: str,
    signed: str,
    staged: bool,  # noqa: FBT001 - where the request arrives
    status: int,
) -> None:
    headers = cron_signed(SEED_KEY, SEED_SECRET, method="GET", path=signed, date="200601021504")
    assert seeded(still).send("GET", asked, headers=headers, staged=staged).status == status


def test_4_3_the_method_is_signed_in_upper_case(still: World) -> None:
    headers = cron_signed(SEED_KEY, SEED_SECRET, method="get", path="/account", date="200601021504")
    assert seeded(still).send("GET", "/account", headers=headers).status == 401


@pytest.mark.parametrize("signature", [GOLDEN, GOLDEN_HEX, GOLDEN_HEX.upper()], ids=["base64", "hex", "upper-case hex"])
def test_4_4_signatures_come_as_base64_or_as_hex(still: World, signature: str) -> None:
    assert seeded(still).send("GET", "/account", headers=seed_headers(signature=signature)).status == 200


def test_4_4_the_key_is_the_decoded_secret(still: World) -> None:
    proof = cron_signature(base64.b64encode(SEED_SECRET.encode()).decode(), "/account/GET200601021504")
    headers = seed_headers(signature=base64.b64encode(proof).decode())
    assert seeded(still).send("GET", "/account", headers=headers).status == 401


def test_t07_an_unknown_key_is_answered_like_a_wrong_secret(still: World) -> None:
    wrong = cron_signed(SEED_KEY, GOLDEN, method="GET", path="/account", date="200601021504")
    unknown = cron_signed(str(uuid.uuid4()), SEED_SECRET, method="GET", path="/account", date="200601021504")
    first, second = (seeded(still).send("GET", "/account", headers=headers) for headers in (wrong, unknown))
    assert (first.status, first.body, first.headers) == (second.status, second.body, second.headers)


@pytest.mark.parametrize("known", [True, False], ids=["a known key", "an unknown key"])
@pytest.mark.parametrize("holds", [True, False], ids=["a proof that holds", "a proof that does not"])
def test_t07_as_many_proofs_are_computed_for_every_key(still: World, known: bool, holds: bool) -> None:  # noqa: FBT001
    principal, secret = still.open_account()
    secrets: list[Secret] = []

    def proves(given: Secret) -> bool:
        secrets.append(given)
        return holds

    key = principal.key if known else str(uuid.uuid4())
    if known and holds:
        assert authenticate(still.services, key, proves=proves) == principal
    else:
        with pytest.raises(Unauthenticated):
            authenticate(still.services, key, proves=proves)
    assert [len(one.reveal()) for one in secrets] == [44, 44]
    assert (secrets[0] == secret) is known


def test_t07_a_proof_is_computed_before_the_date_is_looked_at(still: World) -> None:
    wrong = cron_signed(SEED_KEY, GOLDEN, method="GET", path="/account", date="199901010000")
    right = cron_signed(SEED_KEY, SEED_SECRET, method="GET", path="/account", date="199901010000")
    first, second = (seeded(still).send("GET", "/account", headers=headers) for headers in (wrong, right))
    assert (first.status, first.body) == (second.status, second.body)


@pytest.mark.parametrize(
    "email",
    [
        *("", " ", "nobody", "@example.com", "a@", "a@b", "a@b.", "a@.com", "a b@example.com", "a@b@example.com"),
        *("a@exa mple.com", "a@example.com\nb", "é@example.com", "a@example.c", "a" * 250 + "@example.com", "a@-b.com"),
    ],
)
def test_4_5_what_is_no_email_address_is_refused(asker: Caller, email: str) -> None:
    answer = asker.register(email)
    assert (answer.status, answer.json) == (400, error("email must be an e-mail address"))


@pytest.mark.parametrize("again", [str, str.upper, lambda email: f" {email} "], ids=["same", "upper case", "spaces"])
def test_4_5_a_duplicate_email_address_is_400(asker: Caller, again: Any) -> None:
    answer = asker.register(again(asker.account["email"]))
    assert (answer.status, answer.json) == (400, error("email is already in use"))


@pytest.mark.parametrize("body", ['{"email": 7}', '{"email": ["a@b.co"]}', "{", "[]", ""])
def test_4_5_t28_json_that_is_no_account_is_400(asker: Caller, body: str) -> None:
    answer = asker.client.send("POST", "/account/", headers=[typed("application/json")], body=body)
    assert (answer.status, answer.json["status"]) == (400, "error")


def test_4_5_t17_an_account_chooses_neither_its_id_nor_its_secret(asker: Caller) -> None:
    asked = {"account_id": asker.account["account_id"], "api_key": asker.key, "api_secret": SEED_SECRET}
    body = form({"email": f"{uuid.uuid4()}@example.com", "cronjob_count": "9", **asked})
    response = asker.client.send("POST", "/account/", headers=[typed(FORM)], body=body).json["response"]
    assert response["cronjob_count"] == 0
    assert {name for name, value in asked.items() if response[name] == value} == set()


def test_4_6_the_account_is_shown_with_its_secret_and_how_many_cron_jobs_it_has(asker: Caller) -> None:
    ids = [asker.created() for _ in range(3)]
    asker.send("DELETE", f"/cronjob/{ids[0]}/")
    answer = asker.send("GET", "/account/")
    assert (answer.status, answer.headers["cache-control"]) == (200, "no-store")
    assert answer.json == {"status": "success", "response": asker.account | {"cronjob_count": 2}}


@pytest.mark.parametrize("content_type", [FORM, "application/json", ""], ids=["form", "JSON", "no content type"])
def test_4_7_a_cron_job_is_made_and_described_without_its_keys(asker: Caller, content_type: str) -> None:
    body = json.dumps(FIELDS) if content_type == "application/json" else form(FIELDS)
    headers = [typed(content_type)] if content_type else []
    answer = asker.send("POST", "/cronjob/", body=body, headers=headers)
    job = asker.job()
    assert (answer.status, job.standing.state, job.definition.retry) == (200, JobState.ACTIVE, NEVER)
    assert str(uuid.UUID(job.ref.job_id)) == job.ref.job_id
    assert answer.json == {
        "status": "success",
        "response": {
            "account_id": asker.account["account_id"],
            "cronjob_id": job.ref.job_id,
            "deleted": False,
            "name": "Nightly",
            "cron": "* * * * *",
        },
    }


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("value", [None, "", "  "], ids=["missing", "empty", "blank"])
def test_4_7_every_field_is_required(asker: Caller, field: str, value: str | None) -> None:
    fields = {name: text for name, text in (FIELDS | {field: value}).items() if text is not None}
    answer = asker.send("POST", "/cronjob/", body=form(fields))
    assert (answer.status, answer.json, asker.jobs()) == (400, error(f"{field} is required"), [])


def test_4_7_all_that_is_missing_is_told_at_once(asker: Caller) -> None:
    reason = "; ".join(f"{name} is required" for name in FIELDS)
    assert asker.send("POST", "/cronjob/").json == error(reason)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        pytest.param({"cron": "* * * *"}, "cron", id="four fields"),
        pytest.param({"cron": "0 0 12 * * ?"}, "cron", id="Quartz"),
        pytest.param({"cron": "@daily"}, "cron", id="a macro"),
        pytest.param({"cron": "61 * * * *"}, "cron", id="minute 61"),
        pytest.param({"cron": "* * * * *" + "\0"}, "cron", id="a NUL"),
        pytest.param({"cron": "* " * 200_000}, "cron", id="a long cron"),
        pytest.param({"cron": "0 0 30 2 *"}, "the", id="a date that never comes"),
        pytest.param({"name": "n" * 256}, "name", id="a name of 256 letters"),
        pytest.param({"sns_region": "eu-west-9"}, "sns_region", id="T25 a region that is none"),
        pytest.param({"sns_region": "evil.example/"}, "sns_region", id="T25 a region that is a host"),
        pytest.param({"sns_region": "us-east-1"}, "sns_region", id="T25 another region than the topic's"),
        pytest.param({"sns_topic": "nightly"}, "sns_topic", id="T25 no ARN"),
        pytest.param({"sns_topic": ARN + ".fifo"}, "sns_topic", id="T25 a FIFO topic"),
        pytest.param({"sns_topic": "arn:aws:sns:eu-west-1:123456789012:app/GCM/x"}, "sns_topic", id="T25 an app"),
        pytest.param({"sns_topic": "arn:aws:sqs:eu-west-1:123456789012:x"}, "sns_topic", id="T25 a queue"),
        pytest.param({"sns_topic": "+4912345678"}, "sns_topic", id="T25 a telephone"),
        pytest.param({"sns_message": "x" * (256 * 1024 + 1)}, "sns_message", id="T34 a message a byte too long"),
        pytest.param({"sns_message": "é" * (128 * 1024 + 1)}, "sns_message", id="T34 too long in bytes"),
        pytest.param({"sns_access_key_id": "A" * 129}, "sns_access_key_id", id="T34 a key id of 129 letters"),
        pytest.param({"sns_access_key_id": "AKIA\r\nX: y"}, "sns_access_key_id", id="T31 a key id with a newline"),
        pytest.param({"sns_access_key_id": "AKIAÉ"}, "sns_access_key_id", id="T31 a key id that is not ASCII"),
        pytest.param({"sns_secret_access_key": "s" * 256}, "sns_secret_access_key", id="T34 a secret of 256 letters"),
        pytest.param({"sns_secret_access_key": "a b"}, "sns_secret_access_key", id="T31 a secret with a space"),
    ],
)
def test_4_7_fields_that_are_refused(asker: Caller, changes: dict[str, str], field: str) -> None:
    answer = asker.create(**changes)
    assert (answer.status, answer.json["status"], asker.jobs()) == (400, "error", [])
    assert answer.json["reason"].split(" ")[0] == field
    assert all(canary not in answer.body for canary in (KEY_ID, SECRET_KEY))


@pytest.mark.parametrize(
    ("changes", "echo"),
    [
        pytest.param({"name": "n" * 255}, {}, id="a name of 255 letters"),
        pytest.param({"name": '<script>"\r\n\0 Ω'}, {}, id="a name with everything in it"),
        pytest.param({"cron": "  0 8 * * mon-fri \t"}, {"cron": "0 8 * * mon-fri"}, id="white space around the cron"),
        pytest.param({"cron": "*/5" + " " * 200 + "* * * *"}, {}, id="white space inside the cron"),
        pytest.param({"sns_topic": f" {ARN} ", "sns_region": "eu-west-1\n"}, {}, id="white space around the topic"),
        pytest.param({"sns_message": "x" * 256 * 1024}, {}, id="T34 the longest message"),
        pytest.param(
            {"sns_access_key_id": "A" * 128, "sns_secret_access_key": "~" * 255}, {}, id="T34 the longest keys"
        ),
    ],
)
def test_4_7_fields_that_are_taken(asker: Caller, changes: dict[str, str], echo: dict[str, str]) -> None:
    cronjob_id = asker.created(**changes)
    [response] = asker.send("GET", "/cronjobs/").json["response"]
    expected = {"name": FIELDS["name"], "cron": FIELDS["cron"]} | changes | echo
    assert (response["cronjob_id"], response["name"], response["cron"]) == (
        cronjob_id,
        expected["name"],
        expected["cron"],
    )


def test_4_7_keys_have_no_place_in_a_url(asker: Caller) -> None:
    query = form({name: text for name, text in FIELDS.items() if "key" in name})
    answer = asker.send("POST", f"/cronjob/?{query}", body=form({n: t for n, t in FIELDS.items() if "key" not in n}))
    assert answer.json == error("sns_access_key_id is required; sns_secret_access_key is required")


def test_4_7_the_keys_are_in_no_answer_and_in_no_item_in_the_clear(world: World) -> None:
    caller = Caller(world)
    cronjob_id = caller.created(sns_message="the one thing to be found")
    answers = [caller.send("GET", "/cronjobs/"), caller.send("GET", "/account/")]
    caller.world.let_pass(minutes=2)
    answers += [caller.create(cron="no"), caller.send("DELETE", f"/cronjob/{cronjob_id}/")]
    caller.created(sns_message="the one thing to be found")
    told = [answer.body for answer in answers] + [json.dumps(world.events.lines), repr(caller.jobs())]
    kept = dumped(world)
    assert "the one thing to be found" in kept
    for canary in (KEY_ID, SECRET_KEY, caller.secret):
        for spelling in spellings(canary):
            assert spelling not in kept
    for canary in (KEY_ID, SECRET_KEY):
        for spelling in spellings(canary):
            assert [text for text in told if spelling in text] == []


def dumped(world: World) -> str:
    """Every item of both tables, as text: strings, and bytes as base64 and as they are."""
    seen: list[str] = []

    def walk(value: Any) -> None:
        match value:
            case bytes():
                seen.extend((value.decode("latin-1"), base64.b64encode(value).decode()))
            case dict():
                for name, inner in value.items():
                    seen.append(name)
                    walk(inner)
            case list():
                for inner in value:
                    walk(inner)
            case _:
                seen.append(str(value))

    for table in (world.table, world.services.accounts._table):  # type: ignore[attr-defined]  # noqa: SLF001
        answer = table._door.call("Scan", {"TableName": table.name})  # noqa: SLF001 - which the store has no need of
        for item in answer["Items"]:
            walk(item)
    return "\n".join(seen)


def spellings(canary: str) -> set[str]:
    """A secret as it stands, in base64 at each of the three alignments, percent-encoded, escaped, in hex, reversed."""
    raw = canary.encode()
    aligned = (base64.b64encode(b"x" * shift + raw).decode()[4:-4] for shift in range(3))
    return {canary, canary[::-1], quote(canary, safe=""), json.dumps(canary)[1:-1], raw.hex(), *aligned}


def test_4_8_the_list_has_the_live_jobs_in_order_of_creation(caller: Caller) -> None:
    for name in ("z", "gone", "a", "m"):
        cronjob_id = caller.created(name=name, cron="0 0 1 1 *")
        if name == "gone":
            caller.send("DELETE", f"/cronjob/{cronjob_id}/")
        caller.world.clock.forward(milliseconds=1)
    answer = caller.send("GET", "/cronjobs/")
    listed = [(job["name"], job["cron"], job["deleted"]) for job in answer.json["response"]]
    assert (answer.status, listed) == (200, [(name, "0 0 1 1 *", False) for name in ("z", "a", "m")])


def test_4_8_an_empty_list_is_a_list(asker: Caller) -> None:
    assert asker.send("GET", "/cronjobs/").json == {"status": "success", "response": []}


def test_4_8_t14_the_list_is_the_accounts_own(still: World) -> None:
    mine, theirs = Caller(still), Caller(still)
    mine.created(name="mine")
    theirs.created(name="theirs")
    still.a_job(owner=still.open_account()[0])
    assert [job["name"] for job in mine.send("GET", "/cronjobs/").json["response"]] == ["mine"]
    assert "theirs" not in mine.send("GET", "/account/").body


def test_4_9_a_deleted_job_is_shown_as_deleted_once(asker: Caller) -> None:
    cronjob_id = asker.created()
    first, second = (asker.send("DELETE", f"/cronjob/{cronjob_id}/") for _ in range(2))
    assert (first.status, first.json["response"]["deleted"]) == (200, True)
    assert first.json["response"]["cronjob_id"] == cronjob_id
    assert (second.status, second.json) == (404, error("Job not found"))


@pytest.mark.parametrize("ref", ["1", "x", "%00", "a%2Fb", "..", "9" * 3000, "é", "a b", str(uuid.UUID(int=0))])
def test_4_9_an_unknown_id_is_not_found(asker: Caller, ref: str) -> None:
    asker.created()
    answer = asker.send("DELETE", f"/cronjob/{ref}/")
    assert (answer.status, answer.json, len(asker.jobs())) == (404, error("Job not found"), 1)


def test_4_9_t13_anothers_id_is_answered_like_an_unknown_one(still: World) -> None:
    owner, stranger = Caller(still), Caller(still)
    cronjob_id = owner.created()
    theirs = stranger.send("DELETE", f"/cronjob/{cronjob_id}/")
    nobodys = stranger.send("DELETE", f"/cronjob/{uuid.uuid4()}/")
    assert (theirs.status, theirs.body, theirs.headers) == (404, nobodys.body, nobodys.headers)
    assert len(owner.jobs()) == 1


def test_4_9_a_deleted_job_fires_no_more(caller: Caller) -> None:
    cronjob_id = caller.created()
    caller.world.let_pass(minutes=2, seconds=10)
    before = len(caller.world.topics.published)
    assert caller.send("DELETE", f"/cronjob/{cronjob_id}/").status == 200
    caller.world.let_pass(minutes=3)
    assert (before, len(caller.world.topics.published)) == (2, 2)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        *((method, "/account/", "POST, GET") for method in ("PUT", "DELETE", "PATCH", "HEAD", "OPTIONS")),
        *((method, "/cronjob/", "POST") for method in ("GET", "PUT", "DELETE")),
        *((method, "/cronjobs/", "GET") for method in ("POST", "DELETE")),
        *((method, "/cronjob/x/", "DELETE") for method in ("GET", "PUT", "POST", "PATCH")),
    ],
)
def test_4_10_4_11_a_wrong_method_is_405_in_json(asker: Caller, method: str, path: str, allowed: str) -> None:
    answer = asker.send(method, path)
    assert (answer.status, answer.headers["allow"]) == (405, allowed)
    assert answer.json == error(f"Method not allowed; use {allowed}")


def test_4_11_a_quota_is_403(asker: Caller) -> None:
    services = asker.world.services
    asker.client = Client(
        lambda: replace(services, rules=replace(services.rules, jobs_per_account=1)), cronally.DIALECT
    )
    asker.created()
    answer = asker.create()
    assert (answer.status, answer.json) == (403, error("An account may have 1 jobs"))
    assert len(asker.jobs()) == 1


def test_4_11_4_15_the_quota_is_off_by_default(asker: Caller) -> None:
    assert len({asker.created() for _ in range(4)}) == 4


def test_4_11_t60_a_queue_that_is_down_is_503(caller: Caller) -> None:
    caller.world.queue.down = True
    answer = caller.create()
    assert (answer.status, answer.headers["retry-after"]) == (503, "5")
    assert (answer.json, caller.jobs()) == (error("the queue is unavailable, try again"), [])


def test_4_12_the_message_is_published_each_minute_with_the_jobs_own_keys(caller: Caller) -> None:
    caller.created()
    caller.world.let_pass(minutes=3)
    keys = AwsKeys(access_key_id=KEY_ID, secret_access_key=Secret(SECRET_KEY))
    published = [(topic.arn, topic.region, topic.message, keys) for topic, keys in caller.world.topics.published]
    assert published == [(ARN, "eu-west-1", FIELDS["sns_message"], keys)] * 3
    executions = caller.world.executions(caller.job())
    minutes = [(one.due_at - START).total_seconds() for one in executions]
    assert (minutes, {one.state for one in executions}) == ([30, 90, 150], {ExecutionState.DELIVERED})


def test_4_12_the_message_is_published_as_it_was_sent(caller: Caller) -> None:
    message = ' {"a": "<&>", "b": "Ω\t\r\n"} '
    caller.created(sns_message=message)
    caller.world.let_pass(minutes=1)
    assert [topic.message for topic, _ in caller.world.topics.published] == [message]


def test_4_12_a_failed_publish_is_logged_and_not_tried_again(caller: Caller) -> None:
    caller.world.topics.outcome = BROKEN
    caller.created(cron="1 12 * * *")
    caller.world.let_pass(minutes=20)
    assert len(caller.world.topics.published) == 1
    [execution] = caller.world.executions(caller.job())
    assert (execution.state, execution.attempts[0].outcome.status) == (ExecutionState.FAILED, 500)


@pytest.mark.parametrize(
    ("cron", "due"),
    [
        pytest.param("0 8 * * *", "2026-11-23T08:00:00+00:00", id="the seed's own, in UTC"),
        pytest.param("0 9 * * 0", "2026-11-29T09:00:00+00:00", id="0 is Sunday"),
        pytest.param("0 9 * * 7", "2026-11-29T09:00:00+00:00", id="7 is Sunday"),
        pytest.param("0 9 * * 1", "2026-11-23T09:00:00+00:00", id="1 is Monday"),
        pytest.param("0 9 * JAN Mon", "2027-01-04T09:00:00+00:00", id="names"),
        pytest.param("0 9 30 * 2", "2026-11-24T09:00:00+00:00", id="day of month or day of week"),
    ],
)
def test_4_13_cron_is_that_of_unix(asker: Caller, cron: str, due: str) -> None:
    asker.created(cron=cron)
    assert asker.job().standing.due_at == datetime.fromisoformat(due)


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/account"), ("GET", "/account"), ("POST", "/cronjob"), ("GET", "/cronjobs")]
)
def test_4_17_paths_without_their_slash_are_taken(asker: Caller, method: str, path: str) -> None:
    body = form(FIELDS | {"email": f"{uuid.uuid4()}@example.com"})
    assert asker.send(method, path, body=body).status == 200


def test_4_17_a_deletion_without_its_slash_is_taken(asker: Caller) -> None:
    assert asker.send("DELETE", f"/cronjob/{asker.created()}").status == 200


def test_t17_fields_that_are_not_the_callers_are_ignored(still: World) -> None:
    caller, other = Caller(still), Caller(still)
    theirs = {"account_id": other.account["account_id"], "api_key": other.key}
    ours = {"cronjob_id": "1", "id": 7, "deleted": True, "state": "paused", "next": "2026-11-22T12:01:00Z", "zone": "x"}
    document = FIELDS | theirs | ours
    answer = caller.send("POST", "/cronjob/", body=json.dumps(document), headers=[typed("application/json")])
    assert answer.status == 200, answer.body
    job = caller.job()
    assert (job.ref.account_id, job.definition.key) == (caller.account["account_id"], caller.key)
    assert (answer.json["response"]["deleted"], job.standing.state) == (False, JobState.ACTIVE)
    assert re.fullmatch(r"[0-9a-f-]{36}", job.ref.job_id)
    assert other.jobs() == []


def test_a_topics_keys_are_sealed_in_the_store(asker: Caller) -> None:
    asker.created()
    target = asker.job().definition.target
    assert isinstance(target, Topic)
    assert isinstance(target.keys, Sealed)
