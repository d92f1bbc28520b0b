"""What is in the zip, and that packaging knows when it has nothing to do."""

from __future__ import annotations

import hashlib
import json
import marshal
import shutil
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from infra.bundle import SERVICES
from infra.package import ARCHITECTURES, Artifact, PackagingError, package
from tests.engine import ROOT

_FOREIGN = ("pytest", "moto", "ministack", "hypercorn", "mypy", "ruff", "hypothesis", "tests", "infra", ".venv")


STANDIN = Path(__file__).parent / "standin"
MACHINES = {0x3E: "x86_64", 0xB7: "arm64"}
"""ELF's numbers for what a library runs on."""


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
    again = package(STANDIN, say=said.append)
    assert (said, again) == (["package: unchanged"], artifact)
    build = tmp_path / "build"
    build.mkdir()
    for kept in (ROOT / ".build").glob("dependencies-*.zip"):
        shutil.copy(kept, build)
    shutil.copytree(ROOT / ".build/chalice", build / "chalice")
    afresh = package(STANDIN, build=build, say=said.append)
    assert hashlib.sha256(afresh.code.read_bytes()).hexdigest() == before


def test_an_app_that_cannot_be_imported_is_refused_with_the_reason(tmp_path: Path) -> None:
    project = tmp_path / "broken"
    project.mkdir()
    (project / "app.py").write_text("import no_such_module\n")
    with pytest.raises(PackagingError, match="no_such_module"):
        package(project, build=tmp_path, say=lambda _: None)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_library_runs_on_the_architecture_that_is_asked_for(architecture: str) -> None:
    made = package(STANDIN, architecture=architecture, say=lambda _: None)
    with zipfile.ZipFile(made.code) as code:
        machines = {
            name: MACHINES[int.from_bytes(code.read(name)[18:20], "little")]
            for name in code.namelist()
            if ".so" in name
        }
    assert {name.split("/")[0].split(".")[0] for name in machines} >= {"cryptography", "_cffi_backend"}
    assert set(machines.values()) == {architecture}
    functions = [one for one in _resources(made).values() if one["Type"] == "AWS::Serverless::Function"]
    assert [one["Properties"]["Architectures"] for one in functions] == [[architecture]] * 5


def test_a_stage_may_have_any_name_and_is_the_stage_of_the_api() -> None:
    made = package(STANDIN, stage="alice", say=lambda _: None)
    assert _resources(made)["RestAPI"]["Properties"]["StageName"] == "alice"


@pytest.mark.parametrize("stage", ["", "Alice", "1st", "a-b", "../x", "averylongstagename"])
def test_what_cannot_name_a_stage_is_refused(stage: str) -> None:
    with pytest.raises(PackagingError, match="cannot name a stage"):
        package(STANDIN, stage=stage)


def _resources(artifact: Artifact) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(artifact.template.read_text())["Resources"]
    return found
