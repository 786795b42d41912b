"""The platform of a wheel, by its name."""

from __future__ import annotations

import pytest

from release_assets.rules.wheel_tags import (
    allowed_by_auditwheel,
    has_stable_abi,
    is_for_cpython,
    is_for_platform,
    is_free_threaded,
    is_musl,
    linux_platform,
    python_of,
    undeclared_tags,
    wheel_node_name,
)

AMD64 = "a-1.0-cp311-abi3-manylinux_2_17_x86_64.manylinux2014_x86_64.whl"
ARM64 = "a-1.0-cp312-cp312-musllinux_1_2_aarch64.whl"
MAC = "a-1.0-cp312-cp312-macosx_11_0_universal2.whl"
PURE = "a-1.0-py3-none-any.whl"
SDIST = "a-1.0.tar.gz"


@pytest.mark.parametrize(
    ("filename", "platform"),
    [
        (AMD64, "linux/amd64"),
        (ARM64, "linux/arm64"),
        ("a-1.0-cp312-cp312-linux_armv7l.whl", "linux/arm/v7"),
        ("a-1.0-cp312-cp312-manylinux_2_17_x86_64.manylinux_2_17_aarch64.whl", None),
        (MAC, None),
        (PURE, None),
        (SDIST, None),
    ],
)
def test_the_linux_platform_of_a_wheel(filename: str, platform: str | None) -> None:
    assert linux_platform(filename) == platform


def test_an_image_sees_its_own_wheels_and_pure_ones() -> None:
    files = [AMD64, ARM64, MAC, PURE, SDIST]
    assert [file for file in files if is_for_platform(file, "linux/amd64")] == [AMD64, PURE, SDIST]
    assert [file for file in files if is_for_platform(file, "linux/arm64")] == [ARM64, PURE, SDIST]
    assert [file for file in files if is_for_platform(file, "linux/s390x")] == [PURE, SDIST]


def test_what_a_name_says_besides_the_platform() -> None:
    assert [has_stable_abi(file) for file in (AMD64, ARM64)] == [True, False]
    assert [is_musl(file) for file in (AMD64, ARM64)] == [False, True]
    assert [python_of(file) for file in (AMD64, ARM64, PURE)] == ["3.11", "3.12", None]
    names = [
        f"a-1.0-{tag}-manylinux_2_28_x86_64.whl"
        for tag in ("cp314-cp314", "cp314-cp314t", "pp311-pypy311_pp73")
    ]
    assert [is_free_threaded(file) for file in names] == [False, True, False]
    assert [is_for_cpython(file) for file in names] == [True, True, False]
    assert wheel_node_name("linux/arm/v7") == "wheel_linux_arm_v7"


@pytest.mark.parametrize(
    ("promised", "found", "is_allowed"),
    [
        ("manylinux_2_17_x86_64", "manylinux_2_5_x86_64", True),
        ("manylinux2014_x86_64", "manylinux_2_17_x86_64", True),
        ("manylinux1_x86_64", "manylinux_2_17_x86_64", False),
        ("manylinux_2_17_x86_64", "manylinux_2_34_x86_64", False),
        ("manylinux_2_17_x86_64", "linux_x86_64", False),
        ("manylinux_2_17_x86_64", "manylinux_2_17_x86_64_v2", False),
        ("manylinux_2_17_x86_64", "musllinux_1_2_x86_64", False),
        ("musllinux_1_2_aarch64", "musllinux_1_1_aarch64", True),
        ("linux_x86_64", "linux_x86_64", True),
    ],
)
def test_a_tag_promises_no_more_than_auditwheel_finds(promised: str, found: str, is_allowed: bool) -> None:
    assert allowed_by_auditwheel(promised, found) is is_allowed


def test_tags_that_only_the_name_has_are_found() -> None:
    declared = ["cp311-abi3-manylinux_2_17_x86_64"]
    assert undeclared_tags(AMD64, declared) == ["cp311-abi3-manylinux2014_x86_64"]
    assert undeclared_tags(AMD64, ["cp311-abi3-manylinux_2_17_x86_64.manylinux2014_x86_64"]) == []
