"""Archives that are bombs, or lead out of their folder, are refused."""

from __future__ import annotations

import tarfile
import zipfile
from pathlib import Path

import pytest

from release_assets.distributions import archives
from release_assets.distributions.archives import unpack_sdist
from release_assets.distributions.comparison import same_contents
from release_assets.errors import PermanentError
from release_assets_tests.unit.distributions.workshop import METADATA, Workshop, refused, tar


@pytest.mark.parametrize(
    ("bomb", "problem"),
    [
        ("size", "unpacks to more than 1000000 bytes"),
        ("members", "holds more than 10000 files"),
        ("header", "a header of 67108864 bytes"),
    ],
)
def test_a_bomb_is_refused_before_anybody_unpacks_it(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch, bomb: str, problem: str
) -> None:
    monkeypatch.setattr(archives, "UNPACKED_LIMIT", 1_000_000)
    monkeypatch.setattr(archives, "MEMBER_LIMIT", 10_000)
    source = workshop.source("bombs")
    (source / "bomb").write_text(bomb)
    sdist = workshop.build("sdist", source)
    assert problem in refused(sdist).problem
    with pytest.raises(PermanentError, match=problem):
        same_contents(sdist, sdist)
    (workshop.folder / "unpacked").mkdir()
    with pytest.raises(PermanentError, match=problem):
        unpack_sdist(sdist, workshop.folder / "unpacked")


def test_a_wheel_that_is_a_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "sample-1.2.3-py3-none-any.whl"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("sample-1.2.3.dist-info/METADATA", METADATA)
        archive.writestr("zeros", bytes(2_000_000))
    assert file.stat().st_size < 10_000
    monkeypatch.setattr(archives, "UNPACKED_LIMIT", 1_000_000)
    assert "unpacks to more than 1000000 bytes" in refused(file).problem
    with pytest.raises(PermanentError, match="unpacks to more than"):
        same_contents(file, file)


def member(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def test_an_sdist_is_unpacked_to_its_top_folder(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    file = tar(tmp_path / "s-1.tar.gz", {"s-1/PKG-INFO": METADATA, "s-1/pkg/a.py": b"a"})
    top = unpack_sdist(file, tmp_path / "out")
    assert top == tmp_path / "out" / "s-1"
    assert (top / "pkg" / "a.py").read_bytes() == b"a"


@pytest.mark.parametrize(
    "bad",
    [
        member("../outside", tarfile.REGTYPE),
        member("s-1/../../outside", tarfile.REGTYPE),
        member("s-1/link", tarfile.SYMTYPE, "../../outside"),
        member("s-1/link", tarfile.SYMTYPE, "/etc/passwd"),
        member("s-1/link", tarfile.LNKTYPE, "../outside"),
        member("s-1/device", tarfile.CHRTYPE),
        member("s-1/pipe", tarfile.FIFOTYPE),
    ],
    ids=lambda info: f"{info.name}-{info.linkname or info.type!r}",
)
def test_nothing_is_unpacked_outside_or_as_a_device(tmp_path: Path, bad: tarfile.TarInfo) -> None:
    (tmp_path / "outside").write_text("untouched")
    (tmp_path / "out").mkdir()
    file = tar(tmp_path / "s-1.tar.gz", {"s-1/PKG-INFO": METADATA}, bad)
    with pytest.raises(PermanentError, match=r"^s-1\.tar\.gz cannot be unpacked: "):
        unpack_sdist(file, tmp_path / "out")
    assert (tmp_path / "outside").read_text() == "untouched"


def test_a_link_that_leads_out_in_two_steps_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    steps = [
        member("s-1/a", tarfile.SYMTYPE, "."),
        member("s-1/a/../../outside", tarfile.REGTYPE),
    ]
    with pytest.raises(PermanentError, match="cannot be unpacked"):
        unpack_sdist(tar(tmp_path / "s-1.tar.gz", {}, *steps), tmp_path / "out")
    assert not (tmp_path / "outside").exists()


@pytest.mark.parametrize("names", [["a/x", "b/x"], ["x"], []])
def test_an_sdist_has_one_top_folder(tmp_path: Path, names: list[str]) -> None:
    (tmp_path / "out").mkdir()
    file = tar(tmp_path / "s-1.tar.gz", dict.fromkeys(names, b""))
    with pytest.raises(PermanentError, match=r"^s-1\.tar\.gz does not hold one top folder"):
        unpack_sdist(file, tmp_path / "out")


def test_a_bomb_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "UNPACKED_LIMIT", 10_000)
    (tmp_path / "out").mkdir()
    file = tar(tmp_path / "s-1.tar.gz", {"s-1/a": bytes(6_000), "s-1/b": bytes(6_000)})
    with pytest.raises(PermanentError, match=r"unpacks to more than 10000 bytes"):
        unpack_sdist(file, tmp_path / "out")
    assert not (tmp_path / "out" / "s-1" / "b").exists()
