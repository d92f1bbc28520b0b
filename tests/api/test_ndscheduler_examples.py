"""Every example of seeds/004 as a request, and what it is answered, under both prefixes.

The document is in tests/api/seeds, as it is. Its examples are corrected here and nowhere else, in `corrected`:

- `["arg1": 1, "arg2": 2]` is no JSON: `[{"arg1": 1, "arg2": 2}]`;
- the two examples of "Difference between ..." lack their last brace;
- names without quotation marks get them: `jobs:`, `executions:`, `logs:`, and all in executions and logs;
- `...` stands for more of the same;
- an entry of the log lacks its commas, the answers to pausing and resuming have one too many;
- jQuery's `data` is an object in the samples, which it would send as a form: it is sent as JSON;
- "Run a job" names none: the job's id is in the body, the query or, as the original reads it, in the path.

Ids, times and addresses of servers are those of the test.
"""

import json
import re
import textwrap
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.api.client import typed
from tests.api.ndscheduler_caller import JSON_TYPE, Caller
from tests.world import World

SEED = (Path(__file__).parent / "seeds" / "004_ndscheduler.md").read_text()
HEX = re.compile(r"[0-9a-f]{32}")
ARGS = [{"arg1": 1, "arg2": 2}]


@pytest.fixture(params=["v1", "v2"])
def caller(world: World, request: pytest.FixtureRequest) -> Caller:
    return Caller(world, version=request.param)


def corrected(text: str) -> Any:
    """An example as JSON."""
    text = text.replace('["arg1": 1, "arg2": 2]', json.dumps(ARGS))
    text = re.sub(r",\s*\.\.\.", "", text)
    text = re.sub(r"(?m)^(\s*\{?\s*)(\w+):", r'\1"\2":', text)
    text = re.sub(r'"\n(\s*")', r'",\n\1', text)
    text = re.sub(r",(\s*})", r"\1", text)
    text += "}" * (text.count("{") - text.count("}"))
    return json.loads(text)


def examples(title: str) -> list[Any]:
    """The JSON in the section of that title, in order, without what says that something went wrong."""
    [section] = re.findall(rf"(?ms)^#### {re.escape(title)}\n(.*?)(?=^##)", SEED + "\n##")
    inline = re.findall(r"\*\*Content:\*\* `?(\{ (?!error).*\})`?", section)
    blocks = [textwrap.dedent(block) for block in re.findall(r"(?m)(?:^ {6,}.*\n)*^ {6,}\S.*$", section)]
    found = [text for block in blocks if (text := block.strip()).startswith("{")]
    return [corrected(text) for text in [*found, *inline]]


def sample(title: str) -> tuple[str, str]:
    """Method and path of the section's sample call."""
    [section] = re.findall(rf"(?ms)^#### {re.escape(title)}\n(.*?)(?=^##)", SEED + "\n##")
    [url], [method] = re.findall(r'url: "/api/v1(.*)"', section), re.findall(r'type : "(.*)"', section)
    return method, url


def holds(expected: Any, actual: Any) -> bool:
    """Whether all that the document shows is there."""
    if isinstance(expected, dict):
        return isinstance(actual, dict) and all(
            name in actual and holds(value, actual[name]) for name, value in expected.items()
        )
    return bool(expected == actual)


CRON, INTERVAL = 0, 1
BODIES = examples("Create a new job")[:2]
KINDS = pytest.mark.parametrize("kind", [CRON, INTERVAL], ids=["cron", "interval"])


def test_the_document_has_the_examples() -> None:
    titles = {
        "Difference between a Cron job and an Interval job": 2,
        "Get all jobs": 1,
        "Get a job": 2,
        "Create a new job": 3,
        "Delete a job": 1,
        "Modify a job": 3,
        "Pause a job": 1,
        "Resume a job": 1,
        "Get executions within time range": 1,
        "Get an execution": 1,
        "Run a job": 1,
        "Get logs within time range": 1,
    }
    assert {title: len(examples(title)) for title in re.findall(r"(?m)^#### (.*)$", SEED)} == titles


def test_seed_run_it_now_with_curl(caller: Caller) -> None:
    [data] = re.findall(r'(?s)-d "(\{.*?\})"\n', SEED)
    answer = caller.send("POST", "/jobs", body=data.replace('\\"', '"').replace("\\\n", ""))
    assert (answer.status, [*answer.json]) == (201, ["job_id"])
    [job] = caller.send("GET", "/jobs").json["jobs"]
    assert (job["job_id"], job["name"], job["pub_args"]) == (answer.json["job_id"], "My first job", ["arg1", 2])
    caller.world.let_pass(minutes=1)
    [execution] = caller.executions()
    assert (execution["state"], json.loads(execution["result"])) == ("succeeded", ["arg1", 2])


@KINDS
def test_seed_create_a_new_job(caller: Caller, kind: int) -> None:
    method, path = sample("Create a new job")
    answer = caller.send(method, path, body=BODIES[kind])
    assert (answer.status, [*answer.json]) == (201, [*examples("Create a new job")[2]])
    assert HEX.fullmatch(answer.json["job_id"])


