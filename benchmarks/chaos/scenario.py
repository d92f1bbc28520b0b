"""One scenario, from a fresh engine to its account.

    deploy - make the jobs - [the window: jobs fall due, faults happen] - wait until all is healed - reckon

What was broken comes back by itself: a dead worker's message after the visibility time-out of 60 s, an entry whose
message is lost at the age of five minutes, when the sweep finds it; and what comes back may be broken again. What was
claimed, and its message lost, comes back by the reconciliation alone: here it is called once no message can come, not
the next morning. So a scenario waits `settle` at least, in which a double would come, and `patience` at most for what
is still missing.
"""

import contextlib
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any, Final

from benchmarks.chaos import faults
from benchmarks.chaos.creation import Maker
from benchmarks.chaos.plan import Window, hostile_of, jobs_of
from benchmarks.chaos.reckoning import Evidence, Reckoning, by_firing, reckon
from benchmarks.chaos.stack import Engine, Stack, deployed
from benchmarks.chaos.witness import records, told
from benchmarks.services import Service, ServiceError, running, tail
from chalicelib.scheduling.errors import Unavailable
from chalicelib.scheduling.job import JobRef
from infra.package import Artifact

LENGTH: Final = timedelta(seconds=120)
LEAD: Final = 15.0
CREATES: Final = 40.0
"""Jobs a second that are made at the least."""
OVERDUE: Final = timedelta(seconds=150)
"""After two visibility time-outs and more no message comes back: what is claimed and has no record has lost its own."""
LOOK: Final = 10.0
"""Seconds between two reckonings while something is missing."""
BROKEN_CALLS: Final = 0.1
"""The share of the functions' calls to AWS that the proxy breaks."""
HOSTILE_SHARE: Final = 0.1

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """What is done to whom. Times in seconds: `ahead` passes before the window, the others after it."""

    name: str
    title: str
    fault: faults.Fault = faults.none
    ahead: float = 0.0
    settle: float = 75.0
    patience: float = 210.0
    proxied: bool = False
    hostile: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """How many jobs, by which seed, of what package; where logs and data go. `stop` takes it back."""

    seed: str
    jobs: int
    artifact: Artifact
    folder: Path
    say: Say
    stop: threading.Event = field(default_factory=threading.Event)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """A line of the table. `harm`: what was done, in words."""

    title: str
    reckoning: Reckoning
    harm: str


class Stopped(Exception):
    """The order was taken back."""


class Helper:
    """A process of ours that says where it listens, and answers each line with one of JSON."""

    def __init__(self, process: subprocess.Popen[str], log: Path) -> None:
        self._process = process
        self.says = self._line(log)

    def ask(self) -> Any:  # noqa: ANN401 - each helper has its own answer
        """One line and its answer."""
        if self._process.stdin:
            self._process.stdin.write("\n")
            self._process.stdin.flush()
        return self._line(None)

    def _line(self, log: Path | None) -> Any:  # noqa: ANN401 - each helper has its own answer
        line = self._process.stdout.readline() if self._process.stdout else ""
        if not line:
            raise ServiceError(f"a helper ended: {tail(log) if log else ''}")
        return json.loads(line)


@contextlib.contextmanager
def helper(name: str, folder: Path, *arguments: str) -> Iterator[Helper]:
    """Runs benchmarks/chaos/<name>.py."""
    command = (sys.executable, "-m", f"benchmarks.chaos.{name}", *arguments)
    log = folder / f"{name}.log"
    with running(Service(command=command), log) as process:
        yield Helper(process, log)


@dataclass(frozen=True, kw_only=True)
class Stage:
    """Everything a scenario works with. `hostile`: the other tenant's jobs."""

    scenario: Scenario
    order: Order
    stack: Stack
    sink: Helper
    window: Window
    maker: Maker
    hostile: Maker
    harm: faults.Harm = field(default_factory=faults.Harm)

    @property
    def seed(self) -> str:
        """Of this scenario alone."""
        return f"{self.order.seed} {self.scenario.name}"

    def say(self, line: str) -> None:
        """Says who speaks."""
        self.order.say(f"{self.scenario.name}: {line}")


def run(scenario: Scenario, order: Order) -> Sequence[Result]:
    """Raises ServiceError when something of it did not start, and Stopped."""
    folder = order.folder / scenario.name
    folder.mkdir(parents=True)
    with contextlib.ExitStack() as stack:
        engine = stack.enter_context(Engine(folder / "home"))
        sink = stack.enter_context(helper("sink", folder))
        proxy = stack.enter_context(_proxy(scenario, order, engine, folder)) if scenario.proxied else None
        urls = stack.enter_context(helper("hostile", folder)).says if scenario.hostile else {}
        through = f"http://127.0.0.1:{proxy.says['port']}" if proxy else ""
        stage = _stage(scenario, order, deployed(engine, order.artifact, through=through), sink)
        _play(stage, urls)
        reckoning = _settled(stage)
        (folder / "arrivals.json").write_text(json.dumps(sink.ask()))  # for who wants to look closer
        if proxy:
            _note_calls(stage.harm, proxy.ask())
        return _results(stage, reckoning)


