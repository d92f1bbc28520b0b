"""The classes a job may run: those in this folder, and no others. A caller names one, and never a path to import.

`base` says how to add one.
"""

import importlib
import pkgutil
from collections.abc import Iterator, Mapping
from functools import cache
from types import MappingProxyType

from chalicelib.job_classes.base import JobBase, Surroundings


@cache
def known() -> Mapping[str, type[JobBase]]:
    """Every class in this folder, by each of its names."""
    return MappingProxyType({name: one for one in _classes() for name in (one.class_string(), *one.also_known_as)})


def _classes() -> Iterator[type[JobBase]]:
    for found in sorted(pkgutil.iter_modules(__path__), key=lambda module: module.name):
        module = importlib.import_module(f"{__name__}.{found.name}")
        for one in vars(module).values():
            if isinstance(one, type) and issubclass(one, JobBase) and one.__module__ == module.__name__:
                yield one


__all__ = ["JobBase", "Surroundings", "known"]
