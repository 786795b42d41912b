"""The labels of an image, which say what it is: OCI's annotations. Pure: values in, values out."""

from __future__ import annotations

from datetime import datetime


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
    return {f"org.opencontainers.image.{name}": value for name, value in named.items() if value}
