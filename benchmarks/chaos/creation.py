"""Making the jobs: in bulk before the faults begin, one by one while they happen.

A creation counts once it is acknowledged. One that is not is tried again under another id, because nobody knows whether
the job is there: what such a job does is neither demanded nor held against the system.
"""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from benchmarks.chaos.plan import Expected, Planned, Window, expected_of
from benchmarks.chaos.stack import Stack
from chalicelib.operations.jobs import create_job
from chalicelib.scheduling.account import Principal
from chalicelib.scheduling.errors import Taken, Unavailable
from chalicelib.scheduling.job import Definition, JobRef
from chalicelib.scheduling.target import Webhook

CREATORS: Final = 4
"""Jobs that are made at a time."""
HOPS: Final = 5

Wait = Callable[[datetime], bool]


@dataclass(frozen=True, kw_only=True)
class Maker:
    """Makes the jobs of one account. What each came to stands in `acknowledged`, by job, and `unanswered`."""

    stack: Stack
    owner: Principal
    acknowledged: dict[str, datetime] = field(default_factory=dict)
    expected: list[Expected] = field(default_factory=list)
    unanswered: list[Expected] = field(default_factory=list)

    def all(self, jobs: Iterable[tuple[Planned, str]], window: Window) -> None:
        """Several at a time. Jobs come with the address their webhook goes to."""
        with ThreadPoolExecutor(CREATORS) as creators:
            list(creators.map(lambda one: self.make(one[0], one[1], window), jobs))

    def each(self, jobs: Sequence[tuple[Planned, str]], window: Window, wait: Wait) -> None:
        """Each in its time."""
        for job, url in sorted(jobs, key=lambda one: one[0].made_at or window.start):
            if job.made_at and not wait(job.made_at):
                return
            self.make(job, url, window)

    def make(self, job: Planned, url: str, window: Window) -> None:
        """Until it is acknowledged, or the window is over."""
        number = 0
        while self.stack.services.clock.now() < window.end:
            number += 1
            ref = JobRef(account_id=self.owner.account_id, job_id=f"job-{job.number}-{number}")
            try:
                create_job(self.stack.services, self._definition(job, ref, url), job.schedule, misfire=job.misfire)
            except (Unavailable, Taken):  # taken by ourselves: done, its reply lost, and asked for again
                self.unanswered.extend(expected_of(job, ref, window))
                continue
            self.acknowledged[ref.job_id] = self.stack.services.clock.now()
            self.expected.extend(expected_of(job, ref, window))
            return

    def _definition(self, job: Planned, ref: JobRef, url: str) -> Definition:
        return Definition(
            ref=ref,
            dialect="chaos",
            key=self.owner.key,
            name=f"job {job.number}",
            target=Webhook(url=url, redirects=HOPS),
            created_at=self.stack.services.clock.now(),
            retry=job.retry,
        )
