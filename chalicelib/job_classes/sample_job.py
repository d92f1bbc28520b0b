"""ndscheduler's sample job."""

from collections.abc import Sequence
from typing import Any, ClassVar

from chalicelib.job_classes.base import JobBase


class AwesomeJob(JobBase):
    """Returns its two arguments. Source: seeds/004 "Run it NOW".

    The original prints them as well: here that would be the operator's log, and they are a tenant's.
    """

    also_known_as: ClassVar[Sequence[str]] = (
        "simple_scheduler.jobs.sample_job.AwesomeJob",
        "ndscheduler.jobs.sample_job.AwesomeJob",
    )

    @classmethod
    def meta_info(cls) -> dict[str, Any]:
        """Two arguments of any kind."""
        return {
            "job_class_string": cls.class_string(),
            "notes": "Returns its two arguments.",
            "arguments": [
                {"type": "string", "description": "First argument"},
                {"type": "string", "description": "Second argument"},
            ],
            "example_arguments": '["first argument AAA", "second argument BBB"]',
        }

    def run(self, argument1: Any, argument2: Any, *_args: Any, **_kwargs: Any) -> list[Any]:  # noqa: ANN401
        """Its arguments."""
        return [argument1, argument2]
