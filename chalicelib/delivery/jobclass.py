"""Runs a job class in the worker: from the allow-list, within a time, and whatever it does ends as an outcome.

A run that does not end in time is given up, not ended: Python cannot end a thread. The worker's own time-out does.
An outcome's body is the result as ndscheduler keeps it: JSON with an indent of 4 and sorted keys, or a traceback, of
which the end is kept where it is long. Its detail is the class's own description of the run.
"""

import json
import sys
import threading
import time
from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from chalicelib.job_classes import JobBase, Surroundings, broken, known
from chalicelib.job_classes.base import traceback_of
from chalicelib.scheduling.execution import Outcome, OutcomeKind
from chalicelib.scheduling.job import JobRef
from chalicelib.scheduling.target import JobClass

MAX_RESULT = 8 * 1024
MAX_DESCRIPTION = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """What a run came to."""

    kind: OutcomeKind
    body: bytes
    detail: str


class ClassRunner:
    """The JobRunner of the worker. `forbidden`: names of classes that are there and not allowed."""

    def __init__(self, surroundings: Surroundings, *, forbidden: Collection[str] = ()) -> None:
        self.surroundings, self._forbidden = surroundings, forbidden

    def run(self, target: JobClass, ref: JobRef, *, execution_id: str) -> Outcome:
        """One run."""
        began = time.monotonic()
        job_class = known().get(target.class_string)
        if job_class is None or job_class.class_string() in self._forbidden:
            ended = _unknown(target)
        else:
            ended = self._within_limit(job_class, target, ref, execution_id)
        took = timedelta(seconds=time.monotonic() - began)
        return Outcome(kind=ended.kind, took=took, body=ended.body, detail=ended.detail)

    def _within_limit(self, job_class: type[JobBase], target: JobClass, ref: JobRef, execution_id: str) -> Ended:
        result: list[Ended] = []

        def work() -> None:
            result.append(_run(job_class, self.surroundings, target, ref, execution_id))

        limit = self.surroundings.limit.total_seconds()
        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        thread.join(limit)
        if result:
            return result[0]
        text = f"not ended after {limit:g} s"
        return Ended(kind=OutcomeKind.TIMED_OUT, body=text.encode(), detail=JobBase.get_running_description())


def _unknown(target: JobClass) -> Ended:
    reason = broken().get(target.class_string.rpartition(".")[0])
    text = reason or f"{target.class_string} is not a class that jobs may run here"
    detail = JobBase.get_scheduled_error_description()
    return Ended(kind=OutcomeKind.UNKNOWN_CLASS, body=_end(text), detail=detail)


def _run(
    job_class: type[JobBase], surroundings: Surroundings, target: JobClass, ref: JobRef, execution_id: str
) -> Ended:
    """A job class may raise what it likes, SystemExit too, and once more while it is asked to describe that."""
    try:
        try:
            args: list[Any] = json.loads(target.args)
            kwargs: dict[str, Any] = json.loads(target.kwargs)
            result = job_class.run_job(ref.job_id, execution_id, surroundings, args, kwargs)
            body = json.dumps(result, indent=4, sort_keys=True).encode()[:MAX_RESULT]
            detail = job_class.get_succeeded_description(result)
            return Ended(kind=OutcomeKind.DELIVERED, body=body, detail=_text(detail))
        except BaseException:  # noqa: BLE001 - see above
            body, detail = _end(job_class.get_failed_result()), _text(job_class.get_failed_description())
            return Ended(kind=OutcomeKind.RAISED, body=body, detail=detail)
    except BaseException:  # noqa: BLE001 - see above
        detail = JobBase.get_failed_description()
        return Ended(kind=OutcomeKind.RAISED, body=_end(traceback_of(sys.exception())), detail=detail)


def _text(description: str) -> str:
    """A description as it can be stored."""
    return description[:MAX_DESCRIPTION].encode(errors="replace").decode()


def _end(text: str) -> bytes:
    """As much of the end of a text as is kept."""
    return text.encode(errors="replace")[-MAX_RESULT:]
