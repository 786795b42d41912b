"""The version that a file declares, read by the kind of the file and without running it. Pure."""

from __future__ import annotations

import ast
import codecs
import configparser
import json
import re
import tomllib
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

import yaml

from release_assets.errors import PermanentError
from release_assets.rules.static_python import Value, static_value, static_values, version_text

LONGEST = 100  # characters of a version; more is something else, and is not shown
# UTF-32 first: its mark begins with that of UTF-16.
MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# Where a TOML file declares a version: PEP 621, Cargo, a Cargo workspace, Poetry, tools that only change
# versions, and files of no known tool.
TOML_KEYS = (
    ("project", "version"),
    ("package", "version"),
    ("workspace", "package", "version"),
    ("tool", "poetry", "version"),
    ("tool", "commitizen", "version"),
    ("tool", "bumpversion", "current_version"),
    ("version",),
)
ASSIGNMENT = re.compile(
    r"""(?:export |const |let |var )*\w*version\w*(?:\s*:\s*\w+)?\s*[:=]+\s*(["']?)([^"']*)\1;?""",
    re.IGNORECASE,
)
INI_KEYS = (("metadata", "version"), ("bumpversion", "current_version"))
TAG_AGAIN = "Correct the file, then tag that commit."
ELSEWHERE = "Point version_file in the project's defs.yaml to the file that holds the version as plain text."


def version_in_file(content: bytes, path: str) -> str:
    """Return the version that a version file holds, as it is written there.

    A Python file assigns it to `__version__`, `version` or `VERSION` (in this order), setup.py also passes
    it to `setup()`. TOML, JSON, YAML and setup.cfg files have it under their usual key. Any other file holds
    nothing but the version. Raises PermanentError, which never repeats the file, where there is none.
    """
    file = PurePosixPath(path)
    match file.suffix.lower():
        case ".py":
            version = _in_python(content, path)
        case ".toml":
            version = _in_toml(_text(content, path), path)
        case ".json":
            version = _in_json(_text(content, path), path)
        case ".yaml" | ".yml":
            version = _in_yaml(_text(content, path), path)
        case ".cfg" | ".ini":
            version = _in_ini(_text(content, path), path)
        case _:
            version = _alone(_text(content, path), path)
    if len(version) > LONGEST:
        raise PermanentError(f"{path} holds {len(version)} characters where a version is expected", ELSEWHERE)
    return version


def _text(content: bytes, path: str) -> str:
    """Return the file's text, by its byte order mark or as UTF-8. Raises PermanentError."""
    encoding = next((encoding for mark, encoding in MARKS if content.startswith(mark)), "utf-8")
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        raise PermanentError(
            f"{path} is not text in {encoding.upper()}: byte {error.start} is invalid",
            f"Save the file as UTF-8. {TAG_AGAIN}",
        ) from None
    if "\0" in text:
        raise PermanentError(
            f"{path} holds null characters: it is not text in UTF-8", f"Save the file as UTF-8. {TAG_AGAIN}"
        )
    return text


def _in_python(content: bytes, path: str) -> str:
    if any(content.startswith(mark) for mark, encoding in MARKS if encoding != "utf-8-sig"):
        raise PermanentError(
            f"{path} is not Python: it is encoded in UTF-16 or UTF-32, which Python does not import",
            f"Save the file as UTF-8. {TAG_AGAIN}",
        )
    try:
        module = ast.parse(content)  # bytes: Python obeys a byte order mark and a coding cookie
        assigned = static_values(module)
        passed = _passed_to_setup(module, assigned) if PurePosixPath(path).name == "setup.py" else None
    except SyntaxError as error:
        where = f"line {error.lineno}: {error.msg}" if error.lineno else error.msg
        raise PermanentError(f"{path} is not Python: {where}", TAG_AGAIN) from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise PermanentError(f"{path} is not Python: {error}", TAG_AGAIN) from None
    if passed is not None:
        return passed
    for name in ("__version__", "version", "VERSION"):
        if (text := version_text(assigned.get(name))) is not None:
            return text
    raise PermanentError(
        f'{path} assigns no text to __version__ (such as __version__ = "1.2.3")',
        "Write the version as plain text, or point version_file to the file that holds it.",
    )


