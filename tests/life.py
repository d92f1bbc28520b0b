"""A world in which one of everything is made through every API, fires, breaks and is given up, with canaries in it."""

import base64
import io
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from chalicelib.api import dialects
from chalicelib.delivery.jobclass import ClassRunner
from chalicelib.job_classes import Surroundings
from chalicelib.observability import JsonEvents, MeteredLog
from chalicelib.ports import Vault
from chalicelib.scheduling.execution import Outcome, OutcomeKind
from chalicelib.scheduling.job import Job
from chalicelib.scheduling.secret import Sealed, Secret
from chalicelib.scheduling.target import Topic
from chalicelib.storage.codec import definition_item
from chalicelib.storage.vault import KmsVault
from tests.api.client import Answer, Client, basic, form, typed
from tests.api.tenants import a_tenant, elsewhere
from tests.canaries import flat
from tests.fakes import FakeKms
from tests.world import a_world

JSON, FORM = typed("application/json"), typed("application/x-www-form-urlencoded")
PASSWORD = "canary of a p@ss/word & more"
NEW_PASSWORD = "another canary of a p@ssword"
AWS_KEY_ID = "AKIACANARYOFAKEYID00"
AWS_SECRET = "canary/of+an/AWS/secret+access/key00000"
SLACK_URL = "https://hooks.slack.example/services/T0/B0/canary-of-slack"
USERINFO = "canary-of-userinfo"
GUESSED = "canary-of-a-wrong-secret"
TOKEN, HEADER, BODY = "canary-of-a-url-token", "canary-of-a-header", "canary-of-a-body"
EXCEPTION = "canary-of-an-exception"

OWNED: Mapping[str, str | bytes] = {"a token in a URL": TOKEN, "a header": HEADER, "a body": BODY}
"""What an owner puts into a job: it is kept, and shown to him again, and to nobody else."""
REFUSED = Outcome(kind=OutcomeKind.REFUSED, took=timedelta(0), status=500, detail="no", body=b"no")


class RememberingKms(FakeKms):
    """KMS that tells the data keys it gave out."""

    @property
    def data_keys(self) -> list[bytes]:
        return [plain for plain, _ in self._keys.values()]


