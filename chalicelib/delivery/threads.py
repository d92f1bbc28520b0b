"""Threads, kept over the invocations of a process: to begin one costs more than to send."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

T = TypeVar("T")
U = TypeVar("U")


class Threads:
    """The Crew of a process: a pool of threads for each number of hands that is asked for."""

    def map(self, do: Callable[[T], U], things: Sequence[T], *, hands: int) -> list[U]:
        """The results in order. What leaves nothing to share is done by the caller."""
        if min(hands, len(things)) <= 1:
            return [do(thing) for thing in things]
        return list(_pool(hands).map(do, things))


@cache
def _pool(hands: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(hands, thread_name_prefix=f"{hands}-hands")
