"""Find the release before a release: the notes tell what changed since then. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from release_assets.rules.pointers import pointers
from release_assets.rules.tags import Channel, ParsedTag, Release, TagKind, TagPatterns, parse_tag


def previous_release(release: Release, tags: Mapping[str, str], patterns: TagPatterns) -> str | None:
    """Return the tag of the release before this one in its line, or None where it is the first.

    That is the highest lower version, not the last one made: 1.1.5 follows 1.1.4 although 2.0.0 was released
    between them. A stable release follows a stable one, so that its notes include those of its candidates;
    a prerelease follows any. `tags` are the remote's, each with its commit. A tag on the release's own commit
    is skipped: nothing changed since then.
    """
    below: list[tuple[ParsedTag, str]] = []
    moving = pointers(tags, patterns)
    for name, commit in tags.items():
        if name in moving:
            continue
        tag = parse_tag(name, patterns)
        if not isinstance(tag, ParsedTag) or tag.kind is not TagKind.RELEASE:
            continue
        if release.channel is Channel.STABLE and tag.version.is_prerelease:
            continue
        if tag.version < release.version and commit != release.commit:
            below.append((tag, name))
    if not below:
        return None
    # Of v1.2.0 and v1.2, the same version on two commits, the one that says more.
    return max(below, key=lambda one: (one[0].version, len(one[0].version.release), one[1]))[1]
