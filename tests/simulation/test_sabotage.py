"""The tests of the test: a system with one step out of order is told from ours, by the first seeds that are tried."""

import pytest

from tests.simulation.__main__ import main
from tests.simulation.run import Run, simulate
from tests.simulation.sabotage import SABOTAGED

SEEDS = range(1, 16)
FOUND = {
    "the claim without its condition": {"no needless doubles", "cancelled is cancelled"},
    "the record before the send": {"a record tells the truth"},
    "the watermark moved before the send": {"every due time is attempted", "on time"},
    "the minute in place of the watermark": {"every due time is attempted", "on time"},
}


def first_broken(name: str) -> Run:
    system, scenario = SABOTAGED[name]
    runs = (simulate(seed, scenario, system=system) for seed in SEEDS)
    return next(run for run in runs if run.broken)


@pytest.mark.parametrize("name", SABOTAGED)
def test_t45_a_step_out_of_order_is_found(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    run = first_broken(name)
    with capsys.disabled():
        print(f"\n{name}: seed {run.seed}, {run.broken[0]}")  # noqa: T201 - what was found is to be seen
    assert run.broken[0].promise in FOUND[name]
    assert f"--seed {run.seed} --scenario {run.scenario.name}" in run.told()


def test_what_is_found_is_found_again_at_the_same_moment() -> None:
    name = "the watermark moved before the send"
    system, scenario = SABOTAGED[name]
    found = first_broken(name)
    assert simulate(found.seed, scenario, system=system).broken == found.broken


def test_the_command_fails_with_the_seed_of_what_it_found(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    found = first_broken("the record before the send")
    monkeypatch.setattr("tests.simulation.__main__.simulate", lambda _seed, _scenario: found)
    assert main(["--seed", str(found.seed)], say=said.append, clock=lambda: 0.0) == 1
    assert said == [found.told()]
