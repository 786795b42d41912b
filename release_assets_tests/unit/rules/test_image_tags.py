"""The image tags that a release gets: examples, and properties for any versions in any order."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

from release_assets.rules.image_tags import floating_tags, holders, image_tag, platform_tag
from release_assets.rules.tags import Channel, ParsedTag, TagKind, TagPatterns, channel_of, parse_tag
from release_assets_tests.strategies import examples, few_versions, is_stable, release_of, tags, versions

VALID_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")  # the distribution spec's
PLATFORMS = ["linux/amd64", "linux/arm64", "linux/arm/v7", "windows/amd64", "linux/s390x"]


@pytest.mark.parametrize(
    ("version", "channel", "tag"),
    [
        ("1.2.3", Channel.STABLE, "1.2.3"),
        ("1.2", Channel.STABLE, "1.2.0"),  # 1.2 floats
        ("1", Channel.STABLE, "1.0.0"),
        ("1.2.3.4", Channel.STABLE, "1.2.3.4"),
        ("1.2.3-rc.1", Channel.PRERELEASE, "1.2.3rc1"),
        ("1.2rc1", Channel.PRERELEASE, "1.2.0rc1"),
        ("1.2-1", Channel.STABLE, "1.2.0.post1"),
        ("1!2.3", Channel.STABLE, "1-2.3.0"),
        ("1.2.3", Channel.TEST, "test-1.2.3"),
    ],
)
def test_the_tag_that_does_not_float(version: str, channel: Channel, tag: str) -> None:
    assert image_tag(Version(version), channel) == tag


@pytest.mark.parametrize(
    ("platform", "tag"),
    [
        ("linux/amd64", "1.2.3-amd64"),
        ("linux/arm64", "1.2.3-arm64"),
        ("linux/arm/v7", "1.2.3-arm-v7"),
        ("windows/amd64", "1.2.3-windows-amd64"),
    ],
)
def test_the_tag_of_one_platform(platform: str, tag: str) -> None:
    assert platform_tag(Version("1.2.3"), Channel.STABLE, platform) == tag


@pytest.mark.parametrize(
    ("version", "channel", "tags"),
    [
        ("1.2.3", Channel.STABLE, ["1.2", "1", "latest"]),
        ("1.2.3.post1", Channel.STABLE, ["1.2", "1", "latest"]),
        ("1", Channel.STABLE, ["1.0", "1", "latest"]),
        ("1!2.3", Channel.STABLE, ["1-2.3", "1-2", "latest"]),
        ("1.2.3rc1", Channel.PRERELEASE, []),
        ("1.2.3", Channel.TEST, ["test-latest"]),
        ("1.2.3rc1", Channel.TEST, ["test-latest"]),
    ],
)
def test_the_floating_tags_a_release_may_hold(version: str, channel: Channel, tags: list[str]) -> None:
    assert list(floating_tags(Version(version), channel)) == tags


def test_a_back_patch_moves_its_own_series_only() -> None:
    published = map(Version, ["1.2.3", "1.3.0", "2.0.0"])
    assert holders(release_of(Version("1.2.4")), published) == {
        "1.2": Version("1.2.4"),
        "1": Version("1.3.0"),
        "latest": Version("2.0.0"),
    }


def test_the_first_release_holds_all_its_tags() -> None:
    version = Version("0.1.0")
    assert holders(release_of(version), []) == {"0.1": version, "0": version, "latest": version}


def test_versions_are_compared_as_numbers() -> None:
    assert holders(release_of(Version("1.10.0")), [Version("1.9.0")])["latest"] == Version("1.10.0")


@given(tags)
@examples(10_000)
def test_every_tag_that_is_released_earns_valid_image_tags(name: str) -> None:
    tag = parse_tag(name, TagPatterns())
    if isinstance(tag, ParsedTag):
        assert_valid(tag.version, channel_of(tag.kind, tag.version))


@given(versions, st.sampled_from(TagKind))
@examples(500)
def test_every_version_earns_valid_image_tags(version: Version, kind: TagKind) -> None:
    assert_valid(version, channel_of(kind, version))


@pytest.mark.parametrize(
    "text", ["9" * 80, ".".join(["1"] * 40), "1" * 78 + "-1", "9!" + "9" * 77 + "r", "1" * 77 + "dev"]
)
def test_the_longest_versions_earn_valid_image_tags(text: str) -> None:
    tag = parse_tag(f"test-v{text}", TagPatterns())
    assert isinstance(tag, ParsedTag)
    assert_valid(tag.version, Channel.TEST)


def assert_valid(version: Version, channel: Channel) -> None:
    fixed = [image_tag(version, channel), *(platform_tag(version, channel, name) for name in PLATFORMS)]
    floating = list(floating_tags(version, channel))
    for tag in [*fixed, *floating]:
        assert VALID_TAG.fullmatch(tag)
    assert len({*fixed, *floating}) == len(fixed) + len(floating)
    assert all(tag.startswith("test-") == (channel is Channel.TEST) for tag in [*fixed, *floating])


@given(versions, versions)
@examples(500)
def test_two_versions_never_share_an_image_tag(one: Version, other: Version) -> None:
    if one != other:
        assert image_tag(one, Channel.STABLE) != image_tag(other, Channel.STABLE)
    assert image_tag(one, Channel.STABLE) not in floating_tags(other, Channel.STABLE)


@given(few_versions.filter(is_stable), st.sets(few_versions.filter(is_stable)))
@examples(500)
def test_a_higher_version_of_the_series_keeps_its_tag(version: Version, published: set[Version]) -> None:
    release = release_of(version)
    holding = holders(release, published)
    epoch = f"{version.epoch}-" if version.epoch else ""
    competitors = {
        f"{epoch}{version.major}.{version.minor}": {
            other
            for other in published
            if (other.epoch, other.major, other.minor) == (version.epoch, version.major, version.minor)
        },
        f"{epoch}{version.major}": {
            other for other in published if (other.epoch, other.major) == (version.epoch, version.major)
        },
        "latest": published,
    }
    assert holding == {tag: max({version, *others}) for tag, others in competitors.items()}


@given(st.lists(few_versions, unique=True))
@examples(3_000)  # of four versions and more each, on the average
def test_tags_only_move_forward_in_whatever_order_releases_come(order: list[Version]) -> None:
    tags: dict[str, Version] = {}
    published: set[Version] = set()
    for version in order:
        release = release_of(version)
        if is_stable(version):
            published.add(version)
        for tag, holder in holders(release, published).items():
            if holder == version:
                assert tag not in tags or tags[tag] < version
                tags[tag] = version
    in_order: dict[str, Version] = {}
    for version in sorted(published):
        in_order |= dict.fromkeys(floating_tags(version, Channel.STABLE), version)
    assert tags == in_order


@given(few_versions.filter(lambda version: not is_stable(version)), st.sets(few_versions))
@examples(300)
def test_a_prerelease_moves_nothing(version: Version, published: set[Version]) -> None:
    assert holders(release_of(version), published) == {}


@given(few_versions, st.sets(few_versions))
@examples(300)
def test_a_test_release_moves_test_latest_at_most(version: Version, published: set[Version]) -> None:
    assert holders(release_of(version, TagKind.TEST), published) == {
        "test-latest": max({*published, version})
    }


@pytest.mark.parametrize(
    ("version", "kinds", "expected"),
    [
        ("1.2.3", ["minor", "major", "latest"], ["1.2", "1", "latest"]),
        ("0.2.3", ["minor", "major", "latest"], ["0.2", "latest"]),
        ("0.2.3", ["minor", "major", "zero", "latest"], ["0.2", "0", "latest"]),
        ("1.2.3", ["minor", "zero"], ["1.2"]),
        ("1.2.3", [], []),
    ],
)
def test_the_yaml_names_the_floating_tags(version: str, kinds: list[str], expected: list[str]) -> None:
    assert list(floating_tags(Version(version), Channel.STABLE, kinds)) == expected


def test_a_test_release_follows_latest() -> None:
    assert list(floating_tags(Version("1.2.3"), Channel.TEST, ["latest"])) == ["test-latest"]
    assert list(floating_tags(Version("1.2.3"), Channel.TEST, ["minor"])) == []
