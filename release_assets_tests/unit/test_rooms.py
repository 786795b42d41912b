"""The rooms of the source have one order: a module imports nothing from a room above its own."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from release_assets_tests.paths import ROOT

PACKAGE = ROOT / "release_assets"
PAGE = ROOT / "docs/explanation/architecture.md"
# From top to bottom, in the order of the page.
ROOMS = re.findall(r"\]\(\.\./\.\./release_assets/(\w+?)(?:\.py)?\)", PAGE.read_text(encoding="utf-8"))


def room_of(module: str) -> str:
    """Return the room of a module such as release_assets.rules.tags."""
    return module.split(".")[1]


def modules() -> dict[str, Path]:
    """Return the files of all modules but the package's own, which imports lazily what Dagster looks for."""
    files = {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in PACKAGE.rglob("*.py")}
    return {
        name.removesuffix(".__init__"): path
        for name, path in files.items()
        if path.parent != PACKAGE or path.stem != "__init__"
    }


def imported_by(source: str) -> Iterator[str]:
    """Yield the modules of the package that a source imports, wherever in it, by their rooms at least."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "a relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        yield from (name for name in names if name.startswith("release_assets."))


def test_the_page_has_every_room_once() -> None:
    assert sorted(ROOMS) == sorted({room_of(module) for module in modules()})


def test_no_import_leads_to_a_room_above() -> None:
    assert [
        f"{module} imports {name}"
        for module, path in modules().items()
        for name in imported_by(path.read_text(encoding="utf-8"))
        if ROOMS.index(room_of(name)) < ROOMS.index(room_of(module))
    ] == []


def test_an_import_in_a_function_is_found() -> None:
    source = "def later():\n    from release_assets import project\n    import release_assets.rules.tags\n"

    assert list(imported_by(source)) == ["release_assets.project", "release_assets.rules.tags"]
