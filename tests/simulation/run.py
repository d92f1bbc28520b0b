"""One run: a seed and a scenario in; what happened, and what is broken, out."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any

from chalicelib.operations import jobs as operations
from chalicelib.operations.deliver import deliver
from chalicelib.operations.tick import tick
from chalicelib.ports import Services
from chalicelib.scheduling.job import JobRef
from tests.simulation.cloud import Cloud
from tests.simulation.history import History, name_of
from tests.simulation.loop import Loop
from tests.simulation.machinery import Deliver, Machinery
from tests.simulation.oracle import Bounds, Broken, judged, stories_of
from tests.simulation.promises import PROMISES, doubles
from tests.simulation.users import Users
from tests.simulation.weather import CALM, SCENARIOS, SECOND, Scenario
from tests.world import START

SERVICES = ("the database", "the queue", "the key service")
OUTAGE = (5 * SECOND, 60 * SECOND)
QUIET_STEP, QUIET_TRIES = 50, 600
SHOWN = 25  # lines about the job whose promise was broken
EVERYBODY = JobRef(account_id="everybody", job_id="")


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """What is simulated: the real thing, unless a test puts something worse in its place."""

    delivering: Deliver = deliver
    ticking: Callable[..., int] = tick
    changed: Callable[[Cloud], Services] = lambda cloud: cloud.services


REAL = System()


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What came of a seed. `firings`: how many calls were meant to be made, `doubles`: how many were one too many."""

    seed: int
    scenario: Scenario
    history: History
    broken: list[Broken]
    firings: int
    doubles: int
    lasted: int

    @property
    def counts(self) -> Counter[str]:
        """Faults by kind."""
        return self.history.counts

    def told(self) -> str:
        """The first broken promise, and the last of what happened to its job."""
        first = self.broken[0]
        return "\n".join(
            (
                f"seed {self.seed}, scenario {self.scenario.name}: {len(self.broken)} broken, first",
                str(first),
                *self.history.of(name_of(first.ref), until=first.at, last=SHOWN),
                f"again: python -m tests.simulation --seed {self.seed} --scenario {self.scenario.name}",
            )
        )


def scenario_of(seed: int) -> Scenario:
    """The scenario that a seed runs where none is named: they take turns."""
    every = list(SCENARIOS.values())
    return every[seed % len(every)]


def simulate(seed: int, scenario: Scenario | None = None, *, system: System = REAL) -> Run:
    """Runs a seed to its end."""
    scenario, random = scenario or scenario_of(seed), Random(seed)  # noqa: S311 - dice
    cloud = Cloud(scenario, random)
    try:
        with _seeded(random):
            return _lived(seed, cloud, system)
    finally:
        cloud.loop.close()


def _lived(seed: int, cloud: Cloud, system: System) -> Run:
    scenario, loop = cloud.scenario, cloud.loop
    cloud.services = system.changed(cloud)
    machinery = Machinery(cloud, delivering=system.delivering, ticking=system.ticking)
    Users(cloud, machinery.invoker)
    cloud.elements.weather = scenario.weather
    _plan(cloud)
    loop.sleep(scenario.bad + scenario.good - loop.now)
    quiet = _quiet(loop, machinery)
    bounds = Bounds(beginning=START, end=loop.now, scenario=scenario)
    stories = stories_of(cloud.history)
    broken = [*judged(stories, bounds, PROMISES), *_left_over(cloud, bounds, quiet=quiet)]
    more = sum(doubles(story) for story in stories)
    return Run(
        seed=seed,
        scenario=scenario,
        history=cloud.history,
        broken=broken,
        firings=cloud.history.counts["sent"] - more,
        doubles=more,
        lasted=loop.now,
    )


def _plan(cloud: Cloud) -> None:
    """Outages while the weather is bad, and its end."""
    for _ in range(cloud.scenario.weather.outages):
        begins, lasts = cloud.random.randint(0, cloud.scenario.bad), cloud.random.randint(*OUTAGE)
        service = cloud.random.choice(SERVICES)
        cloud.loop.at(begins, partial(_outage, cloud, service))
        cloud.loop.at(begins + lasts, partial(cloud.elements.away.discard, service))
    cloud.loop.at(cloud.scenario.bad, partial(_clear_up, cloud))


def _outage(cloud: Cloud, service: str) -> None:
    if cloud.loop.now < cloud.scenario.bad:
        cloud.history.fault(cloud.loop.now, "outages", service)
        cloud.elements.away.add(service)


def _clear_up(cloud: Cloud) -> None:
    cloud.elements.weather = CALM
    cloud.elements.away.clear()


def _quiet(loop: Loop, machinery: Machinery) -> bool:
    """Waits for a moment at which nobody is at work and no message is to be had: there must be one soon."""
    for _ in range(QUIET_TRIES):
        if machinery.quiet:
            return True
        loop.sleep(QUIET_STEP)
    return False


def _left_over(cloud: Cloud, bounds: Bounds, *, quiet: bool) -> Iterator[Broken]:
    """At the end the index holds what is to come, no message is in nobody's hands, and nothing broke in our code."""
    if not quiet:
        yield _of_all(bounds, "nothing is left behind", "messages wait, or are held by nobody")
    if cloud.history.counts["bugs"]:
        yield _of_all(bounds, "no bugs", next(line for _, _, line in cloud.history.log if line.startswith("bugs")))
    for key, due_at in cloud.next_fires():
        if bounds.owed_by(due_at) < bounds.end:
            yield _of_all(bounds, "nothing is left behind", f"{key} stands in the index since {due_at / SECOND}")


def _of_all(bounds: Bounds, promise: str, text: str) -> Broken:
    return Broken(at=bounds.end, promise=promise, ref=EVERYBODY, text=text)


class Dice:
    """The random part of what is named at random, drawn from the seed."""

    def __init__(self, random: Random) -> None:
        self._random = random

    def token_hex(self, size: int) -> str:
        return self._random.randbytes(size).hex()


@contextmanager
def _seeded(random: Random) -> Iterator[None]:
    """The names of runs beside the schedule decide where their records are, and so in which order they are read."""
    module: Any = operations
    kept = module.secrets
    module.secrets = Dice(random)
    try:
        yield
    finally:
        module.secrets = kept
