"""`make bench`: every system does the same work on this machine, one after the other, and a report says how well.

    python -m benchmarks.harness [--systems floor,bullmq] [--counts 1000,10000] [--runs 3] [--budget 800] [--keep]

First each system runs once with each number of jobs, the small number first; then again, up to `runs` times, as long as
the budget of seconds lasts. The report has medians. A run that would not fit into what is left is not begun, and the
report says so; so it does of a system that cannot take part or that failed.

A run of all systems is kept in RESULTS.md and results.json; one of chosen systems or numbers is printed, and kept only
with --keep. After Ctrl-C nothing is left running and nothing is written.
"""

import argparse
import contextlib
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from benchmarks import install, report
from benchmarks.machine import machine
from benchmarks.measure import Figures, Observed, figures
from benchmarks.run import Pace, Sink, TooLate, a_sink, observe
from benchmarks.services import ROOT, ServiceError
from benchmarks.system import Roster, System, Unavailable
from benchmarks.systems.ours import OWN
from benchmarks.systems.peers import PEERS

COUNTS: Final = (1_000, 10_000)
RUNS: Final = 3
BUDGET: Final = 800.0
"""Seconds in all, installing included."""
TRIES: Final = 3
CAUTION: Final = 0.7
"""A system is trusted to create this share of what it did in its last run."""
START: Final = 10.0
SLOWEST: Final = 60.0
"""Firings a second that are expected of a system nobody has seen yet."""

