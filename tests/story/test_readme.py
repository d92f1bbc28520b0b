"""The README's walk through, run as it is written: only the ports are others."""

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.engine import ROOT, eventually
from tests.story.conftest import Sink, Stack

pytestmark = [pytest.mark.engine, pytest.mark.story]

Run = Callable[..., str]

BLOCK = re.compile(r"<!-- walk: (?P<name>\w+) -->\n```bash\n(?P<code>.*?)```", re.DOTALL)


def blocks() -> dict[str, str]:
    return {match["name"]: match["code"] for match in BLOCK.finditer((ROOT / "README.md").read_text())}


@pytest.fixture
def run(stack: Stack, sink: Sink, tmp_path: Path) -> Run:
    """Runs blocks of the README, one after the other in one shell, and returns what they print."""
    (tmp_path / ".venv").symlink_to(ROOT / ".venv")
    (tmp_path / ".local").symlink_to(stack.engine.home)

    def named(*names: str) -> str:
        code = "\n".join(blocks()[name] for name in names)
        for written, ours in (("8000", stack.engine.front_port), ("4566", stack.engine.port), ("9000", sink.port)):
            code = code.replace(f"127.0.0.1:{written}", f"127.0.0.1:{ours}")
        shell = ["bash", "-euo", "pipefail", "-c", code]
        done = subprocess.run(shell, cwd=tmp_path, capture_output=True, text=True, timeout=130, check=False)  # noqa: S603
        assert done.returncode == 0, done.stderr
        return done.stdout

    return named


def test_a_call_in_five_seconds(run: Run, sink: Sink) -> None:
    printed = run("account", "rlatr", "log")
    assert '{"success": {"id": ' in printed
    [arrival] = eventually(lambda: sink.at("?hello"), within=10)
    assert arrival.method == "GET"
    assert '"event": "fired"' in printed


def test_a_message_each_minute(run: Run) -> None:
    printed = run("account", "subscribe", "cronally", "receive")
    assert '"name": "each minute"' in printed
    assert printed.strip().endswith("tick-tock")


def test_a_run_at_once_with_runlater(run: Run, sink: Sink) -> None:
    printed = run("account", "runlater")
    assert '"interval": {"days": 1}' in printed
    assert '"jobid"' in printed
    assert [arrival.headers["authid"] for arrival in sink.at("?backup")] == ["123456"]


def test_a_job_with_a_payload_and_one_in_one_line(run: Run, sink: Sink) -> None:
    printed = run("account", "scheduler")
    assert printed.count("<id>") == 2
    [arrival] = eventually(lambda: sink.at("?scheduled"), within=10)
    assert (arrival.method, arrival.body, arrival.headers["Content-Type"]) == ("POST", b"testing", "text/plain")


def test_a_job_class(run: Run) -> None:
    printed = run("account", "ndscheduler")
    assert '"state": "succeeded"' in printed
    assert "AwesomeJob" in printed


def test_a_key_from_its_making_to_its_end(run: Run) -> None:
    made, *rotated, revoked = run("account", "keys").replace("}{", "}\n{").splitlines()[1:]
    states = [json.loads(line) for line in (made, *rotated)]
    secrets = {one["secret"] for one in states if "secret" in one}
    assert (len(secrets), json.loads(revoked)) == (3, {"revoked": states[0]["key"]})
    [listed] = [one for state in states for one in state.get("keys", []) if one["label"] == "reports"]
    assert listed["state"] == "rotating"


def test_what_became_of_a_call_and_how_late_it_was(run: Run) -> None:
    printed = run("account", "runlater", "executions")
    assert '"outcome": "delivered"' in printed
    assert re.search(r"late, in ms: \{'count': 1, 'p50_ms': \d+", printed)


def test_every_block_of_the_walk_is_run() -> None:
    walk = {"account", "rlatr", "log", "subscribe", "cronally", "receive", "runlater", "scheduler", "ndscheduler"}
    walk |= {"keys", "executions"}
    assert set(blocks()) == walk
