"""The classes that jobs may run, as ndscheduler's are known (rows 5.24 and 5.25), and how they are found."""

import json
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from chalicelib import job_classes
from chalicelib.job_classes import JobBase, Surroundings, broken, found, known
from chalicelib.job_classes.base import JobBase as Base
from chalicelib.job_classes.curl_job import CurlJob
from chalicelib.job_classes.sample_job import AwesomeJob
from chalicelib.job_classes.shell_job import ShellJob
from chalicelib.job_classes.slack_job import SlackJob
from chalicelib.scheduling.errors import Invalid
from chalicelib.scheduling.execution import Outcome, OutcomeKind
from tests.fakes import BROKEN, OK, FakeReceiver

SLACK = "https://hooks.slack.example/services/T0/B0/x"


def running(job_class: type[JobBase], receiver: FakeReceiver | None = None, **surroundings: Any) -> Any:
    return job_class("job", "execution", Surroundings(webhooks=receiver or FakeReceiver(), **surroundings))


@pytest.mark.parametrize(
    "module", ["sample_job.AwesomeJob", "shell_job.ShellJob", "curl_job.CurlJob", "slack_job.SlackJob"]
)
@pytest.mark.parametrize("package", ["chalicelib.job_classes", "simple_scheduler.jobs", "ndscheduler.jobs"])
def test_5_25_the_samples_have_their_old_names_too(package: str, module: str) -> None:
    assert known()[f"{package}.{module}"].__name__ == module.partition(".")[2]


@pytest.mark.parametrize(
    "name",
    [
        *(
            "os.system",
            "builtins.eval",
            "subprocess.Popen",
            "chalicelib.job_classes.base.JobBase",
            "JobBase",
            "AwesomeJob",
        ),
        *("chalicelib.job_classes.sample_job.AwesomeJob.run", "chalicelib.job_classes.shell_job.subprocess", "", "."),
        *("simple_scheduler.jobs.apns_job.APNSJob", "chalicelib.delivery.jobclass.ClassRunner"),
    ],
)
def test_no_other_name_finds_a_class(name: str) -> None:
    assert name not in known()


def test_nothing_here_is_broken() -> None:
    assert broken() == {}
    assert len({*known().values()}) == 4


def test_a_file_that_is_broken_costs_the_others_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "their_jobs"
    package.mkdir()
    base = "from chalicelib.job_classes.base import JobBase\n"
    (package / "__init__.py").write_text("")
    (package / "a_broken.py").write_text("raise RuntimeError('on purpose')\n")
    (package / "b_good.py").write_text(f"{base}class Greet(JobBase):\n    also_known_as = ('old.Greet',)\n")
    (package / "c_borrowed.py").write_text("from their_jobs.b_good import Greet\n")
    (package / "d_wrong.py").write_text("not python")
    monkeypatch.syspath_prepend(str(tmp_path))
    classes, failures = found("their_jobs", (str(package),))
    assert [*classes] == ["their_jobs.b_good.Greet", "old.Greet"]
    assert [*failures] == ["their_jobs.a_broken", "their_jobs.d_wrong"]
    assert "RuntimeError: on purpose" in failures["their_jobs.a_broken"]


@pytest.mark.parametrize("job_class", sorted({*known().values()}, key=str))
def test_5_24_meta_info_has_what_a_form_needs(job_class: type[JobBase]) -> None:
    info = job_class.meta_info()
    assert {*info} == {"job_class_string", "arguments", "example_arguments", "notes"}
    assert known()[info["job_class_string"]] is job_class
    assert info["notes"]
    assert isinstance(json.loads(info["example_arguments"]), list)
    assert [{*argument} for argument in info["arguments"]] == [{"type", "description"}] * len(info["arguments"])
    json.dumps(info)


def test_5_24_the_base_is_as_in_ndscheduler() -> None:
    assert Base.meta_info()["job_class_string"] == "chalicelib.job_classes.base.JobBase"
    job = AwesomeJob.create_test_instance()
    assert (job.job_id, job.execution_id) == ("", "")
    assert job.run("a", "b") == ["a", "b"]
    descriptions = [
        Base.get_running_description(),
        Base.get_scheduled_description(),
        Base.get_scheduled_error_description(),
        Base.get_failed_description(),
        Base.get_succeeded_description([1]),
    ]
    assert {*descriptions} == {descriptions[0]}
    assert descriptions[0].startswith("hostname: ")
    assert " | pid: " in descriptions[0]
    with pytest.raises(NotImplementedError):
        Base("", "").run()
    with pytest.raises(RuntimeError):
        _ = Base("", "").surroundings


