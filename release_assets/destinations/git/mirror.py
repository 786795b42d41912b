"""A bare copy of a remote on this machine: fetched once, and read by every step of every release."""

from __future__ import annotations

import contextlib
import hashlib
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from filelock import FileLock, Timeout

from release_assets.destinations import bounds
from release_assets.destinations.git import checkout, command, lfs
from release_assets.destinations.git.command import Log
from release_assets.errors import PermanentError, ReleaseError, TransientError
from release_assets.rules.tags import ShownTags

# What servers respond that hand out whole branches only, when they are asked for one commit.
WHOLE_BRANCHES_ONLY = re.compile(r"unadvertised object|not our ref|shallow|couldn't find remote ref")


@dataclass(frozen=True)
class Commit:
    """A commit as the release records it."""

    sha: str
    subject: str
    author: str
    committed_at: datetime

    @property
    def epoch(self) -> int:
        """Seconds since 1970: SOURCE_DATE_EPOCH of everything built from the commit."""
        return int(self.committed_at.timestamp())


@dataclass(frozen=True)
class Entry:
    """A file, link or submodule in a commit's tree, with its mode in octal."""

    mode: str
    sha: str
    path: str


@dataclass(frozen=True)
class MirroredTag:
    """A tag in the mirror: its object, and the commit that this points to in the end."""

    object: str
    commit: str


