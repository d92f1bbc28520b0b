"""What a firing costs: counted on the stand-in, priced by the list, beside EventBridge Scheduler.

    python -m benchmarks.cost [--dry]

What is counted is in benchmarks/scenarios.py, how it becomes dollars in benchmarks/bill.py. Only the CPU time of a
batch is measured on this machine.
"""

import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

from benchmarks.bill import (
    ON_DEMAND,
    READS,
    SCHEDULER,
    SQS_CALLS,
    WRITES,
    Counts,
    Lambda,
    as_aimed,
    bill,
    in_all,
    largest,
    provisioned,
    total_of,
    verdict,
)
from benchmarks.cloud import a_standin, over_http
from benchmarks.counted import BATCH, Belltower, Hands
from benchmarks.machine import machine
from benchmarks.report import publish, table
from benchmarks.run import a_sink
from benchmarks.scenarios import DUE, EVERY_FIVE, RECURRING, SCENARIOS, WITHOUT_HISTORY, Cost, cost_of
from benchmarks.services import ServiceError
from benchmarks.work import path
from chalicelib.delivery.webhook import HttpSender
from chalicelib.scheduling.address import AddressPolicy, Reach
from infra.prices import AS_OF

SECTION: Final = "cost"
COMMAND: Final = "make cost"
BATCHES: Final = 100
WARM_UP: Final = 20
FULL_CPU_MEGABYTES: Final = 1769
"""With so much memory a Lambda function has one processor; with less, its share of one."""
WORKER_SECONDS: Final = 0.4
WORKER_MEGABYTES: Final = 512

LIMITS: Final = 4
"""How many lines of a bill are named as its largest."""
UNITS_AIMED: Final = {True: 5, False: 4}
DOLLARS_AIMED: Final = {"on demand": 2.92, "provisioned": 1.45}
SCHEDULER_NOTE: Final = (
    "EventBridge Scheduler's price is for the invocation alone, after 14 million a month that are free: its target, "
    "the HTTP call, and a history come on top."
)


# --- CPU time ---------------------------------------------------------------------------------------------------------


def cpu_of_a_batch(*, batches: int = BATCHES, warm_up: int = WARM_UP) -> float:
    """CPU seconds of a worker's process for ten recurring firings: all calls over sockets, none over TLS."""
    with tempfile.TemporaryDirectory() as name, a_sink(Path(name)) as sink, a_standin(Path(name)) as told:
        clock = Hands()
        worker = Belltower(over_http(told), clock, sender=HttpSender(AddressPolicy(reach=Reach.LOCAL)))
        owner, count = worker.open_account(), (warm_up + batches) * BATCH
        sink.ask(f"expect {count}")
        for number in range(count):
            worker.job(owner, EVERY_FIVE, number=number, url=sink.url + path(number))
        clock.sleep_until(DUE)
        worker.tick()
        done = sum(worker.deliver() for _ in range(warm_up))
        began = time.process_time()
        rest = sum(worker.deliver() for _ in range(batches))
        seconds = time.process_time() - began
        if done + rest != count or sink.ask("progress")["arrived"] != count:
            raise ServiceError(f"{done + rest} of {count} firings were sent")
    return seconds / batches


# --- the report -------------------------------------------------------------------------------------------------------


def functions(cpu: float) -> Mapping[str, Lambda]:
    """How long a worker takes for a batch of ten: as assumed, and when it waits for nothing but its share of a CPU."""
    gigabytes = WORKER_MEGABYTES / 1024
    alone = cpu * FULL_CPU_MEGABYTES / WORKER_MEGABYTES
    return {
        f"{WORKER_SECONDS} s a batch, assumed": Lambda(seconds=WORKER_SECONDS, gigabytes=gigabytes),
        f"{alone:.3f} s a batch, its CPU time alone": Lambda(seconds=alone, gigabytes=gigabytes),
    }


def render(costs: Mapping[str, Cost], cpu: float, told: Mapping[str, str]) -> str:
    """The section, in Markdown."""
    assumed, alone = functions(cpu).values()
    where = (
        f"{told['date']}, `{COMMAND}`. {told['cpu']}, {told['cores']} cores, Python {told['python']}; "
        f"load {told['load']}. List prices: {AS_OF}, arm64."
    )
    worker = (
        f"A worker of {WORKER_MEGABYTES} MB is taken to need {WORKER_SECONDS} s for a batch of {BATCH}: its receivers' "
        f"time, mostly. Its own CPU time was {cpu * 1000:.1f} ms a batch on this machine (real calls and webhooks over "
        f"sockets, without TLS), which at {WORKER_MEGABYTES} MB is {alone.seconds:.3f} s: the least it can take."
    )
    return "\n\n".join(
        [
            "## What a firing costs",
            where,
            worker,
            "### Dollars per million firings",
            _bills(costs, assumed, alone),
            *_targets(costs, assumed, alone),
            "### Units and requests per firing",
            _counts(costs, assumed),
            _creations(costs),
        ]
    )