def test_5_24_what_is_kept_of_a_failure_is_its_traceback() -> None:
    try:
        int("on purpose")
    except ValueError:
        assert Base.get_failed_result().endswith("with base 10: 'on purpose'\n")
        assert Base.get_scheduled_error_result() == Base.get_failed_result()


def test_5_25_the_sample_returns_its_arguments_and_prints_none(capsys: pytest.CaptureFixture[str]) -> None:
    """What it printed would be in the operator's log, and the arguments are a tenant's."""
    assert running(AwesomeJob).run({"a": "\n"}, None) == [{"a": "\n"}, None]
    assert capsys.readouterr().out == ""


def test_5_25_a_shell_job_returns_the_exit_code_and_knows_no_shell() -> None:
    assert running(ShellJob).run(sys.executable, "-c", "import sys; sys.exit(int(sys.argv[1]))", 3) == {"returncode": 3}
    with pytest.raises(FileNotFoundError):
        running(ShellJob).run("exit 3; true")


def test_5_25_a_program_is_ended_before_the_runs_time_is_over() -> None:
    with pytest.raises(Exception, match="timed out"):
        running(ShellJob, limit=timedelta(seconds=1.2)).run(sys.executable, "-c", "while True: pass")


def test_5_25_a_curl_job_returns_the_text_of_the_answer() -> None:
    receiver = FakeReceiver(answers=lambda _webhook: BROKEN)
    assert running(CurlJob, receiver).run("https://example.com/x", "get") == "broken"
    [call] = receiver.calls
    assert (call.webhook.method, call.webhook.url) == ("GET", "https://example.com/x")
    assert (call.webhook.timeout, call.webhook.body, call.secret) == (timedelta(seconds=10), b"", None)


@pytest.mark.parametrize("method", ["CONNECT", "TRACE", "GET\r\nX: y", "", "é", 7])
def test_5_25_a_curl_job_refuses_methods_that_no_call_may_have(method: object) -> None:
    receiver = FakeReceiver()
    with pytest.raises(Invalid):
        running(CurlJob, receiver).run("https://example.com/x", method)
    assert receiver.calls == []


def test_5_25_a_curl_job_without_an_answer_fails() -> None:
    outcome = Outcome(kind=OutcomeKind.BLOCKED_ADDRESS, took=timedelta(0), detail="no webhook may go there")
    with pytest.raises(ConnectionError, match="blocked_address: no webhook may go there"):
        running(CurlJob, FakeReceiver(answers=lambda _webhook: outcome)).run("http://169.254.169.254/", "GET")


def test_5_25_a_slack_job_posts_its_message() -> None:
    receiver = FakeReceiver()
    assert running(SlackJob, receiver, slack_url=SLACK).run("#a", "bot", ":x:", "hi") == "ok"
    [call] = receiver.calls
    assert (call.webhook.url, call.webhook.method, call.webhook.content_type) == (SLACK, "POST", "application/json")
    assert json.loads(call.webhook.body) == {
        "channel": "#a",
        "username": "bot",
        "icon_emoji": ":x:",
        "text": "hi",
        "link_names": 1,
    }


def test_5_25_a_slack_job_tries_three_times() -> None:
    outcomes = [BROKEN, BROKEN, OK]
    receiver = FakeReceiver(answers=lambda _webhook: outcomes.pop(0))
    assert running(SlackJob, receiver, slack_url=SLACK).run("#a", "bot", ":x:", "hi") == "ok"
    failing = FakeReceiver(answers=lambda _webhook: BROKEN)
    with pytest.raises(ConnectionError, match="status 500") as raised:
        running(SlackJob, failing, slack_url=SLACK).run("#a", "bot", ":x:", "hi")
    assert len(failing.calls) == 3
    assert SLACK not in str(raised.value), "the URL is a secret"


def test_5_25_a_slack_job_without_its_setting_says_which() -> None:
    with pytest.raises(RuntimeError, match="BELLTOWER_SLACK_URL"):
        running(SlackJob).run("#a", "bot", ":x:", "hi")


def test_the_packages_own_names() -> None:
    assert {*job_classes.__all__} == {"JobBase", "Surroundings", "broken", "known"}