class Mirror:
    """A cached bare copy of one remote, shared by every step of every release of its project."""

    def __init__(self, remote: str, root: Path, *, superproject: str | None = None) -> None:
        """`root` is the folder of all mirrors; the remote's digest is the folder's name.

        `superproject` is the project's own remote where this one is a submodule's.
        """
        self.remote = remote
        self.path = root / f"{hashlib.sha256(remote.encode()).hexdigest()[:16]}.git"
        self._superproject = superproject
        self._commits: dict[str, Commit] = {}  # looked at before; a commit never changes
        self._entries: dict[str, list[Entry]] = {}

    def fetch(self, commit: str) -> Commit:
        """Return the commit's description; the remote is contacted only where the mirror lacks it.

        Raises TransientError or PermanentError where the remote does not provide it.
        """
        found = self._describe(commit)
        if found is None:
            self._fetch(commit, is_needed=lambda: not self._has(commit))
            found = self._describe(commit)
        if found is None:
            self._refuse_no_commit(commit)
            raise PermanentError(
                f"{self.remote} names commit {commit} in a tag, but does not hand it out"
                if self._superproject is None
                else f"{self.remote}, a submodule of {self._superproject}, does not hand out commit {commit}",
                "Push the commit together with its tag."
                if self._superproject is None
                else "Push the submodule's commit to its remote, then materialize again.",
            )
        return found

    def read(self, commit: str, path: str) -> str | None:
        """Return the text of a file in a commit, None where there is no such file."""
        content = self.read_bytes(commit, path)
        return None if content is None else content.decode(errors="replace")

    def read_bytes(self, commit: str, path: str) -> bytes | None:
        """Return a file in a commit as it is, None where there is no such file."""
        path = PurePosixPath(path).as_posix()  # git rejects a//b and a/./b
        if not self.git("ls-tree", commit, "--", path).startswith("100"):
            return None
        # Every byte is a character of Latin-1, and comes back as the same byte.
        return self.git("cat-file", "blob", f"{commit}:{path}", encoding="latin-1").encode("latin-1")

    def checkout(
        self,
        commit: str,
        directory: Path,
        log: Log,
        *,
        tags: ShownTags | None = None,
        whole: bool = False,
    ) -> None:
        """Write the files of `commit`, its submodules and Git LFS objects into the new folder `directory`.

        Every machine gets the same bytes, modes and, but for `tags` without `whole`, the same times. Without
        `tags` there is no `.git`. With them there is one that shows these tags; where it is not `whole`, its
        objects stay in the mirror, to which a link next to `directory` leads. It is never an archive:
        `export-ignore` hides files.
        Raises PermanentError where a file is in Git LFS and cannot be had.
        """
        checkout.check_out(self, commit, directory, log, tags=tags, whole=whole)

    def require_lfs(self, commit: str, log: Log) -> None:
        """Raise PermanentError where `commit` has files in Git LFS, and git-lfs is not installed."""
        self.fetch(commit)
        lfs.require(self, commit, log)

    @property
    def project_remote(self) -> str:
        """The project's own remote, also where this one is a submodule's."""
        return self._superproject or self.remote

    def entries(self, commit: str) -> list[Entry]:
        """Return everything in a commit's tree but folders."""
        if commit not in self._entries:
            lines = self.git("ls-tree", "-r", "-z", commit).split("\0")
            parts = (line.partition("\t") for line in lines if line)
            self._entries[commit] = [
                Entry(stage.split(" ")[0], stage.split(" ")[2], path) for stage, _, path in parts
            ]
        return self._entries[commit]

    def submodule(self, url: str) -> Mirror:
        """Return the mirror of a submodule of this repository, inside this one's folder."""
        return Mirror(url, self.path / "submodules", superproject=self.project_remote)

    def tags(self) -> dict[str, MirroredTag]:
        """Return the tags as of the last fetch."""
        # Without --tags: where there is none, that would be a failure.
        lines = (line.partition(" refs/tags/") for line in self.git("show-ref", "--dereference").split("\n"))
        objects = {name: sha for sha, _, name in lines if name}
        return {
            name: MirroredTag(sha, objects.get(f"{name}^{{}}", sha))
            for name, sha in objects.items()
            if not name.endswith("^{}")
        }

    def fetch_tags(self, wanted: Mapping[str, str], *, again: bool = False) -> dict[str, MirroredTag]:
        """Return the mirror's tags; fetch first where one of `wanted` (tag → commit) is missing or moved.

        With `again`, always fetch: a tag that is signed again points to the same commit.
        """

        def is_stale(there: Mapping[str, MirroredTag]) -> bool:
            return again or any(name not in there or there[name].commit != wanted[name] for name in wanted)

        there = self.tags()
        if is_stale(there):
            self._fetch(next(iter(wanted.values())), is_needed=lambda: is_stale(self.tags()))
            there = self.tags()
        return there

    def git(self, *arguments: str, settings: Mapping[str, str] | None = None, encoding: str = "utf-8") -> str:
        """Run a local git command in the mirror, and return its standard output."""
        git_dir = ("--git-dir", str(self.path))
        return command.run_local(
            *git_dir, *arguments, remote=self.remote, settings=settings, encoding=encoding
        )

    def _describe(self, commit: str) -> Commit | None:
        if commit in self._commits:
            return self._commits[commit]
        if not (self.path / "HEAD").is_file():
            return None
        try:
            shown = self.git("show", "--no-patch", "--format=%H%x00%s%x00%an%x00%ct", f"{commit}^{{commit}}")
        except ReleaseError:
            return None
        sha, subject, author, seconds = shown.split("\0")
        found = Commit(sha, subject, author, datetime.fromtimestamp(int(seconds), UTC))
        self._commits[commit] = found
        return found

    def _refuse_no_commit(self, sha: str) -> None:
        """Raise PermanentError where the remote hands `sha` out, and it is a tree or a file."""
        try:
            kind = self.git("cat-file", "-t", sha).strip()
        except ReleaseError:
            return
        raise PermanentError(
            f"a tag of {self.remote} points to {sha}, which is a {kind} and not a commit",
            "Delete the tag, then tag a commit: `git tag --force TAG COMMIT`.",
        )

    def _has(self, commit: str) -> bool:
        return self._describe(commit) is not None

    def _fetch(self, commit: str, *, is_needed: Callable[[], bool]) -> None:
        """Fetch once for all steps that wait for the same; `commit` is one that the remote has."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            # Parallel steps fetch the same repository: git's own lock makes the second one fail.
            with FileLock(f"{self.path}.lock", timeout=bounds.BOUNDS.git_fetch_seconds):
                if is_needed():
                    self._make(object_format="sha1" if len(commit) == 40 else "sha256")
                    self._tidy_up()
                    try:
                        self._fetch_what_is_needed(commit)
                    except ReleaseError:
                        self._tidy_up()
                        raise
        except Timeout as error:
            raise TransientError(
                f"another step has been fetching {self.remote} for {bounds.BOUNDS.git_fetch_seconds:.0f} s",
                "Look for a hanging git process, then materialize again.",
            ) from error

    def _make(self, *, object_format: str) -> None:
        if (self.path / "HEAD").is_file():
            if self.git("rev-parse", "--show-object-format").strip() == object_format:
                return
            shutil.rmtree(self.path)  # the remote was created again in the other format
        command.run_local(
            "init", "--quiet", "--bare", "--template=", f"--object-format={object_format}", self.path,
            remote=self.remote,
        )  # fmt: skip

    def _fetch_what_is_needed(self, commit: str) -> None:
        if self._superproject is not None:
            # Of a library's long history only one commit is built.
            try:
                self._fetch_refs(f"+{commit}:refs/commits/{commit}", options=["--depth=1"])
            except ReleaseError as error:
                if not WHOLE_BRANCHES_ONLY.search(error.problem):
                    raise
            else:
                return
        self._fetch_refs("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*", options=["--prune"])
        # What was fetched is complete without these, which make it quick to find the tags before a commit.
        # Not by the fetch itself, which would leave gc running in the background, by the user's settings.
        with contextlib.suppress(ReleaseError):
            self.git("pack-refs", "--all")
            self.git("commit-graph", "write", "--reachable", "--split", "--no-progress")
            self.git("gc", "--auto", "--quiet", settings={"gc.autoDetach": "false"})

    def _fetch_refs(self, *refspecs: str, options: Sequence[str]) -> None:
        command.run_remote(
            "--git-dir", self.path, "fetch", "--quiet", "--force", "--no-tags", "--no-recurse-submodules",
            "--no-auto-gc", *options, "--", self.remote, *refspecs,
            remote=self.remote,
            origin=self.project_remote,
            timeout=bounds.BOUNDS.git_fetch_seconds,
            # As git does for submodules: a path of this machine only where the user allows it.
            variables={} if self._superproject is None else {"GIT_PROTOCOL_FROM_USER": "0"},
        )  # fmt: skip

    def _tidy_up(self) -> None:
        """Remove what a fetch that was ended has left: we hold the lock that counts.

        Its locks stop the next one, and a pack that came half, up to all that fits, is never looked at again.
        """
        for pattern in ("*.lock", "refs/**/*.lock", "objects/**/*.lock", "objects/**/tmp_*"):
            for stale in self.path.glob(pattern):
                stale.unlink(missing_ok=True)