class Raising:
    """A Vault that raises what nobody expects."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    def __getattr__(self, name: str) -> Any:
        return getattr(self._vault, name)

    def open(self, *_args: object) -> Secret:
        raise ValueError(EXCEPTION)


class Life:
    """A world in which everything happens once, and all that it leaves behind."""

    def __init__(self) -> None:
        self.world, self.log = a_world(), io.StringIO()
        self.kms, self.secrets = RememberingKms(), dict[str, str | bytes]()
        self.refusals: list[Answer] = []
        self.messages: list[str] = []
        surroundings = Surroundings(webhooks=self.world.receiver, slack_url=SLACK_URL, limit=timedelta(seconds=5))
        self.world.services = replace(
            self.world.services,
            vault=KmsVault(self.kms, "alias/test", self.world.clock),
            events=JsonEvents(MeteredLog("test", self.log)),
            classes=ClassRunner(surroundings),
        )
        self.client = Client(lambda: self.world.services, *dialects.every())

    @property
    def sealed(self) -> dict[str, str | bytes]:
        """What is to be found nowhere."""
        keys = {f"data key {number}": key for number, key in enumerate(self.kms.data_keys)}
        raw = {f"{name}, decoded": base64.b64decode(text) for name, text in self.secrets.items()}
        given: dict[str, str | bytes] = {
            "a password": PASSWORD,
            "a new password": NEW_PASSWORD,
            "an AWS key id": AWS_KEY_ID,
            "an AWS secret": AWS_SECRET,
            "Slack's URL": SLACK_URL,
            "a URL's user": USERINFO,
            "a wrong secret": GUESSED,
            "an exception's text": EXCEPTION,
        }
        return {**self.secrets, **raw, **keys, **given}

    def tables(self) -> dict[str, bytes]:
        """Both, as they are stored."""
        services: Any = self.world.services
        names = [services.accounts._table.name, self.world.table.name]  # noqa: SLF001 - stores have no need of it
        door = self.world.table._door  # noqa: SLF001 - as above
        return {f"the table {name}": flat(door.call("Scan", {"TableName": name})["Items"]) for name in names}

    def told(self) -> dict[str, bytes]:
        """What others than its owner may see: operators, and whoever is refused."""
        queued = [message.body for message in (*self.world.queue.messages, *self.world.queue.dead)]
        return {
            "the log and the metrics": self.log.getvalue().encode(),
            "the messages": "\n".join([*self.messages, *queued]).encode(),
            "a refusal": "\n".join(f"{answer.headers} {answer.body}" for answer in self.refusals).encode(),
        }

    def refused(self, method: str, path: str, *, headers: Any = (), body: str = "") -> None:
        answer = self.client.send(method, path, headers=headers, body=body, source=elsewhere())
        assert answer.status >= 400, answer.body
        self.refusals.append(answer)

    def live(self) -> "Life":
        """Makes, fires, breaks, edits and removes one of everything."""
        self.sign_up()
        jobs = self.make_jobs()
        self.ask_wrongly()
        self.fire(jobs)
        return self

    def sign_up(self) -> None:
        user = {"account": "ada", "email": "ada@example.com", "password": PASSWORD}
        assert self.client.send("PUT", "/users/", headers=[JSON], body=json.dumps(user)).status == 201
        proof = [JSON, ("runlater_password", PASSWORD)]
        self.tenant = a_tenant(self.world, self.client, "ben")
        self.secrets["an API secret"] = self.tenant.secret
        answer = self.client.send("POST", "/account/", headers=[FORM], body=form({"email": "eve@example.com"}))
        self.secrets["Cronally's API secret"] = answer.json["response"]["api_secret"]
        changed = self.client.send(
            "PUT", "/users/ada", headers=proof, body=json.dumps({"password": NEW_PASSWORD}), source=elsewhere()
        )
        assert changed.status == 200

    def make_jobs(self) -> list[Job]:
        one, url = self.tenant, f"https://example.com/hook?token={TOKEN}"
        later = (self.world.clock.now() + timedelta(seconds=90)).isoformat()
        documents: tuple[tuple[str, str, str, dict[str, Any]], ...] = (
            ("rlatr", "POST", "/api/v1ish/schedule", {"uri": url, "at": later, "callback_uri": url}),
            (
                "job_scheduler",
                "POST",
                "/1/jobs",
                {"url": url, "when": later, "data": BODY, "contentType": "text/plain"},
            ),
            (
                "runlater",
                "PUT",
                "/users/ben/jobs/",
                {"name": "n", "when": later, "interval": "1 day", "url": url, "method": "POST"}
                | {"headers": {"Authorization": HEADER}, "body": BODY},
            ),
            (
                "cronally",
                "POST",
                "/cronjob/",
                {"name": "n", "cron": "* * * * *", "sns_topic": "arn:aws:sns:us-east-1:123456789012:t"}
                | {"sns_message": BODY, "sns_region": "us-east-1"}
                | {"sns_access_key_id": AWS_KEY_ID, "sns_secret_access_key": AWS_SECRET},
            ),
            *(
                (
                    "ndscheduler",
                    "POST",
                    "/api/v1/jobs",
                    {"name": name, "job_class_string": f"ndscheduler.jobs.{name}", "pub_args": arguments}
                    | {"trigger": "cron", "trigger_params": {"minute": "*"}},
                )
                for name, arguments in (
                    ("slack_job.SlackJob", ["#c", "n", ":x:", BODY]),
                    ("curl_job.CurlJob", [url, "GET"]),
                )
            ),
        )
        for api, method, path, document in documents:
            answer = one.ask(api, method, path, document)
            assert answer.status in {200, 201}, (api, answer.body)
        return [
            job
            for api in ("rlatr", "job_scheduler", "runlater", "cronally", "ndscheduler")
            for job in self.world.services.jobs.list(one.account.account_id, api)
        ]

    def ask_wrongly(self) -> None:
        """With secrets where they do not belong, and with wrong ones."""
        key = self.tenant.key
        mine = basic(key, self.tenant.secret)
        later = (self.world.clock.now() + timedelta(hours=1)).isoformat()
        for bad in (f"https://me:{USERINFO}@example.com/", f"https://{USERINFO}@example.com/", f"ftp://x/{USERINFO}"):
            fields = {"uri": bad, "at": later, "callback_uri": bad}
            self.refused("POST", "/api/v1ish/schedule", headers=[FORM, mine], body=form(fields))
            self.refused("POST", "/1/jobs", headers=[JSON, mine], body=json.dumps({"url": bad, "when": later}))
        for path, headers in (
            ("/1/jobs", [basic(key, GUESSED)]),
            ("/api/v1/jobs", [basic(key, GUESSED)]),
            ("/account/", [("X-Cron-Key", key), ("X-Cron-Signature", GUESSED), ("X-Cron-Date", "202611221200")]),
            ("/users/ben", [("runlater_password", GUESSED)]),
            ("/users/ben/logs/production", [("runlater_key", "production"), ("runlater_hash", GUESSED)]),
            ("/v1/keys", [basic(key, GUESSED)]),
        ):
            self.refused("GET", path, headers=headers)
        document = {"account": "x y", "email": "no address", "password": PASSWORD}
        self.refused("PUT", "/users/", headers=[JSON], body=json.dumps(document))
        broken = {"sns_access_key_id": AWS_KEY_ID, "sns_secret_access_key": f"{AWS_SECRET}\n", "name": "n"}
        proofs = self.tenant.proofs("cronally", "POST", "/cronjob/")
        self.refused("POST", "/cronjob/", headers=[FORM, *proofs], body=form(broken))

    def fire(self, jobs: list[Job]) -> None:
        """Well, badly, with a database that raises what nobody expects, and up to the dead letters."""
        world = self.world
        world.let_pass(minutes=2)
        world.receiver.answers = lambda _webhook: REFUSED
        world.topics.outcome = Outcome(kind=OutcomeKind.REFUSED, took=timedelta(0), detail="AuthorizationError")
        world.let_pass(minutes=3)
        whole = world.services
        vault: Any = Raising(whole.vault)
        world.services = replace(whole, vault=vault)
        self.refused("GET", "/1/jobs", headers=[basic(self.tenant.key, self.tenant.secret)])
        world.let_pass(minutes=2)
        world.services = whole
        [topic] = [job for job in jobs if isinstance(job.definition.target, Topic)]
        moved = replace(topic.definition, target=replace(target_of(topic), keys=Sealed(b"x" * 60)))
        world.table.put(definition_item(moved, expires_at=None))
        world.let_pass(minutes=2)
        self.messages += [message.body for message in world.queue.messages]
        self.kms.down = True
        world.clock.forward(minutes=10)
        self.refused("GET", "/1/jobs", headers=[basic(self.tenant.key, self.tenant.secret)])
        for message in list(world.queue.messages):
            message.receives = 5
        world.let_pass(minutes=30)
        self.kms.down = False
        self.messages += [message.body for message in world.queue.dead]
        world.park()


def target_of(job: Job) -> Topic:
    assert isinstance(job.definition.target, Topic)
    return job.definition.target
