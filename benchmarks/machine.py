"""The machine a benchmark ran on: figures without it mean nothing."""

import os
import platform
import re
from datetime import UTC, datetime
from pathlib import Path


def machine() -> dict[str, str]:
    """What a reader must know, as text: date, cpu, cores, memory, kernel, python, load (of the minute before)."""
    kibibytes = int(_first(r"MemTotal:\s*(\d+)", "/proc/meminfo") or 0)
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "cpu": _first(r"model name\s*:\s*(.+)", "/proc/cpuinfo") or platform.machine(),
        "cores": str(len(os.sched_getaffinity(0))),
        "memory": f"{kibibytes / 1024**2:.0f} GiB",
        "kernel": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "load": f"{os.getloadavg()[0]:.1f}",
    }


def _first(pattern: str, file: str) -> str | None:
    found = re.search(pattern, Path(file).read_text())
    return found.group(1) if found else None
