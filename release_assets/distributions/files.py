"""Making and reading sdists and wheels: built by `build`, checked by twine, compared by their contents."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import os
import re
import time
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

from packaging.metadata import RawMetadata, parse_email
from packaging.utils import (
    InvalidName,
    InvalidSdistFilename,
    InvalidWheelFilename,
    canonicalize_name,
    parse_sdist_filename,
    parse_wheel_filename,
)
from packaging.version import InvalidVersion, Version

from release_assets._compat.tar import tarfile
from release_assets.distributions import build_network, isolation
from release_assets.distributions.build_environment import NETWORK, BuildEnvironment, index_settings
from release_assets.distributions.last_words import last_words
from release_assets.errors import PermanentError, TransientError
from release_assets.process import CommandFailedError, environment, run
from release_assets.project import PackageIndex
from release_assets.rules import warehouse

BUILD_SECONDS = 1800.0
UMASK = 0o022  # modes are packed: what the backend writes is readable for everybody, whatever our umask
CHECK_SECONDS = 120.0
METADATA_LIMIT = 10 * 1000 * 1000  # bytes of core metadata that are read; a README is in it
UNPACKED_LIMIT = 2 * 1000**3  # bytes an sdist or a wheel may unpack to
MEMBER_LIMIT = 200_000  # files in it
HEADER_LIMIT = 10 * 1000 * 1000  # bytes that tarfile reads at once: pax headers are as long as they say
NOTHING_PUBLISHED = "Nothing has been published."
WARNING = re.compile(r"WARNING\s+(.*?)\s*$")  # a line of twine's log

Log = Callable[[str], None]


def build(
    kind: Literal["sdist", "wheel"],
    source: Path,
    *,
    scratch: Path,
    readable: Iterable[Path],
    cache: Path,
    epoch: int,
    log: Log,
    seconds: dict[str, float],
    within: BuildEnvironment | None = None,
) -> Path:
    """Build the sdist or the wheel of the source tree and return the file.

    `scratch` is a folder for the output and the backend's HOME; `readable` is what else the
    backend may read; `cache` is uv's; `epoch` becomes SOURCE_DATE_EPOCH; `within` is the environment that the
    project declares, which notes what is installed in it. Adds the seconds of the
    stages `environment` and `build` to `seconds`.
    Raises PermanentError with the end of the backend's output.
    """
    output, home = scratch / "output", scratch / "home"
    output.mkdir()
    home.mkdir()
    within = within or BuildEnvironment()
    env = environment(**within.variables) | {
        "HOME": str(home),
        "UV_CACHE_DIR": str(cache),
        "SOURCE_DATE_EPOCH": str(epoch),
        "NO_COLOR": "1",
        # A backend that packs all that is there would pack our paths with its own compiled modules.
        "PYTHONPYCACHEPREFIX": str(scratch / "bytecode"),
        # Backends run git, and nothing that is configured on this machine may change what they find.
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_ATTR_NOSYSTEM": "1",
        **index_settings(),
    }
    started = time.monotonic()
    marks: list[float] = []

    def follow(line: str) -> None:
        # build says `* Building sdist...` when the environment is ready and the backend's work begins.
        if line.startswith(f"* Building {kind}"):
            marks.append(time.monotonic())
        log(line)
        if not marks:
            within.note(line)

    argv = [*within.command, f"--{kind}", "--outdir", str(output), str(source)]
    opened = contextlib.ExitStack()
    if isolation.is_available():
        cache.mkdir(parents=True, exist_ok=True)
        door = opened.enter_context(build_network.build_network(log))
        shown_folders = [*readable, *within.readable]
        argv = isolation.isolated(
            argv, readable=shown_folders, writable=[source, scratch, cache], network=door
        )
        env |= door.variables  # in the place of ours, which may hold a password
    elif os.environ.get(isolation.SETTING) == "required":
        raise PermanentError(
            f"builds cannot be isolated: bubblewrap does not work here, and {isolation.SETTING}=required",
            "Allow user namespaces, on Ubuntu with `sysctl kernel.apparmor_restrict_unprivileged_userns=0`.",
        )
    else:
        log("bubblewrap is not available here: the build backend can read whatever this user can")
    try:
        with opened:
            run(argv, env=env, directory=scratch, timeout=BUILD_SECONDS, on_line=follow, umask=UMASK)
    except CommandFailedError as error:
        said = last_words(error.tail)
        # The environment's packages come over the network; a mistake in the project comes with every build.
        passing = any(word in said for word in NETWORK)
        raise (TransientError if passing else PermanentError)(
            f"building the {kind} {error.reason}:\n{said}",
            f"Run `python -m build --{kind}` in a clean checkout of the tag's commit to see the same.",
        ) from error
    finally:
        middle = marks[0] if marks else time.monotonic()
        seconds["environment"] = middle - started
        seconds["build"] = time.monotonic() - middle
    # Our own open() would follow a link that the backend left, to a file that it could not see itself,
    # and wait without end at a pipe.
    files = sorted(output.iterdir()) if not output.is_symlink() and output.is_dir() else []
    if len(files) != 1:
        names = ", ".join(shown(file.name) for file in files[:10]) or "none"
        raise PermanentError(
            f"the build backend made {len(files)} files instead of one {kind}: {names}",
            "Make the backend leave one file in its output folder.",
        )
    (file,) = files
    if file.is_symlink() or not file.is_file() or _kind_of(file.name) != kind:
        raise PermanentError(
            f"the build backend made {shown(file.name)}, which is not {SAMPLES[kind].partition(' (')[0]}",
            f"Make the backend leave a regular file with the name of {SAMPLES[kind]}.",
        )
    return file


SAMPLES = {"sdist": "an sdist (name-1.2.3.tar.gz)", "wheel": "a wheel (name-1.2.3-py3-none-any.whl)"}


def shown(name: str) -> str:
    """Return a file's name for an error or a log: quoted where no distribution has such a name."""
    return name if NAME.fullmatch(name) else repr(name[:200])


