"""One name for a platform, however it is written."""

from __future__ import annotations

import re

import pytest

from release_assets.nodes.image_step import image_name
from release_assets.project import Image
from release_assets.rules.image_tags import platform_suffix
from release_assets.rules.platforms import parse_platform


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("linux/amd64", "linux/amd64"),
        ("linux/x86_64", "linux/amd64"),
        ("linux/x86-64", "linux/amd64"),
        ("LINUX/AMD64", "linux/amd64"),
        ("linux/amd64/v1", "linux/amd64"),
        ("linux/x86_64/v1", "linux/amd64"),
        ("linux/amd64/v2", "linux/amd64/v2"),
        ("linux/arm64", "linux/arm64"),
        ("linux/aarch64", "linux/arm64"),
        ("Linux/AArch64", "linux/arm64"),
        ("linux/arm64/v8", "linux/arm64"),
        ("linux/arm64/8", "linux/arm64"),
        ("linux/arm64/v8.0", "linux/arm64"),
        ("linux/aarch64/V8", "linux/arm64"),
        ("linux/arm64/v9", "linux/arm64/v9"),
        ("linux/arm", "linux/arm/v7"),
        ("linux/arm/7", "linux/arm/v7"),
        ("linux/arm/v7", "linux/arm/v7"),
        ("linux/armhf", "linux/arm/v7"),
        ("linux/armel", "linux/arm/v6"),
        ("linux/arm/v6", "linux/arm/v6"),
        ("linux/arm/5", "linux/arm/v5"),
        ("linux/i386", "linux/386"),
        ("linux/i686", "linux/386"),
        ("linux/386", "linux/386"),
        ("linux/ppc64le", "linux/ppc64le"),
        ("linux/s390x", "linux/s390x"),
        ("linux/riscv64", "linux/riscv64"),
        ("windows/x86_64", "windows/amd64"),
        ("macos/arm64", "darwin/arm64"),
    ],
)
def test_a_platform_has_one_name(written: str, name: str) -> None:
    assert parse_platform(written) == name
    assert parse_platform(name) == name


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("arm64", "'arm64' is not a platform such as linux/amd64"),
        ("linux/", "'linux/' is not a platform such as linux/amd64"),
        ("linux/arm/v7/x", "is not a platform such as linux/amd64"),
        ("linux/arm v7", "is not a platform such as linux/amd64"),
        ("linux/amd46", "unknown platform 'linux/amd46': 'amd46'; did you mean 'amd64'?"),
        ("linus/amd64", "unknown platform 'linus/amd64': 'linus'; did you mean 'linux'?"),
        ("linux/pentium", "'pentium'; known are 386, amd64, arm, arm64, "),
    ],
)
def test_what_is_no_platform_is_refused(written: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        parse_platform(written)


def test_assets_tags_and_builders_follow_the_one_name() -> None:
    image = Image.model_validate(
        {
            "repository": "owner/name",
            "platforms": ["linux/x86_64", "linux/aarch64", "linux/armhf"],
            "builders": {"linux/arm64/v8": "arm-host"},
        }
    )
    assert image.builders == {"linux/arm64": "arm-host"}
    assert [image_name(platform) for platform in image.platforms] == [
        "image_linux_amd64", "image_linux_arm64", "image_linux_arm_v7",
    ]  # fmt: skip
    assert [platform_suffix(platform) for platform in image.platforms] == ["amd64", "arm64", "arm-v7"]
