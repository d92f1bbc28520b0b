"""When a firing that failed is tried again, and what is done about times that were missed."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """Waits before the second, third, ... attempt, each measured from the end of the attempt before.

    Source: seeds/001 "Handling Errors": 10 seconds, 1 minute and 10 minutes later.
    """

    waits: tuple[timedelta, ...] = ()

    def next_attempt(self, *, made: int, ended: datetime) -> datetime | None:
        """The instant of the attempt after `made` attempts, the last of which ended at `ended`; None: no more."""
        return ended + self.waits[made - 1] if 1 <= made <= len(self.waits) else None


NEVER = RetryPolicy()


class Misfire(StrEnum):
    """What becomes of due times that passed while nothing could fire (an outage, a backlog)."""

    LATEST = "latest"  # one firing for all that was missed, then on schedule
    SKIP = "skip"  # none of them: recorded as missed, then on schedule
    ALL = "all"  # every one, in order
