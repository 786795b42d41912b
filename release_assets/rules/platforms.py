"""Platforms have one name each, containerd's: linux/aarch64 and linux/arm64/v8 are linux/arm64."""

from __future__ import annotations

import difflib
import re

from release_assets.rules.token_text import shown

# What containerd and Go know (github.com/containerd/platforms, database.go).
SYSTEMS = frozenset({
    "aix", "android", "darwin", "dragonfly", "freebsd", "illumos", "ios", "linux", "netbsd", "openbsd",
    "plan9", "solaris", "windows", "zos",
})  # fmt: skip
ARCHITECTURES = frozenset({
    "386", "amd64", "arm", "arm64", "loong64", "mips", "mips64", "mips64le", "mipsle", "ppc64", "ppc64le",
    "riscv64", "s390x", "wasm",
})  # fmt: skip

# Other names for an architecture, with the variant that they imply.
_ALIASES = {
    "i386": ("386", ""),
    "i686": ("386", ""),
    "x86_64": ("amd64", ""),
    "x86-64": ("amd64", ""),
    "aarch64": ("arm64", ""),
    "armhf": ("arm", "v7"),
    "armel": ("arm", "v6"),
}
# What other tools call an architecture, and what it is here; containerd does not know them.
_MEANT = {
    "x64": "amd64", "amd64v2": "amd64/v2", "x86": "386", "i586": "386", "i486": "386",
    "arm64v8": "arm64", "armv8": "arm64", "arm32v7": "arm/v7", "arm32v6": "arm/v6", "arm32v5": "arm/v5",
    "armv7": "arm/v7", "armv7l": "arm/v7", "armv6": "arm/v6", "armv6l": "arm/v6", "armv5": "arm/v5",
    "ppc64el": "ppc64le", "mips64el": "mips64le", "mipsel": "mipsle", "loongarch64": "loong64",
}  # fmt: skip
# Variants that go without saying.
_DEFAULTS = {("amd64", "v1"): "", ("arm64", "v8"): "", ("arm", ""): "v7"}


def normal_name(system: str, architecture: str, variant: str = "") -> str:
    """Return the platform as `os/architecture[/variant]`; parts that nobody knows stay as they are."""
    system, architecture, variant = (part.lower() for part in (system, architecture, variant))
    system = {"macos": "darwin"}.get(system, system)
    architecture, implied = _ALIASES.get(architecture, (architecture, ""))
    variant = implied or variant.removesuffix(".0")
    if re.fullmatch(r"\d+", variant):
        variant = f"v{variant}"
    variant = _DEFAULTS.get((architecture, variant), variant)
    return "/".join(filter(None, (system, architecture, variant)))


def parse_platform(text: str) -> str:
    """Return the normal name of a platform that somebody wrote.

    Raises ValueError for one that is malformed or unknown, with the nearest known one.
    """
    if not re.fullmatch(r"[A-Za-z0-9_-]+/[A-Za-z0-9_-]+(/[A-Za-z0-9_.-]+)?", text):
        raise ValueError(f"{shown(text)} is not a platform such as linux/amd64")
    name = normal_name(*text.split("/"))
    system, architecture, *_ = name.split("/")
    for part, known in ((system, SYSTEMS), (architecture, ARCHITECTURES)):
        if part not in known:
            if part in _MEANT:
                raise ValueError(f"unknown platform {text!r}: write {system}/{_MEANT[part]}")
            near = difflib.get_close_matches(part, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(sorted(known))}"
            raise ValueError(f"unknown platform {text!r}: {part!r}; {hint}")
    return name
