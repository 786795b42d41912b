"""Making and reading sdists and wheels: built by `build`, checked by twine, compared by their contents."""

from __future__ import annotations

import hashlib
import os
import sys
import time
import zipfile
import zlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Literal

from packaging.metadata import RawMetadata, parse_email
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from release_assets import isolation
from release_assets.errors import PermanentError, TransientError
from release_assets.process import CommandFailedError, environment, run
from release_assets.tar import tarfile

BUILD_SECONDS = 1800.0
CHECK_SECONDS = 120.0
SIZE_LIMIT = 100 * 1000 * 1000  # bytes a file; PyPI's default limit
METADATA_LIMIT = 10 * 1000 * 1000  # bytes of core metadata that are read; a README is in it
UNPACKED_LIMIT = 2 * 1000**3  # bytes an sdist may unpack to

# Where the build environment's packages come from, for users who have a mirror of their own.
INDEX_SETTINGS = ("UV_DEFAULT_INDEX", "UV_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL")

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
) -> Path:
    """Build the sdist or the wheel of the source tree and return the file.

    `scratch` is a folder for the output and the backend's HOME; `readable` is what else the
    backend may read; `cache` is uv's; `epoch` becomes SOURCE_DATE_EPOCH. Adds the seconds of the
    stages `environment` and `build` to `seconds`.
    Raises PermanentError with the end of the backend's output.
    """
    output, home = scratch / "output", scratch / "home"
    output.mkdir()
    home.mkdir()
    settings = {name: os.environ[name] for name in INDEX_SETTINGS if name in os.environ}
    env = environment(
        HOME=str(home), UV_CACHE_DIR=str(cache), SOURCE_DATE_EPOCH=str(epoch), NO_COLOR="1", **settings
    )
    started = time.monotonic()
    marks: list[float] = []

    def follow(line: str) -> None:
        # build says `* Building sdist...` when the environment is ready and the backend's work begins.
        if line.startswith(f"* Building {kind}"):
            marks.append(time.monotonic())
        log(line)

    argv = [
        sys.executable,
        "-m",
        "build",
        f"--{kind}",
        "--installer",
        "uv",
        "--outdir",
        str(output),
        str(source),
    ]
    if isolation.is_available():
        cache.mkdir(parents=True, exist_ok=True)
        argv = isolation.isolated(argv, readable=readable, writable=[source, scratch, cache])
    else:
        log("bubblewrap is not available here: the build backend can read whatever this user can")
    try:
        run(argv, env=env, directory=scratch, timeout=BUILD_SECONDS, on_line=follow)
    except CommandFailedError as error:
        said = "\n".join(error.tail)
        # The environment's packages come over the network; a mistake in the project comes with every build.
        network = ("error sending request", "timed out", "dns error", "Connection reset")
        passing = any(word in said for word in network)
        raise (TransientError if passing else PermanentError)(
            f"building the {kind} {error.reason}:\n{said}",
            f"Run `python -m build --{kind}` in a clean checkout of the tag's commit to see the same.",
        ) from error
    finally:
        middle = marks[0] if marks else time.monotonic()
        seconds["environment"] = middle - started
        seconds["build"] = time.monotonic() - middle
    files = sorted(output.iterdir())
    if len(files) != 1:
        names = ", ".join(file.name for file in files) or "none"
        raise PermanentError(
            f"the build backend made {len(files)} files instead of one {kind}: {names}",
            "Make the backend leave one file in its output folder.",
        )
    return files[0]


