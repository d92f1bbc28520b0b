from collections.abc import Iterator

import pytest

from tests.world import World, moto_world


@pytest.fixture
def world() -> Iterator[World]:
    with moto_world() as one:
        yield one
