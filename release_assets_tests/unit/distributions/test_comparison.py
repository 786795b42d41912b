"""Two files are the same by what is in them."""

from __future__ import annotations

from pathlib import Path

from release_assets.distributions.comparison import same_contents
from release_assets_tests.unit.distributions.workshop import METADATA, tar, wheel


def test_sdists_with_other_times_hold_the_same(tmp_path: Path) -> None:
    files = {"s-1/PKG-INFO": METADATA, "s-1/a.py": b"a"}
    one = tar(tmp_path / "1.tar.gz", files, mtime=1)
    again = tar(tmp_path / "2.tar.gz", dict(reversed(files.items())), mtime=2)
    assert one.read_bytes() != again.read_bytes()
    assert same_contents(one, again)
    assert not same_contents(one, tar(tmp_path / "3.tar.gz", {**files, "s-1/a.py": b"b"}))
    assert not same_contents(one, tar(tmp_path / "4.tar.gz", {**files, "s-1/b.py": b""}))


def test_wheels_with_other_times_hold_the_same(tmp_path: Path) -> None:
    files = {"a.py": b"a", "a-1.dist-info/METADATA": METADATA}
    one = wheel(tmp_path / "1.whl", files)
    assert same_contents(one, wheel(tmp_path / "2.whl", files, year=2025))
    assert not same_contents(one, wheel(tmp_path / "3.whl", {**files, "a.py": b"b"}))
