"""The house's drawing, held by `ast`: which way imports point, who may ask the world what, how a dialect is laid out.

The layers are those of import-linter's contract in pyproject.toml, so there is one list; this test needs no tool.
"""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from app import app

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "chalicelib"
CONTRACT = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"][0]
LAYERS = [[module.strip() for module in layer.split("|")] for layer in CONTRACT["layers"]]
LEVELS = {module: level for level, layer in enumerate(LAYERS) for module in layer}
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")
PURE = [path for path in MODULES if path.relative_to(PACKAGE).parts[0] in {"scheduling", "operations"}]
DIALECTS = sorted(path for path in (PACKAGE / "api" / "dialects").glob("*.py") if path.name != "__init__.py")
OUTSIDE = {"boto3", "botocore", "chalice", "pynamodb", "os"}
CLOCKS = {"now", "utcnow", "today", "time", "time_ns", "monotonic", "perf_counter"}
MARKERS = re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME|XX" + r"X|HA" + r"CK)\b")


def named(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imports(path: Path) -> set[str]:
    """Every module that is imported anywhere in a file: in functions and for types too."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.Import(names=names):
                found |= {alias.name for alias in names}
            case ast.ImportFrom(module=str(module), names=names):
                found |= {module} | {f"{module}.{alias.name}" for alias in names}
    return found


def part_of(module: str) -> str | None:
    """The part of the drawing that a module belongs to; None for what is no module of ours, and the package itself."""
    return next((part for part in LEVELS if module == part or module.startswith(f"{part}.")), None)


def calls(path: Path) -> Iterator[tuple[str, str]]:
    """What is called as `name.attribute(...)`."""
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr=attribute)):
                yield name, attribute


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_every_module_has_its_place_and_imports_point_one_way(path: Path) -> None:
    own = part_of(named(path))
    assert own, f"{named(path)} is in no layer of pyproject.toml"
    others = {part for module in imports(path) if (part := part_of(module)) and part != own}
    assert {part for part in others if LEVELS[part] <= LEVELS[own]} == set()


def test_the_adapters_share_a_level_above_the_operations() -> None:
    adapters = LEVELS["chalicelib.api"]
    shared = {part for part, level in LEVELS.items() if level == adapters}
    assert shared >= {f"chalicelib.{name}" for name in ("api", "storage", "delivery", "settings", "observability")}
    order = [f"chalicelib.{name}" for name in ("wiring", "api", "operations", "ports", "scheduling", "signing")]
    assert [LEVELS[part] for part in order] == sorted({LEVELS[part] for part in order})


@pytest.mark.parametrize("path", DIALECTS, ids=named)
def test_no_dialect_knows_another(path: Path) -> None:
    others = {named(other) for other in DIALECTS if other != path}
    assert imports(path) & others == set()


@pytest.mark.parametrize("path", PURE, ids=named)
def test_the_core_knows_nothing_of_aws_http_or_the_environment(path: Path) -> None:
    assert {module.partition(".")[0] for module in imports(path)} & OUTSIDE == set()


@pytest.mark.parametrize("path", PURE, ids=named)
def test_the_core_is_told_the_time(path: Path) -> None:
    assert {call for call in calls(path) if call[1] in CLOCKS and call[0] in {"datetime", "date", "time"}} == set()


@pytest.mark.parametrize("path", [path for path in MODULES if path.name != "settings.py"], ids=named)
def test_only_the_settings_read_the_environment(path: Path) -> None:
    names = {node.attr for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute)}
    assert (names | {module.rpartition(".")[2] for module in imports(path)}) & {
        "environ",
        "environb",
        "getenv",
    } == set()


def test_app_py_is_a_page() -> None:
    assert len((ROOT / "app.py").read_text().splitlines()) < 80


@pytest.mark.parametrize("path", DIALECTS, ids=named)
def test_every_dialect_has_the_same_parts_in_the_same_order(path: Path) -> None:
    tree = ast.parse(path.read_text())
    assert ast.get_docstring(tree)
    defined = {node.name: node.lineno for node in tree.body if isinstance(node, ast.FunctionDef)}
    [(line, dialect)] = [
        (node.lineno, ast.unparse(node.value))
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "DIALECT"
    ]
    order = sorted(defined | {"DIALECT": line}, key=(defined | {"DIALECT": line}).__getitem__)
    views = [name for name in defined if re.search(rf": {name}\b", dialect)]
    parts = [*views, "authenticated", "parsed", "render_error", "DIALECT"]
    assert views
    assert [name for name in order if name in parts] == parts
    assert order[-2:] == ["render_error", "DIALECT"]


def test_variables_at_one_place_of_a_path_share_their_name() -> None:
    """API Gateway refuses siblings such as /jobs/{id} and /jobs/{when}/{callback}."""
    variables: dict[str, set[str]] = {}
    for route in app.routes:
        parts = route.split("/")
        for place, part in enumerate(parts):
            if part.startswith("{"):
                variables.setdefault("/".join(parts[:place]), set()).add(part)
    assert {parent: names for parent, names in variables.items() if len(names) > 1} == {}
    assert variables


def test_every_route_takes_every_method_and_every_type() -> None:
    entries = [entry for methods in app.routes.values() for entry in methods.values()]
    assert {tuple(entry.content_types) for entry in entries} == {("*/*",)}
    assert {frozenset(methods) for methods in app.routes.values()} == {
        frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
    }


def test_nothing_is_left_for_later() -> None:
    files = [
        ROOT / "app.py",
        *(path for folder in ("chalicelib", "infra", "tests") for path in (ROOT / folder).rglob("*.py")),
    ]
    assert [str(path) for path in files if MARKERS.search(path.read_text())] == []
