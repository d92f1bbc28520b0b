"""Packages the app: one zip and one template, the same for AWS and for the embedded engine.

    python -m infra.package --stage dev --architecture arm64

Chalice collects the dependencies and writes the REST API; the templates of this folder (`TEMPLATES`) and the dashboard
are merged into what it writes. Then three things Chalice leaves undone (infra/bundle.py):

- **Lean**: of botocore's data on 400 services only those of ours stay: 22 MB become 10, compiled files included, and a
  cold start unpacks half as many files.
- **Compiled**: `unchecked-hash` .pyc files go along, so that no cold start compiles (0.45 s instead of 0.9 s). They fit
  the Lambda runtime because Chalice derives it from the interpreter that packages.
- **Reproducible**: equal inputs give equal bytes, so whoever deploys can tell by the hash that nothing changed.

Dependencies come as wheels for the Lambda's architecture, whatever the one of the machine that packages. They are
packed once per requirements.txt, interpreter and architecture, and kept in the build folder; packaging a changed app is
a matter of a second. Nothing is done at all when no input changed.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from infra import bundle
from infra.bundle import Say, write_code

ROOT: Final = Path(__file__).resolve().parent.parent
STAGE: Final = re.compile(r"[a-z][a-z0-9]{0,15}")
"""What a stage may be called. prod is the one that is protected; resources.yaml says how."""
MISSING: Final = "Could not install dependencies"
"""Chalice's warning when a package has no wheel for Lambda. It goes on without the package."""
ARCHITECTURES: Final = ("x86_64", "arm64")
INTEL: Final = ARCHITECTURES[0]

TEMPLATES: Final = ("resources.yaml", "scaling.yaml", "roles.yaml", "alarms.yaml")
"""What is merged into Chalice's package, each with sections of a template."""
DASHBOARD: Final = ROOT / "infra/dashboard.json"
CONFIG: Final = ROOT / ".chalice/config.json"


class PackagingError(Exception):
    """The app could not be packaged. The text says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """What is deployed: `template` refers to `code` by its file name."""

    template: Path
    code: Path


def package(
    project: Path = ROOT,
    *,
    stage: str = "dev",
    architecture: str = INTEL,
    build: Path = ROOT / ".build",
    say: Say = print,
) -> Artifact:
    """Packages `project` for `stage` below `build`, or finds that it has been done. One at a time: others wait."""
    if not STAGE.fullmatch(stage):
        raise PackagingError(f"{stage!r} cannot name a stage: a letter, then at most 15 letters and digits, lower case")
    build.mkdir(parents=True, exist_ok=True)
    with (build / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return _package(_Order(project=project, stage=stage, architecture=architecture, build=build), say)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Order:
    """What to package, and where the results and everything that is kept between two times go."""

    project: Path
    stage: str
    architecture: str
    build: Path

    @property
    def folder(self) -> Path:
        """Where the artifact goes."""
        other = "" if self.architecture == INTEL else f"-{self.architecture}"
        return self.build / f"{self.project.name}-{self.stage}{other}"

    @property
    def requirements(self) -> Path:
        """The project's own, or ours."""
        own = self.project / "requirements.txt"
        return own if own.exists() else ROOT / "requirements.txt"


def _package(order: _Order, say: Say) -> Artifact:
    artifact = Artifact(template=order.folder / "template.json", code=order.folder / "code.zip")
    digest, stamp = _digest(order), order.folder / "inputs"
    if stamp.exists() and stamp.read_text() == digest and artifact.template.exists() and artifact.code.exists():
        say("package: unchanged")
        return artifact
    say("package: building")
    order.folder.mkdir(parents=True, exist_ok=True)
    stamp.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory(dir=order.build) as scratch:
        built = _run_chalice(order, Path(scratch))
        dependencies = order.build / f"{_dependencies(order)}.zip"
        write_code(built / "deployment.zip", artifact.code, dependencies=dependencies, say=say)
        artifact.template.write_text(_template(built / "sam.yaml", artifact.code.name))
    stamp.write_text(digest)
    say(f"package: {artifact.code.stat().st_size / 1e6:.1f} MB")
    return artifact


