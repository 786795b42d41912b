"""The version and name that a source declares, read without running it."""

from __future__ import annotations

import pytest
from packaging.version import Version

from release_assets.errors import PermanentError
from release_assets.rules.declared_version import (
    check_version,
    license_in_pyproject,
    name_in_pyproject,
    version_in_pyproject,
)

PYPROJECT = '[project]\nname = "sample"\nversion = "1.2.3"\n'


def test_pyproject_declares_name_and_version() -> None:
    assert name_in_pyproject(PYPROJECT) == "sample"
    assert version_in_pyproject(PYPROJECT) == "1.2.3"


@pytest.mark.parametrize(
    "pyproject",
    [
        None,
        "",
        "[build-system]\nrequires = []\n",
        '[project]\ndynamic = ["name", "version"]\n',
        'project = "no table"\n',
        "[project]\nname = 1\nversion = 1.2\n",
        '[tool.poetry]\nname = "sample"\nversion = "1.2.3"\n',
    ],
)
def test_what_pyproject_does_not_say_is_none(pyproject: str | None) -> None:
    assert name_in_pyproject(pyproject) is None
    assert version_in_pyproject(pyproject) is None


def test_a_broken_pyproject_shows_where() -> None:
    with pytest.raises(PermanentError, match=r"^pyproject\.toml is not TOML: .*line 1"):
        version_in_pyproject("[project\n")


def test_a_byte_order_mark_is_told_before_the_build() -> None:
    with pytest.raises(PermanentError, match=r"^pyproject\.toml begins with a byte order mark"):
        name_in_pyproject("\ufeff" + PYPROJECT)


@pytest.mark.parametrize("declared", ["1.2.3rc1", "1.2.3-rc.1", "v1.2.3RC1", "01.2.3.rc1"])
def test_versions_are_compared_as_versions(declared: str) -> None:
    check_version(declared, place="version.txt", tag="v1.2.3-rc.1", expected=Version("1.2.3rc1"))


@pytest.mark.parametrize("declared", ["1.2.2", "", "unknown", "1.2.3rc1", "1.2.3+local"])
def test_a_mismatch_shows_tag_place_and_both_versions(declared: str) -> None:
    with pytest.raises(PermanentError) as caught:
        check_version(
            declared, place="pyproject.toml: [project] version", tag="v1.2.3", expected=Version("1.2.3")
        )
    assert caught.value.problem == (
        f"tag v1.2.3 is version 1.2.3, but pyproject.toml: [project] version is {declared!r}"
    )
    assert caught.value.remedy == (
        "Set the version in pyproject.toml to 1.2.3 and tag that commit, "
        "or push the tag that belongs to it. Nothing has been published."
    )


@pytest.mark.parametrize(
    ("pyproject", "expected"),
    [
        ('[project]\nlicense = "Apache-2.0"\n', "Apache-2.0"),
        ('[project]\nlicense = {text = "MIT"}\n', "MIT"),
        ('[project]\nlicense = {file = "LICENSE"}\n', None),
        ('[project]\nlicense = {text = """Permission is\ngranted"""}\n', None),
        ("[project]\n", None),
        (None, None),
    ],
    ids=["expression", "text", "file", "whole-text", "none", "no-file"],
)
def test_the_license_as_pyproject_declares_it(pyproject: str | None, expected: str | None) -> None:
    assert license_in_pyproject(pyproject) == expected
