"""What Dagster loads: the graph of every project that has a defs.yaml."""

from __future__ import annotations

import os
from pathlib import Path

import dagster as dg

from release_assets.graph import PARALLEL


def project_files() -> list[Path]:
    """The defs.yaml of each project, from RELEASE_ASSETS_DEFS or from this package's empty defs/ folder."""
    folder = Path(os.environ.get("RELEASE_ASSETS_DEFS") or Path(__file__).with_name("defs"))
    if not folder.is_dir():
        raise NotADirectoryError(
            f"RELEASE_ASSETS_DEFS is {str(folder)!r}, which is no folder; "
            "it should hold one sub-folder with a defs.yaml for each project"
        )
    return sorted(folder.glob("*/defs.yaml"))


@dg.definitions
def defs() -> dg.Definitions:
    """The projects' graphs, side by side; steps of runs that are launched by hand are processes, too."""
    components = [dg.Component.from_yaml_path(path) for path in project_files()]
    return dg.Definitions.merge(
        *(dg.build_defs_for_component(component) for component in components),
        dg.Definitions(executor=PARALLEL),
    )
