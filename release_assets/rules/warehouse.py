"""Warehouse's rules: what PyPI and TestPyPI accept, beyond what every package index does. Pure."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from packaging.utils import parse_wheel_filename

OPEN_DAYS = 14  # a release accepts new files for so long after its first one, since July 2026
LARGEST_FILE = 100 * 1024 * 1024  # bytes; raised for single projects
TITLES = {"upload.pypi.org": "PyPI", "pypi.org": "PyPI", "test.pypi.org": "TestPyPI"}

LINUX = r"(x86_64|i686|aarch64|armv7l|ppc64le|s390x|riscv64"
MACOS = r"(ppc|ppc64|i386|x86_64|arm64|intel|fat|fat3|fat64|universal|universal2)"
PLATFORM = re.compile(
    r"any"
    r"|win32|win_(amd64|arm64|ia64)"
    r"|linux_armv[67]l"
    rf"|manylinux(1|2010|2014|_\d+_\d+)_{LINUX}|ppc64)"
    rf"|musllinux_\d+_\d+_{LINUX})"
    rf"|macosx_(10_\d+|(1[1-9]|[2-9]\d)_0)_{MACOS}"
    r"|(ios|android)_.+"
    r"|(pyodide|pyemscripten|emscripten|wasi).*"  # accepted or about to be: refusing is left to the index
)


def title(url: str) -> str:
    """Return what people call the index of an upload or simple URL: PyPI, TestPyPI, or its host."""
    host = urlsplit(url).hostname or url
    return TITLES.get(host, host)


def is_warehouse(url: str) -> bool:
    """Return whether a URL is PyPI's or TestPyPI's."""
    host = urlsplit(url).hostname or ""
    return host == "pypi.org" or host.endswith(".pypi.org")


def refused_platforms(wheel: str) -> list[str]:
    """Return the platform tags in a wheel's file name that PyPI rejects, such as linux_x86_64."""
    platforms = {tag.platform for tag in parse_wheel_filename(wheel)[3]}
    return sorted(platform for platform in platforms if not PLATFORM.fullmatch(platform))
