"""The version and name that a source declares, read without running it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.version import Version

from release_assets.declared_version import (
    check_version,
    license_in_pyproject,
    name_in_pyproject,
    version_in_file,
    version_in_pyproject,
)
from release_assets.errors import PermanentError
from release_assets_tests.strategies import MANY


@pytest.mark.parametrize(
    "text",
    [
        '__version__ = "1.2.3"\n',
        '"""Docstring."""\n\n__version__: str = "1.2.3"\n',
        'VERSION = __version__ = "1.2.3"\n',
        '__version__ = "0.0.1"\n__version__ = "1.2.3"\n',
        'version = "9"\nVERSION = "9"\n__version__ = "1.2.3"\n',
        'import os\nversion = "1.2.3"\nos.abort()\n',
        'VERSION = ("1." "2.3")\n',
        "__version__ = '1.2.3'  # x-release\r\n",
    ],
)
def test_the_text_assigned_in_a_python_file_is_the_version(text: str) -> None:
    assert version_in_file(text, "pkg/__init__.py") == "1.2.3"


def test_a_plain_file_holds_nothing_but_the_version() -> None:
    assert version_in_file("1.2.3\n", "VERSION") == "1.2.3"
    assert version_in_file("  1.2.3", "version.txt") == "1.2.3"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "__version__ = get_version()\n",
        "__version__ = f'{MAJOR}.2'\n",
        "def f():\n    __version__ = '1.2.3'\n",
        "__version__: str\n",
        "__version__ = 1.2\n",
    ],
)
def test_a_version_that_is_not_a_plain_text_says_how_to_write_it(text: str) -> None:
    with pytest.raises(PermanentError) as caught:
        version_in_file(text, "pkg/__init__.py")
    assert caught.value.problem == (
        'pkg/__init__.py assigns no text to __version__ (such as __version__ = "1.2.3")'
    )
    assert "point version_file to the file that holds it" in caught.value.remedy


@pytest.mark.parametrize("text", ["__version__ = ", "<<<<<<< HEAD\n", "\0"])
def test_a_file_that_is_not_python_is_named(text: str) -> None:
    with pytest.raises(PermanentError, match=r"^pkg/version\.py is not Python: "):
        version_in_file(text, "pkg/version.py")


@given(st.text())
@settings(MANY, max_examples=300)
def test_whatever_a_version_file_holds_it_is_a_version_or_an_error_for_people(text: str) -> None:
    try:
        assert isinstance(version_in_file(text, "version.py"), str)
    except PermanentError as error:
        assert error.problem.startswith("version.py ")  # noqa: PT017  (either outcome is right)


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
        f"tag v1.2.3 is version 1.2.3, but pyproject.toml: [project] version says {declared!r}"
    )
    assert caught.value.remedy == (
        "Set the version in pyproject.toml to 1.2.3 and tag that commit, "
        "or push the tag that belongs to it. Nothing has been published."
    )


@pytest.mark.parametrize(
    ("pyproject", "licence"),
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
def test_the_licence_as_pyproject_declares_it(pyproject: str | None, licence: str | None) -> None:
    assert license_in_pyproject(pyproject) == licence
