"""huey on Redis: the queue that its consumer loads, and the creator of jobs. Results are not kept."""

import os

from huey import RedisHuey

from benchmarks.peers.client import post
from benchmarks.peers.creator import Jobs, serve
from benchmarks.work import path

queue = RedisHuey("peer", url=os.environ["REDIS_URL"], results=False)
send = queue.task()(post)


def create(jobs: Jobs) -> None:
    """One after the other: huey has no call for many at a time to come."""
    for number in range(jobs.count):
        send.schedule((jobs.url + path(number), number), eta=jobs.due_at)


if __name__ == "__main__":
    serve(create)