def _proxy(scenario: Scenario, order: Order, engine: Engine, folder: Path) -> contextlib.AbstractContextManager[Helper]:
    arguments = ("--target", str(engine.port), "--seed", f"{order.seed} {scenario.name}", "--share", str(BROKEN_CALLS))
    return helper("proxy", folder, *arguments)


def _stage(scenario: Scenario, order: Order, stack: Stack, sink: Helper) -> Stage:
    lead = timedelta(seconds=LEAD + order.jobs / CREATES + scenario.ahead)
    return Stage(
        scenario=scenario,
        order=order,
        stack=stack,
        sink=sink,
        window=Window(start=datetime.now(UTC).replace(microsecond=0) + lead, length=LENGTH),
        maker=Maker(stack=stack, owner=stack.open_account("healthy@example.com")),
        hostile=Maker(stack=stack, owner=stack.open_account("hostile@example.com")),
    )


def _play(stage: Stage, urls: Mapping[str, str]) -> None:
    """Makes the jobs, then does harm while they fall due."""
    window, base = stage.window, f"http://127.0.0.1:{stage.sink.says['port']}"
    jobs = [(job, base + job.path) for job in jobs_of(stage.seed, stage.order.jobs, window)]
    hostile = (
        hostile_of(stage.seed, round(stage.order.jobs * HOSTILE_SHARE), window, list(urls.values())) if urls else []
    )
    began = time.monotonic()
    stage.maker.all((one for one in jobs if not one[0].made_at), window)
    stage.hostile.all(hostile, window)
    stage.say(f"{len(stage.maker.acknowledged)} jobs made in {time.monotonic() - began:.0f} s")
    if datetime.now(UTC) > window.start:
        stage.say("that took until after the first were due: their lateness is counted from their making")
    wait = faults.waiting(stage.order.stop)
    with ThreadPoolExecutor(2) as pool:
        rng = Random(f"{stage.seed} faults")  # noqa: S311 - to be the same again, not to be secret
        harming = pool.submit(stage.scenario.fault, stage.stack.engine, rng, window, wait, stage.harm)
        making = pool.submit(stage.maker.each, [one for one in jobs if one[0].made_at], window, wait)
        for one in (harming, making):
            one.result()
    _pause(stage, (window.end - datetime.now(UTC)).total_seconds())


def _pause(stage: Stage, seconds: float) -> None:
    """Raises Stopped."""
    if stage.order.stop.wait(max(seconds, 0.0)):
        raise Stopped


def _settled(stage: Stage) -> Reckoning:
    """When all is healed, or patience is at its end."""
    stage.say(f"all is due; faults: {stage.harm.told()}; waiting for what they broke")
    _pause(stage, stage.scenario.settle)
    while True:
        reckoning = reckon(_evidence(stage))
        if reckoning.settled or datetime.now(UTC) > stage.window.end + timedelta(seconds=stage.scenario.patience):
            return reckoning
        stage.say(f"{len(reckoning.lost)} firings to come, {reckoning.unrecorded} to be recorded")
        if datetime.now(UTC) > stage.window.end + OVERDUE:
            stage.stack.reconcile(OVERDUE)
        _pause(stage, LOOK)


def _evidence(stage: Stage) -> Evidence:
    maker, services = stage.maker, stage.stack.services
    log = told(stage.stack.engine.home / "log")
    arrivals = by_firing(stage.sink.ask())
    kept = records(services.executions, maker.owner.account_id, until=stage.window.end)
    missing = {one.job_id for one in maker.expected if one.firing not in arrivals or one.firing not in kept}
    return Evidence(
        end=stage.window.end,
        expected=maker.expected,
        arrivals=arrivals,
        records=kept,
        spans=stage.harm.spans,
        rollbacks=stage.harm.rollbacks,
        acknowledged=maker.acknowledged,
        forgotten=_forgotten(stage, missing),
        given_back=log.given_back,
        spoken_of=log.spoken_of,
        refused=log.refused,
        unanswered=frozenset(one.firing for one in maker.unanswered),
    )


def _forgotten(stage: Stage, jobs: set[str]) -> frozenset[str]:
    """Those of the jobs that are in the database no more. No job of a scenario is ever deleted."""
    refs = [JobRef(account_id=stage.maker.owner.account_id, job_id=job) for job in sorted(jobs)]
    try:
        found = stage.stack.services.firings.jobs(refs) if refs else {}
    except Unavailable:
        return frozenset()
    return frozenset(ref.job_id for ref in refs if ref not in found)


def _note_calls(harm: faults.Harm, calls: Mapping[str, int]) -> None:
    for name, number in sorted(calls.items()):
        harm.note(f"calls {name}", number)


def _results(stage: Stage, reckoning: Reckoning) -> Sequence[Result]:
    told_of = [Result(title=stage.scenario.title, reckoning=reckoning, harm=stage.harm.told())]
    if not stage.hostile.expected:
        return told_of
    kept = records(stage.stack.services.executions, stage.hostile.owner.account_id, until=stage.window.end)
    reached = {firing: [record.sent_at] for firing, record in kept.items()}
    seen = Evidence(end=stage.window.end, expected=stage.hostile.expected, arrivals=reached, records=kept)
    title = f"{stage.scenario.title}: their own jobs, as recorded"
    return [*told_of, Result(title=title, reckoning=reckon(seen), harm="-")]
