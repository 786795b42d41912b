"""Releases and their files: as GitHub shows them, and as they should be."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ReleaseAsset:
    """A file at a release. `state` is `uploaded` or `starter` (half-way); `digest` is `sha256:…` or None."""

    id: int
    name: str
    size: int
    state: str
    digest: str | None
    url: str


@dataclass(frozen=True)
class PublishedRelease:
    """A release as GitHub shows it, drafts too (`published_at` is None for those), times in ISO 8601."""

    id: int
    tag: str
    url: str
    name: str
    body: str
    draft: bool
    prerelease: bool
    assets: tuple[ReleaseAsset, ...]
    published_at: str | None
    upload_url: str
    immutable: bool = False  # GitHub adds nothing to it and takes nothing away, for good


@dataclass(frozen=True)
class WantedAsset:
    """A file of ours that belongs to the release: its path, size in bytes, and sha256 in hex."""

    path: Path
    size: int
    sha256: str

    @property
    def name(self) -> str:
        """The name it is uploaded under; GitHub may rewrite it."""
        return self.path.name


@dataclass(frozen=True)
class WantedRelease:
    """A release as it should be; `commit` is where GitHub puts the tag where it has none."""

    tag: str
    commit: str
    name: str
    body: str
    prerelease: bool
    latest: bool
    assets: tuple[WantedAsset, ...]
