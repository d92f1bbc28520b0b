"""The classes a job may run: those in this folder, and no others. A caller names one, and never a path to import.

`base` says how to add one.
"""

import importlib
import pkgutil
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from types import MappingProxyType

from chalicelib.job_classes.base import JobBase, Surroundings, traceback_of


def known() -> Mapping[str, type[JobBase]]:
    """Every class in this folder, by each of its names."""
    return found(__name__, tuple(__path__))[0]


def broken() -> Mapping[str, str]:
    """The modules of this folder that cannot be imported, with why; the classes of the others run nevertheless."""
    return found(__name__, tuple(__path__))[1]


@cache
def found(package: str, path: Sequence[str]) -> tuple[Mapping[str, type[JobBase]], Mapping[str, str]]:
    """The classes by name in a package at a path, and the tracebacks of those of its modules that are broken."""
    classes: dict[str, type[JobBase]] = {}
    failures: dict[str, str] = {}
    for module in sorted(f"{package}.{one.name}" for one in pkgutil.iter_modules(path)):
        try:
            classes |= {name: one for one in _classes(module) for name in (one.class_string(), *one.also_known_as)}
        except Exception as error:  # noqa: BLE001 - a module raises what it likes while it is imported
            failures[module] = traceback_of(error)
    return MappingProxyType(classes), MappingProxyType(failures)


def _classes(module: str) -> Iterator[type[JobBase]]:
    for one in vars(importlib.import_module(module)).values():
        if isinstance(one, type) and issubclass(one, JobBase) and one.__module__ == module and one is not JobBase:
            yield one


__all__ = ["JobBase", "Surroundings", "broken", "known"]
