"""Tags, versions and channels: examples from real repositories, and properties over any text."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from packaging.version import Version

from release_assets.rules.tags import (
    VERSION_LENGTH_LIMIT,
    Channel,
    MalformedTag,
    ParsedTag,
    ShownTags,
    TagKind,
    TagPatterns,
    channel_of,
    parse_tag,
    rebuild_tags,
    release_versions,
    shown_tags,
)
from release_assets_tests.strategies import MANY, tags, versions

PATTERNS = TagPatterns()


def malformed(name: str, patterns: TagPatterns = PATTERNS) -> str:
    """The reason why the tag is malformed."""
    tag = parse_tag(name, patterns)
    assert isinstance(tag, MalformedTag)
    return tag.reason


@pytest.mark.parametrize(
    ("name", "kind", "version"),
    [
        ("v1.2.3", TagKind.RELEASE, "1.2.3"),
        ("v1.2.3-rc.1", TagKind.RELEASE, "1.2.3rc1"),
        ("v1.2.3-1", TagKind.RELEASE, "1.2.3.post1"),  # semver would call it a prerelease
        ("v1.2.3.dev4", TagKind.RELEASE, "1.2.3.dev4"),
        ("v2026.11.23", TagKind.RELEASE, "2026.11.23"),
        ("v1!2.0", TagKind.RELEASE, "1!2.0"),
        ("test-v1.2.3", TagKind.TEST, "1.2.3"),
        ("docker-rebuild-v1.2.3", TagKind.REBUILD, "1.2.3"),
    ],
)
def test_a_tag_asks_for_a_version(name: str, kind: TagKind, version: str) -> None:
    assert parse_tag(name, PATTERNS) == ParsedTag(name, kind, Version(version))


@pytest.mark.parametrize("name", ["vr0.6.0rc1", "v.3.72", "v", "vv1.0", "vV1.0", "v1.0 ", "v\t1.0", "v1.x"])
def test_a_tag_that_is_no_version_says_so(name: str) -> None:
    assert malformed(name) == f"{name[1:]!r} is not a version by PEP 440"


def test_letters_that_only_look_like_a_version_are_refused() -> None:
    # packaging ignores case, and U+017F, the long s, is an s to it
    assert malformed("v1.0.po\u017ft1") == "'1.0.po\u017ft1' is not a version by PEP 440"
    assert malformed("v\u0661.\u0662") == "'\u0661.\u0662' is not a version by PEP 440"


def test_a_local_version_says_that_indexes_refuse_it() -> None:
    assert malformed("v1.0+cu118") == "'1.0+cu118' is a local version (after +), which package indexes refuse"


def test_a_version_too_long_for_an_image_tag_is_refused() -> None:
    assert isinstance(parse_tag("v" + "1" * VERSION_LENGTH_LIMIT, PATTERNS), ParsedTag)
    assert malformed("v" + "1" * (VERSION_LENGTH_LIMIT + 1)) == (
        "a version of more than 80 characters does not fit into an image tag"
    )


@pytest.mark.parametrize(
    "name", ["nightly", "release-1.0", "1.2.3", "latest", "", "V1.2.3", "docker-rebuild-1"]
)
def test_a_tag_of_another_kind_is_none_of_our_business(name: str) -> None:
    assert parse_tag(name, PATTERNS) is None


def test_the_pattern_with_the_longest_text_decides() -> None:
    bare = TagPatterns(release="{version}", test="test-{version}", rebuild="{version}-rebuild")
    assert parse_tag("1.0", bare) == ParsedTag("1.0", TagKind.RELEASE, Version("1.0"))
    assert parse_tag("test-1.0", bare) == ParsedTag("test-1.0", TagKind.TEST, Version("1.0"))
    assert parse_tag("1.0-rebuild", bare) == ParsedTag("1.0-rebuild", TagKind.REBUILD, Version("1.0"))


def test_a_monorepo_tells_its_packages_apart() -> None:
    patterns = TagPatterns("core/v{version}", "core/test-v{version}", "core/rebuild-v{version}")
    assert parse_tag("core/v1.0", patterns) == ParsedTag("core/v1.0", TagKind.RELEASE, Version("1.0"))
    assert parse_tag("extras/v1.0", patterns) is None
    assert parse_tag("v1.0", patterns) is None


def test_prefix_and_suffix_may_not_overlap() -> None:
    patterns = TagPatterns("ab{version}ba", "test{version}", "rebuild{version}")
    assert parse_tag("aba", patterns) is None
    assert malformed("abba", patterns) == "'' is not a version by PEP 440"


@given(tags)
@example("v" + "9" * 5000)  # more digits than Python reads
@example("v1\x00")
@example("v1\u2028")
@settings(MANY, max_examples=10_000)
def test_no_tag_raises_and_what_comes_out_can_be_published(name: str) -> None:
    tag = parse_tag(name, PATTERNS)
    match tag:
        case ParsedTag():
            assert tag.name == name
            assert name.isascii()
            assert tag.version.local is None
            assert not set(name) & set(" \t\n\r\0/,")
        case MalformedTag():
            assert tag.name == name
            assert tag.reason
        case None:
            assert not name.startswith(("v", "test-v", "docker-rebuild-v"))


@given(st.text(), st.text(max_size=3), st.text(max_size=3))
@settings(MANY, max_examples=500)
def test_no_pattern_raises(name: str, prefix: str, suffix: str) -> None:
    patterns = TagPatterns(f"{prefix}{{version}}{suffix}", f"{suffix}{{version}}", f"{{version}}{prefix}")
    parse_tag(name, patterns)
    parse_tag(f"{prefix}{name}{suffix}", patterns)


@given(versions, st.sampled_from(TagKind))
@settings(MANY, max_examples=300)
def test_a_version_written_into_a_pattern_is_read_back(version: Version, kind: TagKind) -> None:
    name = PATTERNS.by_kind()[kind].replace("{version}", str(version))
    assert parse_tag(name, PATTERNS) == ParsedTag(name, kind, version)


@pytest.mark.parametrize(
    ("version", "channel"),
    [
        ("1.2.3", Channel.STABLE),
        ("1.2.3.post1", Channel.STABLE),
        ("1.2.3a1", Channel.PRERELEASE),
        ("1.2.3b1", Channel.PRERELEASE),
        ("1.2.3rc1", Channel.PRERELEASE),
        ("1.2.3.dev1", Channel.PRERELEASE),
        ("1.2.3.post1.dev1", Channel.PRERELEASE),
    ],
)
def test_the_version_decides_the_channel(version: str, channel: Channel) -> None:
    assert channel_of(TagKind.RELEASE, Version(version)) is channel
    assert channel_of(TagKind.REBUILD, Version(version)) is channel
    assert channel_of(TagKind.TEST, Version(version)) is Channel.TEST


def test_release_versions_leaves_test_and_rebuild_tags_out() -> None:
    names = ["v1.0", "v1.1rc1", "test-v2.0", "docker-rebuild-v3.0", "v.3.72", "nightly"]
    assert release_versions(names, PATTERNS) == {Version("1.0"), Version("1.1rc1")}


def test_rebuild_tags_belong_to_the_release_with_an_equal_version() -> None:
    release = ParsedTag("v1.2.0", TagKind.RELEASE, Version("1.2.0"))
    names = ["docker-rebuild-v1.2", "docker-rebuild-v1.2.1", "v1.2.0", "test-v1.2", "docker-rebuild-v1.2.0"]
    assert rebuild_tags(release, names, PATTERNS) == ["docker-rebuild-v1.2", "docker-rebuild-v1.2.0"]


def test_a_test_release_has_no_rebuild_tags() -> None:
    test = ParsedTag("test-v1.0", TagKind.TEST, Version("1.0"))
    assert rebuild_tags(test, ["docker-rebuild-v1.0"], PATTERNS) == []


# What a build backend sees


def seen(name: str, remote: dict[str, str], patterns: TagPatterns = PATTERNS) -> ShownTags:
    tag = parse_tag(name, patterns)
    assert isinstance(tag, ParsedTag)
    return shown_tags(tag, remote, patterns)


@pytest.mark.parametrize(
    ("name", "released"),
    [
        ("v1.2.3", "v1.2.3"),
        ("v1.2.3-rc.1", "v1.2.3-rc.1"),
        ("test-v1.2.3rc1", "v1.2.3rc1"),
        ("test-v1.2.3-rc.1", "v1.2.3-rc.1"),
    ],
)
def test_a_backend_sees_the_release_tag_of_the_version(name: str, released: str) -> None:
    assert seen(name, {name: "c"}).released == released


def test_a_monorepos_packages_see_tags_of_their_own_spelling() -> None:
    patterns = TagPatterns("pkg-v{version}", "test-pkg-v{version}", "rebuild-pkg-v{version}")
    assert seen("test-pkg-v1.0", {}, patterns).released == "pkg-v1.0"
    remote = {"pkg-v1.0": "c", "pkg-v2.0": "a", "other-v3.0": "b", "pkg-v0.9": "b"}
    assert seen("pkg-v1.0", remote, patterns).remote == {"pkg-v1.0": "c", "other-v3.0": "b", "pkg-v0.9": "b"}


def test_tags_that_would_win_over_the_released_one_are_not_seen() -> None:
    remote = dict.fromkeys(
        ["v1.2.3", "v1.2.3.0", "v1.3", "test-v1.2.3", "docker-rebuild-v1.2.3", "v1.2.2", "v1.2.3rc1", "x"],
        "c",
    )
    assert list(seen("v1.2.3", remote).remote) == ["v1.2.3", "v1.2.2", "v1.2.3rc1", "x"]


@given(tags, tags)
def test_whatever_is_released_is_higher_than_all_that_is_seen(release: str, other: str) -> None:
    tag, rival = parse_tag(release, PATTERNS), parse_tag(other, PATTERNS)
    if isinstance(tag, ParsedTag) and isinstance(rival, ParsedTag):
        found = shown_tags(tag, {other: "c"}, PATTERNS)
        assert (other in found.remote) == (other == found.released or rival.version < tag.version)
        assert parse_tag(found.released, PATTERNS) == ParsedTag(found.released, TagKind.RELEASE, tag.version)
