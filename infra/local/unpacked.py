"""Code of functions, unpacked once.

MiniStack unpacks a function's zip anew for each process it starts: fifteen hundred files, up to two seconds, and a
burst starts several. Here the zip is unpacked once, under its hash, and each process gets links to what is there; it is
kept over restarts. Functions cannot tell: on AWS their code is read-only and shared between their processes as well.
"""

from __future__ import annotations

import hashlib
import shutil
import threading
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import os

KEPT: Final = 3
"""Unpacked versions that stay: the last deploys'."""

_one_at_a_time: Final = threading.Lock()


class SharedZips:
    """Stands in for the `zipfile` module where MiniStack unpacks functions."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        _forget_old(folder)

        class ZipFile(zipfile.ZipFile):
            """Unpacks into `folder` and leaves links where it was told to unpack."""

            def extractall(self, path: str | os.PathLike[str] | None = None, *_: Any, **__: Any) -> None:  # noqa: ANN401
                """All members, as links."""
                target = Path(path or ".")
                for entry in _unpack(self, folder).iterdir():
                    (target / entry.name).symlink_to(entry)

        self.ZipFile = ZipFile

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - the rest of the module
        return getattr(zipfile, name)


def _unpack(packed: zipfile.ZipFile, folder: Path) -> Path:
    digest = hashlib.sha256(Path(str(packed.filename)).read_bytes()).hexdigest()[:16]
    ready = folder / digest
    with _one_at_a_time:
        if not ready.exists():
            unfinished = folder / f"{digest}.part"
            shutil.rmtree(unfinished, ignore_errors=True)
            zipfile.ZipFile.extractall(packed, unfinished)
            unfinished.replace(ready)
        ready.touch()
    return ready


def _forget_old(folder: Path) -> None:
    for old in sorted(folder.iterdir(), key=lambda each: each.stat().st_mtime, reverse=True)[KEPT:]:
        shutil.rmtree(old, ignore_errors=True)
