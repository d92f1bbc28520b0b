"""rq on Redis: the creator of jobs. They leave no result; its worker runs them in its own process and schedules too."""

import os

from redis import Redis
from rq import Queue

from benchmarks.peers.client import post
from benchmarks.peers.creator import Jobs, serve
from benchmarks.work import path

queue = Queue(connection=Redis.from_url(os.environ["REDIS_URL"]))


def create(jobs: Jobs) -> None:
    """One after the other: rq has no call for many at a time to come."""
    for number in range(jobs.count):
        queue.enqueue_at(jobs.due_at, post, jobs.url + path(number), number, result_ttl=0)


if __name__ == "__main__":
    serve(create)
