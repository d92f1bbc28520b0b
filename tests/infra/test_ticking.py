"""The per-minute rule. A file of its own, the last in its folder: most of the minute has gone by then."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.engine import eventually

if TYPE_CHECKING:
    from tests.infra.conftest import Standin

pytestmark = pytest.mark.engine


def test_the_minute_ticks(standin: Standin) -> None:
    tick = eventually(lambda: standin.notes("tick"), within=65)[0]
    assert tick["time"].endswith(":00Z")
    assert tick["at"] % 60 < 5
