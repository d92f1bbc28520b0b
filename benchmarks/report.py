"""The report: figures as tables, RESULTS.md in sections, and the raw figures beside it.

RESULTS.md belongs to several commands. Each owns one section between two marks and replaces that alone; the same name
is its key in results.json.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.measure import Figures, median
from benchmarks.system import About

RESULTS: Final = Path(__file__).resolve().parent / "RESULTS.md"
SECTION: Final = "peers"
TITLE: Final = "# Results\n\nEvery section is written by the command it names, on the machine it names.\n"
OURS: Final = "belltower"

_COLUMNS: Final[Sequence[tuple[str, Callable[[Figures], str]]]] = (
    ("late p50 s", lambda run: number(run.late_p50)),
    ("p99 s", lambda run: number(run.late_p99)),
    ("max s", lambda run: number(run.late_max)),
    ("firings/s", lambda run: number(run.rate)),
    ("CPU s per 1,000", lambda run: "< 1 tick" if run.cpu == 0 else number(run.cpu)),
    ("stand-in CPU", lambda run: number(run.standin_cpu)),
    ("requests per 1,000", lambda run: number(run.requests)),
    ("creates/s", lambda run: number(run.creates)),
    ("peak MB", lambda run: f"{run.peak:.0f}"),
    ("lost", lambda run: str(run.lost)),
    ("doubled", lambda run: str(run.doubled)),
)
_EXPLANATION: Final = """\
The work: N webhook jobs, all due in the same second, created before it through the system's own API; each posts 180
bytes of JSON to a sink on the same machine. Late is arrival minus the due second; firings/s counts to the last arrival.
CPU is user and system time of all of the system's processes, its Redis among them, from half a second before the due
second until two seconds after the last arrival; of processes that stand in for AWS it is told apart.
It is counted in clock ticks of 10 ms. Requests are those to the stand-in, or commands of Redis, those inside of its
scripts among them. Peak is the sum of each process's own highest memory. Figures are medians; lost and doubled are the
worst."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """One benchmark: who was asked, what ran, what did not and why. Runs and notes are by name and number of jobs."""

    command: str
    machine: Mapping[str, str]
    seconds: float
    systems: tuple[About, ...]
    skipped: Mapping[str, str]
    versions: Mapping[str, Mapping[str, str]]
    runs: Mapping[tuple[str, int], tuple[Figures, ...]]
    notes: Mapping[tuple[str, int], str]


# --- sections ---------------------------------------------------------------------------------------------------------


def replace_section(text: str, name: str, body: str) -> str:
    """The text with the section `name` in the place of the one it has, or at its end; everything else as it was."""
    begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
    section = f"{begin}\n{body.strip()}\n{end}"
    pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    if pattern.search(text):
        return pattern.sub(lambda _: section, text, count=1)
    return f"{text.rstrip()}\n\n{section}\n".lstrip()


def publish(name: str, body: str, *, raw: object, file: Path = RESULTS) -> None:
    """Writes a section of RESULTS.md and what it was made of."""
    text = file.read_text() if file.exists() else TITLE
    file.write_text(replace_section(text, name, body))
    beside = file.with_name("results.json")
    everything = json.loads(beside.read_text()) if beside.exists() else {}
    beside.write_text(json.dumps({**everything, name: raw}, indent=1, sort_keys=True) + "\n")


def raw(results: Results) -> dict[str, Any]:
    """The results as JSON has them: runs and notes by "name N"."""
    return {
        "command": results.command,
        "machine": dict(results.machine),
        "seconds": round(results.seconds),
        "skipped": dict(results.skipped),
        "versions": {name: dict(versions) for name, versions in results.versions.items()},
        "runs": {f"{name} {count}": [asdict(run) for run in runs] for (name, count), runs in results.runs.items()},
        "notes": {f"{name} {count}": note for (name, count), note in results.notes.items()},
    }


# --- tables -----------------------------------------------------------------------------------------------------------


def render(results: Results) -> str:
    """The section, in Markdown."""
    counts = sorted({count for _, count in (*results.runs, *results.notes)})
    parts = ["## Beside other schedulers", _provenance(results), _EXPLANATION]
    for count in counts:
        parts += [f"### N = {count:,}", _figures_table(results, count), *_ratio_tables(results, count)]
    parts += ["### What did not run, and versions", _remarks(results)]
    return "\n\n".join(part for part in parts if part)


def _provenance(results: Results) -> str:
    told = results.machine
    return (
        f"{told['date']}, `{results.command}`, {results.seconds:.0f} s in all. {told['cpu']}, "
        f"{told['cores']} cores, {told['memory']}, {told['kernel']}, Python {told['python']}; "
        f"load before the start {told['load']}."
    )


def _figures_table(results: Results, count: int) -> str:
    rows = [
        [about.title, str(len(results.runs[key])), *(column(median(results.runs[key])) for _, column in _COLUMNS)]
        for about in results.systems
        if (key := (about.name, count)) in results.runs
    ]
    return table(["system", "runs", *(title for title, _ in _COLUMNS)], rows)


def _ratio_tables(results: Results, count: int) -> Sequence[str]:
    """For each of our own forms, how many times better it was than each peer in the same benchmark."""
    measured = {about: median(runs) for about in results.systems if (runs := results.runs.get((about.name, count)))}
    peers = {about: run for about, run in measured.items() if not _is_ours(about)}
    tables = []
    for about, own in measured.items():
        if _is_ours(about) and peers:
            intro = f"{about.title}, times better than each peer in these same runs (below 1: worse):"
            rows = [[peer.title, *_ratios(own, run)] for peer, run in peers.items()]
            tables.append(f"{intro}\n\n{table(['than', 'late p50', 'late p99', 'firings/s', 'CPU'], rows)}")
    return tables


def _ratios(own: Figures, peer: Figures) -> Sequence[str]:
    return (
        _ratio(peer.late_p50, own.late_p50),
        _ratio(peer.late_p99, own.late_p99),
        _ratio(own.rate, peer.rate),
        _ratio(peer.cpu, own.cpu),
    )


def _is_ours(about: About) -> bool:
    return about.name.startswith(OURS)


def _remarks(results: Results) -> str:
    titles = {about.name: about.title for about in results.systems}
    lines = [f"- SKIPPED {titles[name]}: {reason}." for name, reason in results.skipped.items()]
    lines += [f"- {titles[name]}, N = {count:,}: {note}." for (name, count), note in results.notes.items()]
    for (name, count), runs in results.runs.items():
        worst = median(runs)
        odd = [f"{value} {what}" for what, value in (("early", worst.early), ("malformed", worst.malformed)) if value]
        lines += [f"- {titles[name]}, N = {count:,}: {', '.join(odd)} arrivals."] if odd else []
    for name, versions in results.versions.items():
        told = ", ".join(f"{package} {version}" for package, version in versions.items())
        lines += [f"- {titles[name]}: {told}."] if told else []
    return "\n".join(lines)


def table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """In Markdown: the first column is words, the others are figures."""
    rule = ["---", *["---:"] * (len(titles) - 1)]
    return "\n".join(f"| {' | '.join(row)} |" for row in (titles, rule, *rows))


def in_a_line(run: Figures) -> str:
    """A run, for who watches."""
    return (
        f"late p50 {number(run.late_p50)} p99 {number(run.late_p99)} s, {number(run.rate)} firings/s, "
        f"{number(run.cpu)} CPU s per 1,000, {number(run.creates)} creates/s, {run.lost} lost, {run.doubled} doubled"
    )


def number(value: float | None) -> str:
    """Two or three digits that mean something: 0.034, 1.2, 5.6, 178, 23,500."""
    if value is None:
        return "-"
    digits = next(digits for limit, digits in ((0.1, 3), (1, 2), (100, 1), (float("inf"), 0)) if abs(value) < limit)
    return f"{value:,.{digits}f}"


def _ratio(better: float | None, worse: float | None) -> str:
    return number(better / worse) if better is not None and worse else "-"
