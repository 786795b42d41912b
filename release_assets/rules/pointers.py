"""Tags that name a commit which another tag releases: `v1` and `v1.2` next to `v1.2.3`. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

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
        for prefix in _prefixes(version) if is_first else ():
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


def overtaken(new: Iterable[str], known: Iterable[str], patterns: TagPatterns) -> dict[str, str]:
    """Return the tags that come after longer ones that begin like them, each with the highest of those.

    `v2` that is new where `v2.1.0` was known before moves, whatever commit it is on: nobody releases 2 after
    2.1.0. A new `v2.1` where only `v2.1.0rc1` was known is the release.
    """
    highest: dict[tuple[TagKind, int, tuple[int, ...]], ParsedTag] = {}
    for name in known:
        tag = parse_tag(name, patterns)
        if not isinstance(tag, ParsedTag) or tag.kind is TagKind.REBUILD:
            continue
        for prefix in _prefixes(tag.version):
            before = highest.get((tag.kind, tag.version.epoch, prefix))
            if before is None or before.version < tag.version:
                highest[tag.kind, tag.version.epoch, prefix] = tag
    found = {}
    for name in new:
        tag = parse_tag(name, patterns)
        if not isinstance(tag, ParsedTag) or tag.version.is_prerelease or tag.version.is_postrelease:
            continue
        longer = highest.get((tag.kind, tag.version.epoch, tag.version.release))
        if longer is not None:
            found[name] = longer.name
    return found


def _prefixes(version: Version) -> Iterator[tuple[int, ...]]:
    """Yield the shorter versions that a tag which moves with this one may have, without epochs.

    A candidate is promoted unchanged: v2.0 is the release of v2.0.0rc1, and v2 is not that of v2.1.0rc1.
    """
    for length in range(1, len(version.release)):
        if not version.is_prerelease or any(version.release[length:]):
            yield version.release[:length]
