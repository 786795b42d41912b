"""Tags, versions and channels: what a git tag asks for. Pure: values in, values out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from packaging.version import InvalidVersion, Version

# An image tag has at most 128 characters (distribution spec), and ours add "test-" and a platform.
VERSION_LENGTH_LIMIT = 80


class TagKind(StrEnum):
    """The purpose of a tag."""

    RELEASE = "release"
    TEST = "test"
    REBUILD = "rebuild"


class Channel(StrEnum):
    """The audience of a release, which decides where it goes and what it may move."""

    STABLE = "stable"
    PRERELEASE = "prerelease"
    TEST = "test"


@dataclass(frozen=True)
class TagPatterns:
    """The names of a project's tags: each pattern holds `{version}` once."""

    release: str = "v{version}"
    test: str = "test-v{version}"
    rebuild: str = "docker-rebuild-v{version}"

    def by_kind(self) -> Mapping[TagKind, str]:
        """Return each kind's pattern."""
        return {TagKind.RELEASE: self.release, TagKind.TEST: self.test, TagKind.REBUILD: self.rebuild}


@dataclass(frozen=True)
class ParsedTag:
    """A tag that asks for something."""

    name: str
    kind: TagKind
    version: Version


@dataclass(frozen=True)
class MalformedTag:
    """A tag that looks as if it asked for something, and the reason why it cannot be done."""

    name: str
    reason: str


@dataclass(frozen=True)
class Release:
    """A project's tag at a commit: everything that follows is decided from these values."""

    tag: str
    version: Version
    commit: str
    channel: Channel


def parse_tag(name: str, patterns: TagPatterns) -> ParsedTag | MalformedTag | None:
    """Return what the tag `name` asks for; None when it matches no pattern and is none of our business.

    Where several patterns match (`v{version}` and `{version}`, say) the one with the longest literal
    text decides. Versions are PEP 440's, so `v1.2.3-rc.1` is 1.2.3rc1 and `v1.2.3-1` is 1.2.3.post1.
    """
    matches = [
        (len(prefix) + len(suffix), kind, name[len(prefix) : len(name) - len(suffix)])
        for kind, pattern in patterns.by_kind().items()
        for prefix, _, suffix in [pattern.partition("{version}")]
        if name.startswith(prefix) and name.endswith(suffix) and len(name) >= len(prefix) + len(suffix)
    ]
    if not matches:
        return None
    _, kind, text = max(matches, key=lambda match: match[0])
    problem = _problem_with(text)
    if problem is not None:
        return MalformedTag(name, problem)
    return ParsedTag(name, kind, Version(text))


def _problem_with(text: str) -> str | None:
    # packaging matches without regard to case, and then some letters beyond ASCII count as an s or a k.
    # It also strips white space, and reads "v1" as 1, so that "vv1" would be a release.
    # The length comes first: Python refuses to read a number of thousands of digits.
    if len(text) > VERSION_LENGTH_LIMIT:
        return f"a version of more than {VERSION_LENGTH_LIMIT} characters does not fit into an image tag"
    if not text.isascii() or re.search(r"\s", text) or text[:1] in {"v", "V"}:
        return f"{text!r} is not a version by PEP 440"
    try:
        version = Version(text)
    except InvalidVersion:
        return f"{text!r} is not a version by PEP 440"
    if version.local is not None:
        return f"{text!r} is a local version (after +), which package indexes refuse"
    return None


@dataclass(frozen=True)
class ShownTags:
    """The tags that a build backend sees in a checkout.

    `released` is the only one on the checkout's commit. `remote` are the tags of the remote, with their
    commits, that may be shown where they are.
    """

    released: str
    remote: Mapping[str, str]


def shown_tags(release: ParsedTag, remote: Mapping[str, str], patterns: TagPatterns) -> ShownTags:
    """Return the tags that make a build backend find the version of `release`; `remote` is tag → commit.

    A test tag is shown as the release tag of its version: tools that find `v1.2.3rc1` do not all find
    `test-v1.2.3rc1`. Tags of the same or a higher version are left out, wherever they are: a backend that
    picks the highest would take them for the release.
    """
    prefix, _, suffix = patterns.by_kind()[release.kind].partition("{version}")
    version = release.name[len(prefix) : len(release.name) - len(suffix)]
    released = patterns.release.replace("{version}", version)

    def is_lower(name: str) -> bool:
        parsed = parse_tag(name, patterns)
        return not isinstance(parsed, ParsedTag) or parsed.version < release.version

    shown = {name: commit for name, commit in remote.items() if name == released or is_lower(name)}
    return ShownTags(released, shown)


def channel_of(kind: TagKind, version: Version) -> Channel:
    """Return the channel: a/b/rc/dev versions are prereleases, post-releases are stable (PEP 440)."""
    if kind is TagKind.TEST:
        return Channel.TEST
    return Channel.PRERELEASE if version.is_prerelease else Channel.STABLE


def release_versions(names: Iterable[str], patterns: TagPatterns) -> set[Version]:
    """Return the versions of all well-formed release tags (neither test nor rebuild tags) among `names`."""
    parsed = (parse_tag(name, patterns) for name in names)
    return {tag.version for tag in parsed if isinstance(tag, ParsedTag) and tag.kind is TagKind.RELEASE}


def rebuild_tags(release: ParsedTag, names: Iterable[str], patterns: TagPatterns) -> list[str]:
    """Those of `names` that ask for the images of this release again, equal versions however written."""
    if release.kind is not TagKind.RELEASE:
        return []
    parsed = (parse_tag(name, patterns) for name in names)
    return [
        tag.name
        for tag in parsed
        if isinstance(tag, ParsedTag) and tag.kind is TagKind.REBUILD and tag.version == release.version
    ]
