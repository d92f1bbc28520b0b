"""Two worlds: `world` is a test's own; in `still` no time passes, and the tests of a module share it.

Making tables takes longer than most requests, so tests that only ask and are answered take `still`, each with an
account of its own.
"""

import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING, cast

import pytest
from moto import mock_aws

from chalicelib.storage.tables import Table, connect
from tests.schema import create_tables
from tests.world import OneAtATime, World

if TYPE_CHECKING:
    from pynamodb.connection.base import Connection

SUFFIXES = (f"api-{number}" for number in itertools.count(1))


@pytest.fixture(scope="module", autouse=True)
def aws() -> Iterator[None]:
    with mock_aws():
        yield


@pytest.fixture
def world() -> World:
    return a_world()


@pytest.fixture(scope="module")
def still(aws: None) -> World:  # noqa: ARG001 - it must be there first
    return a_world()


def a_world() -> World:
    accounts, jobs = create_tables(next(SUFFIXES))
    connection = cast("Connection", OneAtATime(connect("us-east-1", credentials=("testing", "testing"))))
    return World(Table(connection, accounts), Table(connection, jobs))
