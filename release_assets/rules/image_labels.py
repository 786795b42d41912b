"""The labels and annotations of an image, by the names of OCI."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

PREFIX = "org.opencontainers.image."


def image_labels(
    *, version: str, revision: str, source: str | None, created: datetime, licenses: str | None
) -> dict[str, str]:
    """Return the labels by OCI's names; `created` is the commit's time, so that they reproduce."""
    named = {
        "version": version,
        "revision": revision,
        "source": source,
        "created": created.isoformat(),
        "licenses": licenses,
    }
    return {f"{PREFIX}{name}": value for name, value in named.items() if value}


def image_annotations(
    labels: Mapping[str, str], title: str, page: Mapping[str, str], declared: Mapping[str, str]
) -> dict[str, str]:
    """Return the annotations of an image's manifest and of the list that joins it with others.

    GHCR shows those of the list and no label of the images in it. They are the labels, the `title`, and what
    the package's page shows: description and URLs by OCI's names. Those declared in the YAML override them,
    and an empty one leaves its name out.
    """
    named = {f"{PREFIX}{name}": value for name, value in {"title": title, **page}.items()}
    found = {**labels, **named}
    version = labels.get(f"{PREFIX}version", "")
    found |= {name: value.replace("{version}", version) for name, value in declared.items()}
    return {name: value for name, value in found.items() if value}
