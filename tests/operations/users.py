"""Two tenants who use four ways to the same jobs: three APIs, at their doors, and the operations themselves.

Each way can make a job and change it; an answer is a status, or nothing where the process that was asked has died.
"""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Protocol

from chalicelib.api.dialects import ndscheduler, rlatr, runlater
from chalicelib.operations import jobs
from chalicelib.scheduling.errors import BelltowerError, Unavailable
from chalicelib.scheduling.job import Definition, Job, JobRef
from chalicelib.scheduling.retry import Misfire
from chalicelib.scheduling.schedule import Cron
from chalicelib.scheduling.target import Webhook
from tests.api.client import FORM, Answer, Client, basic, form, typed
from tests.api.runlater import a_document, signature, stamp
from tests.world import World

JSON = typed("application/json")
DONE, REFUSED, AWAY = 200, 400, 503


class Tenant:
    """One account, its key, and a client that reaches every API."""

    def __init__(self, world: World, name: str) -> None:
        self.world, self.name = world, name
        self.principal, self.secret = world.open_account()
        self.client = Client(lambda: world.services, rlatr.DIALECT, runlater.DIALECT, ndscheduler.DIALECT)
        self.basic = basic(self.principal.key, self.secret.reveal())

    def url(self, number: int) -> str:
        """A receiver that belongs to this tenant's job alone."""
        return f"https://{self.name}.example.com/{number}"

    def signed(self, message: str) -> list[tuple[str, str]]:
        proof = signature(self.secret.reveal(), message)
        return [("runlaterkey", self.principal.key), ("runlaterhash", proof), JSON]


class Way(Protocol):
    """How a job is made and changed. `number` tells jobs and edits apart."""

    dialect: str

    def create(self, tenant: Tenant, number: int) -> int: ...

    def edit(self, tenant: Tenant, job: Job, number: int) -> int: ...

    def delete(self, tenant: Tenant, job: Job) -> int: ...


class Rlatr:
    """Once, in some seconds; four attempts."""

    dialect = "rlatr"

    def create(self, tenant: Tenant, number: int) -> int:
        return self._send(tenant, "POST", "", {"uri": tenant.url(number), "at": soon(tenant, number).isoformat()})

    def edit(self, tenant: Tenant, job: Job, number: int) -> int:
        return self._send(tenant, "PUT", f"/{job.ref.job_id}", {"at": soon(tenant, number).isoformat()})

    def delete(self, tenant: Tenant, job: Job) -> int:
        return self._send(tenant, "DELETE", f"/{job.ref.job_id}", {})

    def _send(self, tenant: Tenant, method: str, path: str, fields: Mapping[str, str]) -> int:
        headers, body = [tenant.basic, typed(FORM)], form(fields)
        return tenant.client.send(method, f"/api/v1ish/schedule{path}", headers=headers, body=body).status


class RunLater:
    """Every few minutes, from some seconds on."""

    dialect = "runlater"

    def create(self, tenant: Tenant, number: int) -> int:
        return self._put(tenant, "", self._document(tenant, tenant.url(number), number)).status

    def edit(self, tenant: Tenant, job: Job, number: int) -> int:
        target = job.definition.target
        assert isinstance(target, Webhook)
        return self._put(tenant, job.ref.job_id, self._document(tenant, target.url, number)).status

    def delete(self, tenant: Tenant, job: Job) -> int:
        path = f"/users/{tenant.principal.account_id}/jobs/{job.ref.job_id}"
        return tenant.client.send("DELETE", path, headers=tenant.signed(path)).status

    def _document(self, tenant: Tenant, url: str, number: int) -> dict[str, Any]:
        return a_document(url=url, when=stamp(soon(tenant, number)), interval=f"{2 + number % 7} minutes")

    def _put(self, tenant: Tenant, job_id: str, document: Mapping[str, Any]) -> Answer:
        body = json.dumps(document)
        path = f"/users/{tenant.principal.account_id}/jobs/{job_id}"
        return tenant.client.send("PUT", path, headers=tenant.signed(body), body=body)


class NdScheduler:
    """A job class on cron, which may be paused, resumed and run beside its schedule."""

    dialect = "ndscheduler"

    def create(self, tenant: Tenant, number: int) -> int:
        return self._send(tenant, "POST", "/jobs", self._document(number))

    def edit(self, tenant: Tenant, job: Job, number: int) -> int:
        return self._send(tenant, "PUT", f"/jobs/{job.ref.job_id}", self._document(number))

    def delete(self, tenant: Tenant, job: Job) -> int:
        return self._send(tenant, "DELETE", f"/jobs/{job.ref.job_id}")

    def pause(self, tenant: Tenant, job: Job) -> int:
        return self._send(tenant, "PATCH", f"/jobs/{job.ref.job_id}")

    def resume(self, tenant: Tenant, job: Job) -> int:
        return self._send(tenant, "OPTIONS", f"/jobs/{job.ref.job_id}")

    def run_now(self, tenant: Tenant, job: Job) -> int:
        return self._send(tenant, "POST", f"/executions/{job.ref.job_id}")

    def _document(self, number: int) -> dict[str, Any]:
        trigger = {"trigger": "cron", "trigger_params": {"minute": f"*/{2 + number % 7}"}}
        return {"job_class_string": "a.b.C", "name": "a job", "pub_args": [], **trigger}

    def _send(self, tenant: Tenant, method: str, path: str, document: Mapping[str, Any] | None = None) -> int:
        body = json.dumps(document) if document else ""
        return tenant.client.send(method, f"/api/v1{path}", headers=[tenant.basic, JSON], body=body).status


class NewYork:
    """Cron on New York's wall, by the operations themselves: no API of today reads a zone."""

    dialect = "test"

    def create(self, tenant: Tenant, number: int) -> int:
        definition = Definition(
            ref=JobRef(account_id=tenant.principal.account_id, job_id=f"job-{number}"),
            dialect=self.dialect,
            key=tenant.principal.key,
            name="a job",
            target=Webhook(url=tenant.url(number)),
            created_at=tenant.world.clock.now(),
        )
        services = tenant.world.services
        return status(lambda: jobs.create_job(services, definition, self._cron(number), misfire=Misfire.LATEST))

    def edit(self, tenant: Tenant, job: Job, number: int) -> int:
        change = jobs.Change(definition=job.definition, schedule=self._cron(number))
        services, ref = tenant.world.services, job.ref.job_id
        return status(
            lambda: jobs.edit_job(services, tenant.principal, ref, dialect=self.dialect, edit=lambda _job: change)
        )

    def delete(self, tenant: Tenant, job: Job) -> int:
        services, ref = tenant.world.services, job.ref.job_id
        return status(lambda: jobs.delete_job(services, tenant.principal, ref, dialect=self.dialect))

    def _cron(self, number: int) -> Cron:
        """Real time or fixed times, in the hour that comes twice."""
        pattern = (f"*/{2 + number % 7} * * * *", f"{number % 60} 1 * * *")[number % 2]
        return Cron(expression=pattern, zone="America/New_York")


def soon(tenant: Tenant, number: int) -> datetime:
    """In some seconds or minutes; no two of these times are the same."""
    return tenant.world.clock.now() + timedelta(seconds=(1 + 37 * number) % 400, milliseconds=number % 1000)


def status(do: Any) -> int:
    """What an API would answer."""
    try:
        do()
    except Unavailable:
        return AWAY
    except BelltowerError:
        return REFUSED
    return DONE
