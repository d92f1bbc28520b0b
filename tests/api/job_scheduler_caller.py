"""An account of the Job Scheduler API, and the example documents of its page.

The page's typing errors are corrected here and nowhere else: in both JSON responses the commas after `id` and
`account` are missing. The trailing comma of the first JSON request stays: clients copied it. The page's `next` of
15:30 does not follow from its cron expression, 10:15 each day, so it is not here. Source: seeds/002.
"""

import json
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree as ET

from chalicelib.api.dialects import job_scheduler
from chalicelib.operations.accounts import NewAccount, add_key, open_account
from chalicelib.scheduling.job import Job
from chalicelib.scheduling.target import Webhook
from tests.api.client import Answer, Client, Headers, basic, typed
from tests.fakes import FakeClock
from tests.world import START, World

JSON, XML, TEXT = "application/json", "text/xml", "text/plain"
JOBS = "/1/jobs"
CALLBACK = "https://example.com/my-callback"
DAILY = "0 15 10 ? * *"
SIGNATURE = "507aaa0733464499847c930db95983f8994ae266"
PAGE_TIME = datetime(2011, 5, 11, 15, 0, tzinfo=UTC)  # half an hour before the date of the examples

RECURRING_JSON = """{
  "url": "https://example.com/my-callback",
  "cron": "0 15 10 ? * *",
}"""
SINGLE_JSON = """{
  "url": "https://example.com/my-callback",
  "signature": "507aaa0733464499847c930db95983f8994ae266",
  "contentType": "text/plain",
  "data": "testing",
  "when": "2011-05-11T15:30:00Z"
}"""
RECURRING_XML = """<job>
  <url>https://example.com/my-callback</url>
  <cron>0 15 10 ? * *</cron>
</job>"""
SINGLE_XML = """<job>
  <url>https://example.com/my-callback</url>
  <signature>507aaa0733464499847c930db95983f8994ae266</signature>
  <contentType>text/plain</contentType>
  <data>testing</data>
  <when>2011-05-11T15:30:00Z</when>
</job>"""
RECURRING_ANSWER = """{
  "id": "{id}",
  "account": "{account}",
  "url": "https://example.com/my-callback",
  "cron": "0 15 10 ? * *",
  "next": "2011-05-12T10:15:00Z"
}"""
SINGLE_ANSWER = """{
  "id": "{id}",
  "account": "{account}",
  "url": "https://example.com/my-callback",
  "signature": "507aaa0733464499847c930db95983f8994ae266",
  "contentType": "text/plain",
  "data": "testing",
  "when": "2011-05-11T15:30:00Z"
}"""
RECURRING_ANSWER_XML = """<job>
  <id>{id}</id>
  <account>{account}</account>
  <url>https://example.com/my-callback</url>
  <cron>0 15 10 ? * *</cron>
  <next>2011-05-12T10:15:00Z</next>
</job>"""
SINGLE_ANSWER_XML = """<job>
  <id>{id}</id>
  <account>{account}</account>
  <url>https://example.com/my-callback</url>
  <signature>507aaa0733464499847c930db95983f8994ae266</signature>
  <contentType>text/plain</contentType>
  <data>testing</data>
  <when>2011-05-11T15:30:00Z</when>
</job>"""


def at(**later: float) -> str:
    """A time as the page writes it."""
    return (START + timedelta(**later)).strftime("%Y-%m-%dT%H:%M:%SZ")


def accept(media: str) -> tuple[str, str]:
    return "Accept", media


def xml_of(text: str) -> dict[str, str]:
    """An XML answer as a standard parser reads it."""
    root = ET.fromstring(text)  # noqa: S314 - our own answer
    assert root.tag == "job"
    return {child.tag: child.text or "" for child in root}


def told(answer: Answer, media: str) -> Any:
    """A job as an answer of one of the three types tells it: its fields, or its id."""
    match media:
        case "application/json":
            return answer.json
        case "text/xml":
            return xml_of(answer.body)
    return answer.body


def error_of(answer: Answer, media: str) -> str:
    """An error as an answer of one of the three types tells it."""
    match media:
        case "application/json":
            return str(answer.json["error"])
        case "text/xml":
            root = ET.fromstring(answer.body)  # noqa: S314 - our own answer
            return (root.text or "") if root.tag == "error" else ""
    return answer.body


class Caller:
    """One account with a name and a key."""

    def __init__(self, world: World, *, clock: FakeClock | None = None) -> None:
        self.world = world
        self.client = Client(lambda: replace(world.services, clock=clock or world.clock), job_scheduler.DIALECT)
        self.name = f"example-{uuid.uuid4().hex[:12]}"
        email = f"{self.name}@example.com"
        self.account = open_account(world.services, NewAccount(email=email, name=self.name))
        issued = add_key(world.services, self.account, "first")
        self.key, self.secret = issued.key.key, issued.secret.reveal()
        self.credentials = basic(self.name, self.secret)

    def send(self, method: str, path: str = "", *, body: bytes | str = b"", headers: Headers = ()) -> Answer:
        return self.client.send(method, JOBS + path, headers=[self.credentials, *headers], body=body)

    def post(self, fields: Mapping[str, Any], *, media: str = JSON) -> Answer:
        return self.send("POST", body=json.dumps(fields), headers=[typed(JSON), accept(media)])

    def put(self, job_id: str, fields: Mapping[str, Any], *, media: str = JSON) -> Answer:
        return self.send("PUT", f"/{job_id}", body=json.dumps(fields), headers=[typed(JSON), accept(media)])

    def get(self, job_id: str, *, media: str = JSON) -> Answer:
        return self.send("GET", f"/{job_id}", headers=[accept(media)])

    def line(self, when: str, url: str = CALLBACK, *, body: bytes | str = b"", headers: Headers = ()) -> Answer:
        """A creation in one line, its two segments encoded as the page says."""
        return self.raw_line(quote(when, safe=""), quote(url, safe=""), body=body, headers=headers)

    def raw_line(self, when: str, url: str, *, body: bytes | str = b"", headers: Headers = ()) -> Answer:
        return self.send("POST", f"/{when}/{url}", body=body, headers=headers)

    def created(self, **fields: Any) -> str:
        timing = {} if {"when", "cron"} & set(fields) else {"when": at(minutes=5)}
        answer = self.post({"url": CALLBACK, **timing, **fields}, media=TEXT)
        assert answer.status == 201, answer.body
        return answer.body

    def ids(self) -> list[str]:
        ids = self.send("GET", headers=[accept(JSON)]).json
        assert isinstance(ids, list)
        return ids

    def jobs(self) -> list[Job]:
        return list(self.world.services.jobs.list(self.account.account_id, "job_scheduler"))

    def job(self) -> Job:
        [job] = self.jobs()
        return job

    @contextmanager
    def alone(self) -> Iterator["Caller"]:
        """Itself, for one test: with its own credentials before it and without jobs after it."""
        self.credentials = basic(self.name, self.secret)
        yield self
        for job in self.jobs():
            self.world.services.jobs.remove(job)

    def webhook(self) -> Webhook:
        target = self.job().definition.target
        assert isinstance(target, Webhook)
        return target
