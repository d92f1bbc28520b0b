"""RunLater as its clients speak it, written from the protocol's words, without the code that is tested."""

import base64
import hashlib
import hmac
import json
import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from chalicelib.api.dialects import runlater, runlater_users
from chalicelib.operations.accounts import NewAccount, add_key, open_account
from chalicelib.scheduling.account import Account
from chalicelib.scheduling.execution import Execution
from chalicelib.scheduling.job import Job
from chalicelib.scheduling.target import Webhook
from tests.api.client import Answer, Client, Headers, typed
from tests.world import START, World

JSON = (typed("application/json"),)
URL = "http://joeswebapp.com/processes/backup"
LABEL = "production"
# What the original client takes; it raises on any other.
KNOWN = {
    *("name", "_id", "when", "body", "interval", "url", "method", "headers", "status", "userid", "doctype"),
    *("runlater_key", "editted"),
}
LOGGED = {"_id", "jobid", "userid", "runlater_key", "result", "began", "scheduled", "ended"}


def later(**by: float) -> str:
    """A time as RunLater writes it."""
    return stamp(START + timedelta(**by))


def stamp(when: datetime) -> str:
    return f"{when:%Y-%m-%dT%H:%M:%S}.{when.microsecond // 1000:03d}Z"


def a_document(**changes: Any) -> dict[str, Any]:
    """A job to create: once, in five seconds; a value of None takes a field out."""
    fields: dict[str, Any] = {
        "name": "trigger backup",
        "when": later(seconds=5),
        "interval": "",
        "url": URL,
        "method": "POST",
        "headers": {},
    }
    return {name: value for name, value in (fields | changes).items() if value is not None}


def signature(secret: str, message: bytes | str) -> str:
    """base64(hmac(secret, body)), SHA-1 as in the original client."""
    raw = message.encode() if isinstance(message, str) else message
    return base64.b64encode(hmac.new(secret.encode(), raw, hashlib.sha1).digest()).decode()


def client_of(world: World) -> Client:
    return Client(lambda: world.services, runlater.DIALECT, runlater_users.DIALECT)


class Caller:
    """One API account of a user: a key, its secret, and the user's name."""

    def __init__(self, world: World, *, label: str = LABEL, account: Account | None = None) -> None:
        self.world, self.key = world, label
        unique = uuid.uuid4().hex[:12]
        asked = NewAccount(email=f"{unique}@example.com", name=f"joe-{unique}")
        self.account = account or open_account(world.services, asked)
        self.secret = add_key(world.services, self.account, label).secret.reveal()
        self.client = client_of(world)
        self.base = f"/users/{self.account.name}"

    def signed(self, message: bytes | str) -> list[tuple[str, str]]:
        return [("runlaterkey", self.key), ("runlaterhash", signature(self.secret, message)), *JSON]

    def send(self, method: str, path: str, *, body: bytes | str = b"", headers: Headers | None = None) -> Answer:
        """A request on a path of the account's, signed as the protocol says unless other headers are given."""
        whole = self.base + path
        message = body if method in {"PUT", "POST"} else whole.partition("?")[0]
        return self.client.send(method, whole, headers=self.signed(message) if headers is None else headers, body=body)

    def create(self, **changes: Any) -> Answer:
        return self.send("PUT", "/jobs/", body=json.dumps(a_document(**changes)))

    def created(self, **changes: Any) -> dict[str, Any]:
        answer = self.create(**changes)
        assert answer.status == 201, answer.body
        return known(answer.json)

    def update(self, job_id: str, document: Mapping[str, Any]) -> Answer:
        return self.send("PUT", f"/jobs/{job_id}", body=json.dumps(document))

    def read(self, job_id: str) -> dict[str, Any]:
        answer = self.send("GET", f"/jobs/{job_id}")
        assert answer.status == 200, answer.body
        return known(answer.json)

    def listed(self, key: str = LABEL) -> list[dict[str, Any]]:
        answer = self.send("GET", f"/apikey/{key}/jobs/")
        assert answer.status == 200, answer.body
        return [known(one) for one in answer.json]

    def logs(self, key: str = LABEL) -> list[dict[str, Any]]:
        answer = self.send("GET", f"/logs/{key}")
        assert answer.status == 200, answer.body
        assert all(set(one) == LOGGED for one in answer.json)
        return list(answer.json)

    def jobs(self) -> list[Job]:
        return list(self.world.services.jobs.list(self.account.account_id, "runlater"))

    def job(self) -> Job:
        [job] = self.jobs()
        return job

    def webhook(self) -> Webhook:
        target = self.job().definition.target
        assert isinstance(target, Webhook)
        return target

    def executions(self) -> list[Execution]:
        return self.world.executions(self.job())


def known(document: dict[str, Any]) -> dict[str, Any]:
    """A job, read as strictly as the original client does."""
    assert set(document) <= KNOWN
    return document


def fired(world: World) -> list[float]:
    """When each request was sent, in seconds from the start."""
    return [(call.timestamp - START).total_seconds() for call in world.receiver.calls]
