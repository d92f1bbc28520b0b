"""ndscheduler's sample job."""

from collections.abc import Sequence
from typing import Any, ClassVar

from chalicelib.job_classes.base import JobBase


class AwesomeJob(JobBase):
    """Prints its two arguments and returns them. Source: seeds/004 "Run it NOW"."""

    also_known_as: ClassVar[Sequence[str]] = (
        "simple_scheduler.jobs.sample_job.AwesomeJob",
        "ndscheduler.jobs.sample_job.AwesomeJob",
    )

    @classmethod
    def meta_info(cls) -> dict[str, Any]:
        """Two arguments of any kind."""
        return {
            "job_class_string": cls.class_string(),
            "notes": "Prints its two arguments and returns them.",
            "arguments": [
                {"type": "string", "description": "First argument"},
                {"type": "string", "description": "Second argument"},
            ],
            "example_arguments": '["first argument AAA", "second argument BBB"]',
        }

    def run(self, argument1: Any, argument2: Any, *_args: Any, **_kwargs: Any) -> list[Any]:  # noqa: ANN401
        """Its arguments."""
        print(f"Hello from AwesomeJob! Argument1: {argument1!r}, Argument2: {argument2!r}")  # noqa: T201 - what it does
        return [argument1, argument2]
