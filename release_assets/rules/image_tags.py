"""The image tags that a release gets, and the floating tags that it may move. Pure: values in, values out."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from packaging.version import Version

from release_assets.rules.tags import Channel, ParsedTag, Release, TagKind, TagPatterns, parse_tag

# The kinds of floating tags. `0` has a kind of its own: versions 0.x promise no compatibility, so that `0`
# would move people over incompatible changes.
ALL = ("minor", "major", "zero", "latest")


def image_tag(version: Version, channel: Channel) -> str:
    """Return the tag that does not float: `1.2.3`, or `test-1.2.3` for a test release.

    It has three numbers at least, so that the image of release 1.2 is `1.2.0`: `1.2` is a floating tag.
    An epoch's `!` is not allowed in image tags (distribution spec) and becomes `-`.
    """
    epoch = f"{version.epoch}-" if version.epoch else ""
    numbers = [str(number) for number in (*version.release, 0, 0)[: max(3, len(version.release))]]
    suffix = str(version).removeprefix(f"{version.epoch}!")[len(".".join(map(str, version.release))) :]
    return f"{_prefix(channel)}{epoch}{'.'.join(numbers)}{suffix}"


def platform_tag(version: Version, channel: Channel, platform: str) -> str:
    """Return the tag of one platform's image: `1.2.3-amd64`, or `1.2.3-arm-v7` for linux/arm/v7."""
    return f"{image_tag(version, channel)}-{platform_suffix(platform)}"


def platform_suffix(platform: str) -> str:
    """`amd64` for linux/amd64; other systems than Linux keep their name: `windows-amd64`."""
    return platform.removeprefix("linux/").replace("/", "-")


def floating_tags(
    version: Version, channel: Channel, kinds: Collection[str] = ALL
) -> dict[str, tuple[int, ...]]:
    """Return the floating tags of these kinds that a release may hold, each with its series.

    The releases of a series compete for the tag. It is a prefix of (epoch, major, minor): `1.2` is for
    (0, 1, 2), `latest` for (). A prerelease has no floating tag, and a test release has `test-latest` only.
    """
    match channel:
        case Channel.PRERELEASE:
            return {}
        case Channel.TEST:
            return {"test-latest": ()} if "latest" in kinds else {}
        case Channel.STABLE:
            epoch = f"{version.epoch}-" if version.epoch else ""
            minor, major = f"{epoch}{version.major}.{version.minor}", f"{epoch}{version.major}"
            found: dict[str, tuple[int, ...]] = {}
            if "minor" in kinds:
                found[minor] = (version.epoch, version.major, version.minor)
            if ("major" if version.major else "zero") in kinds:
                found[major] = (version.epoch, version.major)
            if "latest" in kinds:
                found["latest"] = ()
            return found


def why_none(channel: Channel) -> str:
    """Return why a release of this channel has no floating tag."""
    is_prerelease = channel is Channel.PRERELEASE
    return "a prerelease moves no tag" if is_prerelease else "image.floating_tags names none for it"


def is_in_series(version: Version, series: tuple[int, ...]) -> bool:
    """Return True where a version competes for the floating tag of this series."""
    return (version.epoch, version.major, version.minor)[: len(series)] == series


def holders(release: Release, published: Iterable[Version]) -> dict[str, Version]:
    """Return the version that each floating tag of `release` belongs to, among those of its channel.

    `published` are the versions whose images are complete in the registry; the release's own is one of
    them by the time it asks. A tag moves to the release only where the answer is the release itself.
    """
    candidates = {*published, release.version}
    return {
        tag: max(version for version in candidates if is_in_series(version, series))
        for tag, series in floating_tags(release.version, release.channel).items()
    }


def tagged_versions(release: Release, names: Iterable[str], patterns: TagPatterns) -> set[Version]:
    """Return the versions in the remote's tags that compete with the release: stable ones, or test ones."""
    is_test = release.channel is Channel.TEST
    parsed = (parse_tag(name, patterns) for name in names)
    return {
        tag.version
        for tag in parsed
        if isinstance(tag, ParsedTag)
        and tag.kind is (TagKind.TEST if is_test else TagKind.RELEASE)
        and (is_test or not tag.version.is_prerelease)
    }


def published_versions(
    release: Release, names: Iterable[str], image_tags: Collection[str], patterns: TagPatterns
) -> set[Version]:
    """Return those of the tagged versions whose manifest list is in the registry."""
    return {
        version
        for version in tagged_versions(release, names, patterns)
        if image_tag(version, release.channel) in image_tags
    }


def _prefix(channel: Channel) -> str:
    return "test-" if channel is Channel.TEST else ""
