"""Every row of the list of faults is held by a test that says so in its name, and SECURITY.md says by which."""

from pathlib import Path

import pytest

from tests.fault_table import DOCUMENT, ENDS, NOT_APPLICABLE, ROWS, Places, held, table, written


@pytest.fixture(scope="module")
def places() -> Places:
    return held()


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"T{row:02}")
def test_every_row_is_held_or_is_not_applicable_for_a_reason(places: Places, row: int) -> None:
    assert places[row] or len(NOT_APPLICABLE.get(row, "")) > 20


def test_no_test_names_a_row_that_is_not_there(places: Places) -> None:
    assert places.keys() == ROWS.keys() == {*range(1, 61)}


def test_the_table_in_the_document_is_the_one_that_would_be_written(places: Places) -> None:
    document = DOCUMENT.read_text()
    assert document == written(document, places), "run: python -m tests.fault_table"


def test_a_table_is_made_of_the_names_in_a_folder(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "test_one.py").write_text(
        "def test_t18_a() -> None: ...\ndef test_t18_b() -> None: ...\ndef helper_t19() -> None: ...\n"
        "class TestIt:\n    def test_x_t20_and_t21_c(self) -> None: ...\ndef test_t5_no_row() -> None: ...\n"
    )
    places = {row: where for row, where in held(tmp_path).items() if where}
    assert places == {
        18: ("sub/test_one.py::test_t18",),
        20: ("sub/test_one.py::test_x_t20",),
        21: ("sub/test_one.py::test_x_t20_and_t21",),
    }
    assert "| T18 | private and special addresses in every spelling, at create and at send | `sub/" in table(places)
    assert table(places).count("**nothing yet**") == 60 - 3 - len(NOT_APPLICABLE)


def test_what_stands_around_the_table_stays() -> None:
    document = "# Head\n<!-- faults: written by python -m tests.fault_table -->\nstale words\n" + ENDS + "\ntail\n"
    once = written(document, {})
    assert once.startswith("# Head\n")
    assert once.endswith(f"{ENDS}\ntail\n")
    assert "stale words" not in once
    assert written(once, {}) == once
