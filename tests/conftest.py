"""Fixtures every test may ask for, and the order of the whole: what waits for clocks begins first."""

import pytest

from tests.engine import engine

__all__ = ["engine"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.get_closest_marker("story") is None)
