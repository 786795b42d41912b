"""Values for all that workflows publish: uploads, images, logins to registries, and releases on GitHub."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Upload:
    """Files go to a package index. `url` is None where an expression decides."""

    place: str
    url: str | None
    secret: str | None
    trusted: bool = False  # by the workflow's identity, without any secret


@dataclass(frozen=True)
class ImageBuild:
    """An image is built and pushed to `repositories`; what the workflow does not say is None."""

    place: str
    repositories: tuple[str, ...]
    platforms: tuple[str, ...] = ()
    dockerfile: str | None = None
    context: str | None = None
    build_args: Mapping[str, str] = field(default_factory=dict)
    build_contexts: Mapping[str, str] = field(default_factory=dict)
    provenance: bool | None = None


@dataclass(frozen=True)
class Login:
    """A registry's user name and token; a name is a secret's, a variable's, or plain text."""

    place: str
    registry: str
    username: str
    secret: str | None


@dataclass(frozen=True)
class GitHubRelease:
    """A release on GitHub's page: its token, its own files, and where its text is from."""

    place: str
    secret: str | None
    files: tuple[str, ...] = ()
    notes: str | None = None  # github | commits | changelog
    notes_file: str | None = None
