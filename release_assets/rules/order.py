"""Decide which releases wait for those of other projects in the same repository. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from release_assets.rules.pointers import pointers
from release_assets.rules.tags import ParsedTag, TagPatterns, parse_tag


def earlier_tags(
    tag: str,
    observed: Mapping[str, str],
    seen: Mapping[str, str],
    *,
    patterns: TagPatterns,
    theirs: TagPatterns,
) -> list[str]:
    """Return the tags of another project, written as `theirs`, that must be published before `tag` is built.

    Those are the tags of the same kind on the same commit, and those that are new or moved in the same look:
    `git push --tags` after a commit for each project. What was published for a commit before is not waited
    for, and neither is what comes later.
    """
    own = parse_tag(tag, patterns)
    if not isinstance(own, ParsedTag):
        return []
    skipped = pointers(observed, theirs)
    return sorted(
        name
        for name, commit in observed.items()
        if isinstance(other := parse_tag(name, theirs), ParsedTag)
        and other.kind is own.kind
        and name not in skipped
        and (commit == observed[tag] or seen.get(name) != commit)
    )


def cycle(after: Mapping[str, Collection[str]], start: str) -> Sequence[str] | None:
    """Return the projects of a cycle through `start`, in their order and `start` twice, or None."""
    paths = [[start]]
    visited: set[str] = set()
    while paths:
        path = paths.pop()
        for name in sorted(after.get(path[-1], ())):
            if name == start:
                return [*path, name]
            if name not in visited:
                visited.add(name)
                paths.append([*path, name])
    return None
