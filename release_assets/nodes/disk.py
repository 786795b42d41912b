"""Refuse to start a release on a disk that is full: it would stop in the middle."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

from release_assets.errors import PermanentError

MEGABYTE = 1000**2
# The mirror, a checkout, a build environment and the files of a package. `release-assets check` looks at the
# engine's disk, where images are.
NEEDED = 500 * MEGABYTE  # bytes


def require_space(folders: Iterable[Path]) -> None:
    """Raise PermanentError where the file system of one of the folders has too little space.

    Builds also write to the directory for temporary files.
    """
    looked_at: set[int] = set()
    for folder in (*folders, Path(tempfile.gettempdir())):
        there = next(parent for parent in (folder, *folder.parents) if parent.is_dir())
        device = there.stat().st_dev
        if device in looked_at:
            continue
        looked_at.add(device)
        free = shutil.disk_usage(there).free
        if free < NEEDED:
            raise PermanentError(
                f"{there} has {free // MEGABYTE} MB free, and a release needs {NEEDED // MEGABYTE} MB",
                f"Free some space (`df -h {there}`), then materialize again. Nothing was done yet.",
            )
