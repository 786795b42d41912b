"""Read sdists and other archives within bounds, and unpack sdists."""

from __future__ import annotations

import contextlib
import gzip
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from release_assets._compat.tar import tarfile
from release_assets.errors import PermanentError

UNPACKED_LIMIT = 2 * 1000**3  # bytes an sdist or a wheel may unpack to
MEMBER_LIMIT = 200_000  # files in it
HEADER_LIMIT = 10 * 1000 * 1000  # bytes that tarfile reads at once: pax headers are as long as they say
UNREADABLE = (
    tarfile.TarError, zipfile.BadZipFile, zlib.error, OSError, EOFError, RuntimeError, NotImplementedError,
)  # fmt: skip


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


def unreadable(file: Path, error: Exception) -> PermanentError:
    """Return the error for an archive that its reader rejects."""
    return PermanentError(
        f"{file.name} cannot be read: {str(error)[:300]!r}", "Build it again from a clean checkout."
    )
