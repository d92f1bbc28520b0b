"""What a job class is: ndscheduler's JobBase under a name of ours. Source: seeds/004 and the job base of its project.

To add one of your own, put a file into this folder with a class that derives from `JobBase`:

    from chalicelib.job_classes.base import JobBase

    class Greet(JobBase):
        '''Says hello.'''

        @classmethod
        def meta_info(cls):
            return {
                "job_class_string": cls.class_string(),
                "notes": "Says hello.",
                "arguments": [{"type": "string", "description": "Whom to greet."}],
                "example_arguments": '["world"]',
            }

        def run(self, name, *args, **kwargs):
            return f"hello, {name}"

A job names it as `chalicelib.job_classes.<file>.Greet`, or by one of the names in `also_known_as`. `run` gets the job's
`pub_args` as arguments and what else its creator sent as keywords; it returns what JSON can say, or raises. It runs in
the worker beside webhooks, so it has to end within `surroundings.limit`, and it must be safe to run twice: a firing may
be.
"""

import os
import socket
import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import PurePath
from typing import Any, ClassVar

from chalicelib.ports import WebhookSender


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a job class may use of the service: guarded HTTP calls, a time, and the settings meant for it.

    A run that has not ended after `limit` is given up.
    """

    webhooks: WebhookSender
    slack_url: str = field(default="", repr=False)
    limit: timedelta = timedelta(seconds=50)


class JobBase:
    """The base of every job class. An instance is one run."""

    also_known_as: ClassVar[Sequence[str]] = ()

    def __init__(self, job_id: str, execution_id: str, surroundings: Surroundings | None = None) -> None:
        self.job_id, self.execution_id, self._surroundings = job_id, execution_id, surroundings

    @property
    def surroundings(self) -> Surroundings:
        """What the service lends to this run."""
        if self._surroundings is None:
            raise RuntimeError("a job class that makes calls is run by the worker")
        return self._surroundings

    @classmethod
    def class_string(cls) -> str:
        """The name a job gives this class by."""
        return f"{cls.__module__}.{cls.__qualname__}"

    @classmethod
    def meta_info(cls) -> dict[str, Any]:
        """What a form needs to know: `job_class_string`, `arguments`, `example_arguments` (JSON text), `notes`."""
        return {"job_class_string": cls.class_string(), "notes": "", "arguments": [], "example_arguments": "[]"}

    @classmethod
    def create_test_instance(cls) -> "JobBase":
        """An instance outside the worker, for a unit test of a job class."""
        return cls("", "")

    @classmethod
    def run_job(
        cls, job_id: str, execution_id: str, surroundings: Surroundings, args: Sequence[Any], kwargs: dict[str, Any]
    ) -> Any:  # noqa: ANN401 - whatever JSON can say
        """One run, in the worker."""
        return cls(job_id, execution_id, surroundings).run(*args, **kwargs)

    def run(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - a job class names its own arguments
        """What the job does."""
        raise NotImplementedError(f"{self.class_string()} has no run()")

    @classmethod
    def get_running_description(cls) -> str:
        """Where it ran."""
        return f"hostname: {socket.gethostname()} | pid: {os.getpid()}"

    get_scheduled_description = get_running_description
    get_scheduled_error_description = get_running_description
    get_failed_description = get_running_description

    @classmethod
    def get_succeeded_description(cls, result: Any = None) -> str:  # noqa: ANN401, ARG003 - part of the interface
        """Where it ran."""
        return cls.get_running_description()

    @classmethod
    def get_failed_result(cls) -> str:
        """What is kept of a run that raised: its traceback, as far as it is in the class's own hands."""
        return traceback_of(sys.exception())

    get_scheduled_error_result = get_failed_result


HEADING = "Traceback (most recent call last):"
OURS = ("chalicelib/delivery/jobclass.py", "chalicelib/job_classes/base.py")  # who called the class


def traceback_of(error: BaseException | None) -> str:
    """A traceback for the job's owner: without the frames that led to the class, and with the names of files alone."""
    if error is None:
        return ""
    told = traceback.TracebackException.from_exception(error)
    _strip(told)
    text = "".join(told.format())
    return text if text.startswith(HEADING) else f"{HEADING}\n{text}"  # it has none where no frame is left


def _strip(told: traceback.TracebackException) -> None:
    frames = [frame for frame in told.stack if not PurePath(frame.filename).as_posix().endswith(OURS)]
    for frame in frames:
        frame.filename = PurePath(frame.filename).name
    told.stack = traceback.StackSummary.from_list(frames)
    for before in (told.__cause__, told.__context__):
        if before is not None:
            _strip(before)
