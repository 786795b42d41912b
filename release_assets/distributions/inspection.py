"""Check a built sdist or wheel: its names, its bounds, `twine check`, and what the index accepts."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from packaging.utils import (
    InvalidName,
    InvalidSdistFilename,
    InvalidWheelFilename,
    canonicalize_name,
    parse_sdist_filename,
    parse_wheel_filename,
)
from packaging.version import InvalidVersion, Version

from release_assets.distributions.archives import UNREADABLE, bounded, opened_sdist, refuse_bomb, unreadable
from release_assets.distributions.last_words import last_words
from release_assets.distributions.metadata import read_metadata
from release_assets.errors import PermanentError
from release_assets.process import CommandFailedError, environment, run
from release_assets.project import PackageIndex
from release_assets.rules import warehouse

CHECK_SECONDS = 120.0
NOTHING_PUBLISHED = "Nothing has been published."
WARNING = re.compile(r"WARNING\s+(.*?)\s*$")  # a line of twine's log

Log = Callable[[str], None]


@dataclass(frozen=True)
class Checked:
    """A file that may be published: the name in its metadata, and what `twine check` warns of."""

    name: str
    warnings: tuple[str, ...]


def check(
    file: Path, *, name: str | None, version: Version, tag: str, index: PackageIndex, log: Log
) -> Checked:
    """Check a built file before anything is published.

    Its name and version must be the release's, in its metadata and in its file name; `twine check` must
    accept it, and the index must accept its size and its platform. Warnings of `twine check` are not errors:
    PyPI accepts a package without README. Raises PermanentError that shows both sides.
    """
    _check_size(file, index)
    metadata = read_metadata(file)
    found_name, found_version = metadata.get("name", ""), metadata.get("version", "")
    try:
        matches = Version(found_version) == version
    except InvalidVersion:
        matches = False
    if not matches:
        raise PermanentError(
            f"tag {tag} is version {version}, but the metadata in {file.name} says {found_version!r}",
            f"Make the project build version {version} and tag that commit. {NOTHING_PUBLISHED}",
        )
    if not found_name or (name is not None and canonicalize_name(found_name) != canonicalize_name(name)):
        raise PermanentError(
            f"{file.name} is named {found_name!r} in its metadata, but the project is {name!r}",
            "Correct [project] name in pyproject.toml, or package: name in the project's defs.yaml.",
        )
    _check_file_name(file.name, found_name, version)
    _look_through(file)
    if file.suffix == ".whl" and index.is_warehouse:
        _check_platforms(file.name, index)
    return Checked(found_name, _twine_warnings(file, log))


def _check_size(file: Path, index: PackageIndex) -> None:
    size, largest = file.stat().st_size, index.largest_file
    if largest is not None and size > largest:
        raise PermanentError(
            f"{file.name} has {size} bytes; {index.title} accepts {largest} bytes",
            "Leave large files out of the package. If the index accepts larger files of this project, set "
            f"upload_limit of that index in the project's defs.yaml. {NOTHING_PUBLISHED}",
        )


def _check_platforms(wheel: str, index: PackageIndex) -> None:
    """Raise PermanentError for a wheel that was compiled for this machine only, which PyPI rejects."""
    refused = warehouse.refused_platforms(wheel)
    if refused:
        raise PermanentError(
            f"{index.title} rejects wheels for {', '.join(refused)}: {wheel} has compiled code that is built "
            "for this machine",
            "Declare how its wheels are built in the project's defs.yaml, such as `package: {wheels: "
            "[{zig: {}}]}`; `package: {wheels: []}` releases the sdist alone. See "
            "docs/how-to/compiled-packages.md. Or make the compiled part optional, so that the build backend "
            "makes a py3-none-any wheel here. Or set `index` in the project's defs.yaml to one that accepts "
            "this wheel. " + NOTHING_PUBLISHED,
        )


def _twine_warnings(file: Path, log: Log) -> tuple[str, ...]:
    """Return what `twine check` warns of. Raises PermanentError in its words where it fails."""
    lines: list[str] = []

    def follow(line: str) -> None:
        lines.append(line)
        log(line)

    try:
        run(
            ["twine", "--no-color", "check", file],
            env=environment(NO_COLOR="1", COLUMNS="1000"),  # twine breaks lines, and file names, at 80
            timeout=CHECK_SECONDS,
            on_line=follow,
        )
    except CommandFailedError as error:
        said = last_words([line.rstrip() for line in error.tail])
        raise PermanentError(
            f"twine check rejects {file.name}:\n{said}",
            f"Correct the package's metadata or README, then tag that commit. {NOTHING_PUBLISHED}",
        ) from error
    return tuple(match[1] for line in lines if (match := WARNING.match(line)))


def _check_file_name(filename: str, name: str, version: Version) -> None:
    """Raise PermanentError unless the file's name says the same as its metadata: the index goes by both.

    Without that, a name in metadata could hold anything, and it becomes part of URLs and of release notes.
    """
    try:
        expected = canonicalize_name(name, validate=True), version
        found: tuple[str, Version] = (
            parse_wheel_filename(filename)[:2]
            if filename.endswith(".whl")
            else parse_sdist_filename(filename)
        )
    except InvalidName:
        raise PermanentError(
            f"{filename} is named {name[:200]!r} in its metadata, which is not a package name",
            "Use letters, digits, and . _ - between them.",
        ) from None
    except (InvalidSdistFilename, InvalidWheelFilename) as error:
        raise PermanentError(str(error), "Make the backend follow PEP 625 and PEP 427.") from None
    if found != expected:
        raise PermanentError(
            f"{filename} is named after {found[0]} {found[1]}, but its metadata says {name} {version}",
            "Make the backend name its files as PEP 625 and PEP 427 do.",
        )


def _look_through(file: Path) -> None:
    """Raise PermanentError where the archive is a bomb or damaged, before others read it."""
    try:
        if file.suffix == ".whl":
            with zipfile.ZipFile(file) as archive:
                entries = archive.infolist()
            refuse_bomb(file, sum(entry.file_size for entry in entries), len(entries))
        else:
            with opened_sdist(file) as packed:
                for _ in bounded(packed, file):
                    pass
    except UNREADABLE as error:
        raise unreadable(file, error) from error
