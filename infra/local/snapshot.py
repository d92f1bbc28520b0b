"""The engine's state on disk: nothing is lost by a stop, two seconds by a kill -9.

MiniStack writes its state when it is stopped in good order, and never else. So we write it, in its own format: while
it runs, whenever something happened since the last time, and at the end. Each service's file is replaced as a whole; a
kill in the middle leaves the old one. What is written is taken on the event loop, between two requests, so a file never
holds half a transaction.

Taking it costs time in which nothing is answered: 6 ms for a thousand items (MiniStack's own way, a deep copy encoded
piece by piece, takes 90). `REST` bounds that share: with much state snapshots become rarer than every two seconds, and
never take more than a tenth of the time.
"""

from __future__ import annotations

import asyncio
import copy
import importlib
import json
import logging
import os
import threading
import time
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from infra.local.gateway import Engine

INTERVAL: Final = 2.0
"""Seconds between two snapshots while something happens."""
REST: Final = 10.0
"""After a snapshot that took t seconds the next one waits at least this times t."""
AT_THE_END_ONLY: Final = frozenset({"cloudwatch_logs", "cloudwatch"})
"""They change with every call and nothing depends on them."""
LARGE: Final = ("dynamodb", "sqs")
"""Services whose state grows with use, and may be encoded without being copied first."""

_log = logging.getLogger("belltower.engine")


class BrokenStateError(Exception):
    """What is on disk cannot be read. Nothing was changed."""


def require_readable(state: Path) -> None:
    """Refuses to start on files MiniStack would silently replace by empty ones."""
    for file in sorted(state.glob("*.json")):
        try:
            json.loads(file.read_bytes())
        except ValueError as error:
            raise BrokenStateError(f"{file} cannot be read ({error})") from error


class _Complaints(logging.Handler):
    """MiniStack goes on with an empty service when it cannot restore one, and says so in its log only."""

    def __init__(self) -> None:
        super().__init__(level=logging.ERROR)
        self.heard: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if "restore persisted state" in text or text.startswith("Persistence: failed to load"):
            self.heard.append(text)


COMPLAINTS: Final = _Complaints()


def require_restored() -> None:
    """Refuses to go on when MiniStack could not restore a service: the next snapshot would make the loss final."""
    if COMPLAINTS.heard:
        raise BrokenStateError(COMPLAINTS.heard[0])


class Snapshots:
    """Writes the state of the engine in this process."""

    def __init__(self, engine: Engine, state: Path) -> None:
        self._engine = engine
        self._state = state
        self._written: dict[str, int] = {}
        for name in LARGE:
            module = importlib.import_module(f"ministack.services.{name}")
            vars(module)["copy"] = _COPY

    async def keep(self, settled: asyncio.Event) -> None:
        """From `settled` on writes whenever something happened, until it is cancelled."""
        await settled.wait()
        seen, pause = -1, INTERVAL
        while True:
            await asyncio.sleep(pause)
            happened = self._engine.requests + _invocations()
            if happened == seen:
                continue
            seen = happened
            took = await self.write(leave_out=AT_THE_END_ONLY)
            pause = max(INTERVAL, took * REST)

    async def write(self, *, leave_out: frozenset[str] = frozenset()) -> float:
        """Writes what changed. Returns the seconds in which nothing else was answered."""
        took = 0.0
        for name, state_of in _services().items():
            if name in leave_out:
                continue
            started = time.perf_counter()
            text = _encode(name, state_of)
            took += time.perf_counter() - started
            if self._written.get(name) != hash(text):
                await asyncio.to_thread(_replace, self._state / f"{name}.json", text)
                self._written[name] = hash(text)
            await asyncio.sleep(0)
        return took


def _services() -> dict[str, Callable[[], Any]]:
    found: dict[str, Callable[[], Any]]
    found = vars(importlib.import_module("ministack.app"))["_build_persistence_save_dict"]()
    return found


def _encode(name: str, state_of: Callable[[], Any]) -> str:
    persistence = vars(importlib.import_module("ministack.core.persistence"))
    with _COPY.nothing():
        wrapped = {"__ministack_format__": persistence["_state_format_version"](name), "payload": state_of()}
        return json.dumps(wrapped, default=persistence["_json_default"])


def _replace(file: Path, text: str) -> None:
    unfinished = file.with_suffix(".tmp")
    unfinished.write_text(text)
    os.replace(unfinished, file)  # noqa: PTH105 - the atomic one, by its name


def _invocations() -> int:
    """Functions that run now: they end with a message being deleted, which is no request."""
    running, _ = importlib.import_module("ministack.services.lambda_svc").executions_in_flight()
    return int(running)


class _Copy(threading.local):
    """Stands in for the `copy` module in large services: a snapshot reads their live state and copies nothing."""

    reading = False

    def nothing(self) -> _Copy:
        return self

    def __enter__(self) -> None:
        self.reading = True

    def __exit__(self, *_: object) -> None:
        self.reading = False

    def deepcopy(self, value: Any) -> Any:  # noqa: ANN401 - as the module's own
        return value if self.reading else copy.deepcopy(value)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - as the module's own
        return getattr(copy, name)


_COPY: Final = _Copy()
