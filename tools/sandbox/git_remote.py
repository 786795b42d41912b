"""A git remote that nobody has to serve: a bare repository, since a path is a remote."""

from __future__ import annotations

import os
from pathlib import Path

from release_assets import process

DATE = "2026-01-01T00:00:00+00:00"  # of every commit, so that the same files make the same commit everywhere


def git(*arguments: str | os.PathLike[str], directory: Path | None = None) -> str:
    """Run git with an author and a date of the sandbox's own, and nothing of the user's configuration."""
    env = process.environment(
        GIT_CONFIG_GLOBAL=os.devnull,
        GIT_CONFIG_SYSTEM=os.devnull,
        GIT_AUTHOR_NAME="Maintainer",
        GIT_AUTHOR_EMAIL="maintainer@example.org",
        GIT_AUTHOR_DATE=DATE,
        GIT_COMMITTER_NAME="Maintainer",
        GIT_COMMITTER_EMAIL="maintainer@example.org",
        GIT_COMMITTER_DATE=DATE,
    )
    return process.run(["git", *arguments], env=env, timeout=60, directory=directory).strip()


def create_remote(path: Path) -> Path:
    """Make an empty bare repository at `path`, with `main` as its branch, and return it."""
    git("init", "--quiet", "--bare", "--initial-branch=main", path)
    return path
