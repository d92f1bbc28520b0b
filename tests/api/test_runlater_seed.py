"""Each example of RunLater's own document, request and answer. Source: seeds/000.

The document is quoted as it is; `EXAMPLES` is where its typing errors are corrected, and nothing else:
- `passwod` is `password`, `(hashed)` the password before that;
- names of fields without quotes, and the commas that are missing between fields, in the account, the keys and the job;
- the comma after the job's last field;
- `/users:/account` is `/users/:account`, `apikey:apikey` is `apikey/:apikey`, `logs:apikey` is `logs/:apikey`;
- the account's own paths (`joeswebapp`) stand in place of `:account`.
"""

import json
import re
from typing import Any

import pytest

from chalicelib.operations.fire import secret_place
from chalicelib.scheduling.account import ApiKey
from chalicelib.scheduling.secret import Secret
from chalicelib.storage.accounts import DynamoKeys
from tests.api.client import Answer
from tests.api.runlater import JSON, client_of, known, signature
from tests.world import START, World

ACCOUNT = (
    '{ account: "joeswebapp" email: "joe@joeswidgets.com" passwod: (hashed) address: "123 Fake Street" '
    'state: "Colorado" country: "USA" postal: "80301" }'
)
PRODUCTION = '{ key: "production" secret: "62456bc123edf" }'
BACKUP = '{ key: "backup" secret: "b123c123edf" }'
JOB = (
    '{ "name": "trigger backup" "when": "2013-09-08T06:15:42.215Z", "interval": "1 day", '
    '"url": "http://joeswebapp.com/processes/backup" "method": "POST", "headers": { "authid": 123456 }, }'
)
DELETED = "/users/joeswebapp/jobs/50c2d4b33004a1f2abfaea10"
CORRECTIONS = (
    (r"passwod: \(hashed\)", '"password": "secret"'),
    (r"([{ ])(\w+):", r'\1"\2":'),
    (r'" (?=")', '", '),
    (r", \}$", "}"),
)
PASSWORD = ("runlater_password", "secret")


def corrected(example: str) -> dict[str, Any]:
    for wrong, right in CORRECTIONS:
        example = re.sub(wrong, right, example)
    document = json.loads(example)
    assert isinstance(document, dict)
    return document


EXAMPLES = {name: corrected(text) for name, text in (("account", ACCOUNT), ("job", JOB))}
KEYS = [corrected(text) for text in (PRODUCTION, BACKUP)]


class Joe:
    """Joe's Widgets: the account is opened through the API, its two keys have the document's own secrets."""

    def __init__(self, world: World) -> None:
        self.world, self.client = world, client_of(world)
        answer = self.client.send("PUT", "/users/", headers=JSON, body=json.dumps(EXAMPLES["account"]))
        assert answer.status == 201, answer.body
        self.user = answer.json
        services = world.services
        account = services.accounts.named("joeswebapp")
        assert account
        assert isinstance(services.keys, DynamoKeys)
        for one in KEYS:
            key = f"joeswebapp/{one['key']}"
            sealed = services.vault.seal(account, secret_place(key), Secret(one["secret"]))
            services.keys.add(
                ApiKey(
                    key=key,
                    account_id=account.account_id,
                    secret=sealed,
                    created_at=account.created_at,
                    label=one["key"],
                )
            )

    def send(self, method: str, path: str, *, body: str = "") -> Answer:
        """As the document has it: the key in a header, and the HMAC of the body, or of the URL where there is none."""
        proof = signature("b123c123edf", body or path)
        headers = [("runlaterkey", "backup"), ("runlaterhash", proof), ("Content-Type", "application/json")]
        return self.client.send(method, path, headers=headers, body=body)

    def create(self) -> dict[str, Any]:
        answer = self.send("PUT", "/users/joeswebapp/jobs/", body=json.dumps(EXAMPLES["job"]))
        assert answer.status == 201, answer.body
        return known(answer.json)


@pytest.fixture
def joe(world: World) -> Joe:
    return Joe(world)


def test_seed_example_the_user_account(joe: Joe) -> None:
    expected = {name: text for name, text in EXAMPLES["account"].items() if name != "password"}
    assert {name: joe.user[name] for name in expected} == expected
    assert set(joe.user) == {*expected, "_id", "created"}
    answer = joe.client.send("GET", "/users/joeswebapp", headers=[PASSWORD])
    assert (answer.status, answer.json) == (200, joe.user)


def test_seed_example_the_two_api_accounts(joe: Joe) -> None:
    answer = joe.client.send("GET", "/users/joeswebapp/apikeys/", headers=[PASSWORD])
    assert (answer.status, answer.json) == (200, {"production": "62456bc123edf", "backup": "b123c123edf"})


def test_seed_example_create_a_job(joe: Joe) -> None:
    job = joe.create()
    assert job == EXAMPLES["job"] | {
        "interval": {"days": 1},
        "method": "post",
        "status": "waiting",
        "userid": joe.user["_id"],
        "doctype": "job",
        "runlater_key": "backup",
        "_id": job["_id"],
    }
    joe.world.let_pass(seconds=5)
    [call] = joe.world.receiver.calls
    assert (call.webhook.url, call.webhook.method) == ("http://joeswebapp.com/processes/backup", "POST")
    assert (call.webhook.headers, call.timestamp) == ((("authid", "123456"),), START)
    after = joe.send("GET", f"/users/joeswebapp/jobs/{job['_id']}").json
    assert after == job | {"when": "2026-11-23T06:15:42.215Z"}


def test_seed_example_delete_a_job(joe: Joe) -> None:
    job = joe.create()
    unknown = joe.send("DELETE", DELETED)
    assert (unknown.status, unknown.json) == (400, {"error": "Unable to delete, is the ID valid?"})
    answer = joe.send("DELETE", DELETED.replace("50c2d4b33004a1f2abfaea10", job["_id"]))
    assert (answer.status, answer.body) == (200, f"Delete {job['_id']}")
    assert joe.send("GET", f"/users/joeswebapp/jobs/{job['_id']}").status == 400


def test_seed_example_the_urls_for_jobs_and_logs(joe: Joe) -> None:
    job = joe.create()
    path = f"/users/joeswebapp/jobs/{job['_id']}"
    assert joe.send("GET", "/users/joeswebapp/apikey/backup/jobs/").json == [job]
    assert joe.send("GET", path).json == job
    assert joe.send("PUT", path, body=json.dumps(job | {"name": "x"})).json["name"] == "x"
    joe.world.let_pass(seconds=5)
    [entry] = joe.send("GET", "/users/joeswebapp/logs/backup").json
    assert (entry["jobid"], entry["scheduled"]) == (job["_id"], "2013-09-08T06:15:42.215Z")


def test_seed_example_each_key_has_jobs_of_its_own(joe: Joe) -> None:
    joe.create()
    path = "/users/joeswebapp/apikey/production/jobs/"
    headers = [("runlaterkey", "production"), ("runlaterhash", signature("62456bc123edf", path))]
    answer = joe.client.send("GET", path, headers=headers)
    assert (answer.status, answer.json) == (200, [])
