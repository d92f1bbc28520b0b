"""Processes that a run needs: started with their output in a log file, ended with everything below them."""

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from benchmarks.processes import descendants, is_alive

ROOT: Final = Path(__file__).resolve().parent.parent
PATIENCE: Final = 60.0
"""Seconds a process may take to become ready."""
GRACE: Final = 3.0
"""Seconds it may take to end by itself."""
PAUSE: Final = 0.02


class ServiceError(Exception):
    """A process did not start, or ended early. The text has the end of its log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A process to start. It is ready when its output has the text `ready`; at once where that is empty."""

    command: Sequence[str]
    ready: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)


@contextlib.contextmanager
def running(service: Service, log: Path) -> Iterator[subprocess.Popen[str]]:
    """Runs it, with pipes for its input and, unless it has a `ready`, its output. Ends it and all below it."""
    with log.open("w") as output, _started(service, output.fileno()) as process:
        try:
            _await_ready(service, process, log)
            yield process
        finally:
            end(process)


def _started(service: Service, output: int) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **service.environment}
    return subprocess.Popen(  # noqa: S603 - our own commands
        list(service.command),
        cwd=ROOT,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=output if service.ready else subprocess.PIPE,
        stderr=output,
        text=True,
        start_new_session=True,  # Ctrl-C reaches the harness alone, which ends things in order
    )


def _await_ready(service: Service, process: subprocess.Popen[str], log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while service.ready and service.ready not in log.read_text(errors="replace"):
        if process.poll() is not None:
            raise ServiceError(f"{service.command[0]} ended with {process.returncode}: {tail(log)}")
        if time.monotonic() > deadline:
            raise ServiceError(f"{service.command[0]} is not ready after {PATIENCE:.0f} s: {tail(log)}")
        time.sleep(PAUSE)


def tail(log: Path) -> str:
    """The last lines of a log, in one."""
    return " | ".join(log.read_text(errors="replace").splitlines()[-3:]) or "it said nothing"


def end(process: subprocess.Popen[str]) -> None:
    """Ends the process in good order if it can, then whatever is left below it."""
    below = descendants([process.pid]) - {process.pid}
    if process.poll() is None:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(GRACE)
    for pid in (process.pid, *sorted(below)):
        with contextlib.suppress(ProcessLookupError):
            if pid != process.pid or process.poll() is None:
                os.kill(pid, signal.SIGKILL)
    process.wait()
    while any(is_alive(pid) for pid in below):  # a kill is not refused, but takes its time
        time.sleep(PAUSE)


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
