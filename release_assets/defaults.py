"""defaults.yaml: the attributes that the projects of an organization share, each of which may differ.

Dagster has template variables and post-processing for what several components share, but no defaults: every
defs.yaml would have to name every shared value.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from release_assets.errors import DeclarationError

FILE = "defaults.yaml"
# Blocks that mean something by being there: their defaults are for the projects that have them.
OPTIONAL_BLOCKS = frozenset({"image"})


def find_defaults(folder: Path, root: Path) -> Path | None:
    """Return the nearest defaults.yaml above a project's folder, up to `root`; None where there is none."""
    for parent in folder.parents:
        if not parent.is_relative_to(root):
            return None
        if (parent / FILE).is_file():
            return parent / FILE
    return None


def read_defaults(file: Path) -> dict[str, Any]:
    """Return the attributes in a defaults.yaml. Raises DeclarationError that quotes nothing of the file."""
    remedy = f"Correct {file}: it holds `attributes:` with keys of a project's defs.yaml."
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except yaml.MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1}: " if error.problem_mark is not None else ""
        raise DeclarationError(f"{file} is not YAML: {line}{error.problem}", remedy) from None
    except (OSError, UnicodeDecodeError) as error:
        raise DeclarationError(f"{file} cannot be read: {type(error).__name__}", remedy) from None
    if not isinstance(content, dict) or list(content) != ["attributes"]:
        raise DeclarationError(f"{file} does not hold `attributes:` alone", remedy)
    attributes = content["attributes"]
    if not isinstance(attributes, dict) or not all(isinstance(key, str) for key in attributes):
        raise DeclarationError(f"{file}: `attributes:` is not a mapping", remedy)
    return attributes


def merged(defaults: Mapping[str, Any], attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return a project's attributes with the defaults below them.

    Mappings are merged key by key; anything else of the project replaces the default, a list as a whole.
    """
    there = {key: value for key, value in defaults.items() if key not in OPTIONAL_BLOCKS - attributes.keys()}
    return _below(there, attributes)


def _below(defaults: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    result = {**defaults, **own}
    for key in defaults.keys() & own.keys():
        before, after = defaults[key], own[key]
        if isinstance(before, dict) and isinstance(after, dict):
            result[key] = _below(before, after)
    return result


def is_default(path: tuple[str | int, ...], own: Mapping[str, Any]) -> bool:
    """Return whether the value at a path comes from the defaults: the project does not declare it."""
    value: Any = own
    for key in path:
        if not isinstance(value, dict):
            return False
        if key not in value:
            return True
        value = value[key]
    return False
