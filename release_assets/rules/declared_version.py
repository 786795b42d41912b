"""The name, version and license that a project's source declares, read without running any of it. Pure."""

from __future__ import annotations

import re
import tomllib
from typing import Any

from packaging.utils import InvalidName, canonicalize_name
from packaging.version import InvalidVersion, Version

from release_assets.errors import PermanentError

PAGE_LIMIT = 512  # characters, as PyPI and GHCR have it for a description
LICENSE_LIMIT = 100  # characters; a longer one is the license's text


def name_in_pyproject(pyproject: str | None) -> str | None:
    """`[project] name`, or None where pyproject.toml does not say it (setup.py alone, for example).

    Raises PermanentError for what is not a package name: it becomes part of the index's URLs.
    """
    name = _project_table(pyproject).get("name")
    if not isinstance(name, str):
        return None
    try:
        canonicalize_name(name, validate=True)
    except InvalidName:
        raise PermanentError(
            f"pyproject.toml: [project] name is {name[:200]!r}, which is not a package name",
            "Use letters, digits, and . _ - between them, then tag again.",
        ) from None
    return name


def version_in_pyproject(pyproject: str | None) -> str | None:
    """`[project] version`, or None where it is dynamic: then the built metadata is the proof."""
    version = _project_table(pyproject).get("version")
    return version if isinstance(version, str) else None


def license_in_pyproject(pyproject: str | None) -> str | None:
    """Return the license's name: PEP 639's expression, or the older table's text where that is a name."""
    declared = _project_table(pyproject).get("license")
    text = declared.get("text") if isinstance(declared, dict) else declared
    if isinstance(text, str) and text.isprintable() and len(text) <= LICENSE_LIMIT:
        return text.strip() or None
    return None


def page_in_pyproject(pyproject: str | None) -> dict[str, str]:
    """Return what a package's page shows, as far as pyproject.toml declares it: description and URLs.

    The keys are `description`, `url` (the home page) and `documentation`, found by PEP 753's names.
    """
    table = _project_table(pyproject)
    urls = table.get("urls")
    named = {
        re.sub(r"[^a-z0-9]", "", str(name).lower()): url
        for name, url in (urls.items() if isinstance(urls, dict) else ())
    }
    found = {
        "description": table.get("description"),
        "url": named.get("homepage"),
        "documentation": named.get("documentation") or named.get("docs"),
    }
    return {
        name: " ".join(value.split())
        for name, value in found.items()
        if isinstance(value, str) and value.strip() and len(value) <= PAGE_LIMIT
    }


def check_version(declared: str, *, place: str, tag: str, expected: Version) -> None:
    """Raise PermanentError, naming tag, place and both versions, unless they are equal by PEP 440."""
    try:
        matches = Version(declared) == expected
    except InvalidVersion:
        matches = False
    if not matches:
        raise PermanentError(
            f"tag {tag} is version {expected}, but {place} is {declared[:100]!r}",
            f"Set the version in {place.split(':', 1)[0]} to {expected} and tag that commit, "
            "or push the tag that belongs to it. Nothing has been published.",
        )


def _project_table(pyproject: str | None) -> dict[str, Any]:
    if pyproject is None:
        return {}
    if pyproject.startswith("\ufeff"):
        raise PermanentError(
            "pyproject.toml begins with a byte order mark, which no build frontend reads",
            "Save it as UTF-8 without a byte order mark, then tag that commit.",
        )
    try:
        table = tomllib.loads(pyproject).get("project")
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise PermanentError(
            f"pyproject.toml is not TOML: {error}", "Repair the file, then tag again."
        ) from error
    return table if isinstance(table, dict) else {}
