"""Releases and their files on GitHub or GitLab: as they are, as they should be, and what both hosts offer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from release_assets.destinations.http.kept import KeptConnection


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
    """A release as its host shows it, drafts too (`published_at` is None for those), times in ISO 8601."""

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


@dataclass(frozen=True)
class Page:
    """The part of a page of releases that the sensor keeps: its ETag ("" for none), and whether it was full.

    After a full page there may be another one.
    """

    etag: str
    full: bool


@dataclass(frozen=True)
class ReleasesAnswer:
    """The published releases on the pages that changed, and what to ask with the next time."""

    releases: tuple[PublishedRelease, ...]
    pages: tuple[Page, ...]


class ReleaseHost(Protocol):
    """A host of release pages: all that the graph and its sensor need of it.

    Every method raises TransientError where the host is unreachable and PermanentError where it refuses.
    """

    @property
    def body_limit(self) -> int:
        """The most characters that a release's text may have."""

    def check_access(self) -> None:
        """Check that the token may publish releases, with requests that change nothing."""

    def find_release(self, tag: str) -> PublishedRelease | None:
        """Return the release of a tag, drafts included, or None."""

    def is_complete(self, wanted: WantedRelease) -> bool:
        """Return True where nothing is left to do for a release."""

    def publish_release(
        self, wanted: WantedRelease, log: Callable[[str], None]
    ) -> tuple[PublishedRelease, dict[str, float], tuple[str, ...]]:
        """Publish a release, or complete it; return it, the seconds per stage, and files it can never get."""

    def generated_notes(self, tag: str, previous: str | None) -> str:
        """Return notes that the host generates for a tag since the previous one."""

    def published_releases(
        self, pages: Sequence[Page], connection: KeptConnection | None = None, turn: int | None = None
    ) -> ReleasesAnswer:
        """Return the published releases on the pages that changed since `pages`."""

    def is_published(self, tag: str) -> bool:
        """Return True where the tag has a published release."""
