"""A store that breaks on purpose: dies before or after a step, or loses the reply to one."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from chalicelib.scheduling.errors import Unavailable
from tests.world import World


class Killed(BaseException):
    """The worker's process ends here: nothing catches this."""


class Breaking:
    """Passes calls on to a port, and at the named one does what was asked, `times` times."""

    def __init__(self, port: Any, method: str, how: str, *, times: int = 1) -> None:
        self._port, self._method, self._how, self.left = port, method, how, times

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._port, name)
        if name != self._method:
            return attribute

        def call(*args: Any, **kwargs: Any) -> Any:
            if self.left <= 0:
                return attribute(*args, **kwargs)
            self.left -= 1
            match self._how:
                case "dies before":
                    raise Killed
                case "dies after":
                    attribute(*args, **kwargs)
                    raise Killed
                case "is away":
                    raise Unavailable("the database")
                case "loses the reply":
                    attribute(*args, **kwargs)
                    raise Unavailable("the database")
            raise AssertionError(self._how)

        return call


@contextmanager
def breaking(world: World, port: str, method: str, how: str, *, times: int = 1) -> Iterator[Breaking]:
    """The world with one port that breaks; a worker's death ends the block, not the test."""
    whole = world.services
    broken = Breaking(getattr(whole, port), method, how, times=times)
    ports: dict[str, Any] = {port: broken}
    world.services = replace(whole, **ports)
    try:
        yield broken
    except Killed:
        pass
    finally:
        world.services = whole
