"""Celery on Redis: the app that its worker loads, and the creator of jobs.

Results are ignored, nobody asks for them. The worker takes all messages at once whatever the prefetch limit, because
their time is still to come: that is how Celery keeps an `eta`.
"""

import os
import sys

from celery import Celery
from celery.signals import worker_ready

from benchmarks.peers.client import post
from benchmarks.peers.creator import Jobs, serve
from benchmarks.work import path

app = Celery("peer", broker=os.environ["REDIS_URL"])
app.conf.update(task_ignore_result=True, worker_prefetch_multiplier=16, broker_connection_retry_on_startup=True)
send = app.task(post, name="send")


def say_ready(**_: object) -> None:
    """The worker's own word for it is below the level at which it would log each task."""
    print("waiting for jobs", file=sys.stderr, flush=True)


worker_ready.connect(say_ready)


def create(jobs: Jobs) -> None:
    """One message after the other: Celery has no call for many."""
    with app.producer_pool.acquire(block=True) as producer:
        for number in range(jobs.count):
            send.apply_async((jobs.url + path(number), number), eta=jobs.due_at, producer=producer)


if __name__ == "__main__":
    serve(create)
