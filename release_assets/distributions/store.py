"""Keep distributions: built once, read by every later step, never built again on a retry."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict
from upath import UPath

from release_assets.errors import PermanentError, TransientError
from release_assets.text import one_line

AGAIN = "Check RELEASE_ASSETS_STORE and its server; the next attempt asks again."
Kind = Literal["sdist", "wheel"]


class Distribution(BaseModel):
    """An sdist or a wheel of a release: what its bytes are, and which commit they were built from."""

    model_config = ConfigDict(frozen=True)

    filename: str
    sha256: str
    size: int  # bytes
    commit: str
    name: str  # the package's, as the metadata inside has it
    warnings: tuple[str, ...] = ()  # of `twine check`, when it was built
    build_environment: Mapping[str, str] = {}  # what was installed for its build: versions by name
    trial: str | None = None  # what was done with it in a fresh environment, in words
    checks: Mapping[str, str] = {}  # of a platform wheel: what each tool found, and what its import printed
    instead_of: str | None = None  # sha256 of the built file with the same contents whose place it took

    @property
    def built(self) -> str:
        """Return the sha256 of the file that was built here, which a person may have approved."""
        return self.instead_of or self.sha256


@dataclass(frozen=True)
class CheckedFile:
    """A file that may be kept: the package's name in its metadata, and what was found when it was checked."""

    path: Path
    name: str
    warnings: tuple[str, ...] = ()
    checks: Mapping[str, str] = field(default_factory=dict)
    build_environment: Mapping[str, str] = field(default_factory=dict)  # as Distribution has them
    trial: str | None = None


def open_root(root: str) -> UPath:
    """Return the folder or fsspec URL that RELEASE_ASSETS_STORE names.

    Raises PermanentError where the package for its protocol is not installed.
    """
    try:
        path = UPath(root)
        _ = path.fs  # imports the package of the protocol
        return path
    except (ImportError, ValueError) as error:
        raise PermanentError(
            f"RELEASE_ASSETS_STORE={root!r} cannot be used: {one_line(str(error))}",
            "Install the fsspec package of its protocol: `pip install 'release-assets[s3]'` for s3://.",
        ) from None


def local_path(root: str) -> Path | None:
    """Return the folder on this machine that a root names, or None for an empty one and an object store."""
    if not root or "://" in root.removeprefix("file://"):
        return None
    return Path(root.removeprefix("file://"))


