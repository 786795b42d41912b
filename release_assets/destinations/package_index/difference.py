"""The difference between our files and those that the index serves."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    parse_sdist_filename,
    parse_wheel_filename,
)
from packaging.version import Version

from release_assets.destinations.package_index.simple_page import IndexFile
from release_assets.errors import ConflictError, PermanentError
from release_assets.text import one_line


def files_of(version: Version, observed: Mapping[str, IndexFile]) -> dict[str, IndexFile]:
    """Those of the observed files that are an sdist or a wheel of `version`; other names are passed over."""
    return {name: file for name, file in observed.items() if version_of(name) == version}


def missing_files(wanted: Mapping[str, str], observed: Mapping[str, IndexFile]) -> list[str]:
    """Return the names of `wanted` (name: sha256) that are still to be uploaded, wheels first, as twine does.

    Files that we did not build are nobody's conflict; a yanked file of ours counts as there.
    Raises ConflictError for other bytes under our name, PermanentError where the index shows no sha256.
    """
    for name, sha256 in wanted.items():
        file = observed.get(name)
        if file is None:
            continue
        if file.sha256 is None:
            raise PermanentError(
                f"The index serves {name} without a sha256 ({one_line(file.url)}), so it cannot be compared "
                "with ours.",
                "Use an index whose simple page carries sha256 hashes, as PyPI and devpi do.",
            )
        if file.sha256 != sha256:
            raise ConflictError(
                f"The index serves {name} with other bytes: sha256 {file.sha256}, ours is {sha256}.",
                "A file name can never be used for other bytes: find out who uploaded it "
                f"({one_line(file.url)}), then release a new version.",
            )
    absent = [name for name in wanted if name not in observed]
    return sorted(absent, key=lambda name: (not name.endswith(".whl"), name))


def refuse_closed_release(
    version: Version,
    wanted: Collection[str],
    observed: Mapping[str, IndexFile],
    *,
    window_days: int | None,
    now: datetime,
) -> None:
    """Raise PermanentError where files of `wanted` are missing that the index will not take any more.

    PyPI accepts no new file of a release that is older than 14 days, counted from its first file.
    """
    theirs = files_of(version, observed)
    missing = sorted(name for name in wanted if name not in theirs)
    times = [file.uploaded for file in theirs.values() if file.uploaded is not None]
    if window_days is None or not missing or not times:
        return
    closed = min(times) + timedelta(days=window_days)
    if now > closed:
        raise PermanentError(
            f"The index lacks {', '.join(missing)}, and takes no new file of version {version} since "
            f"{closed:%Y-%m-%d %H:%M} UTC, {window_days} days after its first one. Nothing was tried.",
            "This version stays as it is there: raise the version, commit, and push a new tag.",
        )


def version_of(filename: str) -> Version | None:
    """Return the version in the name of a wheel or an sdist; None where it is neither."""
    try:
        if filename.endswith(".whl"):
            return parse_wheel_filename(filename)[1]
        return parse_sdist_filename(filename)[1]
    except (InvalidWheelFilename, InvalidSdistFilename):
        return None
