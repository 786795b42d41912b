"""The names of platforms: `linux/amd64` and so on, each written in one way."""

from __future__ import annotations

from collections.abc import Mapping


def platform_name(platform: Mapping[str, str]) -> str:
    """`linux/amd64` and so on, with the variant that goes without saying as containerd has it:

    linux/arm64 is v8, which nobody writes; linux/arm is v7, which everybody does.
    """
    architecture, variant = platform.get("architecture") or "unknown", platform.get("variant") or ""
    if (architecture, variant) in {("arm64", "v8"), ("amd64", "v1")}:
        variant = ""
    if (architecture, variant) == ("arm", ""):
        variant = "v7"
    return "/".join(str(part) for part in (platform.get("os") or "unknown", architecture, variant) if part)


def normal_platform(platform: str) -> str:
    """A declared platform as an index names it."""
    return platform_name(described(platform))


def described(platform: str) -> dict[str, str]:
    """A platform as a descriptor has it."""
    return dict(zip(("os", "architecture", "variant"), platform.split("/"), strict=False))
