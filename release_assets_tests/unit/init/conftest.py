"""Clones of the repositories next to this file, each with a remote that is a path or an address."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tools.sandbox.git_remote import git

REPOSITORIES = Path(__file__).with_name("repositories")

Clone = Callable[..., Path]


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Clone:
    """Makes a clone of one of the repositories; github.com is replaced by a bare repository with `tags`."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()

    def make(name: str, *tags: str, remote: str | None = "https://github.com/Loomworks/{name}.git") -> Path:
        path = tmp_path / name
        shutil.copytree(REPOSITORIES / name, path)
        git("init", "--quiet", "--initial-branch=main", directory=path)
        git("add", "--all", "--force", directory=path)
        git("commit", "--quiet", "--message", "first", directory=path)
        bare = tmp_path / f"{name}.git"
        git("clone", "--quiet", "--bare", path, bare)
        for tag in tags:
            git("tag", tag, directory=bare)
        if remote is not None:
            url = remote.format(name=name)
            git("remote", "add", "origin", url, directory=path)
            # git itself leads every address of this remote to the repository on disk.
            with (tmp_path / "home" / ".gitconfig").open("a") as file:
                file.write(f'[url "{bare}"]\n\tinsteadOf = {url}\n')
                file.write(f"\tinsteadOf = https://github.com/Loomworks/{name}.git\n")
        return path

    return make
