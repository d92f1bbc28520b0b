"""Two lanes to the workers, so that the firings of one account do not wait for the slow receivers of another.

A call may take half a minute, and a worker waits for the slowest call of its batch. So a few hundred calls to a
receiver that hangs hold every worker there is, and fair queueing helps nobody then: it picks among messages that wait,
and no worker is free to take one. Each lane has a queue and workers of its own. By the second travels

    a retry           its attempt before has failed
    a failing job     its last attempt was not delivered, or took long; its standing says so until one goes well again
    a flood           what an account has beyond its share of a minute
    what follows it   the second firing of a job whose first travelled by it: nothing is known of its receiver yet

and all else by the first. A lane is no verdict: as long as nothing hangs, the second is as fast as the first.

Nobody knows before that a receiver is going to hang. So messages change over as they arrive: those of a job that began
to fail after its message was sent, and in a process that an account has held with several calls at once, for a minute
all that it has in the first lane. What is left is the wave in which hundreds of jobs fail that never failed before:
other accounts wait until the first of its calls have timed out, once.
"""

import threading
from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

SEVERAL: Final = 3
REST: Final = timedelta(minutes=1)


class Lane(StrEnum):
    """By which queue a firing travels."""

    FIRST = "first"
    SECOND = "second"


class Share:
    """What each account may send by the first lane in one minute: `limit` firings, None for any number.

    It counts what it was asked in this process. Safe to share between threads.
    """

    def __init__(self, limit: int | None) -> None:
        self._limit, self._lock = limit, threading.Lock()
        self._minute: datetime | None = None
        self._taken: Counter[str] = Counter()

    def lane(self, account_id: str, minute: datetime) -> Lane:
        """The lane of the account's next firing. Another minute begins a new count."""
        if self._limit is None:
            return Lane.FIRST
        with self._lock:
            if minute != self._minute:
                self._minute = minute
                self._taken.clear()
            self._taken[account_id] += 1
            return Lane.FIRST if self._taken[account_id] <= self._limit else Lane.SECOND


class Holds:
    """The accounts whose calls have held this process: the first lane is closed to them here for a while.

    One slow receiver among many does not close it, `SEVERAL` of one batch do.
    """

    def __init__(self) -> None:
        self._until: dict[str, datetime] = {}

    def note(self, accounts: Iterable[str], now: datetime) -> None:
        """The accounts of the calls of one batch that took long, each as often as it had one."""
        self._until = {account: until for account, until in self._until.items() if until > now}
        self._until |= {account: now + REST for account, calls in Counter(accounts).items() if calls >= SEVERAL}

    def closed(self, account_id: str, now: datetime) -> bool:
        """Whether an account's messages change over to the second lane."""
        return self._until.get(account_id, now) > now
