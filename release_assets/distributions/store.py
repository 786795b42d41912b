"""Where distributions are kept: built once, read by every later step, never built again on a retry."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict
from upath import UPath

from release_assets.errors import PermanentError

Kind = Literal["sdist", "wheel"]


class Distribution(BaseModel):
    """The sdist or the wheel of a release: what its bytes are, and which commit they were built from."""

    model_config = ConfigDict(frozen=True)

    filename: str
    sha256: str
    size: int  # bytes
    commit: str
    name: str  # the package's, as the metadata inside has it
    warnings: tuple[str, ...] = ()  # of `twine check`, when it was built
    instead_of: str | None = None  # sha256 of the built file with the same contents whose place it took

    @property
    def built(self) -> str:
        """Return the sha256 of the file that was built here, which a person may have approved."""
        return self.instead_of or self.sha256


class DistributionStore:
    """The files of one release (project and tag) in a folder or under an fsspec URL.

    The record (`sdist.json`) is written after the bytes, so that what was cut off half-way is not there.
    """

    def __init__(self, root: UPath, project: str, tag: str) -> None:
        """`tag` may hold slashes, as git's do; it is one folder all the same."""
        self._folder = root / project / tag.replace("/", "%2F")

    def find(self, kind: Kind) -> Distribution | None:
        """What is kept as this kind, or None."""
        record = self._folder / f"{kind}.json"
        return Distribution.model_validate_json(record.read_text()) if record.exists() else None

    def put(
        self,
        kind: Kind,
        file: Path,
        *,
        commit: str,
        name: str,
        warnings: tuple[str, ...] = (),
        instead_of: Distribution | None = None,
    ) -> Distribution:
        """Keep a file; what another commit's was under this kind is forgotten. Returns what is kept.

        That is somebody else's file of the same commit, where one came first and is not `instead_of`: a
        second daemon builds other bytes, and those that may be on their way to the index already count.
        """
        first = self.find(kind)
        if first is not None and first.commit == commit and first != instead_of:
            return first
        distribution = Distribution(
            filename=file.name,
            sha256=sha256_of(file),
            size=file.stat().st_size,
            commit=commit,
            name=name,
            warnings=warnings,
            instead_of=instead_of.built if instead_of is not None else None,
        )
        self._folder.mkdir(parents=True, exist_ok=True)
        self._write(self._path(distribution), file.read_bytes())
        self._write(self._folder / f"{kind}.json", distribution.model_dump_json(indent=2).encode())
        return distribution

    def fetch(self, distribution: Distribution, directory: Path) -> Path:
        """A copy of the kept bytes in `directory`. Raises PermanentError when they are not what was kept."""
        target = directory / distribution.filename
        source = self._path(distribution)
        if source.exists():
            with source.open("rb") as kept, target.open("wb") as copy:
                shutil.copyfileobj(kept, copy)
            if sha256_of(target) == distribution.sha256:
                return target
        raise PermanentError(
            f"the store no longer holds {distribution.filename} with sha256 {distribution.sha256}",
            "Restore RELEASE_ASSETS_STORE from a backup. If the file was never published, delete "
            f"{self._folder} and materialize sdist and wheel again.",
        )

    def _path(self, distribution: Distribution) -> UPath:
        return self._folder / distribution.sha256[:16] / distribution.filename

    def _write(self, path: UPath, content: bytes) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.protocol not in {"", "file", "local"}:
            path.write_bytes(content)  # object stores show an object when it is whole
            return
        with tempfile.NamedTemporaryFile(dir=str(path.parent), delete=False) as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(file.name).chmod(0o644)
        Path(file.name).replace(str(path))


def sha256_of(file: Path) -> str:
    """The hexadecimal sha256 of a file's bytes."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
