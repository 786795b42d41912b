"""The release that the notes start from: by version and line, not by date."""

from __future__ import annotations

import pytest
from packaging.version import Version

from release_assets.notes.previous import previous_release
from release_assets.rules.tags import Release, TagKind, TagPatterns, channel_of

PATTERNS = TagPatterns()


def before(
    tag: str, *others: str, same: tuple[str, ...] = (), patterns: TagPatterns = PATTERNS
) -> str | None:
    """The release before `tag`; `others` are on commits of their own, `same` are on its commit."""
    prefix, _, _ = patterns.release.partition("{version}")
    version = Version(tag.removeprefix(prefix))
    tags = {name: f"{number:040x}" for number, name in enumerate(others, 1)}
    commit = "f" * 40
    release = Release(tag, version, commit, channel_of(TagKind.RELEASE, version))
    return previous_release(release, tags | dict.fromkeys((tag, *same), commit), patterns)


@pytest.mark.parametrize(
    ("tag", "others", "expected"),
    [
        ("v1.2.3", ("v1.2.2", "v1.2.1"), "v1.2.2"),
        ("v1.10.0", ("v1.9.0", "v1.2.0"), "v1.9.0"),
        ("v1.1.5", ("v1.1.4", "v2.0.0", "v1.2.0"), "v1.1.4"),  # a backport
        ("v2.0.0", ("v1.9.3", "v2.0.0rc1", "v2.0.0rc2"), "v1.9.3"),  # all since the last stable one
        ("v2.0.0rc2", ("v1.9.3", "v2.0.0rc1"), "v2.0.0rc1"),
        ("v2.0.0rc1", ("v1.9.3", "v1.9.0rc1"), "v1.9.3"),
        ("v1.2.3.post1", ("v1.2.3", "v1.2.2"), "v1.2.3"),
        ("v2.0.1", ("v2.0.0", "v2.0", "v2"), "v2.0.0"),  # moving tags
        ("v1.0.0", ("v0.9.0", "test-v0.9.5", "docker-rebuild-v0.9.5", "vr0.9.9", "nightly"), "v0.9.0"),
        ("v1.0.0", ("v1.0.1", "v2.0.0"), None),
        ("v1.0.0", (), None),
    ],
)
def test_the_release_before(tag: str, others: tuple[str, ...], expected: str | None) -> None:
    assert before(tag, *others) == expected


def test_tags_on_the_same_commit_are_skipped() -> None:
    assert before("v2.0.1", "v1.9.0", same=("v2", "v2.0")) == "v1.9.0"
    assert before("v2.0.0rc2", "v1.9.0", same=("v2.0.0rc1",)) == "v1.9.0"


def test_each_package_of_a_monorepo_has_a_line_of_its_own() -> None:
    core = TagPatterns("core-v{version}", "test-core-v{version}", "docker-rebuild-core-v{version}")
    assert before("core-v1.2.0", "core-v1.1.0", "cli-v1.1.9", "v1.1.8", patterns=core) == "core-v1.1.0"


def test_a_moving_tag_is_not_a_release_before() -> None:
    """v2 is where v2.0.5 is, so that 2.0.1, which comes late, does not start from there."""
    release = Release("v2.0.1", Version("2.0.1"), "f" * 40, channel_of(TagKind.RELEASE, Version("2.0.1")))
    tags = {"v1.9.0": "a" * 40, "v2": "b" * 40, "v2.0.5": "b" * 40, "v2.0.1": "f" * 40}
    assert previous_release(release, tags, PATTERNS) == "v1.9.0"
