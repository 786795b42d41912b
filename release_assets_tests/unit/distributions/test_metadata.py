"""Reading the core metadata of sdists and wheels, and of files that are neither."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from release_assets.distributions.metadata import read_metadata
from release_assets.errors import PermanentError
from release_assets_tests.unit.distributions.workshop import METADATA, tar, wheel


def test_the_metadata_of_the_package_itself_is_read(tmp_path: Path) -> None:
    other = METADATA.replace(b"sample", b"vendored")
    sdist = tar(
        tmp_path / "sample-1.2.3.tar.gz",
        {"sample-1.2.3/vendor/PKG-INFO": other, "PKG-INFO": other, "sample-1.2.3/PKG-INFO": METADATA},
    )
    made = wheel(
        tmp_path / "sample-1.2.3-py3-none-any.whl",
        {
            "sample/vendored-1.0.dist-info/METADATA": other,
            "sample-1.2.3.dist-info/METADATA": METADATA,
        },
    )
    assert [read_metadata(file)["name"] for file in (sdist, made)] == ["sample", "sample"]


@pytest.mark.parametrize("name", ["sample-1.2.3.tar.gz", "sample-1.2.3-py3-none-any.whl", "notes.txt"])
@pytest.mark.parametrize("content", [b"", b"no archive", b"\x1f\x8b\x08\x00", b"PK\x05\x06"])
def test_a_file_that_is_no_archive_is_named(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(PermanentError, match=rf"^{name} cannot be read: "):
        read_metadata(tmp_path / name)


def test_a_wheel_that_is_damaged_or_packed_in_another_way_is_named(tmp_path: Path) -> None:
    file = tmp_path / "s-1-py3-none-any.whl"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("s-1.dist-info/METADATA", METADATA * 50)
    sound = file.read_bytes()
    entry = sound.index(b"PK\x01\x02")  # of the central directory
    changes = {
        "damaged": dict.fromkeys(range(55, 70), 255),
        "encrypted": {6: 1, entry + 8: 1},
        "unknown method": {8: 99, entry + 10: 99},
    }
    for change in changes.values():
        content = bytearray(sound)
        for at, value in change.items():
            content[at] = value
        file.write_bytes(content)
        with pytest.raises(PermanentError, match="cannot be read: "):
            read_metadata(file)


def test_an_archive_without_metadata_is_named(tmp_path: Path) -> None:
    for file in (tar(tmp_path / "a-1.tar.gz", {"a-1/x": b""}), wheel(tmp_path / "a.whl", {"x": b""})):
        with pytest.raises(PermanentError) as caught:
            read_metadata(file)
        assert caught.value.problem == f"{file.name} holds no core metadata"
