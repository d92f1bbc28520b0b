"""`make run` as a person meets it: what it prints, how it ends, what it says when it cannot start."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from tests.engine import ROOT, eventually, free_port, process_exists
from tests.infra.conftest import HTTP, STANDIN

if TYPE_CHECKING:
    from pathlib import Path

    from infra.package import Artifact

pytestmark = pytest.mark.engine


Start = Callable[..., "_Run"]


class _Run:
    """One `make run` of the stand-in."""

    def __init__(self, home: Path, variables: dict[str, str]) -> None:
        self.ports = {"PORT": str(free_port()), "ENGINE_PORT": str(free_port())} | variables
        command = [sys.executable, "-m", "infra.local.run", "--home", str(home), "--project", str(STANDIN)]
        self.process = subprocess.Popen(  # noqa: S603 - our own interpreter and arguments
            command, cwd=ROOT, env=os.environ | self.ports, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def ready(self) -> list[str]:
        """All lines up to READY."""
        assert self.process.stdout
        lines: list[str] = []
        while not (lines and lines[-1].startswith("READY")):
            line = self.process.stdout.readline()
            assert line, (lines, self.process.stderr and self.process.stderr.read())
            lines.append(line.rstrip())
        return lines

    def end(self, number: signal.Signals) -> tuple[int, str]:
        self.process.send_signal(number)
        out, _ = self.process.communicate(timeout=20)
        return self.process.returncode, out

    def failure(self) -> tuple[int, list[str]]:
        _, err = self.process.communicate(timeout=30)
        return self.process.returncode, err.splitlines()

    def listens(self) -> bool:
        for port in self.ports.values():
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", int(port))) == 0:
                    return True
        return False

    def worker(self) -> int:
        pid: int = HTTP.request("GET", f"http://127.0.0.1:{self.ports['PORT']}/echo/x").json()["pid"]
        return pid


@pytest.fixture(scope="module", autouse=True)
def _packaged(artifact: Artifact) -> None:
    """Packaged before anybody looks at the clock."""
    assert artifact.code.exists()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "local"


@pytest.fixture
def start(home: Path) -> Iterator[Start]:
    """Starts runs on the test's data; none of them outlives the test."""
    with contextlib.ExitStack() as runs:

        def begin(**variables: str) -> _Run:
            run = _Run(home, variables)
            runs.enter_context(run.process)
            runs.callback(run.process.kill)
            return run

        yield begin


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_gets_ready_serves_and_stops_without_a_trace(start: Start, number: signal.Signals) -> None:
    run = start()
    lines = run.ready()
    assert [line for line in lines if line.startswith("READY")] == lines[-1:]
    for part in (run.ports["PORT"], run.ports["ENGINE_PORT"], "curl -X POST"):
        assert part in lines[-1]
    worker = run.worker()
    code, out = run.end(number)
    assert (code, "stopped" in out) == (0, True)
    assert not run.listens()
    eventually(lambda: not process_exists(worker), within=2)


def test_the_second_start_deploys_nothing(start: Start) -> None:
    first = start()
    first.ready()
    first.end(signal.SIGTERM)
    began = time.monotonic()
    second = start(**first.ports)
    lines = second.ready()
    assert time.monotonic() - began < 10
    assert any("deploy: unchanged" in line for line in lines)
    second.end(signal.SIGTERM)


def test_a_killed_run_leaves_nobody_behind(start: Start) -> None:
    run = start()
    run.ready()
    worker = run.worker()
    run.end(signal.SIGKILL)
    assert not run.listens()
    eventually(lambda: not process_exists(worker), within=2)


def test_a_run_ends_with_the_make_that_started_it(home: Path) -> None:
    script = "import subprocess, sys; subprocess.run(sys.argv[1:])"
    ports = {"PORT": str(free_port()), "ENGINE_PORT": str(free_port()), "MAKELEVEL": "1"}
    command = [sys.executable, "-m", "infra.local.run", "--home", str(home), "--project", str(STANDIN)]
    make = subprocess.Popen(  # noqa: S603 - our own interpreter and arguments
        [sys.executable, "-c", script, *command], cwd=ROOT, env=os.environ | ports, stdout=subprocess.PIPE, text=True
    )
    assert make.stdout
    eventually(lambda: make.stdout and make.stdout.readline().startswith("READY"))
    make.kill()
    assert "stopped" in make.stdout.read()
    make.wait()
    make.stdout.close()


def test_a_port_in_use_is_named(start: Start) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        assert start(PORT=port).failure() == (
            1,
            [f"make run: port {port} is in use: choose another with PORT=..."],
        )
        code, lines = start(ENGINE_PORT=port).failure()
    assert (code, lines) == (1, [f"make run: port {port} is in use: choose another with ENGINE_PORT=..."])


@pytest.mark.parametrize("port", ["abc", "0", "65536", "-1", "8000 "])
def test_what_is_no_port_is_refused(start: Start, port: str) -> None:
    assert start(PORT=port).failure() == (1, [f"make run: PORT={port} is no port: give a number from 1 to 65535"])


def test_one_folder_serves_one_run(start: Start) -> None:
    run = start()
    run.ready()
    code, (line,) = start().failure()
    assert (code, "stop it first" in line) == (1, True)
    run.end(signal.SIGTERM)


@pytest.mark.parametrize("content", ['{"half a', '{"__ministack_format__": 2, "payload": [1]}'])
def test_damaged_data_is_named_and_left_alone(start: Start, home: Path, content: str) -> None:
    run = start()
    run.ready()
    run.end(signal.SIGTERM)
    damaged = home / "state/dynamodb.json"
    damaged.write_text(content)
    code, (line,) = start().failure()
    assert (code, f"Remove {home} to start afresh" in line) == (1, True)
    assert damaged.read_text() == content
