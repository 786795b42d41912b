"""Compare two sdists or wheels by their contents."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from release_assets.distributions.archives import UNREADABLE, bounded, opened_sdist, refuse_bomb, unreadable


def same_contents(ours: Path, theirs: Path) -> bool:
    """Return whether two sdists or wheels hold the same files with the same bytes, however they were packed.

    setuptools packs an sdist again with other times in it, so equal bytes cannot be expected. The index may
    serve a bomb: what is unpacked is bounded. Raises PermanentError where a file cannot be read.
    """
    return _contents(ours) == _contents(theirs)


def _contents(file: Path) -> Mapping[str, str]:
    try:
        if file.suffix == ".whl":
            with zipfile.ZipFile(file) as archive:
                entries = archive.infolist()
                refuse_bomb(file, sum(entry.file_size for entry in entries), len(entries))
                return {entry.filename: _digest_of(archive.open(entry)) for entry in entries}
        with opened_sdist(file) as packed:
            return {
                member.name: _digest_of(packed.extractfile(member))
                for member in bounded(packed, file)
                if not member.isdir()
            }
    except (*UNREADABLE, KeyError) as error:  # a hard link to what is not there is a KeyError
        raise unreadable(file, error) from error


def _digest_of(stream: IO[bytes] | None) -> str:
    """Return the hexadecimal sha256 of a member's bytes, piece by piece; links have none."""
    digest = hashlib.sha256()
    if stream is not None:
        with stream:
            while piece := stream.read(1024 * 1024):
                digest.update(piece)
    return digest.hexdigest()
