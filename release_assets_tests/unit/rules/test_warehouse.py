"""PyPI's own rules: which wheels it rejects, and what people call it."""

from __future__ import annotations

import pytest

from release_assets.rules.warehouse import is_warehouse, refused_platforms, title


@pytest.mark.parametrize(
    "platform",
    [
        "any",
        "win32",
        "win_amd64",
        "win_arm64",
        "linux_armv6l",
        "linux_armv7l",
        "manylinux1_x86_64",
        "manylinux2014_aarch64",
        "manylinux_2_17_x86_64.manylinux2014_x86_64",
        "manylinux_2_39_riscv64",
        "manylinux_2_17_ppc64",
        "musllinux_1_2_aarch64",
        "macosx_10_13_x86_64",
        "macosx_11_0_universal2",
        "macosx_26_0_arm64",
        "ios_13_0_arm64_iphoneos",
        "android_21_arm64_v8a",
        "pyodide_2026_0_wasm32",
    ],
)
def test_a_platform_that_pypi_accepts(platform: str) -> None:
    assert refused_platforms(f"sample-1.2.3-cp312-cp312-{platform}.whl") == []


@pytest.mark.parametrize(
    "platform",
    [
        "linux_x86_64",
        "linux_aarch64",
        "linux_i686",
        "manylinux_2_17_mips",
        "manylinux2014_arm64",
        "musllinux_1_2_ppc64",
        "macosx_14_5_arm64",
        "macosx_11_0_aarch64",
        "freebsd_14_1_release_amd64",
        "mingw_x86_64_ucrt",
        "win_x86_64",
    ],
)
def test_a_platform_that_pypi_rejects(platform: str) -> None:
    assert refused_platforms(f"sample-1.2.3-cp312-cp312-{platform}.whl") == [platform]


def test_one_rejected_platform_among_others_is_named() -> None:
    wheel = "sample-1.2.3-cp312-cp312-linux_x86_64.manylinux_2_17_x86_64.whl"
    assert refused_platforms(wheel) == ["linux_x86_64"]


@pytest.mark.parametrize(
    ("url", "name", "expected"),
    [
        ("https://upload.pypi.org/legacy/", "PyPI", True),
        ("https://pypi.org/simple/", "PyPI", True),
        ("https://test.pypi.org/legacy/", "TestPyPI", True),
        ("https://pypi.example/legacy/", "pypi.example", False),
        ("https://notpypi.org/", "notpypi.org", False),
        ("http://127.0.0.1:3141/root/index/", "127.0.0.1", False),
    ],
)
def test_what_people_call_an_index(url: str, name: str, expected: bool) -> None:
    assert (title(url), is_warehouse(url)) == (name, expected)
