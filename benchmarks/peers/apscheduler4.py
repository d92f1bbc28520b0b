"""APScheduler 4 (an alpha release), in memory, in one process on one event loop, with aiohttp as its HTTP client."""

import asyncio
import sys
import time
from typing import Final

import aiohttp
from apscheduler import AsyncScheduler
from apscheduler.triggers.date import DateTrigger

from benchmarks.peers.creator import created, ready
from benchmarks.work import HEADERS, path, payload

MOST: Final = 64
"""Jobs that run at once; the default is one of each task."""


async def main() -> None:
    """Runs until the harness is done."""
    connector = aiohttp.TCPConnector(limit=MOST)
    async with aiohttp.ClientSession(connector=connector) as session, AsyncScheduler(max_concurrent_jobs=MOST) as all_:

        async def send(url: str, number: int) -> None:
            async with session.post(url, data=payload(number), headers=HEADERS) as answer:
                await answer.read()

        await all_.configure_task("send", func=send, max_running_jobs=MOST, misfire_grace_time=None)
        await all_.start_in_background()
        jobs = await asyncio.to_thread(ready)
        began = time.perf_counter()
        for number in range(jobs.count):
            await all_.add_schedule("send", DateTrigger(jobs.due_at), args=(jobs.url + path(number), number))
        created(time.perf_counter() - began)
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
