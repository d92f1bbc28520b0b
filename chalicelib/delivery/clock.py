"""The clock on the wall."""

import time
from datetime import UTC, datetime


class SystemClock:
    """The Clock of the machine, cut to the millisecond so that what is stored reads back as it was."""

    def now(self) -> datetime:
        """The present moment."""
        now = datetime.now(UTC)
        return now.replace(microsecond=now.microsecond // 1000 * 1000)

    def sleep_until(self, moment: datetime) -> None:
        """Returns at the moment or after it, never before."""
        while (left := (moment - datetime.now(UTC)).total_seconds()) > 0:
            time.sleep(left)
