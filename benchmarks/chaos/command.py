"""`make chaos`: real faults on the embedded engine, and the account of what was due.

    python -m benchmarks.chaos.command [--scenarios workers,proxy] [--jobs 1000] [--seed 1] [--keep]

Each scenario has an engine process, a sink and a deployed stack of its own. The calm one runs by itself, because the
others are compared with it; then the others, four at a time, those that heal slowest first. Faults are chosen by the
seed; when exactly they hit is up to the machine.

A run of all scenarios is kept in RESULTS.md and results.json; one of chosen scenarios or numbers is printed, and kept
only with --keep. Exits with 1 when something was lost, or doubled beyond what the injected faults explain.
"""

import argparse
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from importlib.metadata import version
from pathlib import Path
from typing import Final

from benchmarks import report
from benchmarks.chaos import faults
from benchmarks.chaos.scenario import Order, Result, Scenario, run
from benchmarks.chaos.table import SECTION, raw, render, table
from benchmarks.install import BENCH
from benchmarks.machine import machine
from benchmarks.services import ROOT
from benchmarks.systems.belltower import version_of_ours
from infra.package import package

JOBS: Final = 1_000
LANES: Final = 4
HEALED: Final = 500.0
"""Seconds: two visibility time-outs, then a retry, then the sweep."""
CALM: Final = Scenario(name="calm", title="no faults", settle=15.0, patience=90.0)
FAULTY: Final = (
    Scenario(name="engine", title="the engine is killed", fault=faults.kill_engine, patience=HEALED),
    Scenario(name="workers", title="workers are killed", fault=faults.kill_workers, patience=HEALED),
    Scenario(name="proxy", title="one call to AWS in ten is broken", proxied=True, patience=HEALED),
    Scenario(name="ticks", title="ticks are killed", fault=faults.kill_ticks, ahead=120.0),
    Scenario(name="hostile", title="hostile receivers beside", hostile=True),
)
SCENARIOS: Final = {scenario.name: scenario for scenario in (CALM, *FAULTY)}


def play(names: Sequence[str], order: Order) -> Sequence[Result]:
    """The results in the order of the scenarios. The first that cannot be played to its end stops the others."""
    chosen = [scenario for name, scenario in SCENARIOS.items() if name in names]
    waves = [[one for one in chosen if one is CALM], [one for one in chosen if one is not CALM]]
    with ThreadPoolExecutor(LANES) as lanes:
        try:
            return [result for wave in waves for results in _wave(lanes, wave, order) for result in results]
        finally:
            order.stop.set()
            lanes.shutdown(cancel_futures=True)


def _wave(lanes: ThreadPoolExecutor, wave: Sequence[Scenario], order: Order) -> Sequence[Sequence[Result]]:
    playing = [lanes.submit(_told, scenario, order) for scenario in wave]
    ended, _ = wait(playing, return_when=FIRST_EXCEPTION)
    failed = [one for one in ended if one.exception()]
    return [one.result() for one in failed or playing]


def _told(scenario: Scenario, order: Order) -> Sequence[Result]:
    results = run(scenario, order)
    order.say(f"{scenario.name}: over\n{table(results)}")
    return results


def main(arguments: Sequence[str]) -> int:
    """Plays the scenarios and tells what became of every firing."""
    given = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    began, folder = time.monotonic(), _folder()
    here = {**machine(), "belltower": version_of_ours(), "ministack": version("ministack")}
    told = {**here, "seed": given.seed, "jobs": f"{given.jobs:,}"}
    order = Order(
        seed=given.seed,
        jobs=given.jobs,
        artifact=package(say=_quiet),
        folder=folder,
        say=lambda line: _say(began, line),
    )
    order.say(f"{given.jobs:,} jobs, seed {given.seed}, on {here['cpu']}, {here['cores']} cores, load {here['load']}")
    try:
        results = play(given.scenarios, order)
    except KeyboardInterrupt:
        print("stopped: everything was ended, nothing was written", file=sys.stderr)
        return 130
    command = " ".join(["python -m benchmarks.chaos.command", *arguments])
    section = render(results, told, command=command, seconds=time.monotonic() - began)
    print(section)
    if given.keep or (tuple(given.scenarios) == tuple(SCENARIOS) and given.jobs == JOBS):
        report.publish(SECTION, section, raw=raw(results, told))
        print(f"written to {report.RESULTS.relative_to(ROOT)}")
    return verdict(results)


def verdict(results: Sequence[Result]) -> int:
    """1 when something is not as promised, and says what."""
    for result in results:
        told = result.reckoning
        if not told.whole:
            print(
                f"BROKEN {result.title}: {len(told.lost)} lost, {len(told.unexplained)} doubled unexplained, "
                f"{told.uncalled} uncalled, {told.astray} astray {' '.join([*told.lost, *told.unexplained][:10])}"
            )
    return 0 if all(result.reckoning.whole for result in results) else 1


def _folder() -> Path:
    """The logs and data of the last run stay there until the next."""
    BENCH.mkdir(exist_ok=True)
    for old in BENCH.glob("chaos-*"):
        shutil.rmtree(old, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix="chaos-", dir=BENCH))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.chaos.command", description=main.__doc__)
    parser.add_argument("--scenarios", type=names, default=tuple(SCENARIOS), help=f"some of {', '.join(SCENARIOS)}")
    parser.add_argument("--jobs", type=int, default=JOBS, help="of each scenario")
    parser.add_argument("--seed", default="1", help="chooses jobs and faults")
    parser.add_argument("--keep", action="store_true", help="write the report of chosen scenarios or numbers, too")
    return parser


def names(text: str) -> tuple[str, ...]:
    """Scenarios with commas between them; none is all of them."""
    given = set(filter(None, text.split(",")))
    if unknown := sorted(given - set(SCENARIOS)):
        raise argparse.ArgumentTypeError(f"unknown: {', '.join(unknown)}; there are {', '.join(SCENARIOS)}")
    return tuple(name for name in SCENARIOS if name in given) or tuple(SCENARIOS)


def _quiet(_line: str) -> None:
    """Packaging has nothing to tell here."""


def _say(began: float, line: str) -> None:
    print(f"[{time.monotonic() - began:5.0f} s] {line}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
