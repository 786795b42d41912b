"""The version in a file: each kind is read as its tools read it, and no error repeats the file."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from release_assets.errors import PermanentError
from release_assets.rules.version_file import version_in_file
from release_assets_tests.strategies import MANY

KINDS = ("version.py", "setup.py", "VERSION", "pyproject.toml", "setup.cfg", "package.json", "Chart.yaml")
LICENSE = "Permission is hereby granted, free of charge, to any person\nobtaining a copy.\n"


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
        "a = 1\r__version__ = '1.2.3'\r",
    ],
)
def test_the_text_assigned_in_a_python_file_is_the_version(text: str) -> None:
    assert version_in_file(text.encode(), "pkg/__init__.py") == "1.2.3"


@pytest.mark.parametrize(
    "content",
    [
        b'\xef\xbb\xbf__version__ = "1.2.3"\r\n',
        b'# -*- coding: latin-1 -*-\n__author__ = "Andr\xe9"\n__version__ = "1.2.3"\n',
        b'#!/usr/bin/python\n# vim: set fileencoding=cp1252 :\nx = "\x80"\n__version__ = "1.2.3"\n',
    ],
    ids=["byte-order-mark", "latin-1", "cp1252"],
)
def test_a_python_file_is_decoded_as_python_does(content: bytes) -> None:
    assert version_in_file(content, "pkg/__init__.py") == "1.2.3"


@pytest.mark.parametrize(
    "text",
    [
        'from setuptools import setup\nsetup(name="x", version="1.2.3")\n',
        'import setuptools\nV = "1.2.3"\nif True:\n    setuptools.setup(version=V)\n',
        '__version__ = "1.2.3"\nfrom setuptools import setup\nsetup(version=read())\n',
    ],
)
def test_the_version_in_setup_py_is_what_setup_gets(text: str) -> None:
    assert version_in_file(text.encode(), "setup.py") == "1.2.3"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize(
    "text", ["1.2.3\n", "  1.2.3", "1.2.3\r\n\r\n", "# the next release\n1.2.3\n", "1.2.3\r"]
)
def test_a_plain_file_holds_nothing_but_the_version(text: str, encoding: str) -> None:
    assert version_in_file(text.encode(encoding), "VERSION") == "1.2.3"
    assert version_in_file(text.encode(encoding), "src/version.txt") == "1.2.3"


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("pyproject.toml", '[project]\nname = "x"\nversion = "1.2.3"\n'),
        ("pyproject.toml", '[project]\nname = "x"\n[tool.poetry]\nversion = "1.2.3"\n'),
        ("Cargo.toml", '[package]\nname = "x"\nversion = "1.2.3"\n'),
        ("Cargo.toml", '[workspace.package]\nversion = "1.2.3"\n[workspace]\nmembers = []\n'),
        ("version.toml", 'version = "1.2.3"\n'),
        ("setup.cfg", "[metadata]\nname = x\nversion = 1.2.3\n[options]\npackages = find:\n"),
        (".bumpversion.cfg", "[bumpversion]\ncurrent_version = 1.2.3\ncommit = True\n"),
        ("package.json", '{"name": "x",\n "version": "1.2.3"}\n'),
        ("charts/Chart.yaml", "name: x\nversion: 1.2.3\nappVersion: 9\n"),
    ],
)
def test_a_structured_file_has_it_under_its_key(path: str, text: str, encoding: str, end: str) -> None:
    assert version_in_file(text.replace("\n", end).encode(encoding), path) == "1.2.3"


def test_a_version_in_yaml_is_text_and_not_a_number() -> None:
    assert version_in_file(b"version: 1.10\n", "Chart.yaml") == "1.10"


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
def test_a_version_that_is_not_plain_text_says_how_to_write_it(text: str) -> None:
    with pytest.raises(PermanentError) as caught:
        version_in_file(text.encode(), "pkg/__init__.py")
    assert caught.value.problem == (
        'pkg/__init__.py assigns no text to __version__ (such as __version__ = "1.2.3")'
    )
    assert "point version_file to the file that holds it" in caught.value.remedy


@pytest.mark.parametrize("content", [b"__version__ = ", b"<<<<<<< HEAD\n", b"\0", b"x = '\xe9'\n"])
def test_a_file_that_is_not_python_is_named(content: bytes) -> None:
    with pytest.raises(PermanentError, match=r"^pkg/version\.py is not Python: "):
        version_in_file(content, "pkg/version.py")


@pytest.mark.parametrize(
    ("path", "content", "problem"),
    [
        ("VERSION", LICENSE.encode(), "VERSION holds 2 lines; expected one, the version"),
        ("VERSION", b"\n", "VERSION holds 0 lines; expected one, the version"),
        ("VERSION", b"1" * 101, "VERSION holds 101 characters where a version is expected"),
        ("VERSION", b"1.2.3\xe9", "VERSION is not text in UTF-8: byte 5 is invalid"),
        ("VERSION", "1.2.3".encode("utf-16-le"), "VERSION holds null characters: it is not text in UTF-8"),
        ("VERSION", b"\xff\xfe1", "VERSION is not text in UTF-16: byte 2 is invalid"),
        (
            "a.py",
            '__version__ = "1.2.3"'.encode("utf-16"),
            "a.py is not Python: it is encoded in UTF-16 or UTF-32, which Python does not import",
        ),
        (
            "pyproject.toml",
            b'[project]\ndynamic = ["version"]\n',
            "pyproject.toml declares its version as dynamic",
        ),
        (
            "Cargo.toml",
            b"[package]\nversion.workspace = true\n",
            "Cargo.toml declares no version as text under",
        ),
        (
            "setup.cfg",
            b"[metadata]\nversion = attr: pkg.v\n",
            "setup.cfg takes its version from 'attr: pkg.v'",
        ),
        (
            "setup.cfg",
            b"[metadata]\nname = x\n",
            "setup.cfg declares no version as text under metadata.version",
        ),
        ("setup.cfg", b"version = 1.2.3\n", "setup.cfg is not an INI file: MissingSectionHeaderError"),
        ("package.json", b'{"version": 3}', "package.json declares no version as text under version"),
        ("package.json", b"[1]", "package.json declares no version as text under version"),
        ("package.json", b"{", "package.json is not JSON: Expecting property name"),
        ("pyproject.toml", b"[project\n", "pyproject.toml is not TOML: "),
        ("Chart.yaml", b"version: [", "Chart.yaml is not YAML"),
    ],
)
def test_what_is_not_a_version_is_refused_in_short(path: str, content: bytes, problem: str) -> None:
    with pytest.raises(PermanentError) as caught:
        version_in_file(content, path)
    assert caught.value.problem.startswith(problem)
    assert len(caught.value.problem) < 200
    assert "Permission" not in str(caught.value)


@given(st.one_of(st.binary(), st.text().map(str.encode)), st.sampled_from(KINDS))
@settings(MANY, max_examples=500)
def test_any_content_is_a_version_or_an_error_for_people(content: bytes, path: str) -> None:
    try:
        answer = version_in_file(content, path)
    except PermanentError as error:
        answer = error.problem
    assert len(answer) <= 100 or answer.startswith(f"{path} ")
    assert len(answer) < 300
