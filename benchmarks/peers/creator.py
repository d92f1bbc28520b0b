"""How the harness talks to the process that creates a peer's jobs: lines of JSON on standard input and output.

The process prints {"ready": true}; gets {"count", "due", "url"}; creates jobs 0 to count - 1, each to be sent at `due`
(seconds since the epoch) to `url` + path; and prints {"seconds": how long that took}. Then it waits for the end of its
input: a scheduler that lives in the same process fires meanwhile.
"""

import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True, slots=True)
class Jobs:
    """What to create."""

    count: int
    due: float
    url: str

    @property
    def due_at(self) -> datetime:
        """The same as a time in UTC."""
        return datetime.fromtimestamp(self.due, UTC)


def serve(create: Callable[[Jobs], None]) -> None:
    """Is the process: creates once what it is told to."""
    jobs = ready()
    began = time.perf_counter()
    create(jobs)
    created(time.perf_counter() - began)
    sys.stdin.read()


def ready() -> Jobs:
    """Says so, and waits for the work."""
    print(json.dumps({"ready": True}), flush=True)
    return Jobs(**json.loads(sys.stdin.readline()))


def created(seconds: float) -> None:
    """Says how long it took."""
    print(json.dumps({"seconds": seconds}), flush=True)