class DistributionStore:
    """The files of one release (project and tag) in a folder or under an fsspec URL.

    The record (`sdist.json`) is written after the bytes, so that what was cut off half-way is not there.
    Everything raises PermanentError where the store is full or forbidden, TransientError where it fails.
    """

    def __init__(self, root: UPath, project: str, tag: str) -> None:
        """`tag` may hold slashes, as git's do; it is still one folder."""
        self._root = root
        self._folder = root / project / tag.replace("/", "%2F")

    def find(self, kind: Kind) -> Distribution | None:
        """Return what is kept as this kind, or None."""
        return next(iter(self.files(kind)), None)

    def files(self, node: str) -> tuple[Distribution, ...]:
        """Return what is kept of a node that makes distributions: its sdist, its wheel, or its wheels."""
        record = self._folder / f"{node}.json"
        with self._failures("read"):
            text = record.read_text() if record.exists() else None
        if text is None:
            return ()
        content = json.loads(text)
        return tuple(Distribution.model_validate(row) for row in content.get("files", [content]))

    def put(
        self,
        kind: Kind,
        file: Path,
        *,
        commit: str,
        name: str,
        warnings: tuple[str, ...] = (),
        build_environment: Mapping[str, str] | None = None,
        trial: str | None = None,
        instead_of: Distribution | None = None,
    ) -> Distribution:
        """Keep a file; what another commit's was under this kind is forgotten. Returns what is kept.

        That is somebody else's file of the same commit, where one came first and is not `instead_of`: a
        second daemon builds other bytes, and those that may be on their way to the index already count.
        """
        first = self.find(kind)
        if first is not None and first.commit == commit and first != instead_of:
            return first
        checked = CheckedFile(file, name, warnings, build_environment=build_environment or {}, trial=trial)
        distribution = self._written(checked, commit, instead_of)
        with self._failures("written"):
            self._write(self._folder / f"{kind}.json", distribution.model_dump_json(indent=2).encode())
        return distribution

    def put_wheels(self, node: str, files: Sequence[CheckedFile], *, commit: str) -> tuple[Distribution, ...]:
        """Keep the wheels of a node, all or none. Returns what is kept, as `put` does."""
        first = self.files(node)
        if first and first[0].commit == commit:
            return first
        return self._record(node, [self._written(file, commit, None) for file in files])

    def replace(self, node: str, kept: Distribution, file: Path) -> Distribution:
        """Keep a file in the place of one of a node's files. Returns what is kept now."""
        if node in {"sdist", "wheel"}:
            return self.put(
                "sdist" if node == "sdist" else "wheel",
                file,
                commit=kept.commit,
                name=kept.name,
                warnings=kept.warnings,
                build_environment=kept.build_environment,
                trial=kept.trial,
                instead_of=kept,
            )
        checked = CheckedFile(file, kept.name, kept.warnings, kept.checks)
        new = self._written(checked, kept.commit, kept)
        self._record(node, [new if one == kept else one for one in self.files(node)])
        return new

    def _record(self, node: str, files: Sequence[Distribution]) -> tuple[Distribution, ...]:
        rows = {"files": [one.model_dump(mode="json") for one in files]}
        with self._failures("written"):
            self._write(self._folder / f"{node}.json", json.dumps(rows, indent=2).encode())
        return tuple(files)

    def _written(self, file: CheckedFile, commit: str, instead_of: Distribution | None) -> Distribution:
        """Write a file's bytes; its record comes after them."""
        distribution = Distribution(
            filename=file.path.name,
            sha256=sha256_of(file.path),
            size=file.path.stat().st_size,
            commit=commit,
            name=file.name,
            warnings=file.warnings,
            checks=file.checks,
            build_environment=file.build_environment,
            trial=file.trial,
            instead_of=instead_of.built if instead_of is not None else None,
        )
        with self._failures("written"):
            self._write(self._path(distribution), file.path.read_bytes())
        return distribution

    def fetch(self, distribution: Distribution, directory: Path) -> Path:
        """Return a copy of the kept bytes in `directory`.

        Raises PermanentError where they are not what was kept.
        """
        target = directory / distribution.filename
        source = self._path(distribution)
        with self._failures("read"):
            is_there = source.exists()
            if is_there:
                with source.open("rb") as kept, target.open("wb") as copy:
                    shutil.copyfileobj(kept, copy)
        if is_there and sha256_of(target) == distribution.sha256:
            return target
        raise PermanentError(
            f"the store no longer holds {distribution.filename} with sha256 {distribution.sha256}",
            "Restore RELEASE_ASSETS_STORE from a backup. If the file was never published, delete "
            f"{self._folder} and materialize sdist and wheel again.",
        )

    def remove(self) -> int:
        """Remove everything of the release, its records first, and return the bytes that were freed."""
        with self._failures("written"):
            if not self._folder.exists():
                return 0
            files = sorted(
                (file for file in self._folder.rglob("*") if file.is_file()),
                key=lambda file: file.suffix != ".json",
            )
            size = sum(file.stat().st_size for file in files)
            for file in files:
                file.unlink(missing_ok=True)
            if self._is_local(self._folder):
                shutil.rmtree(str(self._folder), ignore_errors=True)
            return size

    def _path(self, distribution: Distribution) -> UPath:
        return self._folder / distribution.sha256[:16] / distribution.filename

    @staticmethod
    def _is_local(path: UPath) -> bool:
        return path.protocol in {"", "file", "local"}

    def _write(self, path: UPath, content: bytes) -> None:
        if not self._is_local(path):
            path.write_bytes(content)  # object stores show an object when it is whole, and have no folders
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=str(path.parent), delete=False) as file:
            try:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            except OSError:
                Path(file.name).unlink(missing_ok=True)  # a full disk must not keep the half
                raise
        Path(file.name).chmod(0o644)
        Path(file.name).replace(str(path))

    @contextlib.contextmanager
    def _failures(self, what: str) -> Iterator[None]:
        """Turn what the file system or the object store raises into a ReleaseError."""
        try:
            yield
        except OSError as error:
            # s3fs and others raise the OSError that a file system would.
            problem = f"the store {self._root} cannot be {what}: {one_line(error.strerror or str(error))}"
            if error.errno in {errno.ENOSPC, errno.EDQUOT}:
                raise PermanentError(
                    problem, "Free some space there, then materialize again. Nothing is lost."
                ) from None
            if isinstance(error, PermissionError | FileNotFoundError):
                raise PermanentError(
                    problem,
                    "Check RELEASE_ASSETS_STORE, that it exists, and that its credentials may read and write "
                    "it. Then materialize again.",
                ) from None
            raise TransientError(problem, AGAIN) from None
        except Exception as error:
            if self._is_local(self._root):
                raise
            # Each protocol has errors of its own for a server that is unreachable.
            said = one_line(f"{type(error).__name__}: {error}")
            raise TransientError(f"the store {self._root} cannot be {what}: {said}", AGAIN) from None


def sha256_of(file: Path) -> str:
    """Return the hexadecimal sha256 of a file's bytes."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
