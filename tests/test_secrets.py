"""T37: one of everything is made through every API, and then every secret is looked for in all that was left behind.

T39: the key service goes away, and nothing falls back to plain text. T42: no value shows its secrets when printed.
"""

import dataclasses
import importlib
import json
import pkgutil
from datetime import timedelta

import pytest

import chalicelib
from chalicelib.job_classes import Surroundings
from chalicelib.operations.accounts import remove_account
from chalicelib.scheduling.account import OldSecret
from chalicelib.scheduling.errors import Invalid, told
from chalicelib.scheduling.secret import Sealed, Secret
from chalicelib.scheduling.target import AwsKeys
from chalicelib.settings import from_environment
from chalicelib.signing import AwsCredentials
from chalicelib.wire import Refusal
from tests.canaries import flat, forms, seen
from tests.life import AWS_SECRET, EXCEPTION, OWNED, SLACK_URL, TOKEN, Life
from tests.world import START

SETTINGS = {
    "AWS_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "AKID",
    "AWS_SECRET_ACCESS_KEY": AWS_SECRET,
    "AWS_SESSION_TOKEN": TOKEN,
    "BELLTOWER_STAGE": "dev",
    "BELLTOWER_ACCOUNTS_TABLE": "accounts",
    "BELLTOWER_JOBS_TABLE": "jobs",
    "BELLTOWER_QUEUE_URL": "https://sqs.example/firings",
    "BELLTOWER_RETRY_QUEUE_URL": "https://sqs.example/retries",
    "BELLTOWER_KEY_ID": "key",
    "BELLTOWER_SLACK_URL": SLACK_URL,
}


@pytest.fixture(scope="module")
def life() -> Life:
    return Life().live()


def test_t37_everything_happened(life: Life) -> None:
    events = {json.loads(line)["event"] for line in life.log.getvalue().splitlines()}
    assert events >= {
        *("account_opened", "job_added", "fired", "batch", "tick", "request"),
        *("claim_failed", "tampered", "dead_letter", "parked"),
    }
    assert {call.webhook.url for call in life.world.receiver.calls} >= {SLACK_URL}
    assert life.world.topics.published
    assert {answer.status for answer in life.refusals} >= {400, 401, 503}
    assert len(life.kms.data_keys) == 3


def test_t37_no_secret_is_in_a_table(life: Life) -> None:
    assert seen(life.sealed, life.tables()) == []


def test_t37_no_secret_is_in_a_log_a_metric_a_message_or_a_refusal(life: Life) -> None:
    assert seen({**life.sealed, **OWNED}, life.told()) == []


def test_t37_no_secret_is_in_an_answer_that_shows_jobs_executions_or_audit_entries(life: Life) -> None:
    asked = (
        *(("ndscheduler", f"/api/v1/{thing}") for thing in ("executions", "logs", "jobs")),
        *(("belltower", f"/v1/{thing}") for thing in ("executions", "keys")),
        *(("cronally", "/cronjobs/"), ("job_scheduler", "/1/jobs"), ("runlater", "/users/ben/logs/production")),
    )
    answers = {path: life.tenant.ask(api, "GET", path) for api, path in asked}
    assert {answer.status for answer in answers.values()} == {200}
    assert seen(life.sealed, {path: answer.body.encode() for path, answer in answers.items()}) == []


def test_t37_the_search_finds_what_is_there_in_every_form(life: Life) -> None:
    """A search that finds nothing proves nothing, unless it would have found something."""
    for name, secret in life.sealed.items():
        for form in forms(secret):
            assert seen({name: secret}, {"there": b"before" + form + b"behind"}), (name, form)
    assert seen(OWNED, life.tables()), "an owner's own is kept as given"
    raw = b'{"password": "caf\\u00e9 secret"}'
    assert seen({"it": "caf\xe9 secret"}, {"there": raw})
    assert flat({"B": b"\xff\x00", "L": [{"S": "x"}]}) == b"B\n\xff\x00\nL\nS\nx"


@pytest.mark.parametrize(("api", "path"), [("cronally", "/account/"), ("runlater_users", "/users/ben/apikeys/")])
def test_t42_a_secret_is_shown_where_its_api_says_so_and_no_cache_may_keep_it(life: Life, api: str, path: str) -> None:
    answer = life.tenant.ask(api, "GET", path)
    assert (answer.status, answer.headers["cache-control"]) == (200, "no-store")
    assert life.tenant.secret in answer.body


