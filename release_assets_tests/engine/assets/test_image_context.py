"""The context of an image: the commit's files, the same on every machine, and a repository on request."""

from __future__ import annotations

import io
import os
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from release_assets._compat.tar import tarfile as safe_tarfile
from release_assets.destinations.attestations import attestations, provenance_statement
from release_assets.process import environment, run
from release_assets_tests.engine.assets.test_images import blob, image_of
from release_assets_tests.maintainer import Maintainer, NewMaintainer, Outcome, Stands
from release_assets_tests.repository import Repository

pytestmark = pytest.mark.timeout(300)

EVERYTHING = "FROM scratch\nCOPY . /src/\nCOPY --from=dist . /dist/\n"
PLATFORM = "linux/amd64"
IMAGE = ("image_linux_amd64", "manifest_list")


@pytest.fixture
def author(new: NewMaintainer, image_stands: Stands) -> Maintainer:
    """The maintainer of a project whose image holds all that there is."""
    maintainer = new(image_stands, dockerfile=EVERYTHING)
    maintainer.attributes["image"]["platforms"] = [PLATFORM]
    (maintainer.repository.path / "run.sh").write_text("#!/bin/sh\n")
    (maintainer.repository.path / "run.sh").chmod(0o755)
    (maintainer.repository.path / "link").symlink_to("README.md")
    return maintainer


def built(maintainer: Maintainer, *nodes: str, umask: int = 0o022) -> Outcome:
    """Materialize, with an engine that remembers nothing."""
    run(
        ["docker", "builder", "prune", "--all", "--force"],
        env=environment(DOCKER_HOST=os.environ["DOCKER_HOST"]), timeout=60,
    )  # fmt: skip
    before = os.umask(umask)
    try:
        outcome = maintainer.materialize("v1.0.0", *nodes)
    finally:
        os.umask(before)
    assert outcome.success, outcome.words(outcome.failed[0])
    return outcome


def layers(maintainer: Maintainer) -> list[str]:
    return [layer["digest"] for layer in image_of(maintainer, PLATFORM)["layers"]]


def contents(maintainer: Maintainer) -> Mapping[str, tarfile.TarInfo]:
    """Everything in the image's layers."""
    found: dict[str, tarfile.TarInfo] = {}
    for digest in layers(maintainer):
        with tarfile.open(fileobj=io.BytesIO(blob(maintainer, digest))) as archive:
            found |= {member.name.rstrip("/"): member for member in archive}
    return found


def unpacked(maintainer: Maintainer, folder: Path) -> Path:
    """The context as the image holds it."""
    folder.mkdir()
    with safe_tarfile.open(fileobj=io.BytesIO(blob(maintainer, layers(maintainer)[0]))) as archive:
        archive.extractall(folder, filter="tar")
    return folder / "src"


def test_an_image_is_the_same_whatever_the_umask(author: Maintainer) -> None:
    author.attributes["image"]["reproducible"] = True  # else directories get the time of the build
    author.tag("v1.0.0", "1.0.0")
    first = built(author)
    expected = layers(author), first.metadata(IMAGE[0])["runnable_digest"]
    for umask in (0o002, 0o077):
        again = built(author, *IMAGE, umask=umask)
        assert (layers(author), again.metadata(IMAGE[0])["runnable_digest"]) == expected
    members = contents(author)
    assert [name for name in members if ".git" in Path(name).parts] == []
    modes = {name: member.mode for name, member in members.items() if member.isfile()}
    assert modes == dict.fromkeys(modes, 0o644) | {"src/run.sh": 0o755}
    assert {member.mode for name, member in members.items() if member.isdir() and name.startswith("src")} == {
        0o755
    }
    assert members["src/link"].linkname == "README.md"
    assert f"dist/{author.name}-1.0.0-py3-none-any.whl" in members


def test_an_image_that_asks_for_git_gets_all_of_it(author: Maintainer, tmp_path: Path) -> None:
    author.attributes["image"] |= {"keep_git": True, "reproducible": True}
    author.repository.tag("v0.9.0", annotated=True)
    author.tag("v1.0.0", "1.0.0")
    for tag in ("v1", "v1.0"):
        author.repository.tag(tag)
    built(author)
    expected = layers(author)
    built(author, *IMAGE, umask=0o077)
    assert layers(author) == expected
    source, git = unpacked(author, tmp_path / "release"), author.repository.git
    assert git("-C", source, "describe", "--tags", "--dirty") == "v1.0.0"
    assert git("-C", source, "tag", "--points-at", "HEAD") == "v1.0.0"
    assert git("-C", source, "tag", "--list") == "v0.9.0\nv1.0.0"
    git("-C", source, "fsck", "--strict")
    traces = [str(author.home).encode(), str(author.repository.path).encode()]
    files = [file for file in source.rglob("*") if file.is_file() and not file.is_symlink()]
    assert [file for file in files if any(trace in file.read_bytes() for trace in traces)] == []
    # A rebuild is the same version, from another commit.
    author.repository.commit({"later": "x"})
    author.repository.tag("v1.0.1")
    author.repository.commit({"Dockerfile": f"{EVERYTHING}LABEL fixed=yes\n"})
    author.repository.tag("docker-rebuild-v1.0.0")
    built(author, *IMAGE)
    source = unpacked(author, tmp_path / "rebuild")
    assert (source / "later").is_file()
    assert git("-C", source, "describe", "--tags", "--dirty") == "v1.0.0"
    assert git("-C", source, "tag", "--points-at", "HEAD") == "v1.0.0"


def test_a_repository_around_the_temporary_folder_is_ignored(
    author: Maintainer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    around = Repository(tmp_path / "around")
    around.git("remote", "add", "origin", "https://token@example.org/private.git")
    monkeypatch.setattr(tempfile, "tempdir", str(around.path))
    author.tag("v1.0.0", "1.0.0")
    built(author, "version", "image_linux_amd64")
    pushed = author.registry.manifest("1.0.0-amd64")
    assert pushed is not None
    statement = provenance_statement(author.registry, attestations(author.registry, pushed))
    assert statement is not None
    assert around.first not in str(statement)
    assert "example.org" not in str(statement)
