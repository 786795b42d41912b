"""Download what a release's places hold: everything is bounded, and nothing is trusted."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from release_assets.destinations import bounds, github, package_index
from release_assets.destinations.http import MEBIBYTE, get, seconds_for
from release_assets.destinations.package_index import IndexFile
from release_assets.errors import ReleaseError
from release_assets.text import one_line
from release_assets.verification.finding import Finding, Verdict
from release_assets.verification.places import FILES, SUMS, Held, sums_of

ASSET_LIMIT = 2048 * MEBIBYTE  # GitHub's limit of one file
Log = Callable[[str], None]


class _Digest(io.BytesIO):
    """Takes what is written, keeps its sha256, and its bytes while they are few."""

    def __init__(self) -> None:
        super().__init__()
        self.sha256 = hashlib.sha256()
        self.size = 0
        self.start = b""

    def write(self, piece: Any) -> int:
        self.sha256.update(piece)
        self.size += len(piece)
        if self.size <= MEBIBYTE:
            self.start += piece
        return len(piece)


def download_index(
    files: Mapping[str, IndexFile], to: Path, *, limit: int | None, log: Log
) -> tuple[dict[str, Path], list[Finding]]:
    """Download the files that the index serves into a folder; return them, and what could not be downloaded.

    `limit` is the bytes of the largest file that the index accepts, None for PyPI's.
    """
    found, problems = {}, []
    for name, file in files.items():
        log(f"downloading {one_line(file.url)}")
        try:
            found[name] = package_index.download(file, to, limit=limit or bounds.BOUNDS.index_file_bytes)
        except ReleaseError as error:
            problems.append(Finding(FILES, one_line(name), Verdict.FAILED, error.problem, (error.remedy,)))
    return found, problems


def download_assets(
    release: github.PublishedRelease, *, log: Log
) -> tuple[dict[str, Held], dict[str, str], list[Finding]]:
    """Download a release's files; return what they are, the lines of SHA256SUMS, and what is not public.

    Of a file that cannot be downloaded the digest counts that GitHub states, where it states one.
    """
    held: dict[str, Held] = {}
    sums: dict[str, str] = {}
    problems: list[Finding] = []
    for asset in release.assets:
        name = one_line(asset.name)
        log(f"downloading {asset.url}")
        sink = _Digest()
        limit = min(asset.size + 1, ASSET_LIMIT)
        try:
            answer = get(asset.url, headers={}, seconds=seconds_for(limit), limit=limit, sink=sink)
            reason = "" if answer.status == 200 else f"{asset.url} answered {answer.status}"
        except ReleaseError as error:
            reason = error.problem
        if not reason and sink.size != asset.size:
            reason = f"{asset.url} has {sink.size} bytes, and {asset.size} are listed"
        if not reason:
            held[asset.name] = Held(sink.sha256.hexdigest(), downloaded=True)
            if asset.name == SUMS:
                sums = sums_of(sink.start.decode(errors="replace"))
            continue
        stated = (asset.digest or "").removeprefix("sha256:")
        if len(stated) == 64:
            held[asset.name] = Held(stated, downloaded=False)
            reason += "; the digest that is stated there counts instead"
        problems.append(Finding(FILES, name, Verdict.UNCHECKED, reason))
    return held, sums, problems
