"""Runs seeds, one after the other, until so many firings were simulated, or one seed again.

    python -m tests.simulation --firings 1000000 --seed 1
    python -m tests.simulation --seed 4711 --scenario storm --log

The first broken promise ends it, with the seed that shows it and the last of what happened to the job.
"""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence

from tests.simulation.run import Run, simulate
from tests.simulation.weather import MINUTE, SCENARIOS

PROGRESS = 10.0  # seconds between two lines
HOUR = 60 * MINUTE


class Total:
    """What all runs came to."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock, self._began = clock, clock()
        self.runs, self.firings, self.doubles, self.virtual = 0, 0, 0, 0
        self.faults = Counter[str]()

    def add(self, run: Run) -> None:
        """One more."""
        self.runs, self.firings, self.doubles = self.runs + 1, self.firings + run.firings, self.doubles + run.doubles
        self.virtual += run.lasted
        self.faults += run.counts

    def __str__(self) -> str:
        took, hours = self._clock() - self._began, self.virtual / HOUR
        faults = ", ".join(f"{kind} {count:,}" for kind, count in sorted(self.faults.items()) if kind != "sent")
        return (
            f"{self.firings:,} firings in {self.runs:,} runs, lost 0, sent twice {self.doubles:,}; {faults}; "
            f"{hours:,.1f} virtual hours in {took:,.0f} s: "
            f"{hours / took:.2f} hours and {self.firings / took:,.0f} firings a second"
        )


def main(arguments: Sequence[str], *, say: Callable[[str], None], clock: Callable[[], float]) -> int:
    """The command: 1 where a promise was broken."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seed", type=int, default=1, help="the first seed")
    options.add_argument("--firings", type=int, default=1, help="go on until so many")
    options.add_argument("--scenario", choices=SCENARIOS, help="in place of all in turn")
    options.add_argument("--log", action="store_true", help="tell everything that happened")
    chosen = options.parse_args(arguments)
    total, seed, told_at = Total(clock), chosen.seed, clock()
    while total.firings < chosen.firings:
        run = simulate(seed, SCENARIOS.get(chosen.scenario))
        if chosen.log:
            say("\n".join(run.history.lines()))
        if run.broken:
            say(run.told())
            return 1
        total.add(run)
        if clock() - told_at > PROGRESS:
            told_at = clock()
            say(f"seed {seed}: {total}")
        seed += 1
    say(f"seeds {chosen.seed} to {seed - 1}, the last log is {run.history.digest[:16]}: {total}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], say=lambda line: print(line, flush=True), clock=time.monotonic))  # noqa: T201 - a command
