"""Differences between a published archive and a rebuilt one, and which of them are harmless."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from release_assets.errors import PermanentError
from release_assets.verification.archives import Likeness, archive_difference, members

FILES = {"a-1/PKG-INFO": b"Name: a\nVersion: 1\n", "a-1/a.py": b"x = 1\n"}


def sdist(
    file: Path,
    files: Mapping[str, bytes] = FILES,
    *,
    time: int = 0,
    mode: int = 0o644,
    owner: str = "",
    header: int = 0,
    links: Sequence[tuple[str, str]] = (),
) -> Path:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mtime, info.mode, info.uname = len(content), time, mode, owner
            archive.addfile(info, io.BytesIO(content))
        for name, target in links:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, target
            archive.addfile(info)
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(gzip.compress(packed.getvalue(), mtime=header))
    return file


def wheel(file: Path, files: Mapping[str, str], *, packed: int = zipfile.ZIP_DEFLATED) -> Path:
    file.parent.mkdir(exist_ok=True)
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content, packed)
    return file


def wheel_files(generator: str, code: str = "x = 1\n") -> dict[str, str]:
    about = f"Wheel-Version: 1.0\nGenerator: {generator}\nTag: py3-none-any\n"
    record = f"a.py,sha256=code{len(code)},6\na-1.dist-info/WHEEL,sha256={generator},70\n"
    return {"a.py": code, "a-1.dist-info/WHEEL": about, "a-1.dist-info/RECORD": record}


def test_the_same_bytes_are_identical(tmp_path: Path) -> None:
    found = archive_difference(sdist(tmp_path / "a.tar.gz"), sdist(tmp_path / "b.tar.gz"))
    assert (found.likeness, found.lines) == (Likeness.IDENTICAL, ())


@pytest.mark.parametrize(
    ("changed", "line"),
    [
        (
            {"time": 60},
            "times of 2 members, such as a-1/PKG-INFO: 1970-01-01T00:00:00Z, rebuilt 1970-01-01T00:01:00Z",
        ),
        ({"mode": 0o600}, "modes of 2 members, such as a-1/PKG-INFO: 0644, rebuilt 0600"),
        ({"owner": "me"}, "owners of 2 members, such as a-1/PKG-INFO: 0:0 :, rebuilt 0:0 me:"),
        (
            {"files": dict(reversed(FILES.items()))},
            "order of members: a-1/PKG-INFO at place 1, rebuilt a-1/a.py",
        ),
    ],
)
def test_another_packing_is_named(tmp_path: Path, changed: dict[str, object], line: str) -> None:
    rebuilt = sdist(tmp_path / "b.tar.gz", **changed)  # type: ignore[arg-type]
    found = archive_difference(sdist(tmp_path / "a.tar.gz"), rebuilt)
    assert (found.likeness, found.lines) == (Likeness.PACKED_ANOTHER_WAY, (line,))


def test_a_header_that_differs_alone_is_named(tmp_path: Path) -> None:
    found = archive_difference(sdist(tmp_path / "a.tar.gz"), sdist(tmp_path / "b.tar.gz", header=60))
    assert found.likeness is Likeness.PACKED_ANOTHER_WAY
    assert "gzip time 1970-01-01T00:01:00Z" in found.lines[0]


def test_other_contents_are_shown_by_their_first_line(tmp_path: Path) -> None:
    rebuilt = sdist(tmp_path / "b.tar.gz", FILES | {"a-1/a.py": b"x = 2\n"})
    found = archive_difference(sdist(tmp_path / "a.tar.gz"), rebuilt)
    assert found.likeness is Likeness.DIFFERENT
    assert found.lines == ("contents of a-1/a.py: line 1 is 'x = 1', rebuilt 'x = 2'",)


def test_members_of_one_side_are_named(tmp_path: Path) -> None:
    theirs = sdist(tmp_path / "a.tar.gz", FILES | {"a-1/backdoor.py": b""})
    ours = sdist(tmp_path / "b.tar.gz", FILES | {"a-1/new.py": b""})
    found = archive_difference(theirs, ours)
    assert found.likeness is Likeness.DIFFERENT
    assert found.lines == (
        "only in the published file: a-1/backdoor.py",
        "only in the rebuilt file: a-1/new.py",
    )


def test_a_link_to_elsewhere_is_other_contents(tmp_path: Path) -> None:
    theirs = sdist(tmp_path / "a.tar.gz", links=[("a-1/link", "a.py")])
    found = archive_difference(theirs, sdist(tmp_path / "b.tar.gz", links=[("a-1/link", "b.py")]))
    assert found.likeness is Likeness.DIFFERENT


def test_a_newer_backend_is_explained(tmp_path: Path) -> None:
    theirs = wheel(tmp_path / "a.whl", wheel_files("setuptools (80.0)"))
    found = archive_difference(theirs, wheel(tmp_path / "b.whl", wheel_files("setuptools (81.0)")))
    assert found.likeness is Likeness.BACKEND
    assert "'Generator: setuptools (80.0)', rebuilt 'Generator: setuptools (81.0)'" in "".join(found.lines)


def test_a_newer_backend_hides_no_other_code(tmp_path: Path) -> None:
    theirs = wheel(tmp_path / "a.whl", wheel_files("setuptools (80.0)"))
    ours = wheel(tmp_path / "b.whl", wheel_files("setuptools (81.0)", code="import os\n"))
    assert archive_difference(theirs, ours).likeness is Likeness.DIFFERENT


def test_another_compression_of_a_wheel_is_named(tmp_path: Path) -> None:
    theirs = wheel(tmp_path / "a.whl", {"a.py": ""})
    found = archive_difference(theirs, wheel(tmp_path / "b.whl", {"a.py": ""}, packed=zipfile.ZIP_STORED))
    assert found.likeness is Likeness.PACKED_ANOTHER_WAY
    assert found.lines == ("compression of 1 members, such as a.py: deflated, rebuilt stored",)


def test_a_name_that_is_there_twice_is_two_members(tmp_path: Path) -> None:
    file = tmp_path / "a.tar.gz"
    with tarfile.open(file, "w:gz") as archive:
        for content in (b"one", b"two"):
            info = tarfile.TarInfo("a-1/a.py")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    assert list(members(file)) == ["a-1/a.py", "a-1/a.py (2)"]


@pytest.mark.parametrize("name", ["a.tar.gz", "a.whl"])
def test_a_damaged_archive_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"nothing")
    with pytest.raises(PermanentError, match="cannot be read"):
        archive_difference(tmp_path / name, sdist(tmp_path / "b.tar.gz"))
