"""The section of RESULTS.md: what was due, what came of it, and how to read that."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

from benchmarks.chaos.scenario import Result

SECTION: Final = "chaos"
_TITLES: Final = (
    *(
        "scenario",
        "due",
        "fired",
        "made up",
        "doubled",
        "of these explained",
        "lost",
        "forgotten",
        "given back",
        "unrecorded",
    ),
    *("late p50 s", "p99 s", "max s"),
)
_NOTE: Final = """\
Real faults, on the packaged app in embedded engines of its own: processes end by kill -9, calls are broken by a proxy
on their way. **Due**: firings of jobs whose creation was acknowledged, one-shot and recurring. **Made up**: times of
a recurring job that passed while it could not fire, for which it fired once, as its misfire policy says. **Doubled**:
arrivals beyond the attempts on record; explained is a double that came by redelivery after its sender was killed
between the call and its record, 5 s at the most, or whose record was refused by broken calls. **Lost**: everything
that is due and neither fired nor made up. **Late**: from the due time to the first arrival, of all that fired; where
a worker dies its firings wait for the visibility time-out, 60 s here, and where a message is lost for the sweep, at
the age of five minutes.

A killed engine takes down database, queues, scheduler and functions in one, and comes back with its last snapshot:
the acknowledged writes since then are gone, two seconds of them on a machine that keeps up, which no real DynamoDB
does. A claim that was among them makes a double, counted as explained where the first arrival was since the snapshot.
A firing of a job that was among them, or that fired and whose record was among them, is **forgotten**. Queues and
database are written one after the other, so a message may be forgotten whose claim is kept: nothing but the
reconciliation sees that, which runs once a day, and here when no message can come any more. What it found is **given
back**; in every other scenario it must find nothing."""


def render(results: Sequence[Result], told: Mapping[str, str], *, command: str, seconds: float) -> str:
    """The section, in Markdown."""
    provenance = (
        f"{told['date']}, `{command}`, seed {told['seed']}, {told['jobs']} jobs each, {seconds:.0f} s in all. "
        f"{told['cpu']}, {told['cores']} cores, {told['memory']}, {told['kernel']}, Python {told['python']}, "
        f"Belltower {told['belltower']}, MiniStack {told['ministack']}; load before the start {told['load']}."
    )
    harm = "\n".join(f"- {result.title}: {result.harm}." for result in results if result.harm not in {"none", "-"})
    return "\n\n".join(part for part in ("## Under fire", provenance, table(results), _NOTE, injected(harm)) if part)


def injected(harm: str) -> str:
    """What was done, if anything."""
    return f"What was injected:\n\n{harm}" if harm else ""


def table(results: Sequence[Result]) -> str:
    """A line for each result."""
    rule = ["---", *["---:"] * (len(_TITLES) - 1)]
    return "\n".join(f"| {' | '.join(row)} |" for row in (_TITLES, rule, *map(_row, results)))


def _row(result: Result) -> Sequence[str]:
    told = result.reckoning
    fates = (told.due, told.fired, told.made_up, told.doubled, told.explained, len(told.lost))
    counts = (*fates, told.forgotten, told.given_back, told.unrecorded)
    late = ("-" if value is None else f"{value:.2f}" for value in (told.late_p50, told.late_p99, told.late_max))
    return [result.title, *(f"{count:,}" for count in counts), *late]


def raw(results: Sequence[Result], told: Mapping[str, str]) -> dict[str, Any]:
    """The results as JSON has them."""
    return {"machine": dict(told), "results": [asdict(result) for result in results]}
