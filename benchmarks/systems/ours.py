"""Our own system, in the two forms that take part."""

from typing import Final

from benchmarks.system import System
from benchmarks.systems.belltower import OnEngine
from benchmarks.systems.standin import OnStandIn

OWN: Final[tuple[System, ...]] = (OnStandIn(), OnEngine())
