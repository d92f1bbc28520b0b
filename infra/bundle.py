"""The zip that goes to Lambda: the app and its dependencies, lean, compiled and the same bytes each time.

Dependencies are the larger part and change rarely, so they are packed once, as a zip that is copied; the app is added
to the copy.
"""

from __future__ import annotations

import py_compile
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

SERVICES: Final = frozenset({"dynamodb", "kms", "sns", "sqs", "sts"})
"""The AWS services whose clients the app may build."""

Say = Callable[[str], None]


def write_code(chalice: Path, code: Path, *, dependencies: Path, say: Say) -> None:
    """Writes `code` from Chalice's zip; `dependencies` is made from it as well, unless it is there."""
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
