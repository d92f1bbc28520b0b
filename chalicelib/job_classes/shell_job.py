"""A job class that runs a program in the worker.

Off unless BELLTOWER_SHELL_JOBS is 1: with it, who may create a job may run anything with the worker's permissions.
"""

import subprocess
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, ClassVar

from chalicelib.job_classes.base import JobBase


class ShellJob(JobBase):
    """Runs a program and returns its exit code. Source: the sample jobs of seeds/004's project."""

    also_known_as: ClassVar[Sequence[str]] = (
        "simple_scheduler.jobs.shell_job.ShellJob",
        "ndscheduler.jobs.shell_job.ShellJob",
    )
    MARGIN = timedelta(seconds=1)  # for the program's end to be told before the run is given up

    @classmethod
    def meta_info(cls) -> dict[str, Any]:
        """A program and its arguments."""
        return {
            "job_class_string": cls.class_string(),
            "notes": "Runs a program, without a shell, until shortly before a run's time is over. Off by default.",
            "arguments": [{"type": "string", "description": "Executable path, then its arguments"}],
            "example_arguments": '["/usr/local/my_job.sh", "arg1", "arg2"]',
        }

    def run(self, *args: Any, **_kwargs: Any) -> dict[str, int]:  # noqa: ANN401
        """Its exit code."""
        command = [str(arg) for arg in args]
        timeout = (self.surroundings.limit - self.MARGIN).total_seconds()
        done = subprocess.run(command, timeout=timeout, check=False)  # noqa: S603 - what was asked for, where allowed
        return {"returncode": done.returncode}
