"""What `make chaos` takes, and what it says at the end."""

import argparse
from typing import Any

import pytest

from benchmarks.chaos.command import SCENARIOS, names, verdict
from benchmarks.chaos.reckoning import Reckoning
from benchmarks.chaos.scenario import Result
from benchmarks.chaos.table import raw, render, table

TOLD = dict.fromkeys(
    ("date", "seed", "jobs", "cpu", "cores", "memory", "kernel", "python", "belltower", "ministack", "load"), "x"
)


def a_result(**given: Any) -> Result:
    """A scenario of which a test says what matters to it."""
    usual: dict[str, Any] = {
        "due": 1200, "fired": 1200, "made_up": 0, "doubled": 0, "unexplained": (), "lost": (), "forgotten": 0,
        "given_back": 0, "astray": 0, "unrecorded": 0, "uncalled": 0, "late_p50": 0.004,
        "late_p99": 1.5, "late_max": 62.3,
    }  # fmt: skip
    return Result(title="workers are killed", reckoning=Reckoning(**usual | given), harm="12 worker processes killed")


def test_a_line_tells_every_count() -> None:
    line = table(
        [
            a_result(
                fired=1190,
                made_up=9,
                doubled=3,
                unexplained=("b",),
                lost=("a",),
                forgotten=4,
                given_back=6,
                unrecorded=5,
            )
        ]
    )
    assert line.splitlines()[2] == (
        "| workers are killed | 1,200 | 1,190 | 9 | 3 | 2 | 1 | 4 | 6 | 5 | 0.00 | 1.50 | 62.30 |"
    )


def test_where_nothing_fired_there_is_no_lateness() -> None:
    line = table([a_result(late_p50=None, late_p99=None, late_max=None)])
    assert line.endswith("| - | - | - |")


def test_the_section_says_what_was_injected_and_the_raw_figures_are_all_there() -> None:
    results = [a_result()]
    assert "- workers are killed: 12 worker processes killed." in render(results, TOLD, command="make", seconds=1.0)
    assert raw(results, TOLD)["results"][0]["reckoning"]["due"] == 1200


@pytest.mark.parametrize(
    ("given", "code"),
    [
        pytest.param({}, 0, id="all is well"),
        pytest.param({"doubled": 2}, 0, id="doubles that are explained"),
        pytest.param({"forgotten": 2}, 0, id="what the database forgot"),
        pytest.param({"lost": ("a",)}, 1, id="lost"),
        pytest.param({"doubled": 2, "unexplained": ("b",)}, 1, id="a double that is not explained"),
        pytest.param({"given_back": 1}, 0, id="what a queue forgot"),
        pytest.param({"given_back": 1, "astray": 1}, 1, id="a message that nothing explains the loss of"),
        pytest.param({"uncalled": 1}, 1, id="a firing that was never due"),
    ],
)
def test_the_exit_code_tells_whether_the_promises_held(given: dict[str, Any], code: int) -> None:
    assert verdict([a_result(), a_result(**given)]) == code


@pytest.mark.parametrize(
    ("text", "found"),
    [
        pytest.param("", tuple(SCENARIOS), id="all"),
        pytest.param("proxy,calm", ("calm", "proxy"), id="in their own order"),
        pytest.param("ticks,", ("ticks",), id="one"),
    ],
)
def test_scenarios_are_chosen_by_name(text: str, found: tuple[str, ...]) -> None:
    assert names(text) == found


def test_an_unknown_scenario_is_refused_by_name() -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="unknown: storm; there are calm"):
        names("calm,storm")
