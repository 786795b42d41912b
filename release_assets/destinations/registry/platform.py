"""The platforms of manifests: descriptors, and the normal names of what they describe."""

from __future__ import annotations

from collections.abc import Mapping

from release_assets.rules.platforms import normal_name


def platform_name(platform: Mapping[str, str]) -> str:
    """Return the normal name of a descriptor's platform, such as `linux/amd64`."""
    return normal_name(
        str(platform.get("os") or "unknown"),
        str(platform.get("architecture") or "unknown"),
        str(platform.get("variant") or ""),
    )


def normal_platform(platform: str) -> str:
    """Return a declared platform as an index names it."""
    return platform_name(described(platform))


def described(platform: str) -> dict[str, str]:
    """Return a platform as a descriptor has it."""
    return dict(zip(("os", "architecture", "variant"), platform.split("/"), strict=False))
