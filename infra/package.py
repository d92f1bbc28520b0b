"""Packages the app: one zip and one template, the same for AWS and for the embedded engine.

Chalice collects the dependencies and writes the REST API; the templates of this folder (`TEMPLATES`) and the dashboard
are merged into what it writes. Then three things Chalice leaves undone:

- **Lean**: of botocore's data on 400 services only those of ours stay (`SERVICES`): 22 MB become 10, compiled files
  included, and a cold start unpacks half as many files.
- **Compiled**: `unchecked-hash` .pyc files go along, so that no cold start compiles (0.45 s instead of 0.9 s). They fit
  the Lambda runtime because Chalice derives it from the interpreter that packages.
- **Reproducible**: equal inputs give equal bytes, so whoever deploys can tell by the hash that nothing changed.

Dependencies are packed once per requirements.txt and interpreter, and kept in the build folder; packaging a changed app
is a matter of a second. Nothing is done at all when no input changed.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import importlib.metadata
import json
import os
import py_compile
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

ROOT: Final = Path(__file__).resolve().parent.parent
SERVICES: Final = frozenset({"dynamodb", "kms", "sns", "sqs", "sts"})
"""The AWS services whose clients the app may build."""

TEMPLATES: Final = ("resources.yaml", "roles.yaml", "alarms.yaml")
"""What is merged into Chalice's package, each with sections of a template."""
DASHBOARD: Final = ROOT / "infra/dashboard.json"

Say = Callable[[str], None]


class PackagingError(Exception):
    """The app could not be packaged. The text says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """What is deployed: `template` refers to `code` by its file name."""

    template: Path
    code: Path


def package(project: Path = ROOT, *, stage: str = "dev", build: Path = ROOT / ".build", say: Say = print) -> Artifact:
    """Packages `project` for `stage` below `build`, or finds that it has been done. One at a time: others wait."""
    build.mkdir(parents=True, exist_ok=True)
    with (build / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return _package(project, stage, build, say)


def _package(project: Path, stage: str, build: Path, say: Say) -> Artifact:
    folder = build / f"{project.name}-{stage}"
    artifact = Artifact(template=folder / "template.json", code=folder / "code.zip")
    digest, stamp = _digest(project, stage), folder / "inputs"
    if stamp.exists() and stamp.read_text() == digest and artifact.template.exists() and artifact.code.exists():
        say("package: unchanged")
        return artifact
    say("package: building")
    folder.mkdir(parents=True, exist_ok=True)
    stamp.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory(dir=build) as scratch:
        built = _run_chalice(project, stage, Path(scratch), cache=build / "chalice")
        _write_code(
            built / "deployment.zip", artifact.code, dependencies=build / f"{_dependencies(project)}.zip", say=say
        )
        artifact.template.write_text(_template(built / "sam.yaml", artifact.code.name))
    stamp.write_text(digest)
    say(f"package: {artifact.code.stat().st_size / 1e6:.1f} MB")
    return artifact


# --- inputs -----------------------------------------------------------------------------------------------------------


def _sources(project: Path) -> list[Path]:
    library = (project / "chalicelib").rglob("*")
    return [project / "app.py", *sorted(file for file in library if file.is_file() and file.suffix != ".pyc")]


def _digest(project: Path, stage: str) -> str:
    files = [
        *_sources(project),
        ROOT / ".chalice/config.json",
        *(ROOT / "infra" / name for name in TEMPLATES),
        DASHBOARD,
    ]
    digest = hashlib.sha256(f"{stage} {_dependencies(project)}".encode())
    for file in files:
        digest.update(str(file).encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()


def _dependencies(project: Path) -> str:
    """Names the packed dependencies: they change with the requirements, the interpreter, Chalice and this file."""
    parts = [_requirements(project).read_bytes(), Path(__file__).read_bytes(), sys.version.encode()]
    parts.append(importlib.metadata.version("chalice").encode())
    return f"dependencies-{hashlib.sha256(b''.join(parts)).hexdigest()[:16]}"


def _requirements(project: Path) -> Path:
    own = project / "requirements.txt"
    return own if own.exists() else ROOT / "requirements.txt"


# --- Chalice ----------------------------------------------------------------------------------------------------------


def _run_chalice(project: Path, stage: str, scratch: Path, *, cache: Path) -> Path:
    """Lets Chalice package a copy, so that neither its caches nor its imports leave traces among the sources."""
    copy, out = scratch / "project", scratch / "out"
    shutil.copytree(ROOT / ".chalice", copy / ".chalice", ignore=shutil.ignore_patterns("deploy*"))
    shutil.copy(_requirements(project), copy / "requirements.txt")
    for file in _sources(project):
        target = copy / file.relative_to(project)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, target)
    cache.mkdir(parents=True, exist_ok=True)
    (copy / ".chalice/deployments").symlink_to(cache.resolve())
    merged = scratch / "resources.json"
    merged.write_text(json.dumps(resources()))
    command = [sys.executable, "-c", "from chalice.cli import main; raise SystemExit(main())"]
    command += ["--project-dir", str(copy), "package", "--stage", stage]
    command += ["--merge-template", str(merged), "--template-format", "yaml", str(out)]
    run = subprocess.run(command, env=_environment(), capture_output=True, text=True, check=False)  # noqa: S603 - our own interpreter and arguments
    if run.returncode or not (out / "sam.yaml").exists():
        log = cache.parent / "chalice.log"
        log.write_text(run.stdout + run.stderr)
        raise PackagingError(f"{_reason(log)} (all of it: {log})")
    return out


def resources() -> dict[str, Any]:
    """The templates of this folder and the dashboard as one, with CloudFormation's functions in their long form."""
    merged: dict[str, Any] = {}
    for name in TEMPLATES:
        for section, entries in yaml.load((ROOT / "infra" / name).read_text(), _Loader).items():  # noqa: S506 - a SafeLoader
            there = merged.setdefault(section, {})
            if twice := there.keys() & entries.keys():
                raise PackagingError(f"infra/{name} defines {section} {sorted(twice)} once more")
            there.update(entries)
    body = json.dumps(json.loads(DASHBOARD.read_text()))
    properties = {"DashboardName": {"Fn::Sub": "belltower-${Stage}"}, "DashboardBody": {"Fn::Sub": body}}
    merged["Resources"]["Dashboard"] = {"Type": "AWS::CloudWatch::Dashboard", "Properties": properties}
    return merged


