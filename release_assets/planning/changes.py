"""Classify what changed between two releases by how long the images take. Pure."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Any

from release_assets.project import Image

# Files that name what is installed, by the names that pip, uv, Poetry, PDM, Pipenv, conda and setuptools use.
REQUIREMENTS = re.compile(
    r"(.*[-_.])?(requirements|constraints)([-_.].*)?\.(txt|in)"
    r"|uv\.lock|poetry\.lock|pdm\.lock|pylock(\..*)?\.toml|Pipfile(\.lock)?|environment\.ya?ml|setup\.(py|cfg)"
)


class Change(StrEnum):
    """The kinds of change, from the one that costs the most."""

    DOCKERFILE = "Dockerfile"
    REQUIREMENTS = "requirements"
    CODE = "code only"
    NOTHING = "nothing"


def change_between(
    files: Collection[str], before: str | None, after: str | None, *, image: Image, pyproject: str
) -> Change:
    """Return the kind of change that these changed files make.

    `before` and `after` are the two texts of pyproject.toml, whose path is `pyproject`: a version that was
    raised there does not change what is installed.
    """
    if not files:
        return Change.NOTHING
    dockerfile = PurePosixPath(image.dockerfile).as_posix()
    if {dockerfile, f"{dockerfile}.dockerignore", ".dockerignore"} & set(files):
        return Change.DOCKERFILE
    if any(REQUIREMENTS.fullmatch(PurePosixPath(name).name) for name in files):
        return Change.REQUIREMENTS
    if pyproject in files and _installed(before) != _installed(after):
        return Change.REQUIREMENTS
    return Change.CODE


def _installed(pyproject: str | None) -> Any:
    """Return the parts of a pyproject.toml that decide what is installed, or a text that is not TOML."""
    try:
        content = tomllib.loads(pyproject or "")
    except tomllib.TOMLDecodeError:
        return pyproject
    project = content.get("project")
    tool = content.get("tool")
    project = project if isinstance(project, dict) else {}
    poetry = tool.get("poetry") if isinstance(tool, dict) else None
    poetry = poetry if isinstance(poetry, dict) else {}
    return [
        content.get("build-system"),
        content.get("dependency-groups"),
        *(project.get(key) for key in ("requires-python", "dependencies", "optional-dependencies")),
        *(poetry.get(key) for key in ("dependencies", "group", "extras")),
    ]