# --- inputs -----------------------------------------------------------------------------------------------------------


def _sources(project: Path) -> list[Path]:
    library = (project / "chalicelib").rglob("*")
    return [project / "app.py", *sorted(file for file in library if file.is_file() and file.suffix != ".pyc")]


def _digest(order: _Order) -> str:
    templates = [ROOT / "infra" / name for name in TEMPLATES]
    digest = hashlib.sha256(f"{order.stage} {_dependencies(order)}".encode())
    for file in (*_sources(order.project), CONFIG, *templates, DASHBOARD, Path(__file__)):
        digest.update(str(file).encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()


def _dependencies(order: _Order) -> str:
    """Names the packed dependencies: they change with what is required, for whom, and with those who pack them."""
    parts = [order.requirements.read_bytes(), Path(bundle.__file__).read_bytes(), sys.version.encode()]
    parts += [importlib.metadata.version("chalice").encode(), order.architecture.encode()]
    return f"dependencies-{hashlib.sha256(b''.join(parts)).hexdigest()[:16]}"


# --- Chalice ----------------------------------------------------------------------------------------------------------


def _run_chalice(order: _Order, scratch: Path) -> Path:
    """Lets Chalice package a copy, so that neither its caches nor its imports leave traces among the sources."""
    out, merged, log = scratch / "out", scratch / "resources.json", order.build / "chalice.log"
    merged.write_text(json.dumps(resources()))
    command = [sys.executable, "-c", "from chalice.cli import main; raise SystemExit(main())"]
    command += ["--project-dir", str(_copied(order, scratch / "project")), "package", "--stage", order.stage]
    command += ["--merge-template", str(merged), "--template-format", "yaml", str(out)]
    run = subprocess.run(command, env=_environment(), capture_output=True, text=True, check=False)  # noqa: S603 - our own interpreter and arguments
    log.write_text(run.stdout + run.stderr)
    if run.returncode or not (out / "sam.yaml").exists() or MISSING in log.read_text():
        raise PackagingError(f"{_reason(log)} (all of it: {log})")
    return out


def _copied(order: _Order, copy: Path) -> Path:
    """The project as Chalice shall see it: its sources, the configuration of one stage, and the wheels of last time."""
    for file in _sources(order.project):
        target = copy / file.relative_to(order.project)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, target)
    shutil.copy(order.requirements, copy / "requirements.txt")
    (copy / ".chalice").mkdir()
    (copy / ".chalice/config.json").write_text(json.dumps(_config(order.stage, order.architecture)))
    cache = order.build / "chalice"
    cache.mkdir(parents=True, exist_ok=True)
    (copy / ".chalice/deployments").symlink_to(cache.resolve())
    return copy


def _config(stage: str, architecture: str) -> dict[str, Any]:
    """Chalice's configuration knows the stages it lists only, so ours lists the one that is asked for."""
    config: dict[str, Any] = json.loads(CONFIG.read_text())
    return config | {"lambda_architecture": architecture, "stages": {stage: {"api_gateway_stage": stage}}}


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
    if MISSING in said:
        return f"some packages have no wheel for Lambda: {said.partition(MISSING)[2].strip(': ').splitlines()[0]}"
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


def main(arguments: list[str]) -> int:
    """Packages the app for a stage and prints where the results are."""
    parser = argparse.ArgumentParser(prog="python -m infra.package", description=main.__doc__)
    parser.add_argument("--stage", default="dev")
    parser.add_argument("--architecture", default=INTEL, choices=ARCHITECTURES)
    given = parser.parse_args(arguments)
    try:
        artifact = package(stage=given.stage, architecture=given.architecture)
    except PackagingError as error:
        print(error, file=sys.stderr)
        return 1
    print(artifact.template, artifact.code, sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