def test_t40_of_a_removed_account_no_data_key_and_no_secret_is_left() -> None:
    life = Life().live()
    services, account = life.world.services, life.tenant.account
    wrapped = account.data_key
    keys = [key.secret.ciphertext for key in services.keys.of(account.account_id)]
    assert seen({"its wrapped data key": wrapped, "its sealed secret": keys[0]}, life.tables())
    remove_account(services, account)
    assert seen({"its wrapped data key": wrapped, "its sealed secret": keys[0]}, life.tables()) == []


# --- T42 --------------------------------------------------------------------------------------------------------------

MODULES = sorted(name for _, name, _ in pkgutil.walk_packages(chalicelib.__path__, "chalicelib."))
DATACLASSES = {
    f"{one.__module__}.{one.__qualname__}": one
    for module in map(importlib.import_module, MODULES)
    for one in vars(module).values()
    if isinstance(one, type) and dataclasses.is_dataclass(one) and one.__module__ == module.__name__
}
SECRETIVE = ("secret", "password", "data_key", "token", "slack_url", "credentials", "plain", "ciphertext", "keys")
CREDENTIALS = AwsCredentials(access_key_id="AKID", secret_access_key=EXCEPTION, session_token=EXCEPTION)
CANARIES: tuple[tuple[str, object], ...] = (
    ("AwsCredentials", CREDENTIALS),
    ("AwsKeys", AwsKeys(access_key_id="AKID", secret_access_key=Secret(EXCEPTION))),
    ("OldSecret", OldSecret(secret=Sealed(EXCEPTION.encode()), until=START)),
    ("Sealed", Sealed(EXCEPTION.encode())),
    ("Secret", Secret(EXCEPTION)),
    ("bytes", EXCEPTION.encode()),
    ("str", EXCEPTION),
)
"""What a field may hold, by a word in its type: the first that fits."""


def secretive_fields(one: type) -> dict[str, object]:
    """The fields whose names promise a secret, each with a value that would betray itself."""
    return {
        field.name: next((canary for word, canary in CANARIES if word in str(field.type)), None)
        for field in dataclasses.fields(one)
        if any(word in field.name for word in SECRETIVE)
    }


@pytest.mark.parametrize("name", sorted(DATACLASSES))
def test_t42_no_value_prints_what_its_fields_call_a_secret(name: str) -> None:
    one = DATACLASSES[name]
    value = object.__new__(one)
    for field in dataclasses.fields(one):
        object.__setattr__(value, field.name, secretive_fields(one).get(field.name))
    assert seen({"it": EXCEPTION}, {name: repr(value).encode()}) == []


def test_t42_the_values_that_hold_secrets_are_among_those() -> None:
    holding = {name.rpartition(".")[2] for name, one in DATACLASSES.items() if secretive_fields(one)}
    assert holding >= {
        "Account",
        "ApiKey",
        "AwsCredentials",
        "AwsKeys",
        "IssuedKey",
        "Loaded",
        "NewAccount",
        "Settings",
    }


def test_t42_settings_and_what_a_job_class_is_lent_do_not_print() -> None:
    settings = from_environment(SETTINGS)
    surroundings = Surroundings(webhooks=Life().world.receiver, slack_url=SLACK_URL, limit=timedelta(seconds=5))
    secrets = {"the role's secret": AWS_SECRET, "its token": TOKEN, "Slack's URL": SLACK_URL}
    assert seen(secrets, {"settings": repr(settings).encode(), "surroundings": repr(surroundings).encode()}) == []


@pytest.mark.parametrize(
    ("error", "words"),
    [
        pytest.param(Invalid("url", "is not a URL"), "url is not a URL", id="ours in its own words"),
        pytest.param(ValueError(EXCEPTION), "ValueError at ", id="another without its text"),
        pytest.param(KeyError(EXCEPTION), "KeyError at ", id="one that names a key"),
        pytest.param(
            Refusal("AccessDeniedException", {"message": EXCEPTION}), "Refusal AccessDeniedException at ", id="AWS's"
        ),
    ],
)
def test_t37_what_an_operator_is_told_of_an_error(error: Exception, words: str) -> None:
    assert told(error) == words
