"""The report: sections that leave each other alone, tables that say what was measured."""

import json
from pathlib import Path

import pytest

from benchmarks import report
from benchmarks.system import About
from tests.benchmarks.harness_builders import a_figure


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("", "<!-- begin b -->\nnew\n<!-- end b -->\n", id="into nothing"),
        pytest.param("# T\n", "# T\n\n<!-- begin b -->\nnew\n<!-- end b -->\n", id="behind what there is"),
        pytest.param(
            "x\n<!-- begin a -->\nA\n<!-- end a -->\n\n<!-- begin b -->\nold\nold\n<!-- end b -->\ny\n",
            "x\n<!-- begin a -->\nA\n<!-- end a -->\n\n<!-- begin b -->\nnew\n<!-- end b -->\ny\n",
            id="in the place of its own, with all others as they were",
        ),
        pytest.param(
            "<!-- begin bb -->\nother\n<!-- end bb -->\n",
            "<!-- begin bb -->\nother\n<!-- end bb -->\n\n<!-- begin b -->\nnew\n<!-- end b -->\n",
            id="not in the place of one whose name begins the same",
        ),
    ],
)
def test_a_section_is_replaced_alone(text: str, expected: str) -> None:
    once = report.replace_section(text, "b", "new\n")
    assert once == expected
    assert report.replace_section(once, "b", "new") == expected


def test_a_section_may_hold_what_a_pattern_would_read() -> None:
    assert r"\1 \g<0>" in report.replace_section(report.replace_section("", "b", "old"), "b", r"\1 \g<0>")


def test_publishing_keeps_what_other_commands_wrote(tmp_path: Path) -> None:
    file = tmp_path / "RESULTS.md"
    for name, body, raw in (("chaos", "C", {"c": 1}), ("peers", "old", {"p": 1}), ("peers", "new", {"p": 2})):
        report.publish(name, body, raw=raw, file=file)
    assert file.read_text() == f"{report.TITLE}\n" + "".join(
        f"<!-- begin {name} -->\n{body}\n<!-- end {name} -->\n{end}"
        for name, body, end in (("chaos", "C", "\n"), ("peers", "new", ""))
    )
    assert json.loads((tmp_path / "results.json").read_text()) == {"chaos": {"c": 1}, "peers": {"p": 2}}


RESULTS = report.Results(
    command="the command",
    machine={
        "date": "today",
        "cpu": "a CPU",
        "cores": "2",
        "memory": "8 GiB",
        "kernel": "K",
        "python": "3",
        "load": "0.1",
    },
    seconds=120.0,
    systems=(
        About(name="belltower", title="Ours", creates=1.0),
        About(name="peer", title="Peer", creates=1.0),
        About(name="slow", title="Slow", creates=1.0),
        About(name="gone", title="Gone", creates=1.0),
    ),
    skipped={"gone": "nobody sells it"},
    versions={"peer": {"library": "1.2", "redis-server": "6"}},
    runs={
        ("belltower", 1000): (
            a_figure(late_p99=0.5, rate=2000.0, cpu=2.0),
            a_figure(late_p99=0.5, rate=2000.0, cpu=2.0),
        ),
        ("peer", 1000): (a_figure(late_p50=0.025, late_p99=1.5, rate=23_500.4, cpu=1.0, doubled=2, early=3),),
        ("slow", 1000): (a_figure(late_p50=None, late_p99=None, rate=None, cpu=0.0, lost=1000),),
    },
    notes={("slow", 10_000): "it would take about 900 s, 12 s were left"},
)


@pytest.mark.parametrize(
    "line",
    [
        "| Ours | 2 | 0.50 | 0.50 | 1.1 | 2,000 | 2.0 | - | - | 100 | 50 | 0 | 0 |",
        "| Peer | 1 | 0.025 | 1.5 | 1.1 | 23,500 | 1.0 | - | - | 100 | 50 | 0 | 2 |",
        "| Slow | 1 | - | - | 1.1 | - | < 1 tick | - | - | 100 | 50 | 1000 | 0 |",
        "| Peer | 0.050 | 3.0 | 0.085 | 0.50 |",
        "- SKIPPED Gone: nobody sells it.",
        "- Slow, N = 10,000: it would take about 900 s, 12 s were left.",
        "- Peer, N = 1,000: 3 early arrivals.",
        "- Peer: library 1.2, redis-server 6.",
        "### N = 10,000",
    ],
)
def test_the_report_says(line: str) -> None:
    assert line in report.render(RESULTS).splitlines()


def test_the_report_names_the_command_and_the_machine() -> None:
    first = report.render(RESULTS).splitlines()[2]
    for told in ("the command", "120 s in all", *RESULTS.machine.values()):
        assert told in first


def test_raw_results_are_json_with_each_run() -> None:
    raw = json.loads(json.dumps(report.raw(RESULTS)))
    assert len(raw["runs"]["belltower 1000"]) == 2
    assert raw["runs"]["peer 1000"][0]["rate"] == 23_500.4
