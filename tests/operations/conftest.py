"""A world for each test, and a profile for whoever lets the state machine play on: `--hypothesis-profile=long`."""

import pytest
from hypothesis import settings

from tests.world import World, a_world

settings.register_profile("long", max_examples=2000, stateful_step_count=50, deadline=None, print_blob=True)


@pytest.fixture
def world() -> World:
    return a_world()
