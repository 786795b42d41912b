"""Versions that modules put together: told where the text tells them, refused where only running would."""

from __future__ import annotations

import ast

import pytest

from release_assets.errors import PermanentError
from release_assets.rules.static_python import static_values
from release_assets.rules.version_file import version_in_file


@pytest.mark.parametrize(
    "text",
    [
        "VERSION = (1, 2, 3)\n",
        'VERSION = (1, 2, 3)\n__version__ = ".".join(map(str, VERSION))\n',
        '__version__ = ".".join(str(part) for part in [1, 2, 3])\n',
        'parts = ["1", "2", "3"]\n__version__ = ".".join(parts)\n',
        'major, minor, patch = 1, 2, 3\n__version__ = f"{major}.{minor}.{patch}"\n',
        'INFO = (1, 2, 3, "final", 0)\n__version__ = "%d.%d.%d" % INFO[:3]\n',
        'base = "1.2"\n__version__ = base + ".3"\n',
        '_version = "1.2.3"\n__version__ = _version\n',
        '__version__ = "1.2"\n__version__ += ".3"\n',
        'if None:\n    __version__ = "9"\n__version__ = "1.2.3"\n',
    ],
)
def test_the_parts_of_a_version_are_put_together(text: str) -> None:
    assert version_in_file(text.encode(), "pkg/__init__.py") == "1.2.3"


@pytest.mark.parametrize(
    "text",
    [
        '__version__ = "0.0.0"\nfrom ._version import __version__\n',
        '__version__ = "0.0.0"\n__version__ = read()\n',
        '__version__ = "0.0.0"\n__version__ += suffix()\n',
        'class Package:\n    __version__ = "1.2.3"\n',
        'try:\n    __version__ = version("x")\nexcept Exception:\n    __version__ = "0.0.0"\n',
        '__version__ = "%999999999d" % 1\n',
        "__version__ = b'1.2.3'\n",
    ],
)
def test_a_version_that_only_running_tells_is_refused(text: str) -> None:
    with pytest.raises(PermanentError, match="assigns no text to __version__"):
        version_in_file(text.encode(), "pkg/__init__.py")


def test_a_value_that_doubles_with_every_line_is_given_up() -> None:
    module = ast.parse('a = "aaaaaaaaaa"\n' + "a = a + a\n" * 60)
    assert static_values(module) == {}


def test_an_endless_expression_is_an_error_in_words() -> None:
    text = "__version__ = " + " + ".join(['"1"'] * 5000)
    with pytest.raises(PermanentError, match=r"is not Python|assigns no text"):
        version_in_file(text.encode(), "pkg/__init__.py")


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("VERSION", "VERSION=1.2.3\n"),
        ("gradle.properties", "version = 1.2.3\n"),
        ("src/version.ts", 'export const version: string = "1.2.3";\n'),
        ("pkg/_version.py.in", "__version__ = '1.2.3'\n"),
        (".cz.toml", '[tool.commitizen]\nversion = "1.2.3"\n'),
        (".bumpversion.toml", '[tool.bumpversion]\ncurrent_version = "1.2.3"\n'),
        ("galaxy.yml", "---\nname: x\n---\nversion: 1.2.3\n"),
    ],
)
def test_the_one_assignment_of_another_file_is_read(path: str, text: str) -> None:
    assert version_in_file(text.encode(), path) == "1.2.3"


def test_a_version_that_poetrys_plugin_fills_in_is_dynamic() -> None:
    text = '[tool.poetry]\nversion = "0.0.0"\n[tool.poetry-dynamic-versioning]\nenable = true\n'
    with pytest.raises(PermanentError, match="declares its version as dynamic"):
        version_in_file(text.encode(), "pyproject.toml")
