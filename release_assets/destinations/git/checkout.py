"""The files of a commit as git records them and, where a build needs one, a repository around them."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from release_assets.destinations.git import lfs
from release_assets.destinations.git.repository import NOBODY, Repository
from release_assets.destinations.git.submodules import with_submodules
from release_assets.file_tree import set_modes_and_time
from release_assets.rules.tags import ShownTags

if TYPE_CHECKING:
    from release_assets.destinations.git.command import Log
    from release_assets.destinations.git.mirror import Commit, Mirror


def check_out(
    mirror: Mirror, sha: str, directory: Path, log: Log, *, tags: ShownTags | None, whole: bool
) -> None:
    """Write the files of a commit into the new folder `directory`; see Mirror.checkout."""
    commit = mirror.fetch(sha)
    directory.mkdir()
    directory.chmod(0o755)
    with tempfile.TemporaryDirectory(prefix="git-") as scratch:
        for number, part in enumerate(with_submodules(mirror, sha, log)):
            work_tree = directory / part.path
            git_dir = Path(scratch, str(number)) if tags is None else work_tree / ".git"
            objects = None
            if tags is not None and not whole:
                objects = _linked(part.mirror, directory.parent, git_dir / "objects")
            repository = Repository.create(git_dir, work_tree, part.mirror, part.commit, objects=objects)
            repository.git("read-tree", "--reset", "-u", part.commit)
            filled = lfs.fill_in(part.mirror, repository, log)
            if tags is None:
                continue
            if part.mirror is mirror:
                _show(repository, mirror, commit, tags)
            if whole:
                repository.make_whole()
            if filled:
                # A program without git-lfs would compare the files with their pointers, and find a change.
                repository.update_index("--assume-unchanged", "--", arguments=filled)
    if tags is None or whole:
        # BuildKit keeps what it was sent before where name, size and time are the same: the time differs
        # from commit to commit, also for commits of one second.
        set_modes_and_time(directory, commit.epoch, nanoseconds=int(commit.sha[:7], 16))


def _linked(mirror: Mirror, folder: Path, objects: Path) -> str:
    """Return how to get from `objects` to those of the mirror: by a link, which tells nobody where it is."""
    link = folder / f"history-{mirror.path.stem}"
    with contextlib.suppress(FileExistsError):  # the same submodule at two paths
        link.symlink_to(mirror.path.absolute() / "objects")
    return os.path.relpath(link, objects)


def _show(repository: Repository, mirror: Mirror, commit: Commit, tags: ShownTags) -> None:
    """Give a repository its tags: the one that is released on its commit, and those before it.

    A build backend finds the version by the nearest tag (`git describe`), which may have to be annotated, or
    by the newest; so the one that is released is annotated, and none before it is newer.
    """
    there = mirror.fetch_tags(tags.remote)
    format_ = "--format=%(refname:lstrip=2) %(creatordate:unix) %(tag)"
    listed = mirror.git("for-each-ref", f"--merged={commit.sha}", format_, "refs/tags").split("\n")
    seconds: dict[str, int] = {}
    names: dict[str, str] = {}  # those in the tags' own objects; none of a lightweight one
    for line in filter(None, listed):
        name, date, names[name] = line.split(" ")
        seconds[name] = int(date or 0)
    shown = {
        name: there[name]
        for name, where in tags.remote.items()
        if name in seconds and name != tags.released and there[name].commit == where != commit.sha
    }
    own = there.get(tags.released)
    # `git tag v1.2.3 v1.2.3rc1` makes a tag whose object has the candidate's name, which git then distrusts.
    is_annotated = names.get(tags.released) == tags.released
    if is_annotated and own is not None and own.commit == commit.sha == tags.remote.get(tags.released):
        shown = {name: tag for name, tag in shown.items() if seconds[name] <= seconds[tags.released]}
        shown[tags.released] = own
    else:
        newest = max((seconds[name] + 1 for name in shown), default=0)
        tagged_at = {"GIT_COMMITTER_DATE": f"@{max(commit.epoch, newest)} +0000"}
        message = ("--annotate", "--message", tags.released)
        repository.git("tag", *message, tags.released, commit.sha, variables=NOBODY | tagged_at)
    lines = ["# pack-refs with: peeled fully-peeled sorted "]
    for name, tag in sorted(shown.items(), key=lambda item: item[0].encode()):
        lines.append(f"{tag.object} refs/tags/{name}")
        if tag.object != tag.commit:
            lines.append(f"^{tag.commit}")
    (repository.git_dir / "packed-refs").write_text("\n".join(lines) + "\n")