def _bills(costs: Mapping[str, Cost], assumed: Lambda, alone: Lambda) -> str:
    """A column for each way to pay: history by job on and off, on demand and provisioned, and the quickest worker."""
    tariffs = (ON_DEMAND, provisioned())
    columns = {
        f"{title}, {tariff.title}": bill(costs[scenario.title].firing, tariff, assumed)
        for title, scenario in (("history on", RECURRING), ("off", WITHOUT_HISTORY))
        for tariff in tariffs
    }
    columns["off, provisioned, CPU time alone"] = bill(costs[WITHOUT_HISTORY.title].firing, tariffs[1], alone)
    whats = [line.what for line in next(iter(columns.values()))]
    rows = [[what, *(f"{lines[row].dollars:.3f}" for lines in columns.values())] for row, what in enumerate(whats)]
    for title, add_up in (("**as the targets count**", as_aimed), ("**in all**", in_all)):
        rows.append([title, *(f"**{add_up(lines):.2f}**" for lines in columns.values())])
    rows.append(["EventBridge Scheduler", *[f"{SCHEDULER * 1e6:.2f}"] * len(columns)])
    return table(["a recurring job's", *columns], rows)


def _targets(costs: Mapping[str, Cost], assumed: Lambda, alone: Lambda) -> Sequence[str]:
    lines = []
    for scenario, most in ((RECURRING, UNITS_AIMED[True]), (WITHOUT_HISTORY, UNITS_AIMED[False])):
        units = _per_firing(costs[scenario.title].firing, WRITES)
        lines.append(f"- {scenario.title}: {units:.2f} write units, at most {most}: {verdict(units, most)}.")
    cheap = costs[WITHOUT_HISTORY.title].firing
    for tariff, target in ((ON_DEMAND, DOLLARS_AIMED["on demand"]), (provisioned(), DOLLARS_AIMED["provisioned"])):
        for title, function in (("assumed worker", assumed), ("CPU time alone", alone)):
            paid = bill(cheap, tariff, function)
            lines.append(
                f"- {tariff.title}, {title}, target ${target:.2f}: as it counts ${as_aimed(paid):.2f}, "
                f"{verdict(as_aimed(paid), target)}; in all ${in_all(paid):.2f}, {verdict(in_all(paid), target)} "
                f"({largest(paid, LIMITS)})."
            )
    return [
        "The targets count write units, Lambda and SQS, with history by job off. What they leave out is real:\n"
        + "\n".join(lines),
        SCHEDULER_NOTE,
    ]


def _counts(costs: Mapping[str, Cost], function: Lambda) -> str:
    rows = []
    for title, cost in costs.items():
        firing = cost.firing
        rows.append(
            [
                title,
                f"{_per_firing(firing, WRITES):.2f}",
                f"{_per_firing(firing, READS):.2f}",
                f"{total_of(firing.calls, WRITES | READS) / firing.firings:.2f}",
                f"{total_of(firing.calls, SQS_CALLS) / firing.firings:.2f}",
                f"{firing.calls.get('Decrypt', 0) / firing.firings:.3f}",
                f"{firing.log_bytes / firing.firings:.0f}",
                f"{firing.kept / firing.firings:.0f}",
                *(f"{in_all(bill(firing, tariff, function)):.2f}" for tariff in (ON_DEMAND, provisioned())),
            ]
        )
    titles = ["", "write units", "read units", "DynamoDB calls", "SQS calls", "KMS calls", "log bytes", "bytes kept"]
    return table([*titles, "$ a million, on demand", "provisioned"], rows)


def _creations(costs: Mapping[str, Cost]) -> str:
    made = costs[RECURRING.title].creation
    units = _per_firing(made, WRITES)
    return (
        f"To make a job takes {units:.2f} write units in {made.calls['TransactWriteItems'] / made.firings:.0f} "
        f"transaction and {made.calls['PutItem'] / made.firings:.0f} entry of the audit log: "
        f"${units * ON_DEMAND.write * 1e6:.2f} a million on demand."
    )


def _per_firing(counts: Counts, operations: frozenset[str]) -> float:
    return total_of(counts.units, operations) / counts.firings


def raw(costs: Mapping[str, Cost], cpu: float, told: Mapping[str, str]) -> Mapping[str, object]:
    """The figures as JSON has them."""
    return {"machine": dict(told), "cpu_of_a_batch": cpu, "costs": {name: asdict(cost) for name, cost in costs.items()}}


def main(arguments: Sequence[str]) -> int:
    """Counts, measures, prints and, without --dry, publishes."""
    costs = {scenario.title: cost_of(scenario) for scenario in SCENARIOS}
    told, cpu = machine(), cpu_of_a_batch()
    text = render(costs, cpu, told)
    print(text)
    if "--dry" not in arguments:
        publish(SECTION, text, raw=raw(costs, cpu, told))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
