"""The harness: what it computes, what it reads of processes, and a whole benchmark of systems that are made up."""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from benchmarks import harness, install
from benchmarks.measure import Observed, Spent, figures, median, percentile
from benchmarks.processes import descendants, usage
from benchmarks.run import Pace
from benchmarks.services import Service, running
from benchmarks.system import About, Earlier, Jobs, Processes, Running, System, Unavailable
from benchmarks.systems.ours import OWN
from benchmarks.systems.peers import PEERS, Peer
from tests.benchmarks.harness_builders import a_figure

DUE = 1_000.0
QUICK = Pace(lead=0.2, margin=0.1, settle=0.1, patience=0.5, look=0.02)


# --- numbers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [
        pytest.param([7.0], 0.5, 7.0, id="one value is every percentile"),
        pytest.param([4.0, 1.0, 3.0, 2.0], 0.5, 2.0, id="half of four are not above the second, in any order"),
        pytest.param([float(n) for n in range(1, 101)], 0.99, 99.0, id="the 99th of a hundred"),
        pytest.param([float(n) for n in range(1, 1001)], 0.99, 990.0, id="the 990th of a thousand"),
        pytest.param([float(n) for n in range(1, 12)], 0.99, 11.0, id="of few, the highest"),
        pytest.param([1.0, 2.0], 1.0, 2.0, id="all are not above the highest"),
        pytest.param([1.0, 2.0], 0.0, 1.0, id="none need be below the lowest"),
    ],
)
def test_a_percentile_is_the_value_of_the_nearest_rank(values: list[float], share: float, expected: float) -> None:
    assert expected == percentile(values, share)


def observed(firsts: list[float | None], **given: Any) -> Observed:
    usual: dict[str, Any] = {
        "due": DUE, "create_seconds": 2.0, "firsts": firsts, "doubled": 0, "malformed": 0,
        "own": Spent(cpu=0.5, peak=30_000_000), "standins": None, "requests": None,
    }  # fmt: skip
    return Observed(**usual | given)


def test_figures_are_per_job_that_arrived() -> None:
    standins = Spent(cpu=0.25, peak=1)
    seen = figures(observed([DUE + 1, None, DUE - 0.5, DUE + 2], doubled=3, standins=standins, requests=9))
    assert (seen.late_p50, seen.late_max, seen.rate) == (1.0, 2.0, 1.5)
    assert (seen.cpu, seen.standin_cpu, seen.requests) == pytest.approx((500 / 3, 250 / 3, 3000))
    assert (seen.created, seen.creates, seen.lost, seen.doubled, seen.early, seen.peak) == (4, 2.0, 1, 3, 1, 30.0)


def test_what_never_arrived_has_no_figures_but_is_lost() -> None:
    seen = figures(observed([None, None], requests=9))
    assert (seen.late_p50, seen.late_p99, seen.rate, seen.cpu, seen.requests) == (None, None, None, None, None)
    assert seen.lost == 2


def test_of_several_runs_the_median_is_told_and_the_worst_of_what_must_not_happen() -> None:
    runs = [
        a_figure(rate=rate, lost=lost, cpu=cpu) for rate, lost, cpu in ((1.0, 0, None), (9.0, 2, 3.0), (4.0, 1, 5.0))
    ]
    assert median(runs) == a_figure(rate=4.0, lost=2, cpu=4.0)


@pytest.mark.parametrize(
    ("seen", "count", "expected"),
    [
        pytest.param({}, 600, 10 + 6 + 10, id="a system nobody has seen is taken for slow"),
        pytest.param({1000: (9, 4)}, 1000, 9, id="the same again takes as long"),
        pytest.param({1000: (9, 4)}, 10_000, 9 + 4 * 9, id="with more jobs, only what grows takes longer"),
        pytest.param({1000: (9, 4), 10_000: (50, 40)}, 1000, 9, id="each number of jobs by its own run"),
    ],
)
def test_how_long_a_run_will_take(seen: dict[int, tuple[float, float]], count: int, expected: float) -> None:
    courses = {
        number: harness.Course(seconds=seconds, growing=growing, figures=a_figure())
        for number, (seconds, growing) in seen.items()
    }
    assert harness.expected(100.0, count, courses) == expected


# --- processes --------------------------------------------------------------------------------------------------------

BURN = """
import os, subprocess, sys
def ticks():
    spent = os.times()
    return round((spent.user + spent.system + spent.children_user + spent.children_system) * os.sysconf("SC_CLK_TCK"))
def burn(until):
    while ticks() < until:
        pass
"""
PARENT = (
    BURN
    + """
subprocess.run([sys.executable, "-c", sys.argv[1]], check=True)
burn(ticks() + 20)
print(ticks(), flush=True)
sys.stdin.read()
"""
)


def test_the_time_of_a_tree_has_that_of_children_which_have_ended(tmp_path: Path) -> None:
    child = f"{BURN}\nburn(30)"
    service = Service(command=(sys.executable, "-c", PARENT, child))
    with running(service, tmp_path / "log") as process:
        assert process.stdout
        told = int(process.stdout.readline())
        read = usage(descendants([process.pid])).ticks
    assert told >= 50
    assert abs(read - told) <= 3  # each of four times is cut to whole ticks


def test_the_time_of_a_tree_has_that_of_children_which_live(tmp_path: Path) -> None:
    child = f"{BURN}\nburn(30)\nprint(ticks(), flush=True)\nsys.stdin.read()"
    parent = "import subprocess, sys\nsys.exit(subprocess.run([sys.executable, '-c', sys.argv[1]]).returncode)"
    with running(Service(command=(sys.executable, "-c", parent, child)), tmp_path / "log") as process:
        assert process.stdout
        told = int(process.stdout.readline())
        alone, tree = usage([process.pid]), usage(descendants([process.pid]))
    assert tree.ticks - alone.ticks == pytest.approx(told, abs=3)
    assert tree.peak > alone.peak > 1_000_000


