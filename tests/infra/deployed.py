"""The five functions of app.py as they are deployed: real handlers and wiring, settings of their own, on the engine."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import pytest

import app as functions
from chalicelib import wiring
from chalicelib.api import dialects
from chalicelib.delivery.queue import encode
from tests.api.client import Client
from tests.engine import REGION
from tests.infra.grants import settings_of
from tests.infra.listening import Recorder, listening
from tests.infra.reading import read

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from chalicelib.ports import Clock, Due, Services
    from tests.engine import RunningEngine
    from tests.infra.calls import Call
    from tests.infra.reading import Template

DECLARED: Final = ("AttributeDefinitions", "BillingMode", "GlobalSecondaryIndexes", "KeySchema")


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What Lambda tells a function of itself."""

    aws_request_id: str = "alive"

    def get_remaining_time_in_millis(self) -> int:
        return 60_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What a worker is given."""

    due: Due
    message_id: str = "message"


@dataclass(kw_only=True)
class Deployed:
    """The functions, and what hears them. `role`: the key they sign with; `names`: the template's own for resources.

    `services` are for what goes before a run, so that the functions remember nothing of it.
    """

    role: str
    names: Mapping[str, str]
    recorder: Recorder
    services: Services
    _warm: str = ""

    @property
    def clock(self) -> Clock:
        return self.services.clock

    def calls(self, function: str) -> frozenset[Call]:
        """What a function called as its role, by the names of the template."""
        heard = self.recorder.by(function, self.role)
        return frozenset(replace(call, resource=self._named(call.resource)) for call in heard)

    def _named(self, resource: str) -> str:
        name, slash, index = resource.partition("/index/")
        return self.names.get(name, name) + slash + index

    @contextmanager
    def running(self, function: str) -> Iterator[None]:
        """One run. A function's first is a cold start."""
        if function != self._warm:
            _forget()
            self._warm = function
        with self.recorder.running(function):
            yield

    def client(self) -> Client:
        """For what goes before: the same APIs, and nobody's run."""
        return Client(lambda: self.services, *dialects.every())

    def gateway(self) -> Client:
        """API Gateway in front of the app."""
        client = Client(wiring.api_services)
        client.app = functions.app
        return client

    def receive(self, function: str, message: Message) -> None:
        """SQS: a batch of one, which leaves the queue."""
        attributes = {"ApproximateReceiveCount": "2"}
        record = {"messageId": message.message_id, "body": encode(message.due), "attributes": attributes}
        handler = {"Deliver": functions.deliver, "Parked": functions.parked}[function]
        with self.running(function):
            assert handler({"Records": [record]}, Context()) == {"batchItemFailures": []}

    def tick(self) -> int:
        """EventBridge, at this minute."""
        with self.running("Tick"):
            said: dict[str, int] = functions.tick({"time": datetime.now(UTC).isoformat()}, Context())
        return said["sent"]

    def reconcile(self, *, age: float) -> int:
        """By hand: how many firings that were claimed longer ago than this, in seconds, have no record."""
        with self.running("Reconcile"):
            said: dict[str, int] = functions.reconcile({"age": age}, Context())
        return said["unproved"]


@contextmanager
def deployed(engine: RunningEngine, template: Template) -> Iterator[Deployed]:
    """Fresh resources in an account of their own, and the environment that the template makes of them."""
    role = engine.account()
    with listening(engine.port) as recorder, pytest.MonkeyPatch.context() as patch:
        names = _made(engine, role, template, recorder)
        environment = {setting: names[resource] for setting, resource in settings_of(template).items()} | {
            "AWS_ACCESS_KEY_ID": role,
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_REGION": REGION,
            "BELLTOWER_AWS_ENDPOINT": recorder.endpoint,
            "BELLTOWER_LOCAL": "1",
            "BELLTOWER_SHARDS": "2",
            "BELLTOWER_SHARE": "1",  # so that every function has more to send than an account's share
            "BELLTOWER_STAGE": "dev",
        }
        for name, value in environment.items():
            patch.setenv(name, value)
        _forget()
        ours = {there: here for here, there in names.items()}
        yield Deployed(role=role, names=ours, recorder=recorder, services=wiring.api_services())
        _forget()


def _made(engine: RunningEngine, role: str, template: Template, recorder: Recorder) -> dict[str, str]:
    """The template's tables, queues and key: the name that each has at AWS, by its name in the template."""
    dynamodb, sqs, kms = (engine.client(service, key=role) for service in ("dynamodb", "sqs", "kms"))
    packaged, names = read(template), {}
    for table, properties in packaged.all_of("AWS::DynamoDB::Table").items():
        dynamodb.create_table(TableName=table, **{name: properties[name] for name in DECLARED if name in properties})
        names[table] = table
    for queue in packaged.all_of("AWS::SQS::Queue"):
        url = sqs.create_queue(QueueName=queue)["QueueUrl"]
        names[queue] = url.replace(f":{engine.port}/", f":{recorder.port}/")
    for key in packaged.all_of("AWS::KMS::Key"):
        names[key] = kms.create_key()["KeyMetadata"]["Arn"]
    return names


def _forget() -> None:
    for each in vars(wiring).values():
        if hasattr(each, "cache_clear"):
            each.cache_clear()
