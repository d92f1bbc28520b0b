"""Tenants who can sign for every API, and how each API that makes jobs makes one: MAKES, UNKNOWN."""

import base64
import hashlib
import hmac
import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import IPv4Address

from chalicelib.operations.accounts import NewAccount, add_key, open_account
from chalicelib.operations.keys import IssuedKey
from chalicelib.scheduling.account import Account
from chalicelib.scheduling.secret import Secret
from tests.api.client import Answer, Client, basic, cron_date, cron_signed, typed
from tests.world import World

LABEL = "production"


@dataclass(frozen=True)
class Tenant:
    """One who can sign for every API."""

    world: World
    client: Client
    account: Account
    issued: IssuedKey

    @property
    def key(self) -> str:
        return self.issued.key.key

    @property
    def secret(self) -> str:
        return self.issued.secret.reveal()

    @property
    def password(self) -> str:
        return f"password of {self.account.name}"

    def proofs(self, api: str, method: str, path: str, body: bytes = b"") -> list[tuple[str, str]]:
        """The headers that prove a request; `path` as sent, without the query."""
        match api:
            case "cronally":
                date = cron_date(self.world.clock.now())
                return cron_signed(self.key, self.secret, method=method, path=path, date=date)
            case "runlater":
                message = body if method in {"PUT", "POST"} else path.encode()
                proof = hmac.new(self.secret.encode(), message, hashlib.sha1).digest()
                return [("runlater_key", LABEL), ("runlater_hash", base64.b64encode(proof).decode())]
            case "runlater_users":
                return [("runlater_password", self.password)]
            case "belltower":
                return [basic(self.account.name, self.password)]
        return [basic(self.key, self.secret)]

    def ask(self, api: str, method: str, path: str, document: dict[str, object] | None = None) -> Answer:
        body = json.dumps(document).encode() if document is not None else b""
        headers = [typed("application/json")] if body else []
        proofs = self.proofs(api, method, path.partition("?")[0], body)
        return self.client.send(method, path, headers=[*headers, *proofs], body=body, source=elsewhere())


PLACES = itertools.count(1)


def elsewhere() -> str:
    """An address that nobody has asked from, so that no failed login slows down another test's."""
    return str(IPv4Address("198.18.0.0") + next(PLACES))


def a_tenant(world: World, client: Client, name: str) -> Tenant:
    password = Secret(f"password of {name}")
    asked = NewAccount(email=f"{name}@example.com", name=name, password=password, profile={"state": name})
    account = open_account(world.services, asked)
    return Tenant(world, client, account, add_key(world.services, account, LABEL))


def later(world: World) -> str:
    return (world.clock.now() + timedelta(days=1)).isoformat()


Make = Callable[[Tenant], tuple[str, str, dict[str, object]]]

MAKES: dict[str, Make] = {  # how each API makes a job: method, path, document
    "rlatr": lambda one: (
        "POST",
        "/api/v1ish/schedule",
        {"uri": f"https://example.com/{one.account.name}", "at": later(one.world)},
    ),
    "cronally": lambda one: (
        "POST",
        "/cronjob/",
        {
            "name": one.account.name,
            "cron": "0 8 * * *",
            "sns_topic": "arn:aws:sns:us-east-1:123456789012:topic",
            "sns_message": one.account.name,
            "sns_region": "us-east-1",
            "sns_access_key_id": "AKIAEXAMPLE",
            "sns_secret_access_key": "secret",
        },
    ),
    "runlater": lambda one: (
        "PUT",
        f"/users/{one.account.name}/jobs/",
        {
            "name": one.account.name,
            "when": "2030-01-01T00:00:00.000Z",
            "interval": "1 day",
            "url": "https://example.com/",
            "method": "POST",
            "headers": {},
        },
    ),
    "job_scheduler": lambda one: (
        "POST",
        "/1/jobs",
        {"url": f"https://example.com/{one.account.name}", "cron": "0 0 8 * * ?"},
    ),
    "ndscheduler": lambda one: (
        "POST",
        "/api/v1/jobs",
        {
            "name": one.account.name,
            "job_class_string": "simple_scheduler.jobs.sample_job.AwesomeJob",
            "pub_args": [one.account.name, 2],
            "trigger": "interval",
            "trigger_params": {"interval": 3600},
        },
    ),
}

UNKNOWN = {
    "rlatr": "5" * 16,
    "cronally": "0" * 8 + "-0000-4000-8000-" + "0" * 12,
    "runlater": "0" * 24,
    "job_scheduler": "0" * 8 + "-0000-4000-8000-" + "0" * 12,
    "ndscheduler": "0" * 32,
}


def made(tenant: Tenant, api: str) -> str:
    """The id of a new job of a tenant's."""
    before = {job.ref.job_id for job in tenant.world.services.jobs.list(tenant.account.account_id, api)}
    method, path, document = MAKES[api](tenant)
    answer = tenant.ask(api, method, path, document)
    assert answer.status in {200, 201}, answer.body
    [new] = {job.ref.job_id for job in tenant.world.services.jobs.list(tenant.account.account_id, api)} - before
    return new
