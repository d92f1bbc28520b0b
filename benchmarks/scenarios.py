"""The kinds of firings whose cost is told apart, and what each takes, counted on the stand-in.

Each scenario lives through six minutes on a clock that is told the time: jobs are made, each minute the worker takes
what is visible in batches of ten, then the tick runs. The same minutes without jobs are what a stage costs when idle
(infra/prices.py), and are taken off. The counts are exact. From run to run the messages a tick sends change by a few in
a hundred: the id of an account is random, and with it how its jobs are spread over the shards.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from benchmarks.bill import ITEM_OVERHEAD, Counts, less
from benchmarks.cloud import Cloud, in_memory
from benchmarks.counted import START, Belltower, Hands, Prompt
from chalicelib.scheduling.job import Ending
from chalicelib.scheduling.schedule import Cron, Once, Schedule

MINUTE: Final = timedelta(minutes=1)
AFTER: Final = timedelta(seconds=2)
"""How long after the full minute EventBridge calls the tick."""
MINUTES: Final = 6
DUE: Final = START + 5 * MINUTE
JOBS: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """Jobs of one kind. `tenants`: over how many accounts they are spread; `answer`: the body their receivers send."""

    title: str
    schedule: Schedule
    ending: Ending = Ending.KEEP
    by_job: bool = True
    tenants: int = 1
    answer: bytes = b"ok"
    jobs: int = JOBS


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a scenario's firings took, and what it took to make its jobs."""

    firing: Counts
    creation: Counts


EVERY_FIVE: Final = Cron(expression="*/5 * * * *")
RECURRING: Final = Scenario(title="recurring", schedule=EVERY_FIVE)
WITHOUT_HISTORY: Final = replace(RECURRING, title="recurring, history by job off", by_job=False)
SCENARIOS: Final = (
    RECURRING,
    WITHOUT_HISTORY,
    replace(RECURRING, title="recurring, every minute", schedule=Cron(expression="* * * * *")),
    replace(RECURRING, title="one-shot, kept", schedule=Once(at=DUE)),
    replace(RECURRING, title="one-shot, deleted after it fired", schedule=Once(at=DUE), ending=Ending.PURGE),
    replace(RECURRING, title="recurring, each of another tenant", tenants=JOBS),
    *(replace(RECURRING, title=f"recurring, answers of {size:,} bytes", answer=b"x" * size) for size in (500, 8192)),
)


def cost_of(scenario: Scenario) -> Cost:
    """Counts a scenario, less what its minutes cost without jobs."""
    busy, idle = _lived(scenario), _lived(replace(scenario, jobs=0))
    return Cost(firing=less(busy.firing, idle.firing), creation=busy.creation)


def _lived(scenario: Scenario) -> Cost:
    clock = Hands()
    cloud = in_memory(clock)
    maker = Belltower(cloud, clock, by_job=scenario.by_job)
    owners = [maker.open_account() for _ in range(scenario.tenants)]
    maker.tally.reset()
    for number in range(scenario.jobs):
        maker.job(owners[number % len(owners)], scenario.schedule, number=number, ending=scenario.ending)
    worker = Belltower(cloud, clock, by_job=scenario.by_job, sender=Prompt(scenario.answer))
    for minute in range(MINUTES):
        _live(worker, clock, START + minute * MINUTE)
    return Cost(firing=counted(worker), creation=replace(counted(maker), firings=scenario.jobs))


def _live(worker: Belltower, clock: Hands, minute: datetime) -> None:
    """A minute: its firings, then its tick."""
    clock.sleep_until(minute)
    while worker.deliver():
        pass
    clock.sleep_until(minute + AFTER)
    worker.tick()


def counted(belltower: Belltower) -> Counts:
    """What a process did so far."""
    lines, tally = belltower.lines(), belltower.tally
    return Counts(
        firings=sum(line["event"] == "fired" for line in lines),
        calls=dict(tally.calls),
        units={name: units for name, units in tally.units.items() if units},
        log_lines=len(lines),
        log_bytes=len(belltower.log.getvalue()),
        invocations=tally.calls["DeleteMessageBatch"],
        kept=kept(belltower.cloud),
    )


def kept(cloud: Cloud) -> int:
    """Bytes of all records, with their entries in indexes."""
    if cloud.dynamo is None:
        return 0
    rows = [row for row in cloud.dynamo.tables[cloud.jobs_table].rows.values() if "attempts" in row.item]
    places = [part for row in rows for part in (row, *(entry.row for entry in row.entries if entry))]
    return sum(place.size + ITEM_OVERHEAD for place in places)
