"""What Dagster loads: the graph of every project that has a defs.yaml."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import dagster as dg
import yaml
from pydantic import ValidationError

from release_assets.component import ReleaseGraph
from release_assets.errors import PermanentError
from release_assets.executor import parallel_executor
from release_assets.graph import build_release_graph
from release_assets.project import Project


def project_files() -> list[Path]:
    """The defs.yaml of each project, from RELEASE_ASSETS_DEFS or from this package's empty defs/ folder.

    Raises PermanentError when RELEASE_ASSETS_DEFS names no folder.
    """
    folder = Path(os.environ.get("RELEASE_ASSETS_DEFS") or Path(__file__).with_name("defs"))
    if not folder.is_dir():
        raise PermanentError(
            f"RELEASE_ASSETS_DEFS is {str(folder)!r}, which is no folder",
            "Let it name a folder that has one sub-folder with a defs.yaml for each project.",
        )
    return sorted(folder.glob("*/defs.yaml"))


def read_project(file: Path) -> Project:
    """The project that a defs.yaml declares.

    Raises PermanentError that names the file, each wrong key, and the nearest known one.
    """
    try:
        content: Any = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeError, yaml.YAMLError) as error:
        raise PermanentError(f"{file} cannot be read: {error}", "Correct it, then reload.") from None
    name = f"{ReleaseGraph.__module__.partition('.')[0]}.{ReleaseGraph.__name__}"
    if not isinstance(content, dict) or content.get("type") != name:
        raise PermanentError(f"{file} does not say `type: {name}`", "Write that as its first line.")
    strangers = set(content) - {"type", "attributes"}
    if strangers:
        raise PermanentError(
            f"{file} has {', '.join(sorted(map(str, strangers)))} beside type and attributes",
            "Put the project's keys below `attributes:`.",
        )
    try:
        return Project.model_validate(content.get("attributes") or {})
    except ValidationError as error:
        # Without the values: a secret where its variable's name belongs must not get into a log.
        problems = [
            f"  {'.'.join(map(str, problem['loc'])) or 'attributes'}: "
            f"{problem['msg'].removeprefix('Value error, ')}"
            for problem in error.errors(include_input=False, include_url=False)
        ]
        raise PermanentError(
            f"{file} is not a project:\n" + "\n".join(problems), "Correct these keys, then reload."
        ) from None


@dg.definitions
def defs() -> dg.Definitions:
    """The projects' graphs, side by side; steps of runs that are launched by hand are processes, too."""
    projects = [read_project(file) for file in project_files()]
    return dg.Definitions.merge(
        *(build_release_graph(project) for project in projects), dg.Definitions(executor=parallel_executor)
    )
