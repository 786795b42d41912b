"""Build, pack and check sdists and wheels for tests."""

from __future__ import annotations

import io
import shutil
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import pytest
from packaging.version import Version

from release_assets.distributions.build import build
from release_assets.distributions.inspection import Checked, check
from release_assets.errors import PermanentError
from release_assets.project import PackageIndex
from release_assets_tests.paths import PACKAGES

EPOCH = 1767225600
PYPI = PackageIndex()
OTHER = PackageIndex(upload_url="https://pypi.example/", simple_url="https://pypi.example/simple/")
METADATA = b"Metadata-Version: 2.1\nName: sample\nVersion: 1.2.3\n"


class Workshop:
    """Builds in a folder of its own, and keeps what was said and how long it took."""

    def __init__(self, folder: Path, cache: Path) -> None:
        self.folder = folder
        self.cache = cache
        self.said: list[str] = []
        self.seconds: dict[str, float] = {}

    def source(self, case: str) -> Path:
        """A copy of a package, since backends write into the source."""
        return Path(shutil.copytree(PACKAGES / case, self.folder / case))

    def build(self, kind: Literal["sdist", "wheel"], source: Path) -> Path:
        scratch = self.folder / f"{kind}-{len(list(self.folder.iterdir()))}"
        scratch.mkdir()
        return build(
            kind,
            source,
            readable=[],
            scratch=scratch,
            cache=self.cache,
            epoch=EPOCH,
            log=self.said.append,
            seconds=self.seconds,
        )

    def refusal(self, kind: Literal["sdist", "wheel"], source: Path) -> PermanentError:
        with pytest.raises(PermanentError) as caught:
            self.build(kind, source)
        return caught.value


def checked(
    file: Path, *, version: str = "1.2.3", name: str | None = None, index: PackageIndex = PYPI
) -> Checked:
    return check(file, name=name, version=Version(version), tag=f"v{version}", index=index, log=print)


def refused(
    file: Path, *, version: str = "1.2.3", name: str | None = None, index: PackageIndex = PYPI
) -> PermanentError:
    with pytest.raises(PermanentError) as caught:
        checked(file, version=version, name=name, index=index)
    return caught.value


def tar(path: Path, files: Mapping[str, bytes], *links: tarfile.TarInfo, mtime: int = 0) -> Path:
    """A .tar.gz of files, and of members that are none."""
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mtime = len(content), mtime
            archive.addfile(member, io.BytesIO(content))
        for link in links:
            archive.addfile(link)
    return path


def wheel(path: Path, files: Mapping[str, bytes], year: int = 2026) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name, (year, 1, 1, 0, 0, 0)), content)
    return path


def sample(tmp_path: Path) -> Path:
    return tar(
        tmp_path / "sample-1.2.3.tar.gz",
        {
            "sample-1.2.3/PKG-INFO": METADATA + b"Description-Content-Type: text/plain\n\nA sample.\n",
            "sample-1.2.3/sample.py": b"",
        },
    )
