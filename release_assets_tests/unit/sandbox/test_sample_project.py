"""The sample project is a real package in a real repository, the same in every sandbox."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from tools.sandbox import sample_project
from tools.sandbox.git_remote import git
from tools.sandbox.sample_project import make_sample_project
from tools.sandbox.servers import SandboxError


def test_a_release_is_a_commit_and_a_tag_in_the_remote(tmp_path: Path, state: Path) -> None:
    project = make_sample_project(tmp_path, state=state)
    commit = project.release("5.1.0rc1")
    assert project.push_tag("v5.1.0rc1") == commit

    listed = git("ls-remote", project.remote).splitlines()
    assert f"{commit}\trefs/heads/main" in listed
    assert f"{commit}\trefs/tags/v5.1.0rc1^{{}}" in listed
    pyproject = tomllib.loads(git("show", f"{commit}:pyproject.toml", directory=project.remote))
    assert pyproject["project"]["version"] == "5.1.0rc1"
    assert "FROM python:3.12-slim" in git("show", f"{commit}:Dockerfile", directory=project.remote)


def test_the_same_release_is_the_same_commit_everywhere(tmp_path: Path, state: Path) -> None:
    folders = tmp_path / "one", tmp_path / "two"
    for folder in folders:
        folder.mkdir()
    one, two = (make_sample_project(folder, state=state).release("4.0.0") for folder in folders)
    assert one == two


def test_an_older_commit_can_be_tagged(tmp_path: Path, state: Path) -> None:
    project = make_sample_project(tmp_path, state=state)
    first = project.release("4.1.0")
    project.release("4.2.0")
    assert project.push_tag("v4.1.0", first) == first


def test_another_sdist_than_the_known_one_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sample_project, "_download", lambda: b"something else")
    with pytest.raises(SandboxError, match=r"another sampleproject-4\.0\.0\.tar\.gz"):
        make_sample_project(tmp_path, state=tmp_path / "state")
    assert not (tmp_path / "state" / sample_project.SDIST).exists()