def test_a_process_that_is_gone_counts_nothing() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    assert usage([process.pid]).ticks == usage([]).ticks == 0


def test_a_service_ends_with_everything_below_it(tmp_path: Path) -> None:
    parent = "import subprocess, sys\nprint(subprocess.Popen(['sleep', '60']).pid, flush=True)\nsys.stdin.read()"
    with running(Service(command=(sys.executable, "-c", parent)), tmp_path / "log") as process:
        assert process.stdout
        child = int(process.stdout.readline())
        assert child in descendants([process.pid])
    assert process.poll() is not None
    with contextlib.suppress(FileNotFoundError):
        assert "(zombie)" in Path(f"/proc/{child}/status").read_text()


# --- who takes part --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("system", [*OWN, *PEERS], ids=lambda system: system.about.name)
def test_every_system_has_a_name_of_its_own(system: System) -> None:
    assert [system] == [one for one in (*OWN, *PEERS) if one.about.name == system.about.name]


@pytest.mark.parametrize("peer", [peer for peer in PEERS if peer.packages], ids=lambda peer: peer.about.name)
def test_what_is_reported_of_a_peer_is_pinned(peer: Peer) -> None:
    assert list(install.pinned(peer.pins, *peer.packages)) == list(peer.packages)


def test_what_cannot_be_installed_is_said_without_an_address() -> None:
    code = "import sys; sys.exit('fine\\nERROR: nothing at https://index.example/simple for it')"
    with pytest.raises(Unavailable, match=r"^not installable: ERROR: nothing at <address> for it$"):
        install.command([sys.executable, "-c", code])


def test_what_could_not_be_installed_is_not_tried_again_for_the_next_peer() -> None:
    tries: list[str] = []

    @install.once
    def fails(name: str) -> Path:
        tries.append(name)
        raise Unavailable(f"no {name}")

    for _ in range(2):
        with pytest.raises(Unavailable, match=r"^no thing$"):
            fails("thing")
    assert tries == ["thing"]


# --- a whole benchmark ------------------------------------------------------------------------------------------------

FIRES = """
import json, sys, time, urllib.request
sys.path.insert(0, sys.argv[1])
from benchmarks.work import path, payload
print("ready", flush=True)
order = json.loads(sys.stdin.readline())
print("created", flush=True)
time.sleep(max(0, order["due"] - time.time()))
for number in order["numbers"]:
    urllib.request.urlopen(urllib.request.Request(order["url"] + path(number), data=payload(number)))
sys.stdin.read()
"""


@dataclass(frozen=True, kw_only=True)
class MadeUp:
    """A system that sends what `numbers` makes of a count."""

    about: About
    plan: Mapping[int, list[int]] = field(default_factory=dict)
    absent: str = ""

    def prepare(self) -> Mapping[str, str]:
        if self.absent:
            raise Unavailable(self.absent)
        return {"made-up": "1.0"}

    @contextlib.contextmanager
    def running(self, folder: Path) -> Iterator[Running]:
        service = Service(command=(sys.executable, "-c", FIRES, str(Path(__file__).parents[2])))
        with running(service, folder / "log") as process:
            assert process.stdout
            process.stdout.readline()
            yield MadeUpRunning(process=process, plan=self.plan)


@dataclass(frozen=True, kw_only=True)
class MadeUpRunning:
    process: subprocess.Popen[str]
    plan: Mapping[int, list[int]]

    def create(self, jobs: Jobs) -> float:
        began = time.perf_counter()
        assert self.process.stdin
        assert self.process.stdout
        numbers = self.plan.get(jobs.count, list(range(jobs.count)))
        print(json.dumps({"due": jobs.due, "url": jobs.url, "numbers": numbers}), file=self.process.stdin, flush=True)
        self.process.stdout.readline()
        return time.perf_counter() - began

    def processes(self) -> Processes:
        return Processes(own=frozenset({self.process.pid}), standins=frozenset({os.getpid()}))

    def requests(self) -> int:
        return 0

    def earlier(self) -> Earlier:
        return Earlier()


def test_a_whole_benchmark_of_made_up_systems(tmp_path: Path) -> None:
    said: list[str] = []
    lossy = [0, 0, *range(1, 19)]
    systems = (
        MadeUp(about=About(name="steady", title="Steady", creates=1e6, most=20, because="no more than 20")),
        MadeUp(about=About(name="lossy", title="Lossy", creates=1e6), plan={20: lossy}),
        MadeUp(about=About(name="absent", title="Absent", creates=1.0), absent="it is not for sale"),
    )
    plan = harness.Plan(counts=[20, 30_000_000], runs=1, budget=60.0, pace=QUICK)
    results = harness.run(systems, plan, folder=tmp_path, command="made up", say=said.append)
    [steady], [lossy_run] = results.runs["steady", 20], results.runs["lossy", 20]
    assert (steady.created, steady.lost, steady.doubled, steady.malformed, steady.early) == (20, 0, 0, 0, 0)
    assert steady.late_p50 is not None
    assert steady.late_max is not None
    assert 0 < steady.late_p50 <= steady.late_max < 5
    assert steady.cpu is not None
    assert steady.standin_cpu is not None
    assert (lossy_run.lost, lossy_run.doubled) == (1, 1)
    assert results.skipped == {"absent": "it is not for sale"}
    assert results.notes["steady", 30_000_000] == "no more than 20"
    assert "were left" in results.notes["lossy", 30_000_000]
    assert "SKIPPED Absent: it is not for sale" in said