@KINDS
@pytest.mark.parametrize("title", ["Get a job", "Difference between a Cron job and an Interval job"])
def test_seed_get_a_job(caller: Caller, title: str, kind: int) -> None:
    job_id = caller.created(**BODIES[kind])
    answer = caller.send("GET", f"/jobs/{job_id}")
    assert answer.status == 200
    assert holds(examples(title)[kind] | {"job_id": job_id}, answer.json)


def test_seed_get_all_jobs(caller: Caller) -> None:
    job_id = caller.created(**BODIES[CRON])
    answer = caller.send(*sample("Get all jobs"))
    [expected] = examples("Get all jobs")[0]["jobs"]
    assert (answer.status, [*answer.json]) == (200, ["jobs"])
    [job] = answer.json["jobs"]
    assert holds(expected | {"job_id": job_id}, job)


@pytest.mark.parametrize("title", ["Delete a job", "Pause a job", "Resume a job"])
def test_seed_what_is_done_to_a_job_is_answered_with_its_id(caller: Caller, title: str) -> None:
    job_id = caller.created(**BODIES[CRON])
    method, _ = sample(title)
    answer = caller.send(method, f"/jobs/{job_id}", headers=[])
    assert (answer.status, answer.json) == (200, examples(title)[0] | {"job_id": job_id})


@KINDS
def test_seed_modify_a_job(caller: Caller, kind: int) -> None:
    job_id = caller.created(name="before")
    method, _ = sample("Modify a job")
    answer = caller.send(method, f"/jobs/{job_id}", body=examples("Modify a job")[kind])
    assert (answer.status, answer.json) == (200, examples("Modify a job")[2] | {"job_id": job_id})
    assert holds(examples("Modify a job")[kind], caller.shown(job_id))


def an_execution(caller: Caller, expected: Any) -> tuple[Any, Any]:
    """What the document shows of an execution that has not run, with the ids of one that is there; and its id."""
    job = {name: expected["job"][name] for name in ("job_class_string", "name", "pub_args", "trigger")}
    job_id = caller.created(**job, trigger_params=expected["job"]["trigger_params"])
    execution_id = caller.ran(job_id)
    times = {name: caller.world.clock.now().isoformat() for name in ("scheduled_time", "updated_time")}
    return expected | {"execution_id": execution_id, "job": expected["job"] | {"job_id": job_id}} | times, execution_id


def test_seed_get_an_execution(caller: Caller) -> None:
    expected, execution_id = an_execution(caller, examples("Get an execution")[0])
    actual = caller.execution(execution_id)
    assert holds(expected, actual)
    assert expected["state"] == "scheduled"
    assert datetime.fromisoformat(examples("Get an execution")[0]["scheduled_time"])


def test_seed_get_executions_within_time_range(caller: Caller) -> None:
    expected, _ = an_execution(caller, examples("Get executions within time range")[0]["executions"][0])
    [actual] = caller.executions()
    assert holds(expected, actual)
    answer = caller.send(*sample("Get executions within time range"))
    assert (answer.status, answer.json) == (200, {"executions": []})


@pytest.mark.parametrize("where", ["path", "query", "JSON", "form"])
def test_seed_run_a_job(caller: Caller, where: str) -> None:
    job_id = caller.created()
    method, path = sample("Run a job")
    answer = {
        "path": lambda: caller.send(method, f"{path}/{job_id}", headers=[]),
        "query": lambda: caller.send(method, f"{path}?job_id={job_id}", headers=[]),
        "JSON": lambda: caller.send(method, path, body={"job_id": job_id}, headers=JSON_TYPE),
        "form": lambda: caller.send(
            method, path, body=f"job_id={job_id}", headers=[typed("application/x-www-form-urlencoded")]
        ),
    }[where]()
    assert (answer.status, [*answer.json]) == (200, [*examples("Run a job")[0]])
    assert HEX.fullmatch(answer.json["execution_id"])


def test_seed_get_logs_within_time_range(caller: Caller) -> None:
    [expected] = examples("Get logs within time range")[0]["logs"]
    job_id = caller.created(name=expected["job_name"])
    execution_id = caller.ran(job_id)
    changes = {"job_id": job_id, "description": execution_id, "user": caller.principal.key}
    times = {"created_time": caller.world.clock.now().isoformat()}
    assert expected | changes | times in caller.logs()
    answer = caller.send(*sample("Get logs within time range"))
    assert (answer.status, answer.json) == (200, {"logs": []})


def test_seed_errors_are_an_object_with_the_error_alone(caller: Caller) -> None:
    assert '{ error: "incorrect parameters" }' in SEED
    answer = caller.create(trigger_params={"minute": "61"})
    assert (answer.status, [*answer.json]) == (400, ["error"])
    assert answer.json["error"].startswith("incorrect parameters")
