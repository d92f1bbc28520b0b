"""A job class that posts to a Slack channel."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from chalicelib.job_classes.base import JobBase
from chalicelib.scheduling.target import Webhook


class SlackJob(JobBase):
    """Posts a message to the webhook in BELLTOWER_SLACK_URL. Source: the sample jobs of seeds/004's project."""

    also_known_as: ClassVar[Sequence[str]] = (
        "simple_scheduler.jobs.slack_job.SlackJob",
        "ndscheduler.jobs.slack_job.SlackJob",
    )
    TRIES = 3
    TIMEOUT = timedelta(seconds=10)

    @classmethod
    def meta_info(cls) -> dict[str, Any]:
        """Channel, name, icon and message."""
        return {
            "job_class_string": cls.class_string(),
            "notes": "Posts a message to a Slack channel, through the webhook in BELLTOWER_SLACK_URL.",
            "arguments": [
                {"type": "string", "description": "Slack channel"},
                {"type": "string", "description": "Name of the user in the channel"},
                {"type": "string", "description": "Emoji of the user in the channel"},
                {"type": "string", "description": "The message"},
            ],
            "example_arguments": '["#slack-channel", "ndscheduler chat bot", ":satisfied:", "Standup, team!"]',
        }

    def run(self, channel: str, name: str, icon_emoji: str, message: str, *_args: Any, **_kwargs: Any) -> str:  # noqa: ANN401
        """What Slack answered; raises when three calls in a row did not get through."""
        if not self.surroundings.slack_url:
            raise RuntimeError("BELLTOWER_SLACK_URL is not set")
        body = {"channel": channel, "username": name, "text": message, "link_names": 1, "icon_emoji": icon_emoji}
        webhook = Webhook(
            url=self.surroundings.slack_url,
            body=json.dumps(body).encode(),
            content_type="application/json",
            timeout=self.TIMEOUT,
        )
        for _ in range(self.TRIES):
            now = datetime.now(UTC)
            outcome = self.surroundings.webhooks.send(webhook, message_id=self.execution_id, timestamp=now, secrets=())
            if outcome.delivered:
                return outcome.body.decode(errors="replace")
        raise ConnectionError(f"Slack: {outcome.kind}, status {outcome.status}")
