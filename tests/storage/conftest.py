"""The stores on every engine: moto in this process, and the embedded AWS engine, a fresh account for each test."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from moto import mock_aws

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


@pytest.fixture(params=["moto", "engine"])
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    if request.param == "moto":
        with mock_aws():
            yield _store(None, ("testing", "testing"))
    else:
        engine = request.getfixturevalue("engine")
        yield _store(engine.endpoint, (engine.account(), "secret"))


@pytest.fixture
def engine_store(request: pytest.FixtureRequest) -> Store:
    engine = request.getfixturevalue("engine")
    return _store(engine.endpoint, (engine.account(), "secret"))


def _store(endpoint: str | None, credentials: tuple[str, str]) -> Store:
    access, secret = credentials
    accounts, jobs = create_tables(endpoint_url=endpoint, aws_access_key_id=access, aws_secret_access_key=secret)
    connection = connect("us-east-1", endpoint=endpoint, credentials=credentials)
    return Store(Table(connection, accounts), Table(connection, jobs), FakeClock(START))
