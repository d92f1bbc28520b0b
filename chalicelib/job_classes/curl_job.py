"""A job class that makes one HTTP call, within the same bounds as a webhook."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from chalicelib.job_classes.base import JobBase
from chalicelib.scheduling.address import ascii_upper, check_method
from chalicelib.scheduling.target import Webhook


class CurlJob(JobBase):
    """Requests a URL and returns the text of the answer. Source: the sample jobs of seeds/004's project."""

    also_known_as: ClassVar[Sequence[str]] = (
        "simple_scheduler.jobs.curl_job.CurlJob",
        "ndscheduler.jobs.curl_job.CurlJob",
    )
    TIMEOUT = timedelta(seconds=10)

    @classmethod
    def meta_info(cls) -> dict[str, Any]:
        """A URL and a method."""
        return {
            "job_class_string": cls.class_string(),
            "notes": "Requests a URL, within 10 seconds; public addresses only. Keeps 8 KiB of the answer.",
            "arguments": [
                {"type": "string", "description": "What URL you want to make an http call?"},
                {"type": "string", "description": "What request type do you want? (GET, POST, PUT, DELETE, ...)"},
            ],
            "example_arguments": '["http://example.com/hello", "GET"]',
        }

    def run(self, url: str, request_type: str, *_args: Any, **_kwargs: Any) -> str:  # noqa: ANN401
        """The answer's text, whatever its status; raises where there was none."""
        method = ascii_upper(str(request_type))
        check_method(method, field="request_type")
        outcome = self.surroundings.webhooks.send(
            Webhook(url=str(url), method=method, timeout=self.TIMEOUT, redirects=5),
            message_id=self.execution_id,
            timestamp=datetime.now(UTC),
            secrets=(),
            owner=self.execution_id,
        )
        if outcome.status is None:
            raise ConnectionError(f"{outcome.kind}: {outcome.detail}")
        return outcome.body.decode(errors="replace")
