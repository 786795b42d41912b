"""Tags that name a commit which another tag releases: `v1` and `v1.2` beside `v1.2.3`. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from packaging.version import Version

from release_assets.rules.tags import ParsedTag, TagKind, TagPatterns, parse_tag


def pointers(tags: Mapping[str, str], patterns: TagPatterns, released: Iterable[str] = ()) -> dict[str, str]:
    """Return the tags (of tag → commit) that are not releases, each with the tag that releases its commit.

    A release tag is a pointer where another one on its commit has a longer version that begins like it. Of
    several that write an equal version in different ways, one is the release: that in `released`, else the
    longest, else the one written as PEP 440 normalizes it. Test tags are compared with test tags.
    """
    before = set(released)
    parsed = [tag for name in tags if isinstance(tag := parse_tag(name, patterns), ParsedTag)]
    # Those that others may point to come first.
    ordered = sorted(
        (tag for tag in parsed if tag.kind is not TagKind.REBUILD),
        key=lambda tag: (
            tag.name not in before,
            -len(tag.version.release),
            str(tag.version) not in tag.name,
            tag.name,
        ),
    )
    equal: dict[tuple[str, TagKind, Version], str] = {}
    longer: dict[tuple[str, TagKind, int, tuple[int, ...]], str] = {}
    for tag in ordered:
        commit, version = tags[tag.name], tag.version
        is_first = equal.setdefault((commit, tag.kind, version), tag.name) == tag.name
        # A candidate that is promoted unchanged: v2.0 beside v2.0.0rc1 is the release.
        if is_first and not version.is_prerelease:
            for length in range(1, len(version.release)):
                prefix = version.release[:length]
                longer.setdefault((commit, tag.kind, version.epoch, prefix), tag.name)
    found = {}
    for tag in ordered:
        commit, version = tags[tag.name], tag.version
        target = equal[commit, tag.kind, version]
        if target == tag.name and not (version.is_prerelease or version.is_postrelease):
            target = longer.get((commit, tag.kind, version.epoch, version.release), target)
        if target != tag.name:
            found[tag.name] = target
    return found
