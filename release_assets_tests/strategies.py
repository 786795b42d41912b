"""Tags and versions as hypothesis makes them up: any text, and text that is nearly a version."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from packaging.version import Version

from release_assets.rules.tags import Channel, Release, TagKind, channel_of


def examples(number: int) -> settings:
    """Return settings for so many examples, or for a tenth of them in `make unit`, which sets FEW_EXAMPLES.

    Their time is the suite's, not that of one example on a busy machine.
    """
    if os.environ.get("FEW_EXAMPLES"):
        number = max(50, number // 10)
    return settings(max_examples=number, deadline=None, suppress_health_check=[HealthCheck.too_slow])


# The letters of a, b, c, rc, alpha, beta, preview, post, rev, dev; and a digit and an s beyond ASCII.
_nearly_a_version = st.text("0123456789.-_+!abcdehloprstvwxV* \n/,\u0661\u017f", max_size=12)

tags = st.one_of(
    st.tuples(st.sampled_from(["v", "test-v", "docker-rebuild-v"]), _nearly_a_version).map("".join),
    st.tuples(st.sampled_from(["v", ""]), st.text()).map("".join),
)
"""What somebody may push."""

_number = st.integers(min_value=0, max_value=30)
_numbers = st.lists(_number, min_size=1, max_size=5).map(lambda numbers: ".".join(map(str, numbers)))


def _optional(*names: str) -> st.SearchStrategy[str]:
    return st.one_of(st.just(""), st.builds(str.__add__, st.sampled_from(names), _number.map(str)))


versions = st.builds(
    lambda epoch, numbers, pre, post, dev: Version(f"{epoch}{numbers}{pre}{post}{dev}"),
    st.sampled_from(["", "", "", "1!", "2!"]),
    _numbers,
    _optional("a", "b", "rc"),
    _optional(".post"),
    _optional(".dev"),
)
"""Every kind of version that a release may have."""

few_versions = st.builds(
    lambda epoch, major, minor, patch, end: Version(f"{epoch}{major}.{minor}.{patch}{end}"),
    st.sampled_from(["", "", "", "1!"]),
    st.integers(0, 2),
    st.integers(0, 2),
    st.integers(0, 2),
    st.sampled_from(["", "", "", "rc1", ".post1"]),
)
"""Versions so near to each other that they compete for the same floating tags."""


def release_of(version: Version, kind: TagKind = TagKind.RELEASE) -> Release:
    """The release that a tag for this version makes."""
    prefix = "test-v" if kind is TagKind.TEST else "v"
    return Release(f"{prefix}{version}", version, "c" * 40, channel_of(kind, version))


def is_stable(version: Version) -> bool:
    return channel_of(TagKind.RELEASE, version) is Channel.STABLE
