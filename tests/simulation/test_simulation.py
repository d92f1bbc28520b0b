"""Seeds of every scenario keep every promise, and happen again exactly as they did.

`make simulate` runs as many more as there is time for; what it finds, it finds again under the seed it names.
"""

import os
import subprocess
import sys
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from tests.simulation.__main__ import main
from tests.simulation.run import Run, simulate
from tests.simulation.weather import SCENARIOS

ROOT = Path(__file__).parent.parent.parent
SEEDS = {
    "calm": (1, 2),
    "ticks": (1, 2, 3),
    "deaths": (1, 2, 3, 4),
    "plague": (1, 2, 3),
    "quarrel": (3, 23, 32, 37, 74, 78),
    "storm": (2, 3, 14),
}
RUNS = [pytest.param(name, seed, id=f"{name} {seed}") for name, seeds in SEEDS.items() for seed in seeds]
FAULTS = {"throttled", "lost", "partly", "doubled", "delayed", "swallowed", "killed", "unavailable", "outages"}


@cache
def ran(name: str, seed: int) -> Run:
    return simulate(seed, SCENARIOS[name])


@pytest.mark.parametrize(("name", "seed"), RUNS)
def test_t43_to_t53_every_promise_is_kept_in_any_weather(name: str, seed: int) -> None:
    run = ran(name, seed)
    assert not run.broken, run.told()
    assert run.firings > 50


@pytest.mark.parametrize("seed", SEEDS["calm"])
def test_in_calm_weather_nothing_goes_wrong_and_nothing_is_sent_twice(seed: int) -> None:
    run = ran("calm", seed)
    assert (run.counts, run.doubles) == ({"sent": run.firings}, 0)


def test_every_kind_of_fault_happens_to_the_seeds_that_are_run_here() -> None:
    counts = sum((ran(name, seed).counts for name, seeds in SEEDS.items() for seed in seeds), Counter[str]())
    assert counts.keys() >= FAULTS | {"tick skipped"}
    assert sum(ran(name, seed).doubles for name, seeds in SEEDS.items() for seed in seeds) > 0
    states = {line.split()[3] for line in parked_lines()}
    assert states == {"parked"}


def parked_lines() -> list[str]:
    runs = [ran("plague", seed) for seed in SEEDS["plague"]]
    return [line for run in runs for _, _, line in run.history.log if " parked attempts " in line]


@pytest.mark.parametrize("name", ["deaths", "storm"])
def test_a_seed_happens_again_word_for_word(name: str) -> None:
    again = simulate(SEEDS[name][0], SCENARIOS[name])
    assert again.history.lines() == ran(name, SEEDS[name][0]).history.lines()


def test_a_seed_happens_again_in_another_process_in_which_sets_are_in_another_order() -> None:
    command = [sys.executable, "-m", "tests.simulation", "--seed", "2", "--scenario", "deaths"]
    environment = {**os.environ, "PYTHONHASHSEED": "4711"}
    said = subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True, text=True)  # noqa: S603 - ours
    assert f"the last log is {ran('deaths', 2).history.digest[:16]}:" in said.stdout


def test_another_seed_is_another_world() -> None:
    assert ran("calm", 1).history.digest != ran("calm", 2).history.digest


def test_the_command_goes_on_until_there_were_enough_firings_and_says_what_it_saw() -> None:
    said: list[str] = []
    seconds = iter(range(0, 1000, 7))
    asked = ["--seed", "1", "--firings", "1200", "--scenario", "ticks"]
    assert main(asked, say=said.append, clock=lambda: float(next(seconds))) == 0
    assert said[0].startswith("seed ")
    assert "lost 0" in said[-1]
