"""Fixtures every test may ask for; who runs what, and in which order; what the story tells at the end.

What waits for clocks begins first, on both workers at once. The story has two timelines, each with an engine of its
own: test_story.py, and test_five_doors.py, whose jobs wait for their tick while test_readme.py runs.
"""

from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

import pytest

from tests.engine import engine

__all__ = ["engine"]

TOLD = "told"
"""The property under which a test records a line to be shown at the end of the run."""
FIVE_DOORS = ("tests/story/test_five_doors.py", "tests/story/test_readme.py")


def pytest_report_header() -> str:
    """Firing times across clock changes are those of this release of the time zones."""
    return f"tzdata: {version('tzdata')}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=_turn)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """As `--dist loadfile`, but a timeline is one file, and the files are begun in the order they stand in."""
    from xdist.scheduler import LoadFileScheduling  # type: ignore[import-untyped]  # noqa: PLC0415 - there is xdist

    if config.getoption("dist") != "loadfile":
        return None
    config.option.loadscopereorder = False
    scheduler = LoadFileScheduling(config, log)
    vars(scheduler)["_split_scope"] = _timeline
    return scheduler


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """What the story's tests recorded, from whichever worker they ran on."""
    lines = list(_told(terminalreporter.stats))
    if lines:
        terminalreporter.section("the story")
    for line in lines:
        terminalreporter.write_line(line)


def _turn(item: pytest.Item) -> int:
    mark = item.get_closest_marker("story")
    if mark is None:
        return 3
    if not item.nodeid.startswith(FIVE_DOORS):
        return 2
    return 1 if "afterwards" in mark.args else 0


def _timeline(nodeid: str) -> str:
    file = nodeid.partition("::")[0]
    return "five doors" if file in FIVE_DOORS else file


def _told(stats: dict[str, list[Any]]) -> Iterator[str]:
    for report in (*stats.get("passed", ()), *stats.get("failed", ())):
        for name, line in report.user_properties:
            if name == TOLD:
                yield str(line)
