"""The HTTP client of the Python peers: one pool of kept connections for each process."""

from typing import Final

import urllib3

from benchmarks.work import HEADERS, payload

MOST: Final = 32
"""Threads that send at once, in each of the peers: more were slower on two cores."""

_pool: Final = urllib3.PoolManager(maxsize=MOST, retries=False, timeout=30)


def post(url: str, number: int) -> None:
    """One webhook."""
    _pool.request("POST", url, body=payload(number), headers=HEADERS)