Say = Callable[[str], None]
Clock = Callable[[], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to run."""

    counts: Sequence[int] = COUNTS
    runs: int = RUNS
    budget: float = BUDGET
    pace: Pace = field(default_factory=Pace)


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """How long a run took: in all, and the part that grows with the number of jobs; and what was measured."""

    seconds: float
    growing: float
    figures: Figures


Key = tuple[str, int]
"""A system's name and the number of jobs."""


@dataclass(kw_only=True)
class Bench:
    """The runs so far, and why there are not more."""

    plan: Plan
    say: Say
    began: float
    clock: Clock = time.monotonic
    courses: dict[Key, list[Course]] = field(default_factory=dict)
    notes: dict[Key, str] = field(default_factory=dict)

    def all(self, systems: Sequence[System], sink: Sink, folder: Path) -> None:
        """Every system, every number, as often as time allows."""
        for again in range(self.plan.runs):
            for count in self.plan.counts:
                for system in systems:
                    key = (system.about.name, count)
                    reason = self._why_not(system, count)
                    if reason is None:
                        self._one(system, count, sink, folder)
                    elif again == 0:
                        self.notes[key] = reason
                        self.say(f"  {system.about.name} N={count:,}: not run: {reason}")

    def _why_not(self, system: System, count: int) -> str | None:
        about, key = system.about, (system.about.name, count)
        if about.most is not None and count > about.most:
            return about.because
        if key in self.notes:
            return self.notes[key]
        left = self.plan.budget - (self.clock() - self.began)
        needed = expected(about.creates, count, self._seen(about.name))
        return f"it would take about {needed:.0f} s, {max(left, 0):.0f} s were left" if needed > left else None

    def _seen(self, name: str) -> Mapping[int, Course]:
        return {count: courses[-1] for (who, count), courses in self.courses.items() if who == name}

    def _one(self, system: System, count: int, sink: Sink, folder: Path) -> None:
        name, began = system.about.name, self.clock()
        try:
            observed = self._tried(system, count, sink, folder)
        except (ServiceError, Unavailable, TooLate, OSError) as error:
            self.notes[name, count] = f"failed: {error}"
            self.say(f"  {name} N={count:,}: failed: {error}")
            return
        seen, seconds = figures(observed), self.clock() - began
        growing = 2 * observed.create_seconds + (seen.late_max or 0.0)
        self.courses.setdefault((name, count), []).append(Course(seconds=seconds, growing=growing, figures=seen))
        self.say(f"  {name} N={count:,}: {report.in_a_line(seen)} ({seconds:.0f} s)")

    def _tried(self, system: System, count: int, sink: Sink, folder: Path) -> Observed:
        """A run whose jobs were all created in time: with twice the time where it was too short."""
        seen = self._seen(system.about.name)
        creates = CAUTION * seen[max(seen)].figures.creates if seen else system.about.creates
        for left in reversed(range(TRIES)):
            place = folder / f"{system.about.name}-{count}"
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir(parents=True)
            try:
                return observe(system, count, creates=creates, sink=sink, folder=place, pace=self.plan.pace)
            except TooLate as error:
                if not left:
                    raise
                self.say(f"  {system.about.name} N={count:,}: {error}, once more with more time")
                creates /= 2
        raise AssertionError("the last try returns or raises")


def expected(creates: float, count: int, seen: Mapping[int, Course]) -> float:
    """Seconds a run will take, by the largest run of the same system so far."""
    if not seen:
        return START + count / creates + count / SLOWEST
    known = max(number for number in seen)
    course = seen.get(count, seen[known])
    return course.seconds if count in seen else course.seconds + course.growing * (count / known - 1)


def roster(systems: Sequence[System], say: Say) -> Roster:
    """Prepares each system; says aloud who cannot take part."""
    ready, skipped, versions = [], {}, {}
    for system in systems:
        try:
            versions[system.about.name] = system.prepare()
            ready.append(system)
        except Unavailable as reason:
            skipped[system.about.name] = str(reason)
            say(f"SKIPPED {system.about.title}: {reason}")
    return Roster(systems=tuple(ready), skipped=skipped, versions=versions)


def run(systems: Sequence[System], plan: Plan, *, folder: Path, command: str, say: Say) -> report.Results:
    """Everything, from installing to figures."""
    bench = Bench(plan=plan, say=say, began=time.monotonic())
    taking_part = roster(systems, say)
    here = machine()
    say(f"{len(taking_part.systems)} systems on {here['cpu']}, {here['cores']} cores, load {here['load']}")
    with a_sink(folder) as sink:
        bench.all(taking_part.systems, sink, folder)
    return report.Results(
        command=command,
        machine=here,
        seconds=time.monotonic() - bench.began,
        systems=tuple(system.about for system in systems),
        skipped=taking_part.skipped,
        versions=taking_part.versions,
        runs={key: tuple(course.figures for course in courses) for key, courses in bench.courses.items()},
        notes=bench.notes,
    )


def main(arguments: Sequence[str]) -> int:
    """Runs the benchmark. Exits with 0 when every run that was begun came to its end, with 130 after Ctrl-C."""
    given = _parser().parse_args(arguments)
    systems = [system for system in (*OWN, *PEERS) if not given.systems or system.about.name in given.systems]
    plan = Plan(counts=sorted(given.counts), runs=given.runs, budget=given.budget)
    command = " ".join(["python -m benchmarks.harness", *arguments])
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with _runs_folder() as folder:
            results = run(systems, plan, folder=folder, command=command, say=_say)
    except KeyboardInterrupt:
        print("stopped: everything was ended, nothing was written", file=sys.stderr)
        return 130
    print(report.render(results))
    if given.keep or not (given.systems or tuple(given.counts) != COUNTS):
        report.publish(report.SECTION, report.render(results), raw=report.raw(results))
        print(f"written to {report.RESULTS.relative_to(ROOT)}")
    return 1 if any(note.startswith("failed") for note in results.notes.values()) else 0


@contextlib.contextmanager
def _runs_folder() -> Iterator[Path]:
    """A folder of this bench alone. The logs of its last runs stay there until the next bench."""
    install.BENCH.mkdir(exist_ok=True)
    for old in install.BENCH.glob("runs-*"):
        shutil.rmtree(old, ignore_errors=True)
    yield Path(tempfile.mkdtemp(prefix="runs-", dir=install.BENCH))


def _parser() -> argparse.ArgumentParser:
    known = [system.about.name for system in (*OWN, *PEERS)]
    parser = argparse.ArgumentParser(prog="python -m benchmarks.harness", description=main.__doc__)
    parser.add_argument("--systems", type=_names(known), default=(), help=f"some of {', '.join(known)}")
    parser.add_argument("--counts", type=_counts, default=COUNTS, help="numbers of jobs, with commas between them")
    parser.add_argument("--runs", type=int, default=RUNS, help="how often each, if the budget allows")
    parser.add_argument("--budget", type=float, default=BUDGET, help="seconds in all")
    parser.add_argument("--keep", action="store_true", help="write the report of chosen systems or numbers, too")
    return parser


def _names(known: Sequence[str]) -> Callable[[str], tuple[str, ...]]:
    def names(text: str) -> tuple[str, ...]:
        given = tuple(filter(None, text.split(",")))
        if unknown := sorted(set(given) - set(known)):
            raise argparse.ArgumentTypeError(f"unknown: {', '.join(unknown)}; there are {', '.join(known)}")
        return given

    return names


def _counts(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(",") if part) or COUNTS
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text}: expected numbers such as 1000,10000") from None


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
