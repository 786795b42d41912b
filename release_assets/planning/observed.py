"""Values that hold what is seen of a release in git, the store and the destinations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from packaging.version import Version

from release_assets.destinations.github import PublishedRelease
from release_assets.destinations.package_index import IndexFile
from release_assets.distributions.store import Distribution
from release_assets.errors import ReleaseError
from release_assets.planning.changes import Change
from release_assets.rules.approval import Approval, Subject, not_covered
from release_assets.rules.tag_moves import Pointer
from release_assets.rules.tags import Release


@dataclass(frozen=True)
class Hidden:
    """Something that could not be looked at, and why."""

    why: str


@dataclass(frozen=True)
class TaggedImage:
    """The target of an image tag: the digest, and the commits that its images say they were built from."""

    digest: str
    revisions: frozenset[str]


@dataclass(frozen=True)
class Images:
    """The images of a release in the registry."""

    whole: TaggedImage | None  # under 1.2.3
    platforms: Mapping[str, TaggedImage | None]  # under 1.2.3-amd64 and so on
    is_joined: bool  # the manifest list holds exactly the platforms' images
    floating: Mapping[str, Pointer | None]
    published: frozenset[Version]
    earlier: frozenset[str]  # digests that were the release's own before


@dataclass(frozen=True)
class Approvals:
    """The subject of an approval of the release now, and the newest one that was recorded."""

    now: Subject
    recorded: Approval | None

    @property
    def missing(self) -> str | None:
        """Return why the release waits for an approval, or None where it has one."""
        return not_covered(self.recorded.subject if self.recorded is not None else None, self.now)


@dataclass(frozen=True)
class Seen:
    """A release as the destinations have it."""

    release: Release
    index: Mapping[str, IndexFile] | Hidden  # the release's files, by name
    github: PublishedRelease | Hidden | None
    images: Images | Hidden | None  # None where the project declares none
    mirrors: Mapping[str, Images | Hidden] = field(default_factory=dict, kw_only=True)  # by repository

    def images_in(self, repository: str) -> Images | Hidden | None:
        """Return the images in a mirror, or in the image's own repository for any other."""
        return self.mirrors.get(repository, self.images)


@dataclass(frozen=True)
class World(Seen):
    """A release as git, the store and the destinations have it."""

    name: str | None  # of the distribution, where defs.yaml, pyproject.toml or the store tells it
    declared_in: str | None  # where the version is declared
    problem: ReleaseError | None  # why the source cannot be released
    built_from: str  # the commit that the release's images are built from
    rebuild_tag: str | None  # "the rebuild tag X", where that names the commit
    kept: Mapping[str, tuple[Distribution, ...]]  # by the node that makes them
    notes: str | None  # the text of the GitHub release; None where GitHub writes it, or there is none
    notes_problem: ReleaseError | None  # why the project's source of notes has none
    previous: str | None  # the tag of the release before, by version
    change: Change
    approvals: Approvals | None = None  # None where the project requires none