# What file names of distributions are made of: nothing of Markdown, a terminal, a path, or a line's end.
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+!-]*")


def _kind_of(filename: str) -> Literal["sdist", "wheel"] | None:
    """Return the kind of a file by its name, or None where it is neither."""
    if not NAME.fullmatch(filename):
        return None
    return "wheel" if filename.endswith(".whl") else "sdist" if filename.endswith(".tar.gz") else None


def unpack_sdist(sdist: Path, directory: Path) -> Path:
    """Unpack an sdist into `directory` and return its one top folder.

    Uses tarfile's data filter, so that no member leaves the folder, links out of it or is a device.
    """
    try:
        with opened_sdist(sdist) as archive:
            for member in bounded(archive, sdist):
                archive.extract(member, directory, filter="data")
    except (*UNREADABLE, ValueError) as error:
        raise PermanentError(
            f"{sdist.name} cannot be unpacked: {error}", "Make the backend write a sound .tar.gz (PEP 625)."
        ) from error
    folders = list(directory.iterdir())
    if len(folders) != 1 or not folders[0].is_dir():
        raise PermanentError(
            f"{sdist.name} does not hold one top folder", "Make the backend follow PEP 625's layout."
        )
    return folders[0]


class _BoundedGzip(gzip.GzipFile):
    """A gzip file that refuses to be a bomb, whatever is in it: in all, and in what is read at once."""

    def read(self, size: int | None = -1) -> bytes:
        if size is None or not 0 <= size <= HEADER_LIMIT:
            raise tarfile.ReadError(f"a header of {size} bytes")
        self._look(self.tell())
        return super().read(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        self._look(offset)
        return super().seek(offset, whence)

    def _look(self, offset: int) -> None:
        # Headers and padding count: a thousand bytes a file at most, for all files that there may be.
        if offset > UNPACKED_LIMIT + 1024 * MEMBER_LIMIT:
            raise tarfile.ReadError(f"it unpacks to more than {UNPACKED_LIMIT} bytes")


@contextlib.contextmanager
def opened_sdist(file: Path) -> Iterator[tarfile.TarFile]:
    """Yield an sdist, or another .tar.gz, that is read forwards and refused where it is a bomb."""
    with _BoundedGzip(file) as stream, tarfile.open(fileobj=stream, mode="r:") as archive:
        yield archive


def bounded(archive: tarfile.TarFile, file: Path) -> Iterator[tarfile.TarInfo]:
    """Yield the members, as long as they are no more than a distribution has. Raises PermanentError."""
    total = 0
    for number, member in enumerate(archive):
        total += member.size
        refuse_bomb(file, total, number + 1)
        yield member


def refuse_bomb(file: Path, size: int, members: int) -> None:
    """Raise PermanentError for an archive of more bytes or files than a distribution has."""
    if size > UNPACKED_LIMIT:
        raise PermanentError(
            f"{file.name} unpacks to more than {UNPACKED_LIMIT} bytes", "Make the distribution smaller."
        )
    if members > MEMBER_LIMIT:
        raise PermanentError(
            f"{file.name} holds more than {MEMBER_LIMIT} files", "Make the distribution smaller."
        )


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


UNREADABLE = (
    tarfile.TarError, zipfile.BadZipFile, zlib.error, OSError, EOFError, RuntimeError, NotImplementedError,
)  # fmt: skip


def unreadable(file: Path, error: Exception) -> PermanentError:
    """Return the error for an archive that its reader rejects."""
    return PermanentError(
        f"{file.name} cannot be read: {str(error)[:300]!r}", "Build it again from a clean checkout."
    )


def read_metadata(file: Path) -> RawMetadata:
    """Return the core metadata in a file: PKG-INFO of an sdist, METADATA of a wheel.

    Raises PermanentError where the file is not an sdist or wheel.
    """
    try:
        content = _metadata_of_wheel(file) if file.suffix == ".whl" else _metadata_of_sdist(file)
    except UNREADABLE as error:
        raise unreadable(file, error) from error
    if content is None:
        raise PermanentError(
            f"{file.name} holds no core metadata", "Use a build backend that follows PEP 517 and PEP 625."
        )
    return parse_email(content)[0]


def _metadata_of_wheel(file: Path) -> bytes | None:
    with zipfile.ZipFile(file) as archive:
        for name in archive.namelist():
            if name.count("/") == 1 and name.endswith(".dist-info/METADATA"):
                with archive.open(name) as stream:
                    return stream.read(METADATA_LIMIT)
    return None


def _metadata_of_sdist(file: Path) -> bytes | None:
    with opened_sdist(file) as archive:
        for member in bounded(archive, file):
            if member.isfile() and member.name.count("/") == 1 and member.name.endswith("/PKG-INFO"):
                stream = archive.extractfile(member)
                return stream.read(METADATA_LIMIT) if stream else None
    return None


def same_contents(ours: Path, theirs: Path) -> bool:
    """Return whether two sdists or wheels hold the same files with the same bytes, however they were packed.

    setuptools packs an sdist again with other times in it, so equal bytes cannot be expected. The index may
    serve a bomb: what is unpacked is bounded. Raises PermanentError where a file cannot be read.
    """
    return _contents(ours) == _contents(theirs)


def _contents(file: Path) -> Mapping[str, str]:
    try:
        if file.suffix == ".whl":
            with zipfile.ZipFile(file) as archive:
                entries = archive.infolist()
                refuse_bomb(file, sum(entry.file_size for entry in entries), len(entries))
                return {entry.filename: _digest_of(archive.open(entry)) for entry in entries}
        with opened_sdist(file) as packed:
            return {
                member.name: _digest_of(packed.extractfile(member))
                for member in bounded(packed, file)
                if not member.isdir()
            }
    except (*UNREADABLE, KeyError) as error:  # a hard link to what is not there is a KeyError
        raise unreadable(file, error) from error


def _digest_of(stream: IO[bytes] | None) -> str:
    """Return the hexadecimal sha256 of a member's bytes, piece by piece; links have none."""
    digest = hashlib.sha256()
    if stream is not None:
        with stream:
            while piece := stream.read(1024 * 1024):
                digest.update(piece)
    return digest.hexdigest()
