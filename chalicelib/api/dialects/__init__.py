"""The APIs spoken here, each in a file with the same seven parts in the same order. A new one: its file and a line."""

from collections.abc import Sequence
from importlib import import_module

from chalicelib.api.dialect import Dialect

NAMES = (
    "runlater",
    "runlater_users",
    "rlatr",
    "cronally",
    "job_scheduler",
    "ndscheduler",
    "belltower",
)


def every() -> Sequence[Dialect]:
    """Every API's routes and words."""
    return [import_module(f"{__name__}.{name}").DIALECT for name in NAMES]


def served() -> Sequence[Dialect]:
    """All that is mounted: the APIs, and the document that describes them."""
    spoken = every()
    document: Dialect = import_module("chalicelib.api.openapi").describing(spoken)
    return [*spoken, document]
