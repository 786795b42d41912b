"""The tag's commit is built, on whatever machine: tags, Git LFS, configuration, umask."""

from __future__ import annotations

import os
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from release_assets_tests.maintainer import BUILD, Maintainer, Outcome

SCM = """\
[build-system]
requires = ["{requires}"]
build-backend = "{backend}"

[project]
name = "{name}"
description = "A sample."
readme = "README.md"
requires-python = ">=3.11"
dynamic = ["version"]

{more}
"""
SETUPTOOLS_SCM = {
    "requires": 'setuptools==80.9.0", "setuptools-scm==9.2.0',
    "backend": "setuptools.build_meta",
    "more": "[tool.setuptools_scm]",
}
HATCH_VCS = {
    "requires": 'hatchling==1.27.0", "hatch-vcs==0.5.0',
    "backend": "hatchling.build",
    "more": '[tool.hatch.version]\nsource = "vcs"\n[tool.hatch.build.targets.wheel]\ninclude = ["*.py"]',
}
# It packs all that is there, as some do where nothing says what belongs to the package.
EVERYTHING = """\
import tarfile

def build_sdist(sdist_directory, config_settings=None):
    name = "{name}-1.2.3"
    with open("PKG-INFO", "w") as file:
        file.write("Metadata-Version: 2.1\\nName: {name}\\nVersion: 1.2.3\\nSummary: A sample.\\n")
        file.write("Description-Content-Type: text/markdown\\n\\nA sample.\\n")
    with tarfile.open(f"{{sdist_directory}}/{{name}}.tar.gz", "w:gz") as archive:
        archive.add(".", name)
    return f"{{name}}.tar.gz"
"""


def kept(maintainer: Maintainer, suffix: str) -> Path:
    """The sdist or the wheel that the store keeps."""
    (file,) = maintainer.home.rglob(f"*{suffix}")
    return file


def packed(sdist: Path) -> Mapping[str, tuple[int, bytes]]:
    """The files in an sdist, below its top folder: mode and bytes."""
    with tarfile.open(sdist) as archive:
        files = [(member, archive.extractfile(member)) for member in archive if member.isfile()]
        return {
            member.name.partition("/")[2]: (member.mode, file.read())
            for member, file in files
            if file is not None
        }


@pytest.mark.parametrize("backend", [SETUPTOOLS_SCM, HATCH_VCS], ids=["setuptools-scm", "hatch-vcs"])
def test_a_release_has_its_version_among_other_tags(
    backend: Mapping[str, str], maintainer: Maintainer
) -> None:
    repository = maintainer.repository
    repository.tag("v1.2.2", annotated=True)
    repository.commit({"pyproject.toml": SCM.format(name=maintainer.name, **backend)})
    for tag in ("v1", "v1.2", "v1.2.3", "v1.2.3rc1", "test-v1.2.4rc1", "nightly"):
        repository.tag(tag)
    for tag, version in (("v1.2.3", "1.2.3"), ("test-v1.2.4rc1", "1.2.4rc1")):
        outcome = maintainer.materialize(tag, *BUILD)
        assert outcome.success, outcome.words(outcome.failed[0])
        assert outcome.metadata("sdist")["file"] == f"{maintainer.name}-{version}.tar.gz"
        assert outcome.metadata("wheel")["file"] == f"{maintainer.name}-{version}-py3-none-any.whl"


def _with_umask(maintainer: Maintainer, umask: int) -> Outcome:
    before = os.umask(umask)
    try:
        return maintainer.materialize("v1.2.3", *BUILD)
    finally:
        os.umask(before)


@pytest.mark.parametrize("umask", [0o002, 0o077])
def test_everybody_can_read_what_is_published(maintainer: Maintainer, umask: int) -> None:
    (maintainer.repository.path / "run.sh").write_text("#!/bin/sh\n")
    (maintainer.repository.path / "run.sh").chmod(0o755)
    maintainer.repository.commit({"MANIFEST.in": "include run.sh\n"})
    maintainer.build_with_setuptools("1.2.3")
    maintainer.repository.tag("v1.2.3")
    outcome = _with_umask(maintainer, umask)
    assert outcome.success, outcome.words(outcome.failed[0])
    modes = {name: mode for name, (mode, _) in packed(kept(maintainer, ".tar.gz")).items()}
    assert modes == dict.fromkeys(modes, 0o644) | {"run.sh": 0o755}
    with zipfile.ZipFile(kept(maintainer, ".whl")) as wheel:
        assert {oct(entry.external_attr >> 16 & 0o777) for entry in wheel.infolist()} <= {"0o644", "0o664"}


