"""The runner of job classes: whatever a class does ends as an outcome, in time."""

import json
import re
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from benchmarks.standin.door import InProcess
from benchmarks.standin.dynamo import Dynamo
from chalicelib import wiring
from chalicelib.delivery import jobclass
from chalicelib.delivery.jobclass import MAX_RESULT, ClassRunner
from chalicelib.delivery.webhook import HttpSender
from chalicelib.job_classes import JobBase, Surroundings
from chalicelib.scheduling.execution import Outcome, OutcomeKind
from chalicelib.scheduling.job import JobRef
from chalicelib.scheduling.target import JobClass
from chalicelib.settings import from_environment
from chalicelib.storage.accounts import DynamoAccounts, DynamoKeys
from chalicelib.storage.logins import DynamoLogins
from chalicelib.storage.tables import Table
from tests.fakes import FakeReceiver

AWESOME = "simple_scheduler.jobs.sample_job.AwesomeJob"
SHELL = "simple_scheduler.jobs.shell_job.ShellJob"
REF = JobRef(account_id="a", job_id="j")
ENVIRONMENT = {
    "BELLTOWER_STAGE": "test",
    "AWS_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "AKID",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "BELLTOWER_ACCOUNTS_TABLE": "accounts",
    "BELLTOWER_JOBS_TABLE": "jobs",
    "BELLTOWER_QUEUE_URL": "https://sqs.example/jobs",
    "BELLTOWER_RETRY_QUEUE_URL": "https://sqs.example/retries",
    "BELLTOWER_KEY_ID": "alias/test",
}


def run(target: JobClass, *, forbidden: tuple[str, ...] = (), limit: float = 5) -> Outcome:
    surroundings = Surroundings(webhooks=FakeReceiver(), limit=timedelta(seconds=limit))
    return ClassRunner(surroundings, forbidden=forbidden).run(target, REF, execution_id="e")


class Theirs(JobBase):
    """A class that does what its keyword arguments say."""

    released = threading.Event()

    def run(self, *args: Any, **kwargs: Any) -> Any:
        match kwargs:
            case {"raises": name}:
                raise {"SystemExit": SystemExit, "KeyboardInterrupt": KeyboardInterrupt, "OSError": OSError}[name]
            case {"says": size}:
                raise ValueError("x" * size + " the end")
            case {"returns": "a set"}:
                return {1}
            case {"returns": "itself"}:
                return self
            case {"returns": "bytes"}:
                return b"x"
            case {"hangs": True}:
                self.released.wait(10)
            case {"deep": _}:
                return self.run(*args, **kwargs)
        return [self.job_id, self.execution_id, args, kwargs]


class Odd(Theirs):
    """A class that cannot even describe itself."""

    @classmethod
    def get_failed_result(cls) -> str:
        raise SystemExit

    @classmethod
    def get_succeeded_description(cls, result: Any = None) -> Any:
        return result[3]["description"]


