"""A real git repository that a test commits to and tags; its path is the remote."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from tools.sandbox.git_remote import git


class Repository:
    """A repository with a branch `main` and a first commit."""

    def __init__(
        self, path: Path, files: Mapping[str, str] | None = None, *, object_format: str = "sha1"
    ) -> None:
        self.path = path
        self.remote = str(path)
        path.mkdir(parents=True)
        self.git("init", "--quiet", "--initial-branch=main", f"--object-format={object_format}")
        self.first = self.commit({"README.md": "A sample.\n", **(files or {})}, "first")

    def git(self, *arguments: str | os.PathLike[str]) -> str:
        return git(*arguments, directory=self.path)

    def commit(self, files: Mapping[str, str], subject: str = "next") -> str:
        """Commit these files, in addition to what is there, and return the commit."""
        for name, text in files.items():
            file = self.path / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        self.git("add", "--all", "--force")
        self.git("commit", "--quiet", "--allow-empty", "--message", subject)
        return self.git("rev-parse", "HEAD")

    def tag(self, name: str, commit: str = "HEAD", *, annotated: bool = False) -> None:
        """Make the tag, or move it."""
        message = ["--annotate", "--message", name] if annotated else []
        self.git("tag", "--force", *message, name, commit)

    def untag(self, name: str) -> None:
        self.git("tag", "--delete", name)
