"""The stores on every engine: moto and the stand-in in this process, the embedded AWS engine in a fresh account."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from moto import mock_aws

from benchmarks.standin import schema
from benchmarks.standin.door import InProcess
from benchmarks.standin.dynamo import Dynamo
from chalicelib.scheduling.job import to_millis
from chalicelib.storage.tables import Table
from tests.doors import BotoDoor
from tests.fakes import FakeClock
from tests.schema import create_tables
from tests.world import START


@dataclass
class Store:
    """A pair of tables, and the clock of who writes them."""

    accounts: Table
    jobs: Table
    clock: FakeClock


@pytest.fixture(params=["moto", "stand-in", "engine"])
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    if request.param == "moto":
        with mock_aws():
            accounts, jobs = create_tables()
            door = BotoDoor("dynamodb")
            yield Store(Table(door, accounts), Table(door, jobs), FakeClock(START))
    elif request.param == "stand-in":
        yield standin_store()
    else:
        with engine_store(request) as there:
            yield there


def standin_store() -> Store:
    clock, names = FakeClock(START), schema.names("test")
    door = InProcess(Dynamo(schema.tables("test"), lambda: to_millis(clock.now())))
    return Store(Table(door, names.accounts), Table(door, names.jobs), clock)


@pytest.fixture(params=["stand-in", "engine"])
def claiming(request: pytest.FixtureRequest) -> Iterator[Store]:
    """Where statements have conditions, which moto's do not."""
    if request.param == "stand-in":
        yield standin_store()
    else:
        with engine_store(request) as there:
            yield there


@contextmanager
def engine_store(request: pytest.FixtureRequest) -> Iterator[Store]:
    engine = request.getfixturevalue("engine")
    account = engine.account()
    accounts, jobs = create_tables(
        endpoint_url=engine.endpoint, aws_access_key_id=account, aws_secret_access_key="secret"
    )
    with engine.wire(account) as wire:
        yield Store(Table(wire, accounts), Table(wire, jobs), FakeClock(START))
