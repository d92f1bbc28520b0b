"""One account that calls ndscheduler's API, and the real job classes in the worker of its world."""

import json
from dataclasses import replace
from typing import Any

from chalicelib.api.dialects import ndscheduler
from chalicelib.delivery.jobclass import ClassRunner
from chalicelib.job_classes import Surroundings
from chalicelib.scheduling.job import Job
from tests.api.client import Answer, Client, Headers, basic, typed
from tests.world import World

JSON_TYPE = (typed("application/json"),)
AWESOME = "simple_scheduler.jobs.sample_job.AwesomeJob"
JOB: dict[str, Any] = {
    "job_class_string": AWESOME,
    "name": "My first job",
    "pub_args": ["arg1", 2],
    "trigger": "cron",
    "trigger_params": {"minute": "*/1"},
}


class Caller:
    """One account of ndscheduler."""

    def __init__(self, world: World, *, version: str = "v1") -> None:
        self.world, self.version = world, version
        runner = ClassRunner(Surroundings(webhooks=world.receiver))
        world.services = replace(world.services, classes=runner)
        self.client = Client(lambda: world.services, ndscheduler.DIALECT)
        self.principal, self.secret = world.open_account()
        self.credentials = basic(self.principal.key, self.secret.reveal())

    def send(self, method: str, path: str, *, body: Any = b"", headers: Headers = JSON_TYPE) -> Answer:
        raw = body if isinstance(body, bytes | str) else json.dumps(body)
        path = f"/api/{self.version}{path}"
        return self.client.send(method, path, headers=[self.credentials, *headers], body=raw)

    def create(self, **changes: Any) -> Answer:
        """None leaves a field out."""
        document = {name: value for name, value in (JOB | changes).items() if value is not None}
        return self.send("POST", "/jobs", body=document)

    def created(self, **changes: Any) -> str:
        answer = self.create(**changes)
        assert answer.status == 201, answer.body
        return str(answer.json["job_id"])

    def shown(self, job_id: str) -> Any:
        answer = self.send("GET", f"/jobs/{job_id}")
        assert answer.status == 200, answer.body
        return answer.json

    def put(self, job_id: str, /, **changes: Any) -> Answer:
        document = {name: value for name, value in (JOB | changes).items() if value is not None}
        return self.send("PUT", f"/jobs/{job_id}", body=document)

    def ran(self, job_id: str) -> str:
        answer = self.send("POST", f"/executions/{job_id}", headers=[])
        assert answer.status == 200, answer.body
        return str(answer.json["execution_id"])

    def execution(self, execution_id: str) -> Any:
        answer = self.send("GET", f"/executions/{execution_id}")
        assert answer.status == 200, answer.body
        return answer.json

    def executions(self, query: str = "") -> Any:
        answer = self.send("GET", f"/executions{query}")
        assert answer.status == 200, answer.body
        return answer.json["executions"]

    def logs(self, query: str = "") -> Any:
        answer = self.send("GET", f"/logs{query}")
        assert answer.status == 200, answer.body
        return answer.json["logs"]

    def jobs(self) -> list[Job]:
        return list(self.world.services.jobs.list(self.principal.account_id, "ndscheduler"))

    def job(self) -> Job:
        [job] = self.jobs()
        return job