@pytest.fixture
def theirs(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    classes: Mapping[str, type[JobBase]] = {"theirs": Theirs, "odd": Odd}
    monkeypatch.setattr(jobclass, "known", lambda: classes)
    monkeypatch.setattr(jobclass, "broken", lambda: {"theirs.broken": "Traceback: why"})
    Theirs.released.clear()
    yield
    Theirs.released.set()


def asked(name: str = "theirs", **kwargs: Any) -> JobClass:
    return JobClass(class_string=name, args="[1]", kwargs=json.dumps(kwargs))


def test_a_result_is_json_with_an_indent_and_sorted_names() -> None:
    outcome = run(JobClass(class_string=AWESOME, args='[{"b": 1, "a": 2}, null]'))
    assert (outcome.kind, outcome.delivered, outcome.status) == (OutcomeKind.DELIVERED, True, None)
    assert outcome.body == b'[\n    {\n        "a": 2,\n        "b": 1\n    },\n    null\n]'
    assert outcome.detail == JobBase.get_running_description()
    assert timedelta(0) <= outcome.took < timedelta(seconds=5)


@pytest.mark.usefixtures("theirs")
def test_a_run_is_given_its_ids_arguments_and_keywords() -> None:
    assert json.loads(run(asked(a="b")).body) == ["j", "e", [1], {"a": "b"}]


@pytest.mark.parametrize("name", ["os.system", "", "chalicelib.job_classes.base.JobBase", "AwesomeJob", "\0", "é" * 99])
def test_a_class_that_is_not_on_the_list_does_not_run(name: str) -> None:
    outcome = run(JobClass(class_string=name))
    assert outcome.kind is OutcomeKind.UNKNOWN_CLASS
    assert outcome.body.decode() == f"{name} is not a class that jobs may run here"


@pytest.mark.parametrize("name", [SHELL, wiring.SHELL_JOB, "ndscheduler.jobs.shell_job.ShellJob"])
def test_a_class_that_is_forbidden_does_not_run_by_any_of_its_names(name: str) -> None:
    target = JobClass(class_string=name, args=json.dumps([sys.executable, "-c", ""]))
    assert run(target, forbidden=(wiring.SHELL_JOB,)).kind is OutcomeKind.UNKNOWN_CLASS
    assert json.loads(run(target).body) == {"returncode": 0}


@pytest.mark.usefixtures("theirs")
def test_a_class_whose_module_is_broken_fails_with_the_reason() -> None:
    outcome = run(asked("theirs.broken.Class"))
    assert (outcome.kind, outcome.body) == (OutcomeKind.UNKNOWN_CLASS, b"Traceback: why")


@pytest.mark.usefixtures("theirs")
@pytest.mark.parametrize(
    ("kwargs", "error"),
    [
        ({"raises": "OSError"}, "OSError"),
        ({"raises": "SystemExit"}, "SystemExit"),
        ({"raises": "KeyboardInterrupt"}, "KeyboardInterrupt"),
        ({"returns": "a set"}, "TypeError: Object of type set is not JSON serializable"),
        ({"returns": "itself"}, "TypeError: Object of type Theirs is not JSON serializable"),
        ({"returns": "bytes"}, "TypeError: Object of type bytes is not JSON serializable"),
        ({"deep": 1}, "RecursionError"),
        ({"self": 1}, "TypeError"),
    ],
)
def test_whatever_a_class_raises_is_an_outcome(kwargs: dict[str, Any], error: str) -> None:
    outcome = run(asked(**kwargs))
    assert (outcome.kind, outcome.delivered) == (OutcomeKind.RAISED, False)
    assert error in outcome.body.decode()
    assert outcome.detail == JobBase.get_failed_description()


@pytest.mark.usefixtures("theirs")
def test_a_traceback_shows_neither_our_own_frames_nor_where_files_are() -> None:
    """It is told to whoever made the job."""
    text = run(asked(raises="OSError")).body.decode()
    assert "Traceback" in text
    assert f'File "{Path(__file__).name}"' in text
    assert re.findall(r"chalicelib|run_job|/", text) == []


@pytest.mark.usefixtures("theirs")
@pytest.mark.parametrize(
    ("kwargs", "kind", "detail"),
    [
        ({"raises": "OSError"}, OutcomeKind.RAISED, JobBase.get_failed_description()),
        ({"description": 7}, OutcomeKind.RAISED, JobBase.get_failed_description()),
        ({"description": "x" * 9_999}, OutcomeKind.DELIVERED, "x" * 1024),
        ({"description": "\ud800 ok"}, OutcomeKind.DELIVERED, "? ok"),
    ],
    ids=["raises", "is a number", "is long", "is no Unicode"],
)
def test_a_class_that_describes_itself_badly(kwargs: dict[str, Any], kind: OutcomeKind, detail: str) -> None:
    outcome = run(asked("odd", **kwargs))
    assert (outcome.kind, outcome.detail) == (kind, detail)


@pytest.mark.usefixtures("theirs")
def test_of_a_long_result_the_beginning_is_kept_and_of_a_long_traceback_the_end() -> None:
    result, traceback = run(asked(more="y" * 100_000)), run(asked(says=100_000))
    assert (len(result.body), result.body[:1], len(traceback.body)) == (MAX_RESULT, b"[", MAX_RESULT)
    assert traceback.body.endswith(b" the end\n")


@pytest.mark.usefixtures("theirs")
def test_a_run_that_does_not_end_is_given_up() -> None:
    outcome = run(asked(hangs=True), limit=0.05)
    assert (outcome.kind, outcome.body) == (OutcomeKind.TIMED_OUT, b"not ended after 0.05 s")
    assert timedelta(seconds=0.04) < outcome.took < timedelta(seconds=5)


@pytest.mark.parametrize(
    "url",
    ["http://169.254.169.254/latest/meta-data", "http://127.0.0.1:1/", "file:///etc/passwd", "http://[::1]/", "x", ""],
)
def test_t23_a_curl_job_reaches_no_address_that_a_webhook_may_not(url: str) -> None:
    sender = HttpSender()
    target = JobClass(class_string="simple_scheduler.jobs.curl_job.CurlJob", args=json.dumps([url, "GET"]))
    outcome = ClassRunner(Surroundings(webhooks=sender)).run(target, REF, execution_id="e")
    sender.close()
    assert outcome.kind is OutcomeKind.RAISED
    assert b"ConnectionError: blocked_address" in outcome.body


@pytest.mark.parametrize(("timeout", "limit"), [(10, 5), (15, 5), (16, 6), (60, 50), (300, 290)])
def test_a_runs_time_follows_the_workers(timeout: int, limit: int) -> None:
    settings = replace(from_environment(ENVIRONMENT), worker_timeout=timedelta(seconds=timeout), shell_jobs=False)
    table = Table(InProcess(Dynamo([], lambda: 0)), "accounts")
    services = wiring.build(
        settings, accounts=DynamoAccounts(table), keys=DynamoKeys(table), logins=DynamoLogins(table)
    )
    runner = services.classes
    assert isinstance(runner, ClassRunner)
    assert runner.surroundings.limit == timedelta(seconds=limit)
    shell = runner.run(JobClass(class_string=SHELL, args='["true"]'), REF, execution_id="e")
    assert shell.kind is OutcomeKind.UNKNOWN_CLASS, "off by default"
