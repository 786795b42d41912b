"""The labels of an image, which say what it is: OCI's annotations. Pure: values in, values out."""

from __future__ import annotations

import tomllib
from datetime import datetime

LICENSE_LIMIT = 100  # characters; a longer one is the licence's text and not its name


def image_labels(
    *, version: str, revision: str, source: str, created: datetime, licenses: str | None
) -> dict[str, str]:
    """The labels by the names of OCI's image-spec; `created` is the commit's time, so that they reproduce."""
    named = {
        "version": version,
        "revision": revision,
        "source": source,
        "created": created.isoformat(),
        "licenses": licenses,
    }
    return {f"org.opencontainers.image.{name}": value for name, value in named.items() if value}


def license_in_pyproject(pyproject: str | None) -> str | None:
    """The licence as pyproject.toml declares it (PEP 639's expression, or the older table's text)."""
    try:
        project = tomllib.loads(pyproject or "").get("project", {})
    except tomllib.TOMLDecodeError:
        return None
    declared = project.get("license") if isinstance(project, dict) else None
    text = declared.get("text") if isinstance(declared, dict) else declared
    if isinstance(text, str) and text.isprintable() and len(text) <= LICENSE_LIMIT:
        return text.strip() or None
    return None
