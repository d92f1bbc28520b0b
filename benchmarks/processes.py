"""What processes used, by /proc: CPU time of whole trees, and their memory.

The CPU time of a tree is that of its living processes plus, in each of them, that of the children it has waited for.
So a child that ends between two readings is not lost: its time has moved to its parent, and the sum over the tree stays
right where the sum over single processes would not. Only a child whose parent ignores SIGCHLD, or died first, escapes.
"""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PROC: Final = Path("/proc")
TICKS_A_SECOND: Final = os.sysconf("SC_CLK_TCK")

# Fields of /proc/<pid>/stat behind the command's name: see proc(5), whose numbers are three higher.
_STATE: Final = 0
_PARENT: Final = 1
_TIMES: Final = slice(11, 15)


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """CPU time so far in clock ticks, and the sum of what each process held in memory at most, in bytes."""

    ticks: int
    peak: int


def descendants(roots: Iterable[int]) -> frozenset[int]:
    """The processes and all below them, as they are now."""
    children = _children()
    found: set[int] = set()
    waiting = list(roots)
    while waiting:
        pid = waiting.pop()
        if pid not in found:
            found.add(pid)
            waiting += children.get(pid, ())
    return frozenset(found)


def usage(pids: Iterable[int]) -> Usage:
    """What they have used so far. One that is gone counts nothing: its parent has its time."""
    read = [(_ticks(pid), _peak(pid)) for pid in pids]
    return Usage(ticks=sum(ticks for ticks, _ in read), peak=sum(peak for _, peak in read))


def is_alive(pid: int) -> bool:
    """Whether it runs; one that has ended and waits for its parent to notice does not."""
    stat = _stat(pid)
    return stat is not None and stat[_STATE] != "Z"


def environment(pid: int) -> Mapping[str, str]:
    """The environment it was started with; nothing for one that is gone."""
    try:
        entries = (PROC / str(pid) / "environ").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return {}
    return dict(entry.split("=", 1) for entry in entries if "=" in entry)


def _children() -> Mapping[int, list[int]]:
    found: dict[int, list[int]] = {}
    for entry in PROC.iterdir():
        if entry.name.isdigit() and (stat := _stat(int(entry.name))):
            found.setdefault(int(stat[_PARENT]), []).append(int(entry.name))
    return found


def _ticks(pid: int) -> int:
    stat = _stat(pid)
    return sum(int(text) for text in stat[_TIMES]) if stat else 0


def _stat(pid: int) -> list[str] | None:
    """The fields behind the name, which may itself hold blanks and brackets."""
    try:
        return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None


def _peak(pid: int) -> int:
    try:
        lines = (PROC / str(pid) / "status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), 0)
