"""The platforms and versions of Python of wheels, by the tags of their file names. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from fnmatch import fnmatchcase

from packaging.tags import Tag, parse_tag
from packaging.utils import InvalidWheelFilename, parse_wheel_filename

# What wheels call the machine of a platform.
MACHINES = {
    "linux/amd64": "x86_64",
    "linux/arm64": "aarch64",
    "linux/386": "i686",
    "linux/arm/v7": "armv7l",
    "linux/ppc64le": "ppc64le",
    "linux/riscv64": "riscv64",
    "linux/s390x": "s390x",
}
LINUX = re.compile(r"(?:(?:many|musl)linux\w*?|linux)_(" + "|".join(MACHINES.values()) + ")")


def wheel_node_name(platform: str) -> str:
    """Return the name of the node of a platform's wheels: `wheel_linux_amd64` for linux/amd64."""
    return f"wheel_{platform.replace('/', '_')}"


def tags_of(filename: str) -> frozenset[Tag]:
    """Return the tags of a wheel's file name; none where it is not the name of a wheel."""
    try:
        return parse_wheel_filename(filename)[3]
    except InvalidWheelFilename:
        return frozenset()


def linux_platform(filename: str) -> str | None:
    """Return the Linux platform that a wheel is for, or None for a pure one and for other systems."""
    machines = {found[1] if (found := LINUX.fullmatch(tag.platform)) else None for tag in tags_of(filename)}
    names = [name for name, machine in MACHINES.items() if machines == {machine}]
    return names[0] if names else None


def is_for_platform(filename: str, platform: str) -> bool:
    """Return whether a distribution is of use in an image of a platform: sdists and pure wheels are."""
    if not filename.endswith(".whl"):
        return True
    own = MACHINES.get(platform)
    for tag in tags_of(filename):
        if tag.platform == "any" or ((found := LINUX.fullmatch(tag.platform)) and found[1] == own):
            return True
    return False


def is_musl(filename: str) -> bool:
    """Return whether a wheel is for a Linux with musl, such as Alpine, alone."""
    return all(tag.platform.startswith("musllinux") for tag in tags_of(filename))


def has_stable_abi(filename: str) -> bool:
    """Return whether a wheel claims the stable ABI of CPython."""
    return any(tag.abi in {"abi3", "abi3t"} for tag in tags_of(filename))


def is_for_cpython(filename: str) -> bool:
    """Return whether CPython can install a wheel; PyPy and others have interpreters of their own."""
    return any(tag.interpreter.startswith(("cp", "py")) for tag in tags_of(filename))


def is_free_threaded(filename: str) -> bool:
    """Return whether a wheel is for the free-threaded CPython alone."""
    return all(re.fullmatch(r"cp\d+t|abi3t", tag.abi) for tag in tags_of(filename))


def python_of(filename: str) -> str | None:
    """Return the oldest version of CPython that a wheel's tags name, or None where they name none."""
    versions = [
        int(found[1]) for tag in tags_of(filename) if (found := re.fullmatch(r"cp3(\d+)", tag.interpreter))
    ]
    return f"3.{min(versions)}" if versions else None


def matches(patterns: Iterable[str], names: Collection[str], version: str) -> dict[str, list[str]]:
    """Return the file names that each pattern matches; the version is that of the release in each pattern."""
    return {
        pattern: sorted(name for name in names if fnmatchcase(name, pattern.replace("{version}", version)))
        for pattern in patterns
    }


def undeclared_tags(filename: str, declared: Iterable[str]) -> list[str]:
    """Return the tags of a wheel's file name that its WHEEL file does not have."""
    written = {str(tag) for text in declared for tag in parse_tag(text)}
    return sorted(str(tag) for tag in tags_of(filename) if str(tag) not in written)


# What manylinux was called before its names had the version of glibc in them.
NAMED = {"manylinux1": (2, 5), "manylinux2010": (2, 12), "manylinux2014": (2, 17)}


def allowed_by_auditwheel(platform: str, overall: str) -> bool:
    """Return whether a wheel may have a platform tag, by the best tag that auditwheel finds for it.

    A `linux_*` tag promises nothing beyond the machine.
    """
    ours, theirs = _libc_of(platform), _libc_of(overall)
    if ours is None:
        return platform.startswith("linux_")
    return theirs is not None and ours[0] == theirs[0] and ours[1] >= theirs[1] and ours[2] == theirs[2]


def _libc_of(platform: str) -> tuple[str, tuple[int, int], str] | None:
    """Return the libc, its version and the machine of a platform tag, or None where it names no libc."""
    if found := re.fullmatch(r"(many|musl)linux_(\d+)_(\d+)_(\w+)", platform):
        return found[1], (int(found[2]), int(found[3])), found[4]
    name, _, machine = platform.partition("_")
    return ("many", NAMED[name], machine) if name in NAMED else None
