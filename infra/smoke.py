"""The smoke test: one job, made over the API as a client would, seen to fire, and removed again.

It opens an account of its own with RunLater's API, schedules a job class with ndscheduler's, and waits for its
execution. So nothing has to be reachable from AWS, and nothing that is signed depends on the path: a stage in front of
it, as in an invoke URL, does not matter. What was made is removed whether or not the job fired; the record of its one
execution expires.

The job is due by the clock of the API, taken from its answers, so that a wrong clock on this machine shifts nothing.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final

import urllib3

CLASS: Final = "simple_scheduler.jobs.sample_job.AwesomeJob"
AHEAD: Final = timedelta(seconds=4)
"""From the answer the time is taken from to the time the job is due: enough for a cold start in between."""
PATIENCE: Final = 180.0
"""Seconds the job may take. Lambda's pollers of a new queue need up to a minute to begin."""
SETTLING: Final = 60.0
"""Seconds in which a new API may refuse: roles and routes take a while to be known everywhere."""
PAUSE: Final = 0.5
FINAL: Final = frozenset({"succeeded", "failed", "scheduled error", "stopped", "timeout"})

Say = Callable[[str], None]
Headers = Mapping[str, str]


class SmokeError(Exception):
    """The deployed system did not do what it is there for. The text says what."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back, and when by the API's own clock."""

    status: int
    document: Any
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """The API at an address, which has no slash at its end."""

    url: str

    def ask(self, method: str, path: str, *, headers: Headers, document: object = None) -> Answer:
        """One request. Raises SmokeError where nothing answers."""
        body = json.dumps(document) if document is not None else None
        given = {"Content-Type": "application/json", "Accept": "application/json", **headers}
        try:
            got = urllib3.request(method, self.url + path, headers=given, body=body, retries=False, timeout=30)
        except urllib3.exceptions.HTTPError as error:
            raise SmokeError(f"{method} {self.url}{path} got no answer: {error}") from error
        date = got.headers.get("Date")
        return Answer(
            status=got.status,
            document=_json(got.data),
            at=parsedate_to_datetime(date).astimezone(UTC) if date else datetime.now(UTC),
        )


def smoke(url: str, *, say: Say) -> timedelta:
    """Runs the test against the API at `url`. How late the job was, from due to done. Raises SmokeError."""
    api = Api(url=url.rstrip("/"))
    with _an_account(api, say) as account, _a_job(api, account) as (job, due):
        say("smoke: waiting for a job to fire")
        execution = _finished(api, account, job)
        if execution["state"] != "succeeded":
            raise SmokeError(f"the job ended as {execution['state']}: {execution['description']}")
        return datetime.fromisoformat(execution["updated_time"]) - due


@contextmanager
def _an_account(api: Api, say: Say) -> Iterator[Headers]:
    """A throw-away account: the headers that prove a request is its own."""
    name, password = f"smoke-{secrets.token_hex(6)}", secrets.token_urlsafe(24)
    profile = {"account": name, "email": f"{name}@example.com", "password": password}
    _settled(lambda: api.ask("PUT", "/users/", headers={}, document=profile), say)
    proof = {"runlaterpassword": password}

    def remove() -> None:
        _expect(api.ask("DELETE", f"/users/{name}", headers=proof), f"the removal of account {name}", 200)

    with _afterwards(remove):
        key = _expect(api.ask("PUT", f"/users/{name}/apikeys/smoke", headers=proof), "the API key", 201)
        yield urllib3.make_headers(basic_auth=f"{name}/{key['public']}:{key['private']}")


@contextmanager
def _a_job(api: Api, account: Headers) -> Iterator[tuple[str, datetime]]:
    """A job's id, and when it is due."""
    due = api.ask("GET", "/api/v1/jobs", headers=account).at + AHEAD
    wanted = {
        "job_class_string": CLASS,
        "name": "smoke test",
        "pub_args": ["smoke", "test"],
        "trigger": "date",
        "trigger_params": {"run_date": due.isoformat()},
    }
    answer = api.ask("POST", "/api/v1/jobs", headers=account, document=wanted)
    job = _expect(answer, "the job", 201)["job_id"]

    def remove() -> None:
        _expect(api.ask("DELETE", f"/api/v1/jobs/{job}", headers=account), "the removal of the job", 200)

    with _afterwards(remove):
        yield job, due


@contextmanager
def _afterwards(remove: Callable[[], None]) -> Iterator[None]:
    """Removes in any case. Of two errors the first is told."""
    try:
        yield
    except BaseException:
        with suppress(SmokeError):
            remove()
        raise
    remove()


def _finished(api: Api, account: Headers, job: str) -> Mapping[str, Any]:
    """The job's execution once it is over."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        answer = api.ask("GET", "/api/v1/executions", headers=account)
        found = _expect(answer, "the list of executions", 200)["executions"]
        mine = [one for one in found if one["state"] in FINAL and one.get("job", {}).get("job_id") == job]
        if mine:
            over: Mapping[str, Any] = mine[0]
            return over
        time.sleep(PAUSE)
    raise SmokeError(
        f"the job did not fire within {PATIENCE:.0f} s. Look at the logs of the functions tick and deliver"
    )


def _settled(ask: Callable[[], Answer], say: Say) -> None:
    """Asks until it is accepted, for as long as a new API may refuse."""
    deadline, said = time.monotonic() + SETTLING, False
    while (answer := ask()).status != 201:  # noqa: PLR2004 - created
        if not _is_new(answer.status) or time.monotonic() > deadline:
            _expect(answer, "the account", 201)
        if not said:
            say(f"smoke: the API answers {answer.status}, waiting for it to settle")
        said = True
        time.sleep(PAUSE)


def _is_new(status: int) -> bool:
    """Whether it is what an API says that was made a moment ago."""
    return status in {403, 404, 429} or status >= 500  # noqa: PLR2004 - the server's own


def _expect(answer: Answer, what: str, status: int) -> Any:  # noqa: ANN401 - JSON
    if answer.status != status:
        raise SmokeError(f"{what} was answered with {answer.status}: {json.dumps(answer.document)[:300]}")
    return answer.document


def _json(body: bytes) -> Any:  # noqa: ANN401 - JSON
    try:
        return json.loads(body)
    except ValueError:
        return body.decode(errors="replace")
