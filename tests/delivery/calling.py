"""Calls a URL in a process of its own, and says how it ended, how long it took, and how much memory it took.

    python -m tests.delivery.calling URL [METHOD]

A first call to a receiver that is well brings in what any call needs; what is measured is what this one adds.
"""

import json
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from chalicelib.delivery.webhook import HttpSender
from chalicelib.scheduling.address import AddressPolicy, Reach
from chalicelib.scheduling.target import Webhook

TIMEOUT = timedelta(seconds=1)
SENT_AT = datetime(2026, 1, 1, tzinfo=UTC)


STATUS = Path("/proc/self/status")
"""What Linux tells of a process. getrusage would do anywhere, but counts in what the parent had when it forked."""


def peak() -> int:
    """The most memory that this process has had since it began, in bytes."""
    [line] = [line for line in STATUS.read_text().splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1]) * 1024


def main(well: str, url: str) -> None:
    sender = HttpSender(AddressPolicy(reach=Reach.LOCAL))
    for _ in range(3):
        sender.send(Webhook(url=well, timeout=TIMEOUT), message_id="m", timestamp=SENT_AT, secrets=())
    before, began = peak(), time.monotonic()
    outcome = sender.send(Webhook(url=url, timeout=TIMEOUT), message_id="m", timestamp=SENT_AT, secrets=())
    took = time.monotonic() - began
    told = {"kind": outcome.kind.value, "kept": len(outcome.body), "took": took, "grown": peak() - before}
    print(json.dumps(told))  # noqa: T201 - the answer to who started this


if __name__ == "__main__":
    main(*sys.argv[1:])
