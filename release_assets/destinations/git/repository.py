"""A repository of a checkout: a few files of our own, and the objects of a mirror."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from release_assets.destinations import bounds
from release_assets.destinations.git import command

if TYPE_CHECKING:
    from release_assets.destinations.git.mirror import Mirror

ARGUMENTS = 500  # of one command line; the kernel's limit is far away
# The author of objects that are made here: the same on every machine.
NOBODY = {
    f"GIT_{role}_{what}": value
    for role in ("AUTHOR", "COMMITTER")
    for what, value in (
        ("NAME", "release-assets"),
        ("EMAIL", "release-assets@localhost"),
        ("DATE", "@0 +0000"),
    )
}


@dataclass(frozen=True)
class Repository:
    """A repository at one commit, without branches, remotes, hooks or reflogs."""

    git_dir: Path
    work_tree: Path
    remote: str  # for errors
    commit: str

    @classmethod
    def create(
        cls, git_dir: Path, work_tree: Path, mirror: Mirror, commit: str, *, objects: str | None = None
    ) -> Repository:
        """Write a repository whose objects are the mirror's; `objects` is a path that leads to them.

        `git init` would copy the machine's template, and `git clone` record from where and by whom.
        """
        (git_dir / "objects" / "info").mkdir(parents=True)
        (git_dir / "refs").mkdir()
        (git_dir / "HEAD").write_text(f"{commit}\n")
        objects = objects or str(mirror.path.absolute() / "objects")
        (git_dir / "objects" / "info" / "alternates").write_text(f"{objects}\n")
        is_sha1 = len(commit) == 40
        lines = [
            "[core]",
            f"\trepositoryformatversion = {0 if is_sha1 else 1}",
            "\tfilemode = true",
            "\tbare = false",
        ]
        lines += [] if is_sha1 else ["[extensions]", "\tobjectformat = sha256"]
        lines += ["[submodule]", "\tactive = ."]  # all that are there: `git ls-files --recurse-submodules`
        (git_dir / "config").write_text("\n".join(lines) + "\n")
        shallow = mirror.path / "shallow"  # where the history of a submodule was cut off
        if shallow.is_file() and commit in shallow.read_text():
            (git_dir / "shallow").write_text(f"{commit}\n")
        return cls(git_dir, work_tree, mirror.remote, commit)

    def git(
        self,
        *arguments: str,
        settings: Mapping[str, str] | None = None,
        variables: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> str:
        """Run a local git command in the repository, and return its standard output."""
        return command.run_local(
            "--git-dir", self.git_dir, "--work-tree", self.work_tree, *arguments,
            remote=self.remote, settings=settings, variables=variables, timeout=timeout,
        )  # fmt: skip

    def update_index(self, *options: str, arguments: Sequence[str]) -> None:
        """Run `git update-index` with options and many arguments, in as many commands as they take."""
        for first in range(0, len(arguments), ARGUMENTS):
            self.git("update-index", *options, *arguments[first : first + ARGUMENTS])

    def make_whole(self) -> None:
        """Copy the objects that its refs lead to into one pack, the same bytes wherever it is made.

        Packs that servers send differ, and so do packs made by several threads; that is why deltas are
        computed again, by one thread. The index holds no times and inodes: git compares the contents.
        """
        self.git(
            "repack", "-a", "-d", "-F", "-n", "--quiet",
            settings={"pack.threads": "1", "repack.writeBitmaps": "false"},
            timeout=bounds.BOUNDS.git_fetch_seconds,
        )  # fmt: skip
        (self.git_dir / "objects" / "info" / "alternates").unlink()
        (self.git_dir / "index").unlink()
        self.git("read-tree", self.commit)
