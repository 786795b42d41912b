"""version: the tag's commit, and proof that its source declares the tag's version."""

from __future__ import annotations

import pytest

from release_assets.nodes import disk
from release_assets_tests.maintainer import Maintainer


def test_the_commit_and_the_versions_place_are_recorded(maintainer: Maintainer) -> None:
    commit = maintainer.tag("v1.2.3", "1.2.3")
    outcome = maintainer.materialize("v1.2.3", "version")
    assert outcome.success
    metadata = outcome.metadata("version")
    assert metadata["version"] == "1.2.3"
    assert metadata["channel"] == "stable"
    assert metadata["commit"] == commit
    assert metadata["author"] == "Maintainer"
    assert metadata["declared_in"] == "pyproject.toml: [project] version"


def test_a_tag_of_another_version_is_refused_with_both_versions(maintainer: Maintainer) -> None:
    maintainer.tag("v1.2.4", "1.2.3")
    outcome = maintainer.materialize("v1.2.4")
    assert outcome.failed == ["version"]
    assert outcome.retried == []
    words = outcome.words("version")
    assert "tag v1.2.4 is version 1.2.4, but pyproject.toml: [project] version is '1.2.3'" in words
    assert "What to do: Set the version in pyproject.toml to 1.2.4 and tag that commit" in words
    assert maintainer.served() == {}


def test_a_malformed_tag_is_refused_with_how_tags_are_written(maintainer: Maintainer) -> None:
    maintainer.tag("vr5.0.0", "5.0.0")
    outcome = maintainer.materialize("vr5.0.0")
    assert (outcome.failed, outcome.retried) == (["version"], [])
    words = outcome.words("version")
    assert "partition 'vr5.0.0' cannot be released: 'r5.0.0' is not a version by PEP 440" in words
    assert "'v{version}' or 'test-v{version}'; delete this partition" in words


def test_a_rebuild_tag_is_no_partition(maintainer: Maintainer) -> None:
    maintainer.tag("docker-rebuild-v1.2.3", "1.2.3")
    words = maintainer.materialize("docker-rebuild-v1.2.3", "version").words("version")
    assert "'docker-rebuild-v1.2.3' cannot be released: it is not a release tag" in words


def test_a_tag_that_was_deleted_is_asked_for(maintainer: Maintainer) -> None:
    maintainer.tag("v1.2.3", "1.2.3")
    maintainer.repository.untag("v1.2.3")
    words = maintainer.materialize("v1.2.3", "version").words("version")
    assert "has no tag v1.2.3" in words
    assert "git push origin v1.2.3" in words


def test_a_version_file_is_read_and_never_imported(maintainer: Maintainer) -> None:
    maintainer.attributes["package"] = {"version_file": "sample/__about__.py"}
    hostile = 'raise SystemExit("imported")\n__version__ = "1.2.3"\n'
    maintainer.tag("v1.2.3", "0.0.0", **{"sample/__about__.py": hostile})
    outcome = maintainer.materialize("v1.2.3", "version")
    assert outcome.metadata("version")["declared_in"] == "sample/__about__.py"


def test_a_version_file_that_is_not_there_is_named(maintainer: Maintainer) -> None:
    maintainer.attributes["package"] = {"version_file": "sample/version.txt"}
    commit = maintainer.tag("v1.2.3", "1.2.3")
    outcome = maintainer.materialize("v1.2.3", "version")
    assert f"sample/version.txt, the version_file of {maintainer.name}, is not in commit {commit}" in (
        outcome.words("version")
    )
    assert outcome.retried == []


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("VERSION", "1.2.3\r\n".encode("utf-16")),
        ("VERSION", b"\xef\xbb\xbf1.2.3\n"),
        ("sample/__about__.py", b"# coding: latin-1\n__author__ = 'Andr\xe9'\n__version__ = '1.2.3'\n"),
        ("Cargo.toml", b'[package]\nname = "sample"\nversion = "1.2.3"\n'),
    ],
    ids=["utf-16", "byte-order-mark", "latin-1", "cargo"],
)
def test_a_version_file_is_read_byte_for_byte(maintainer: Maintainer, path: str, content: bytes) -> None:
    maintainer.attributes["package"] = {"version_file": path}
    (maintainer.repository.path / path).write_bytes(content)
    maintainer.tag("v1.2.3", "0.0.0")
    assert maintainer.materialize("v1.2.3", "version").metadata("version")["declared_in"] == path


def test_a_file_that_is_no_version_is_not_printed(maintainer: Maintainer) -> None:
    maintainer.attributes["package"] = {"version_file": "LICENSE"}
    maintainer.tag("v1.2.3", "1.2.3", LICENSE="Permission is hereby granted\nto any person\n")
    outcome = maintainer.materialize("v1.2.3", "version")
    assert (outcome.failed, outcome.retried) == (["version"], [])
    assert "LICENSE holds 2 lines; expected one, the version" in outcome.words("version")
    assert "hereby" not in outcome.said + outcome.words("version")


def test_a_disk_that_is_full_is_told_before_anything_is_done(
    maintainer: Maintainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    maintainer.tag("v1.2.3", "1.2.3")
    monkeypatch.setattr(disk, "NEEDED", 10**18)
    outcome = maintainer.materialize("v1.2.3")
    assert (outcome.failed, outcome.retried) == (["version"], [])
    assert "MB free, and a release needs 1000000000000 MB" in outcome.words("version")
    assert "Nothing was done yet." in outcome.words("version")