def test_the_users_line_ends_are_not_published(
    maintainer: Maintainer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hooks = tmp_path / "template" / "hooks"
    hooks.mkdir(parents=True)
    (hooks / "post-checkout").write_text("#!/bin/sh\necho from a template > hook-was-here.py\n")
    (hooks / "post-checkout").chmod(0o755)
    (tmp_path / ".gitconfig").write_text(
        f"[core]\n\tautocrlf = true\n[log]\n\tshowSignature = true\n[clone]\n\tdefaultRemoteName = upstream\n"
        f"[init]\n\ttemplateDir = {tmp_path}/template\n"
    )
    monkeypatch.setenv("HOME", str(tmp_path))
    commit = maintainer.tag("v1.2.3", "1.2.3")
    outcome = maintainer.materialize("v1.2.3", *BUILD)
    assert outcome.success, outcome.words(outcome.failed[0])
    assert outcome.metadata("version")["commit"] == commit
    files = packed(kept(maintainer, ".tar.gz"))
    assert "hook-was-here.py" not in files
    assert [name for name, (_, content) in files.items() if b"\r" in content] == []


def test_a_backend_that_packs_everything_packs_no_traces(
    maintainer: Maintainer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".gitconfig").write_text("[user]\n\tname = Anna Person\n\temail = anna@example.org\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    pyproject = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    maintainer.repository.commit(
        {"pyproject.toml": pyproject, "backend.py": EVERYTHING.format(name=maintainer.name)}
    )
    maintainer.repository.tag("v1.2.3")
    outcome = maintainer.materialize("v1.2.3", "version", "sdist")
    assert outcome.success, outcome.words(outcome.failed[0])
    files = packed(kept(maintainer, ".tar.gz"))
    assert ".git/HEAD" in files
    traces = (
        str(maintainer.home),
        str(maintainer.repository.path),
        "Anna Person",
        "anna@example.org",
        "/tmp",  # noqa: S108  (where scratch folders are)
    )
    found = {
        (name, trace) for name, (_, content) in files.items() for trace in traces if trace.encode() in content
    }
    assert found == set()


@pytest.fixture
def with_lfs(maintainer: Maintainer, git_lfs: None) -> Maintainer:  # noqa: ARG001
    """The maintainer of a package that has its data in Git LFS."""
    maintainer.repository.git("lfs", "install", "--local")
    maintainer.repository.commit({".gitattributes": "*.bin filter=lfs -text\n"})
    maintainer.tag("v1.2.3", "1.2.3", **{"sample/model.bin": "weights\n" * 1000})
    return maintainer


def test_files_in_git_lfs_are_published_with_their_bytes(with_lfs: Maintainer) -> None:
    with_lfs.attributes["package"] = {"trial": {"distributions": [], "from_index": False}}
    pyproject = SCM.format(
        name=with_lfs.name,
        **{**SETUPTOOLS_SCM, "more": '[tool.setuptools_scm]\n[tool.setuptools]\npackages=["sample"]'},
    )
    with_lfs.repository.commit({"pyproject.toml": pyproject})
    with_lfs.repository.tag("v1.2.3")
    outcome = with_lfs.materialize("v1.2.3", *BUILD)
    assert outcome.success, outcome.words(outcome.failed[0])
    assert packed(kept(with_lfs, ".tar.gz"))["sample/model.bin"][1] == b"weights\n" * 1000
    with zipfile.ZipFile(kept(with_lfs, ".whl")) as wheel:
        assert wheel.read("sample/model.bin") == b"weights\n" * 1000


def test_without_git_lfs_nothing_is_built(with_lfs: Maintainer, request: pytest.FixtureRequest) -> None:
    request.getfixturevalue("without_git_lfs")
    outcome = with_lfs.materialize("v1.2.3", *BUILD)
    assert (outcome.failed, outcome.retried, outcome.materialized) == (["version"], [], [])
    words = outcome.words("version")
    assert words.startswith("sample/model.bin at commit ")
    assert "is in Git LFS, and git-lfs is not installed\n\nWhat to do: Install git-lfs where" in words
