"""A minute with a crowd: as many messages as a tick can send, on a real clock, until all are sent.

Each tick has its budget; what one does not reach, the next does. With the stand-in behind a socket a call costs the
tick what it costs with AWS, but for TLS and the way there.
"""

import contextlib
import gc
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from benchmarks.cloud import a_standin, in_memory, over_http
from benchmarks.counted import Belltower, job_id
from benchmarks.processes import TICKS_A_SECOND, usage
from chalicelib.delivery.clock import SystemClock
from chalicelib.scheduling.job import JobRef, Standing
from chalicelib.scheduling.schedule import Once
from chalicelib.storage.codec import standing_item
from chalicelib.storage.jobs import shard_of
from chalicelib.storage.values import Item

SHARDS: Final = 16
MINUTE: Final = timedelta(minutes=1)
PUT: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Crowd:
    """A minute with a crowd: the ticks it took, on a real clock. CPU seconds: the tick's own, and the stand-in's."""

    title: str
    due: int
    ticks: int
    sent: int
    seconds: float
    cpu: float
    standin_cpu: float
    calls: int


def crowd_in_memory(count: int) -> Crowd:
    """The stand-in in this process."""
    clock = SystemClock()
    system = Belltower(in_memory(clock), clock)
    return _crowd("in process", system, count, standin_cpu=lambda: system.tally.behind)


def crowd_over_http(count: int) -> Crowd:
    """The stand-in behind a socket, as AWS is."""
    with tempfile.TemporaryDirectory() as folder, a_standin(Path(folder)) as told:
        pids = [int(told["pid"])]
        system = Belltower(over_http(told), SystemClock())
        return _crowd("over HTTP", system, count, standin_cpu=lambda: usage(pids).ticks / TICKS_A_SECOND)


def _crowd(title: str, system: Belltower, count: int, *, standin_cpu: Callable[[], float]) -> Crowd:
    """Ticks until all is read: each within its budget, the next at once."""
    fill(system, count, shards=SHARDS, since=system.clock.now(), over=MINUTE)
    system.tally.reset()
    with unwalked():
        cpu, other, began = time.process_time(), standin_cpu(), time.monotonic()
        done = _ticks(system)
        seconds, cpu, other = time.monotonic() - began, time.process_time() - cpu, standin_cpu() - other
    shared = other if system.cloud.dynamo else 0.0
    return Crowd(
        title=title,
        due=count,
        ticks=len(done),
        sent=sum(done),
        seconds=seconds,
        cpu=cpu - shared,
        standin_cpu=other,
        calls=sum(system.tally.calls.values()),
    )


def _ticks(system: Belltower) -> Sequence[int]:
    """How many messages each sent."""
    sent = [system.tick()]
    while system.lines()[-1]["unfinished"]:
        sent.append(system.tick())
    return sent


@contextlib.contextmanager
def unwalked() -> Iterator[None]:
    """What the stand-in holds by now is kept from our garbage collections, which would walk all of it."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def fill(system: Belltower, count: int, *, shards: int, since: datetime, over: timedelta) -> None:
    """Puts jobs into the index, due evenly over a span, that have only their standing: a tick sees no more of a job."""
    for first in range(0, count, PUT):
        numbers = range(first, min(first + PUT, count))
        system.jobs.batch_put([_waiting(number, since + over * number / count, shards) for number in numbers])


def _waiting(number: int, due_at: datetime, shards: int) -> Item:
    ref = JobRef(account_id="99999999-0000-4000-8000-000000000000", job_id=job_id(number))
    due_at = due_at.replace(microsecond=due_at.microsecond // 1000 * 1000)
    standing = Standing(schedule=Once(at=due_at), due_at=due_at)
    return standing_item(ref, standing, shard=shard_of(ref, shards), expires_at=None)
