"""`make size`: what it measures, and when it fails."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from infra.size import ImportFailedError, Measure, environment, functions, imports, main, sizes
from tests.infra.conftest import STANDIN

if TYPE_CHECKING:
    from pathlib import Path

    from infra.package import Artifact


def test_it_prints_the_sizes_and_a_time_for_each_function(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--project", str(STANDIN)]) == 0
    names = [line.split()[0] for line in capsys.readouterr().out.splitlines() if not line.startswith("package:")]
    assert names == ["zip", "unpacked", "APIHandler", "Deliver", "Parked", "Reconcile", "Tick"]


def test_what_cannot_run_here_is_not_imported(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--project", str(STANDIN), "--architecture", "arm64"]) == 0
    printed = capsys.readouterr().out
    assert "import times are not taken: this machine cannot run arm64" in printed
    assert "Deliver" not in printed


@pytest.mark.parametrize(
    ("figure", "target", "missed"),
    [(0.59, 0.6, False), (0.6, 0.6, True), (0.61, 0.6, True), (99.0, None, False)],
)
def test_a_target_is_missed_when_the_figure_is_not_below_it(
    figure: float,
    target: float | None,
    missed: bool,  # noqa: FBT001 - the table's column
) -> None:
    measure = Measure(name="Deliver", figure=figure, unit="s", target=target)
    assert (measure.missed, "missed" in measure.line()) == (missed, missed)


def test_the_targets_are_those_of_the_zip_of_the_api_and_of_the_workers(artifact: Artifact) -> None:
    taken = [*sizes(artifact.code), *imports(artifact, times=1)]
    assert {measure.name: measure.target for measure in taken} == {
        "zip": 30,
        "unpacked": None,
        "APIHandler": 0.9,
        "Deliver": 0.6,
        "Parked": 0.6,
        "Reconcile": 0.6,
        "Tick": 0.6,
    }


def test_a_function_is_imported_with_its_own_environment(template: dict[str, Any]) -> None:
    serves = {name: environment(template, name).get("BELLTOWER_SERVES_API") for name in functions(template)}
    assert serves == {"APIHandler": None, "Deliver": "0", "Parked": "0", "Reconcile": "0", "Tick": "0"}
    assert environment(template, "Tick")["BELLTOWER_SHARDS"] == "16"
    assert "BELLTOWER_LOCAL" not in environment(template, "Tick")


def test_a_function_that_cannot_be_imported_is_named(artifact: Artifact, tmp_path: Path) -> None:
    template = tmp_path / "template.json"
    template.write_text(artifact.template.read_text().replace('"app.deliver"', '"app.deliverr"'))
    broken = type(artifact)(template=template, code=artifact.code)
    with pytest.raises(ImportFailedError, match=r"app\.deliverr cannot be imported: AttributeError"):
        imports(broken, times=1)
