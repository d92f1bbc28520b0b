"""The stores on every engine: moto and the stand-in in this process, the embedded AWS engine in a fresh account."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from moto import mock_aws

from benchmarks.standin import schema
from benchmarks.standin.connection import StandinConnection
from benchmarks.standin.dynamo import Dynamo
from chalicelib.scheduling.job import to_millis
from chalicelib.storage.tables import Table, connect
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
            yield _store(None, ("testing", "testing"))
    elif request.param == "stand-in":
        yield standin_store()
    else:
        engine = request.getfixturevalue("engine")
        yield _store(engine.endpoint, (engine.account(), "secret"))


def standin_store() -> Store:
    clock, names = FakeClock(START), schema.names("test")
    connection = StandinConnection(Dynamo(schema.tables("test"), lambda: to_millis(clock.now())))
    return Store(Table(connection, names.accounts), Table(connection, names.jobs), clock)


@pytest.fixture
def engine_store(request: pytest.FixtureRequest) -> Store:
    engine = request.getfixturevalue("engine")
    return _store(engine.endpoint, (engine.account(), "secret"))


def _store(endpoint: str | None, credentials: tuple[str, str]) -> Store:
    access, secret = credentials
    accounts, jobs = create_tables(endpoint_url=endpoint, aws_access_key_id=access, aws_secret_access_key=secret)
    connection = connect("us-east-1", endpoint=endpoint, credentials=credentials)
    return Store(Table(connection, accounts), Table(connection, jobs), FakeClock(START))