def _passed_to_setup(module: ast.Module, assigned: Mapping[str, Value]) -> str | None:
    """Return the `version` that setup.py passes to `setup()`, as far as it is told without running it."""
    for node in ast.walk(module):
        match node:
            case ast.Call(func=ast.Name(id="setup") | ast.Attribute(attr="setup"), keywords=keywords):
                for keyword in keywords:
                    if keyword.arg == "version":
                        text = version_text(static_value(keyword.value, assigned))
                        if text is not None:
                            return text
    return None


def _in_toml(text: str, path: str) -> str:
    try:
        table = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise PermanentError(f"{path} is not TOML: {error}", TAG_AGAIN) from None
    # A plugin of Poetry puts the version there while it builds.
    is_filled_in = _at(table, ("tool", "poetry-dynamic-versioning", "enable")) is True
    found = None if is_filled_in else _first(table, TOML_KEYS)
    if found is None:
        dynamic = _at(table, ("project", "dynamic"))
        if is_filled_in or (isinstance(dynamic, list) and "version" in dynamic):
            raise PermanentError(
                f"{path} declares its version as dynamic",
                f"{ELSEWHERE} Without version_file, the version in the built metadata is checked.",
            )
        raise _missing(path, TOML_KEYS)
    return found


def _in_json(text: str, path: str) -> str:
    try:
        found = _first(json.loads(text), (("version",),))
    except (json.JSONDecodeError, RecursionError) as error:
        raise PermanentError(f"{path} is not JSON: {error}", TAG_AGAIN) from None
    if found is None:
        raise _missing(path, (("version",),))
    return found


def _in_yaml(text: str, path: str) -> str:
    try:
        # Without types: 1.10 is not the number 1.1.
        documents = list(yaml.load_all(text, yaml.BaseLoader))  # (it makes text only)
    except (yaml.YAMLError, RecursionError):
        raise PermanentError(f"{path} is not YAML", TAG_AGAIN) from None
    found = next(filter(None, (_first(document, (("version",),)) for document in documents)), None)
    if found is None:
        raise _missing(path, (("version",),))
    return found


def _in_ini(text: str, path: str) -> str:
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        parser.read_string(text)
    except configparser.Error as error:
        # Its words quote the line; the first one names what is wrong.
        raise PermanentError(f"{path} is not an INI file: {type(error).__name__}", TAG_AGAIN) from None
    found = _first({name: dict(parser[name]) for name in parser.sections()}, INI_KEYS)
    if found is None:
        raise _missing(path, INI_KEYS)
    if found.startswith(("attr:", "file:")):
        raise PermanentError(f"{path} takes its version from {found[:LONGEST]!r}", ELSEWHERE)
    return found


def _alone(text: str, path: str) -> str:
    lines = [line.strip() for line in text.splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    if len(lines) != 1:
        raise PermanentError(f"{path} holds {len(lines)} lines; expected one, the version", ELSEWHERE)
    # A file of settings, a template, or a module of another language.
    assigned = ASSIGNMENT.fullmatch(lines[0])
    return (assigned[2] if assigned else lines[0]).strip()


def _first(table: Any, keys: tuple[tuple[str, ...], ...]) -> str | None:
    """Return the first of the keys' values that is text."""
    values = (_at(table, key) for key in keys)
    return next((value.strip() for value in values if isinstance(value, str)), None)


def _at(table: Any, key: tuple[str, ...]) -> Any:
    for part in key:
        table = table.get(part) if isinstance(table, dict) else None
    return table


def _missing(path: str, keys: tuple[tuple[str, ...], ...]) -> PermanentError:
    names = ", ".join(".".join(key) for key in keys)
    return PermanentError(f"{path} declares no version as text under {names}", ELSEWHERE)
