"""Start-up: what it costs to load the code location, which the code server does once and every run again."""

from __future__ import annotations

import json
import resource
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks import bounds
from benchmarks.figures import Series
from release_assets import process

PROJECTS = (1, 10, 50)
TIMES = 3
LOAD = (
    "import dagster; from release_assets.definitions import defs; "
    "dagster.Definitions.validate_loadable(defs())"
)
LOAD_SECONDS = 120.0


def measure() -> Iterator[Series]:
    """Yield the CPU seconds of loading with each number of projects."""
    for projects in PROJECTS:
        with tempfile.TemporaryDirectory(prefix="startup-") as folder:
            write_projects(Path(folder), projects)
            seconds = tuple(_load(Path(folder)) for _ in range(TIMES + 1))
        # The first one fills the page cache.
        yield Series(row_name(projects), bounds.LOAD, "s", seconds[1:])


def row_name(projects: int) -> str:
    """Return what the row of so many projects is called."""
    return f"{projects} projects" if projects > 1 else "1 project"


def write_projects(folder: Path, projects: int) -> None:
    """Write the defs.yaml of so many projects that have images."""
    for number in range(projects):
        name = f"p{number}"
        attributes = {
            "project": name,
            "repository": f"https://github.com/owner/{name}.git",
            "package": {},
            "github": {"repository": f"owner/{name}"},
            "image": {"repository": f"docker.io/owner/{name}"},
        }
        file = folder / name / "defs.yaml"
        file.parent.mkdir(parents=True)
        file.write_text(json.dumps({"type": "release_assets.ReleaseGraph", "attributes": attributes}))


def _load(folder: Path) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    process.run(
        [sys.executable, "-c", LOAD],
        env=process.environment(RELEASE_ASSETS_DEFS=str(folder), DAGSTER_HOME=str(folder)),
        timeout=LOAD_SECONDS,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