def unpack_sdist(sdist: Path, directory: Path) -> Path:
    """Unpack an sdist into `directory` and return its one top folder.

    Uses tarfile's data filter, so that no member leaves the folder, links out of it or is a device.
    """
    try:
        with tarfile.open(sdist) as archive:
            total = 0
            for member in archive:
                total += member.size
                if total > UNPACKED_LIMIT:
                    raise PermanentError(
                        f"{sdist.name} unpacks to more than {UNPACKED_LIMIT} bytes", "Make the sdist smaller."
                    )
                archive.extract(member, directory, filter="data")
    except (tarfile.TarError, zlib.error, OSError, EOFError) as error:
        raise PermanentError(
            f"{sdist.name} cannot be unpacked: {error}", "Make the backend write a sound .tar.gz (PEP 625)."
        ) from error
    folders = list(directory.iterdir())
    if len(folders) != 1 or not folders[0].is_dir():
        raise PermanentError(
            f"{sdist.name} does not hold one top folder", "Make the backend follow PEP 625's layout."
        )
    return folders[0]


def check(file: Path, *, name: str | None, version: Version, tag: str, log: Log) -> str:
    """Check a built file before anything is published, and return the name in its metadata.

    Its name and version must be the release's, `twine check --strict` must accept it, and it must not be
    larger than PyPI takes. Raises PermanentError that shows both sides.
    """
    metadata = read_metadata(file)
    found_name, found_version = metadata.get("name", ""), metadata.get("version", "")
    try:
        matches = Version(found_version) == version
    except InvalidVersion:
        matches = False
    if not matches:
        raise PermanentError(
            f"tag {tag} is version {version}, but the metadata in {file.name} says {found_version!r}",
            f"Make the project build version {version} and tag that commit. Nothing has been published.",
        )
    if not found_name or (name is not None and canonicalize_name(found_name) != canonicalize_name(name)):
        raise PermanentError(
            f"{file.name} is named {found_name!r} in its metadata, but the project is {name!r}",
            "Correct [project] name in pyproject.toml, or package: name in the project's defs.yaml.",
        )
    size = file.stat().st_size
    if size > SIZE_LIMIT:
        raise PermanentError(
            f"{file.name} has {size} bytes; PyPI takes {SIZE_LIMIT} at most",
            "Leave large files out of the package.",
        )
    try:
        run(
            ["twine", "--no-color", "check", "--strict", file],
            env=environment(NO_COLOR="1", COLUMNS="200"),  # twine breaks lines, and file names, at 80
            timeout=CHECK_SECONDS,
            on_line=log,
        )
    except CommandFailedError as error:
        said = "\n".join(error.tail)
        raise PermanentError(
            f"twine check --strict refuses {file.name}:\n{said}",
            "Correct the package's metadata or README, then tag that commit. Nothing has been published.",
        ) from error
    return found_name


def read_metadata(file: Path) -> RawMetadata:
    """The core metadata in a file: PKG-INFO of an sdist, METADATA of a wheel.

    Raises PermanentError where the file is no sdist or wheel.
    """
    try:
        content = _metadata_of_wheel(file) if file.suffix == ".whl" else _metadata_of_sdist(file)
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, OSError, EOFError, RuntimeError) as error:
        raise PermanentError(
            f"{file.name} cannot be read: {error}", "Build it again from a clean checkout."
        ) from error
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
    with tarfile.open(file) as archive:
        for member in archive:
            if member.isfile() and member.name.count("/") == 1 and member.name.endswith("/PKG-INFO"):
                stream = archive.extractfile(member)
                return stream.read(METADATA_LIMIT) if stream else None
    return None


def same_contents(ours: Path, theirs: Path) -> bool:
    """Whether two sdists or wheels hold the same files with the same bytes, however they were packed.

    setuptools packs an sdist anew with other times in it, so equal bytes cannot be asked for.
    """
    return _contents(ours) == _contents(theirs)


def _contents(file: Path) -> Mapping[str, str]:
    if file.suffix == ".whl":
        with zipfile.ZipFile(file) as archive:
            return {name: hashlib.sha256(archive.read(name)).hexdigest() for name in archive.namelist()}
    with tarfile.open(file) as archive:
        streams = ((member.name, archive.extractfile(member)) for member in archive if not member.isdir())
        return {
            name: hashlib.sha256(stream.read() if stream else b"").hexdigest() for name, stream in streams
        }