class _Loader(yaml.SafeLoader):
    """Reads CloudFormation's short forms: `!Ref`, `!Sub`, `!GetAtt` and the like."""


def _long_form(loader: yaml.SafeLoader, function: str, node: yaml.Node) -> dict[str, Any]:
    value: Any
    match node:
        case yaml.ScalarNode():
            value = loader.construct_scalar(node)
        case yaml.SequenceNode():
            value = loader.construct_sequence(node, deep=True)
        case yaml.MappingNode():
            value = loader.construct_mapping(node, deep=True)
        case _:
            raise yaml.constructor.ConstructorError(None, None, f"nothing to read after !{function}", node.start_mark)
    if function == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {function if function in {"Ref", "Condition"} else f"Fn::{function}": value}


_Loader.add_multi_constructor("!", _long_form)


def _environment() -> dict[str, str]:
    """Chalice asks for a region, and imports the app: without settings, as on a machine that only packages."""
    return {k: v for k, v in os.environ.items() if not k.startswith("BELLTOWER_")} | {"AWS_DEFAULT_REGION": "us-east-1"}


def _reason(log: Path) -> str:
    offline = ("connection", "name resolution", "no matching distribution", "could not satisfy", "max retries")
    said = log.read_text().strip()
    last = said.splitlines()[-1] if said else "it said nothing"
    if any(sign in said.lower() for sign in offline):
        return f"the dependencies could not be downloaded, packaging for the first time needs the network: {last}"
    return f"Chalice could not package the app: {last}"


def _template(file: Path, code: str) -> str:
    """JSON, because CloudFormation takes no YAML aliases and PyYAML writes them."""
    template: dict[str, Any] = yaml.safe_load(file.read_text())
    for resource in template["Resources"].values():
        if "CodeUri" in resource["Properties"]:
            resource["Properties"]["CodeUri"] = code
    return json.dumps(template, indent=1, sort_keys=True)


# --- the zip ----------------------------------------------------------------------------------------------------------


def _write_code(chalice: Path, code: Path, *, dependencies: Path, say: Say) -> None:
    with zipfile.ZipFile(chalice) as source:
        files = [name for name in source.namelist() if not name.endswith("/")]
        ours = [name for name in files if name == "app.py" or name.startswith("chalicelib/")]
        if not dependencies.exists():
            say("package: compiling dependencies, once")
            theirs = [name for name in files if name not in ours and _needed(name)]
            _pack(dependencies, ((name, source.read(name)) for name in sorted(theirs)), mode="w")
        unfinished = code.with_suffix(".tmp")
        shutil.copy(dependencies, unfinished)
        _pack(unfinished, ((name, source.read(name)) for name in sorted(ours)), mode="a")
        unfinished.replace(code)


def _needed(name: str) -> bool:
    """Whether a dependency's file is shipped: all but botocore's data on services we never call, and boto3's on all."""
    parts = name.split("/")
    if parts[:2] == ["boto3", "examples"]:
        return False
    of_a_service = parts[:2] == ["botocore", "data"] and len(parts) > 3  # noqa: PLR2004 - botocore/data/<service>/<file>
    return not of_a_service or parts[2] in SERVICES


def _pack(target: Path, files: Iterable[tuple[str, bytes]], *, mode: str) -> None:
    """Adds files, each Python file with its compiled form, under a fixed date."""
    unfinished = target.with_suffix(".part")
    if mode == "a":
        target.replace(unfinished)
    with zipfile.ZipFile(unfinished, mode, zipfile.ZIP_DEFLATED) as packed:  # type: ignore[call-overload]
        for name, content in files:
            _add(packed, name, content)
            if name.endswith(".py") and (compiled := _compile(name, content)):
                _add(packed, _compiled_name(name), compiled)
    unfinished.replace(target)


def _add(packed: zipfile.ZipFile, name: str, content: bytes) -> None:
    info = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
    info.compress_type = zipfile.ZIP_DEFLATED
    info.external_attr = 0o755 << 16
    packed.writestr(info, content)


def _compiled_name(name: str) -> str:
    path = Path(name)
    return str(path.parent / "__pycache__" / f"{path.stem}.{sys.implementation.cache_tag}.pyc")


def _compile(name: str, content: bytes) -> bytes | None:
    """None for a file no interpreter could compile: some packages ship templates under a .py name."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "source.py"), Path(folder, "compiled.pyc")
        source.write_bytes(content)
        mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
        try:
            py_compile.compile(str(source), str(target), dfile=name, doraise=True, invalidation_mode=mode)
        except py_compile.PyCompileError:
            return None
        return target.read_bytes()


def main(arguments: list[str]) -> int:
    """Packages the app for a stage and prints where the results are."""
    parser = argparse.ArgumentParser(prog="python -m infra.package", description=main.__doc__)
    parser.add_argument("--stage", default="dev", choices=["dev", "prod"])
    try:
        artifact = package(stage=parser.parse_args(arguments).stage)
    except PackagingError as error:
        print(error, file=sys.stderr)
        return 1
    print(artifact.template, artifact.code, sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
