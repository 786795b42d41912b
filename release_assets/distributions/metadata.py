"""Read the core metadata of sdists and wheels."""

from __future__ import annotations

import zipfile
from pathlib import Path

from packaging.metadata import RawMetadata, parse_email

from release_assets.distributions.archives import UNREADABLE, bounded, opened_sdist, unreadable
from release_assets.errors import PermanentError

METADATA_LIMIT = 10 * 1000 * 1000  # bytes of core metadata that are read; a README is in it


def read_metadata(file: Path) -> RawMetadata:
    """Return the core metadata in a file: PKG-INFO of an sdist, METADATA of a wheel.

    Raises PermanentError where the file is not an sdist or wheel.
    """
    try:
        content = _metadata_of_wheel(file) if file.suffix == ".whl" else _metadata_of_sdist(file)
    except UNREADABLE as error:
        raise unreadable(file, error) from error
    if content is None:
        raise PermanentError(
            f"{file.name} holds no core metadata", "Use a build backend that follows PEP 517 and PEP 625."
        )
    return parse_email(content)[0]


def _metadata_of_wheel(file: Path) -> bytes | None:
    with zipfile.ZipFile(file) as archive:
        for name in archive.namelist():
            if name.count("/") == 1 and name.endswith(".dist-info/METADATA"):
                with archive.open(name) as stream:
                    return stream.read(METADATA_LIMIT)
    return None


def _metadata_of_sdist(file: Path) -> bytes | None:
    with opened_sdist(file) as archive:
        for member in bounded(archive, file):
            if member.isfile() and member.name.count("/") == 1 and member.name.endswith("/PKG-INFO"):
                stream = archive.extractfile(member)
                return stream.read(METADATA_LIMIT) if stream else None
    return None
