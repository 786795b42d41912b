"""The store: bytes are kept once, found again, and never handed out changed."""

from __future__ import annotations

import errno
import hashlib
import os
import uuid
from pathlib import Path

import pytest
from upath import UPath

from release_assets.distributions.store import CheckedFile, Distribution, DistributionStore, sha256_of
from release_assets.errors import PermanentError

COMMIT = "c" * 40
WHEEL = "sample-1.0-py3-none-any.whl"


@pytest.fixture(params=["folder", "fsspec"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> UPath:
    """The places of a store: a folder, and an object store without folders of its own."""
    return UPath(tmp_path / "store" if request.param == "folder" else f"memory://{uuid.uuid4().hex}")


def wheel(folder: Path, content: bytes = b"bytes of a wheel") -> Path:
    folder.mkdir(exist_ok=True)
    file = folder / WHEEL
    file.write_bytes(content)
    return file


def put(store: DistributionStore, file: Path, commit: str = COMMIT) -> Distribution:
    return store.put("wheel", file, commit=commit, name="sample")


def test_an_empty_store_holds_nothing(root: UPath) -> None:
    store = DistributionStore(root, "sample", "v1.0")
    assert store.find("sdist") is None
    assert store.find("wheel") is None


def test_what_was_put_is_found_and_fetched(root: UPath, tmp_path: Path) -> None:
    file = wheel(tmp_path / "built")
    put(DistributionStore(root, "sample", "v1.0"), file)
    later = DistributionStore(root, "sample", "v1.0")
    kept = later.find("wheel")
    assert kept == Distribution(
        filename=WHEEL,
        sha256=hashlib.sha256(b"bytes of a wheel").hexdigest(),
        size=16,
        commit=COMMIT,
        name="sample",
    )
    assert later.find("sdist") is None
    copy = later.fetch(kept, tmp_path)
    assert copy == tmp_path / WHEEL
    assert copy.read_bytes() == b"bytes of a wheel"


def test_releases_and_projects_are_kept_apart(root: UPath, tmp_path: Path) -> None:
    put(DistributionStore(root, "sample", "v1.0"), wheel(tmp_path / "built"))
    assert DistributionStore(root, "sample", "v1.1").find("wheel") is None
    assert DistributionStore(root, "other", "v1.0").find("wheel") is None


def test_a_tag_with_a_slash_is_one_folder(root: UPath, tmp_path: Path) -> None:
    put(DistributionStore(root, "sample", "core/v1.0"), wheel(tmp_path / "built"))
    assert [folder.name for folder in (root / "sample").iterdir()] == ["core%2Fv1.0"]


def test_what_is_put_later_replaces_what_was_there(root: UPath, tmp_path: Path) -> None:
    store = DistributionStore(root, "sample", "v1.0")
    before = put(store, wheel(tmp_path / "built"))
    after = put(store, wheel(tmp_path / "again", b"other bytes"), commit="d" * 40)
    assert store.find("wheel") == after
    assert store.fetch(after, tmp_path).read_bytes() == b"other bytes"
    # a step that had read the record before still gets the bytes that it names
    assert store.fetch(before, tmp_path).read_bytes() == b"bytes of a wheel"


def test_putting_the_same_bytes_again_changes_nothing(root: UPath, tmp_path: Path) -> None:
    store = DistributionStore(root, "sample", "v1.0")
    file = wheel(tmp_path / "built")
    assert put(store, file) == put(store, file) == store.find("wheel")


@pytest.mark.parametrize("damage", [b"", b"bytes of a wh", b"BYTES OF A WHEEL"])
def test_damaged_bytes_are_never_handed_out(root: UPath, tmp_path: Path, damage: bytes) -> None:
    store = DistributionStore(root, "sample", "v1.0")
    kept = put(store, wheel(tmp_path / "built"))
    next(root.glob(f"sample/v1.0/*/{WHEEL}")).write_bytes(damage)
    with pytest.raises(PermanentError) as caught:
        store.fetch(kept, tmp_path)
    assert caught.value.problem == f"the store no longer holds {WHEEL} with sha256 {kept.sha256}"
    assert "Restore RELEASE_ASSETS_STORE from a backup" in caught.value.remedy


def test_bytes_that_are_gone_are_an_error_that_says_where_they_were(root: UPath, tmp_path: Path) -> None:
    store = DistributionStore(root, "sample", "v1.0")
    kept = put(store, wheel(tmp_path / "built"))
    next(root.glob(f"sample/v1.0/*/{WHEEL}")).unlink()
    with pytest.raises(PermanentError, match="the store no longer holds") as caught:
        store.fetch(kept, tmp_path)
    assert str(root / "sample" / "v1.0") in caught.value.remedy


def test_bytes_without_their_record_are_not_there(root: UPath, tmp_path: Path) -> None:
    """The record is written last: this is what a kill between the two leaves."""
    store = DistributionStore(root, "sample", "v1.0")
    put(store, wheel(tmp_path / "built"))
    (root / "sample" / "v1.0" / "wheel.json").unlink()
    assert store.find("wheel") is None
    assert store.find("sdist") is None
    assert put(store, wheel(tmp_path / "built")) == store.find("wheel")


def test_sha256_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b"")
    assert sha256_of(tmp_path / "empty") == hashlib.sha256().hexdigest()


def test_the_bytes_that_came_first_are_kept_when_two_daemons_build_the_same_commit(
    root: UPath, tmp_path: Path
) -> None:
    store = DistributionStore(root, "sample", "v1.0")
    first = put(store, wheel(tmp_path / "ours"))
    assert put(store, wheel(tmp_path / "theirs", b"packed otherwise")) == first
    assert store.find("wheel") == first
    other_commit = put(store, wheel(tmp_path / "later", b"of a moved tag"), commit="d" * 40)
    assert store.find("wheel") == other_commit != first


def test_published_bytes_take_the_place_of_those_they_were_compared_with(root: UPath, tmp_path: Path) -> None:
    store = DistributionStore(root, "sample", "v1.0")
    first = put(store, wheel(tmp_path / "ours"))
    file = wheel(tmp_path / "published", b"packed otherwise")
    published = store.put("wheel", file, commit=COMMIT, name="sample", instead_of=first)
    assert store.find("wheel") == published
    assert store.fetch(published, tmp_path).read_bytes() == b"packed otherwise"


def built(folder: Path, *names: str, content: bytes = b"a") -> list[CheckedFile]:
    folder.mkdir()
    files = []
    for name in names:
        (folder / name).write_bytes(content)
        files.append(CheckedFile(folder / name, "sample", checks={"record": "7 entries agree"}))
    return files


def test_the_wheels_of_a_node_are_kept_together(root: UPath, tmp_path: Path) -> None:
    store = DistributionStore(root, "sample", "v1.0")
    names = ("sample-1.0-cp311-cp311-win_amd64.whl", "sample-1.0-cp312-cp312-win_amd64.whl")
    assert store.files("adopted_wheels") == ()
    kept = store.put_wheels("adopted_wheels", built(tmp_path / "one", *names), commit=COMMIT)
    assert store.files("adopted_wheels") == kept
    assert [one.filename for one in kept] == [*names]
    assert kept[0].checks == {"record": "7 entries agree"}
    second = built(tmp_path / "two", *names, content=b"b")
    assert store.put_wheels("adopted_wheels", second, commit=COMMIT) == kept  # another daemon was first
    published = store.replace("adopted_wheels", kept[1], second[1].path)
    assert store.files("adopted_wheels") == (kept[0], published)
    assert (published.built, published.checks) == (kept[1].sha256, kept[1].checks)
    moved = store.put_wheels("adopted_wheels", second[:1], commit="d" * 40)
    assert store.files("adopted_wheels") == moved


def test_a_disk_that_is_full_leaves_nothing_half_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    store = DistributionStore(UPath(tmp_path / "store"), "sample", "v1.0")
    before = put(store, wheel(tmp_path / "built"))
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(PermanentError, match="cannot be written: No space left on device") as raised:
            put(store, wheel(tmp_path / "again", b"of another commit"), commit="d" * 40)
    assert raised.value.remedy.startswith("Free some space there")
    files = [file for file in (tmp_path / "store").rglob("*") if file.is_file()]
    assert {file.name for file in files} == {WHEEL, "wheel.json"}
    assert store.find("wheel") == before
    after = put(store, wheel(tmp_path / "again", b"of another commit"), commit="d" * 40)
    assert store.find("wheel") == after


def test_what_is_removed_is_gone_with_its_record(root: UPath, tmp_path: Path) -> None:
    store = DistributionStore(root, "sample", "v1.0")
    other = DistributionStore(root, "sample", "v1.0.1")
    for one in (store, other):
        put(one, wheel(tmp_path / "built"))
    assert store.remove() > 16
    assert store.find("wheel") is None
    assert other.find("wheel") is not None
    assert store.remove() == 0
