"""One run: start a system, have it create jobs for one second, and watch them arrive.

    start - create - [reading] - the due second - arrivals ... the last one - two seconds - [reading] - stop

What the system's processes spend between the two readings is what the firings cost: creating is over by then, and what
it still writes down after the last arrival is in.
"""

import contextlib
import json
import math
import socket
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.measure import Observed, Spent, spent
from benchmarks.processes import TICKS_A_SECOND, Usage, usage
from benchmarks.services import Service, ServiceError, running
from benchmarks.system import Earlier, Jobs, Running, System

SINK: Final = Service(command=(sys.executable, "-m", "benchmarks.sink"))


class TooLate(Exception):
    """Creating took until after the due second: the run says nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Seconds: how long before and after what things are done.

    `lead`: between the last creation, as planned, and the due second. `margin`: from the first reading to that second.
    `settle`: from the last arrival to the second reading. `patience`: no arrival for so long is the end.
    """

    lead: float = 3.0
    margin: float = 0.5
    settle: float = 2.0
    patience: float = 30.0
    look: float = 0.1


class Sink:
    """The sink's process, as the harness talks to it."""

    def __init__(self, port: int, control: socket.socket) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._control, self._lines = control, control.makefile("r")

    def ask(self, line: str) -> Any:  # noqa: ANN401 - each line has its own answer
        """One line of the control port's, see benchmarks/sink.py."""
        self._control.sendall(f"{line}\n".encode())
        return json.loads(self._lines.readline())


@contextlib.contextmanager
def a_sink(folder: Path) -> Iterator[Sink]:
    """Runs a sink."""
    with running(SINK, folder / "sink.log") as process:
        line = process.stdout.readline() if process.stdout else ""
        if not line:
            raise ServiceError("the sink did not start")
        ports = json.loads(line)
        with socket.create_connection(("127.0.0.1", ports["control"])) as control:
            yield Sink(ports["port"], control)


def observe(system: System, count: int, *, creates: float, sink: Sink, folder: Path, pace: Pace) -> Observed:
    """Runs a system once, which takes `creates` jobs a second. Raises TooLate when it took fewer, ServiceError."""
    with system.running(folder) as under_test:
        sink.ask(f"expect {count}")
        jobs = Jobs(count=count, due=math.ceil(time.time() + pace.lead + count / creates), url=sink.url)
        seconds = under_test.create(jobs)
        if time.time() > jobs.due - pace.margin:
            raise TooLate(f"creating {count:,} jobs took {seconds:.1f} s")
        _sleep_until(jobs.due - pace.margin)
        before = _reading(under_test)
        progress = _await_arrivals(sink, jobs, pace)
        _sleep_until((progress["last"] or 0.0) + pace.settle)
        after, earlier = _reading(under_test), under_test.earlier()
    progress = sink.ask("progress")
    return Observed(
        due=jobs.due,
        create_seconds=seconds,
        firsts=sink.ask("arrivals"),
        doubled=progress["doubled"],
        malformed=progress["malformed"],
        own=_added(_spent(before.own, after.own), earlier),
        standins=_spent(before.standins, after.standins) if after.standins.peak else None,
        requests=None
        if before.requests is None or after.requests is None
        else after.requests - before.requests + earlier.requests,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reading:
    own: Usage
    standins: Usage
    requests: int | None


def _reading(under_test: Running) -> _Reading:
    processes = under_test.processes()
    return _Reading(own=usage(processes.own), standins=usage(processes.standins), requests=under_test.requests())


def _spent(before: Usage, after: Usage) -> Spent:
    return spent(before, after, ticks_a_second=TICKS_A_SECOND)


def _added(later: Spent, earlier: Earlier) -> Spent:
    return Spent(cpu=later.cpu + earlier.cpu, peak=later.peak)


def _await_arrivals(sink: Sink, jobs: Jobs, pace: Pace) -> dict[str, Any]:
    """Waits until all have arrived, or none has for too long. The sink's last word."""
    while True:
        progress: dict[str, Any] = sink.ask("progress")
        quiet = time.time() - max(progress["last"] or 0.0, jobs.due)
        if progress["arrived"] == jobs.count or quiet > pace.patience:
            return progress
        time.sleep(pace.look)


def _sleep_until(moment: float) -> None:
    time.sleep(max(0.0, moment - time.time()))
