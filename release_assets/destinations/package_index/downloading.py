"""Downloading a file that the index serves."""

from __future__ import annotations

import hashlib
import re
import tempfile
from pathlib import Path

from release_assets.destinations import bounds
from release_assets.destinations.http import Login, get, seconds_for
from release_assets.destinations.package_index.answers import raise_for_status
from release_assets.destinations.package_index.difference import version_of
from release_assets.destinations.package_index.simple_page import IndexFile
from release_assets.errors import PermanentError
from release_assets.text import one_line


def download(
    file: IndexFile,
    to: Path,
    *,
    seconds: float | None = None,
    limit: int | None = None,
    login: Login | None = None,
) -> Path:
    """Download a file into the folder `to`, under its own name; return its path.

    It appears there only whole and with the sha256 that the index promised. `seconds` bounds all of it, and
    `limit` is the most bytes that are read. `login` is for a private index, and for its own server only.
    Raises PermanentError for a name that is not a sdist's or wheel's, or other bytes; else as observe does.
    """
    # A name with a separator could leave the folder: packaging looks at a wheel's parts, not at a path.
    if version_of(file.filename) is None or not re.fullmatch(r"[\w.+!-]{1,200}", file.filename):
        raise PermanentError(
            f"{one_line(file.filename)!r} is not the name of an sdist or a wheel.",
            "The index's page is damaged or hostile: do not release from it before that is understood.",
        )
    if file.sha256 is None:
        raise PermanentError(
            f"The index serves {file.filename} without a sha256, so its bytes cannot be verified.",
            "Use an index whose simple page carries sha256 hashes, as PyPI and devpi do.",
        )
    limit = bounds.BOUNDS.index_file_bytes if limit is None else limit
    seconds = seconds_for(limit) if seconds is None else seconds
    with tempfile.TemporaryDirectory(prefix=".download-", dir=to) as folder:
        part = Path(folder) / "part"
        with part.open("wb") as sink:
            answer = get(file.url, headers={}, seconds=seconds, limit=limit, sink=sink, login=login)
        raise_for_status(answer, "Check that the index still serves this file.")
        with part.open("rb") as written:
            sha256 = hashlib.file_digest(written, "sha256").hexdigest()
        if sha256 != file.sha256:
            raise PermanentError(
                f"{one_line(file.url)} has sha256 {sha256}, but the index's page promises {file.sha256}.",
                "Do not use this file: compare it with the stored one, and tell the index's operators.",
            )
        return part.replace(to / file.filename)
