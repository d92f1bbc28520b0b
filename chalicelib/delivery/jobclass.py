"""Runs a job class in the worker: from the allow-list, within a time, and whatever it does ends as an outcome.

A run that does not end in time is given up, not ended: Python cannot end a thread. The worker's own time-out does.
"""

import json
import threading
import time
from collections.abc import Collection
from datetime import timedelta
from typing import Any

from chalicelib.job_classes import JobBase, Surroundings, known
from chalicelib.scheduling.execution import Outcome, OutcomeKind
from chalicelib.scheduling.job import JobRef
from chalicelib.scheduling.target import JobClass

MAX_RESULT = 8 * 1024


class ClassRunner:
    """The JobRunner of the worker. `forbidden`: names of classes that are there and not allowed."""

    def __init__(
        self, surroundings: Surroundings, *, forbidden: Collection[str] = (), limit: timedelta = timedelta(seconds=50)
    ) -> None:
        self._surroundings, self._forbidden, self._limit = surroundings, forbidden, limit

    def run(self, target: JobClass, ref: JobRef, *, execution_id: str) -> Outcome:
        """One run. The outcome's body is the result as ndscheduler shows it, or a traceback."""
        began = time.monotonic()
        job_class = known().get(target.class_string)
        if job_class is None or job_class.class_string() in self._forbidden:
            text = f"{target.class_string} is not a class that jobs may run here"
            return Outcome(kind=OutcomeKind.UNKNOWN_CLASS, took=timedelta(0), detail=text, body=text.encode())
        kind, result = self._within_limit(job_class, target, ref, execution_id)
        took = timedelta(seconds=time.monotonic() - began)
        return Outcome(
            kind=kind,
            took=took,
            body=result.encode(errors="replace")[:MAX_RESULT],
            detail=job_class.get_running_description(),
        )

    def _within_limit(
        self, job_class: type[JobBase], target: JobClass, ref: JobRef, execution_id: str
    ) -> tuple[OutcomeKind, str]:
        ended: list[tuple[OutcomeKind, str]] = []

        def work() -> None:
            ended.append(_run(job_class, self._surroundings, target, ref, execution_id))

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        thread.join(self._limit.total_seconds())
        return ended[0] if ended else (OutcomeKind.TIMED_OUT, f"not ended after {self._limit.total_seconds():.0f} s")


def _run(
    job_class: type[JobBase], surroundings: Surroundings, target: JobClass, ref: JobRef, execution_id: str
) -> tuple[OutcomeKind, str]:
    try:
        args: list[Any] = json.loads(target.args)
        kwargs: dict[str, Any] = json.loads(target.kwargs)
        result = job_class.run_job(ref.job_id, execution_id, surroundings, args, kwargs)
        return OutcomeKind.DELIVERED, json.dumps(result, indent=4, sort_keys=True)
    except BaseException:  # noqa: BLE001 - a job class may raise what it likes, SystemExit too
        return OutcomeKind.RAISED, job_class.get_failed_result()
