"""How large the package is, and how long each function takes to import: what a cold start pays. Missed targets fail.

    python -m infra.size

Import times are taken from the unpacked zip with its compiled files, each in fresh interpreters that see nothing else
but the standard library, with the function's own environment. The median of five counts, because the first one reads
from the disk. They are this machine's, not Lambda's; foreign code is not imported at all.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from infra.package import ARCHITECTURES, INTEL, Artifact, PackagingError, package
from infra.values import Template, defaults, value_of

if TYPE_CHECKING:
    from collections.abc import Mapping

ZIP_TARGET: Final = 30 * 2**20
API: Final = "APIHandler"
API_TARGET: Final = 0.9
WORKER_TARGET: Final = 0.6
"""Seconds, of every function but the API."""
TIMES: Final = 5
MACHINES: Final[Mapping[str, str]] = {"x86_64": "x86_64", "aarch64": "arm64"}

IMPORT: Final = """
import sys, time
sys.path.insert(0, sys.argv[1])
module, name = sys.argv[2].rsplit(".", 1)
begin = time.perf_counter()
getattr(__import__(module), name)
print(time.perf_counter() - begin)
"""


class ImportFailedError(Exception):
    """A function cannot be imported. The text is the interpreter's last line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """A figure and what it should stay below; None for a figure that is only told."""

    name: str
    figure: float
    unit: str
    target: float | None = None

    @property
    def missed(self) -> bool:
        """Whether it is not below its target."""
        return self.target is not None and self.figure >= self.target

    def line(self) -> str:
        """As it is printed."""
        target = "" if self.target is None else f"  target below {self.target:g}{', missed' if self.missed else ''}"
        return f"{self.name:12} {self.figure:7.2f} {self.unit:3}{target}"


def sizes(code: Path) -> list[Measure]:
    """Of the zip and of what is in it, in MiB."""
    with zipfile.ZipFile(code) as packed:
        whole = sum(member.file_size for member in packed.infolist())
    megabyte = 2**20
    return [
        Measure(name="zip", figure=code.stat().st_size / megabyte, unit="MiB", target=ZIP_TARGET / megabyte),
        Measure(name="unpacked", figure=whole / megabyte, unit="MiB"),
    ]


def imports(artifact: Artifact, *, times: int = TIMES) -> list[Measure]:
    """Of each function, in seconds. Raises ImportFailedError."""
    template = json.loads(artifact.template.read_text())
    with tempfile.TemporaryDirectory() as folder:
        with zipfile.ZipFile(artifact.code) as packed:
            packed.extractall(folder)
        return [_import(name, template, Path(folder), times=times) for name in functions(template)]


def functions(template: Template) -> list[str]:
    """The names of the functions, the API first."""
    found = [name for name, one in template["Resources"].items() if one["Type"] == "AWS::Serverless::Function"]
    return sorted(found, key=lambda name: (name != API, name))


def environment(template: Template, function: str) -> dict[str, str]:
    """What the function sees at its start with the default parameters. What only a stack knows is a word."""
    own = template["Resources"][function]["Properties"].get("Environment", {}).get("Variables", {})
    common = template.get("Globals", {}).get("Function", {}).get("Environment", {}).get("Variables", {})
    values = value_of(template, defaults(template), {**common, **own})
    told = {name: value for name, value in values.items() if value is not None}
    return {"AWS_REGION": "us-east-1"} | {
        name: "placeholder" if isinstance(value, dict) else str(value) for name, value in told.items()
    }


def _import(function: str, template: Template, folder: Path, *, times: int) -> Measure:
    handler, given = template["Resources"][function]["Properties"]["Handler"], environment(template, function)
    seconds = statistics.median(_once(folder, handler, given) for _ in range(times))
    return Measure(name=function, figure=seconds, unit="s", target=API_TARGET if function == API else WORKER_TARGET)


def _once(folder: Path, handler: str, given: Mapping[str, str]) -> float:
    command = [sys.executable, "-I", "-S", "-c", IMPORT, str(folder), handler]
    run = subprocess.run(command, env={"PATH": os.defpath, **given}, capture_output=True, text=True, check=False)  # noqa: S603 - our own interpreter
    if run.returncode:
        raise ImportFailedError(f"{handler} cannot be imported: {run.stderr.strip().splitlines()[-1]}")
    return float(run.stdout.splitlines()[-1])


def can_import(architecture: str) -> bool:
    """Whether this machine can run what Lambda runs."""
    return sys.platform == "linux" and MACHINES.get(platform.machine()) == architecture


def main(arguments: list[str]) -> int:
    """Prints sizes and import times. Exits with 1 when a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m infra.size", description=main.__doc__)
    parser.add_argument("--stage", default="dev")
    parser.add_argument("--architecture", default=INTEL, choices=ARCHITECTURES)
    parser.add_argument("--project", type=Path, help="the folder of app.py")
    given = parser.parse_args(arguments)
    where = {"project": given.project.absolute()} if given.project else {}
    try:
        artifact = package(**where, stage=given.stage, architecture=given.architecture)
        measures = sizes(artifact.code)
        if can_import(given.architecture):
            measures += imports(artifact)
    except (PackagingError, ImportFailedError) as error:
        print(error, file=sys.stderr)
        return 1
    print(*(measure.line() for measure in measures), sep="\n")
    if not can_import(given.architecture):
        print(f"import times are not taken: this machine cannot run {given.architecture}")
    return int(any(measure.missed for measure in measures))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
