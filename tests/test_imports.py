"""What a function does not need it does not import: that is what its cold start takes."""

import os
import subprocess
import sys

import pytest

from tests.engine import ROOT

WORKER = {"BELLTOWER_SERVES_API": "0"}
FOREIGN_TO_WORKERS = (
    "argon2",  # password hashing
    "chalicelib.api.xml",
    "chalicelib.api.documents",
    "chalicelib.api.fields",
    "chalicelib.api.openapi",
    "chalicelib.api.dialects.rlatr",
    "chalicelib.api.dialects.job_scheduler",
    "boto3",
    "croniter",  # needed for some jobs only
)
FOREIGN_TO_ALL = ("chalicelib.api.descriptions.rlatr", "argon2", "boto3", "croniter", "moto", "unittest")


def imported(environment: dict[str, str]) -> set[str]:
    """The modules of a fresh process that has just imported the app."""
    code = "import app, sys; print(*sys.modules)"
    kept = {name: value for name, value in os.environ.items() if not name.startswith("BELLTOWER_")}
    done = subprocess.run(  # noqa: S603 - our own interpreter and arguments
        [sys.executable, "-c", code], cwd=ROOT, env=kept | environment, capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


@pytest.fixture(scope="module")
def by_a_worker() -> set[str]:
    return imported(WORKER)


@pytest.fixture(scope="module")
def by_the_api() -> set[str]:
    return imported({})


@pytest.mark.parametrize("name", FOREIGN_TO_WORKERS)
def test_a_worker_starts_without(name: str, by_a_worker: set[str]) -> None:
    assert name not in by_a_worker


@pytest.mark.parametrize("name", FOREIGN_TO_ALL)
def test_the_api_starts_without(name: str, by_the_api: set[str]) -> None:
    assert name not in by_the_api


def test_the_api_has_every_dialect_and_the_worker_what_fires(by_the_api: set[str], by_a_worker: set[str]) -> None:
    assert "chalicelib.api.dialects.rlatr" in by_the_api
    assert "chalicelib.operations.deliver" in by_a_worker
