"""Two worlds: `world` is a test's own; in `still` no time passes, and the tests of a module share it."""

import pytest

from tests.world import World, a_world


@pytest.fixture
def world() -> World:
    return a_world()


@pytest.fixture(scope="module")
def still() -> World:
    return a_world()
