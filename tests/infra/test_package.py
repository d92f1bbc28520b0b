"""What is in the zip, and that packaging knows when it has nothing to do."""

from __future__ import annotations

import hashlib
import marshal
import shutil
import sys
import zipfile
from pathlib import Path

import pytest

from infra.package import SERVICES, Artifact, PackagingError, package
from tests.engine import ROOT

_FOREIGN = ("pytest", "moto", "ministack", "hypercorn", "mypy", "ruff", "hypothesis", "tests", "infra", ".venv")


def _names(artifact: Artifact) -> list[str]:
    with zipfile.ZipFile(artifact.code) as code:
        return code.namelist()


def test_the_zip_holds_the_app_its_dependencies_and_nothing_of_the_workshop(artifact: Artifact) -> None:
    tops = {name.split("/")[0].removesuffix(".py") for name in _names(artifact)}
    assert tops >= {"app", "chalice", "boto3", "pynamodb", "croniter", "cryptography", "urllib3", "tzdata"}
    assert tops.isdisjoint(_FOREIGN)


def test_of_the_sdk_only_our_services_are_shipped(artifact: Artifact) -> None:
    shipped = {
        name.split("/")[2] for name in _names(artifact) if name.startswith("botocore/data/") and name.count("/") > 3
    }
    assert shipped >= SERVICES
    assert {name for name in shipped if not name.endswith(".json")} == SERVICES


def test_no_cold_start_compiles(artifact: Artifact) -> None:
    names = set(_names(artifact))
    tag = sys.implementation.cache_tag
    assert f"__pycache__/app.{tag}.pyc" in names
    assert f"boto3/__pycache__/session.{tag}.pyc" in names
    with zipfile.ZipFile(artifact.code) as code:
        compiled = code.read(f"__pycache__/app.{tag}.pyc")
    assert compiled[4] == 0b01, "checked against nothing: the hash is not looked at"
    assert marshal.loads(compiled[16:]).co_filename == "app.py"  # noqa: S302 - our own file


def test_packaging_again_changes_not_a_byte(artifact: Artifact, tmp_path: Path) -> None:
    said: list[str] = []
    before = hashlib.sha256(artifact.code.read_bytes()).hexdigest()
    again = package(Path(__file__).parent / "standin", say=said.append)
    assert (said, again) == (["package: unchanged"], artifact)
    build = tmp_path / "build"
    build.mkdir()
    for kept in (ROOT / ".build").glob("dependencies-*.zip"):
        shutil.copy(kept, build)
    shutil.copytree(ROOT / ".build/chalice", build / "chalice")
    afresh = package(Path(__file__).parent / "standin", build=build, say=said.append)
    assert hashlib.sha256(afresh.code.read_bytes()).hexdigest() == before


def test_an_app_that_cannot_be_imported_is_refused_with_the_reason(tmp_path: Path) -> None:
    project = tmp_path / "broken"
    project.mkdir()
    (project / "app.py").write_text("import no_such_module\n")
    with pytest.raises(PackagingError, match="no_such_module"):
        package(project, build=tmp_path, say=lambda _: None)
