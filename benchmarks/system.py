"""What the harness asks of a system that takes part: `System`, and `Running` while it runs.

A system is started anew for each run, and everything it started is gone when `running` is left, however that happens.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol


class Unavailable(Exception):
    """The system cannot take part here. The text says why, and ends up in the report."""


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What is known of a system before it runs.

    `creates` is how many jobs a second it takes, roughly and rather too few: how far ahead the due second lies follows
    from it. `most` is the largest N it is run with and `because` the reason, for the report.
    """

    name: str
    title: str
    creates: float
    most: int | None = None
    because: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Jobs:
    """What to create: jobs 0 to `count` - 1, as benchmarks/work.py says, to paths below `url`.

    All are for `due`: whole seconds since the epoch.
    """

    count: int
    due: float
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Processes:
    """Who works: process ids at this moment, descendants included. `standins` play AWS and are reported apart."""

    own: frozenset[int]
    standins: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Earlier:
    """What is added to the difference of the two readings: CPU time in seconds, and requests."""

    cpu: float = 0.0
    requests: int = 0


class Running(Protocol):
    """A system that has been started and waits for jobs."""

    def create(self, jobs: Jobs) -> float:
        """Creates the jobs through the system's own API. Returns when it has them all; the seconds they took."""

    def processes(self) -> Processes:
        """Its processes now. Asked just before the due second, and again after the last arrival."""

    def requests(self) -> int | None:
        """How many requests its store and queue have had so far, where it is known."""

    def earlier(self) -> Earlier:
        """What the firings took before the first reading, where a part of them is done ahead."""


class System(Protocol):
    """One who takes part."""

    @property
    def about(self) -> About:
        """The same at any time."""

    def prepare(self) -> Mapping[str, str]:
        """Installs what is missing, once. Versions by name; raises Unavailable."""

    def running(self, folder: Path) -> AbstractContextManager[Running]:
        """Starts it, with `folder` (which is empty) for its logs and data."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Roster:
    """Who takes part, and who does not and why."""

    systems: tuple[System, ...]
    skipped: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
