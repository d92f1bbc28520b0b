"""APScheduler 3, scheduler and threads in one process.

    python -m benchmarks.peers.apscheduler3 [sqlite:///file]

Without an address jobs are kept in memory. A competent user's choices: no misfire is dropped (the default drops what is
a second late, which under this load is most of the jobs), and as many threads as the HTTP client has connections.
"""

import sys

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.jobstores.memory import MemoryJobStore
from apscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore
from apscheduler.schedulers.background import BackgroundScheduler

from benchmarks.peers.client import MOST, post
from benchmarks.peers.creator import Jobs, serve
from benchmarks.work import path


def main(addresses: list[str]) -> None:
    """Runs until the harness is done."""
    store = SQLAlchemyJobStore(addresses[0]) if addresses else MemoryJobStore()
    scheduler = BackgroundScheduler(
        jobstores={"default": store},
        executors={"default": ThreadPoolExecutor(MOST)},
        job_defaults={"misfire_grace_time": None},
        timezone="UTC",
    )
    scheduler.start()

    def create(jobs: Jobs) -> None:
        for number in range(jobs.count):
            scheduler.add_job(post, "date", run_date=jobs.due_at, args=(jobs.url + path(number), number))

    serve(create)


if __name__ == "__main__":
    main(sys.argv[1:])
