"""Ask git about a clone: its remotes and tags, without running anything that the clone configures."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path

from release_assets.destinations.git import observe_tags
from release_assets.errors import ReleaseError
from release_assets.init.remote import Remote, read_remote
from release_assets.process import CommandFailedError, environment, run

SECONDS = 10.0  # for what git reads on this machine


def top_of(path: Path) -> Path:
    """Return the top directory of the clone that a directory is in, or the directory itself."""
    path = path.resolve()
    return next((folder for folder in (path, *path.parents) if (folder / ".git").exists()), path)


def find_remote(root: Path, *, has_workflows: bool) -> tuple[Remote, list[str]]:
    """Return the remote that a clone was made from, and what should be said about it.

    That is `origin`, else the first there is, else the clone's own path.
    """
    # `git config` starts no program, whatever the clone's configuration names.
    output = _git(root, "config", "--null", "--get-regexp", r"^remote\..*\.url$")
    entries = (entry.partition("\n") for entry in output.split("\0"))
    urls = {key[len("remote.") : -len(".url")]: url for key, _, url in entries if url}
    if not urls:
        return Remote(str(root)), [f"the clone has no remote: releases are read from {root}"]
    name = "origin" if "origin" in urls else next(iter(urls))
    said = []
    if "upstream" in urls and name != "upstream":
        said.append(f"releases are those of {name}, not of upstream: correct `repository:`, if that is wrong")
    url = urls[name]
    if "://" not in url and ":" not in url:
        url = str((root / url).resolve())
    return read_remote(url, has_workflows=has_workflows), said


def find_tags(root: Path, remote: Remote) -> tuple[Remote, list[str], list[str]]:
    """Return the remote that can be read, its tags, and what should be said about that.

    A repository that HTTPS does not show is read over SSH, if the clone was made that way. Where neither
    answers, the clone's own tags have to do.
    """
    problems: list[str] = []
    alternative = Remote(remote.alternative, remote.github, remote.api_url) if remote.alternative else None
    for one in filter(None, (remote, alternative)):
        # Elsewhere, since git reads the configuration of the clone that it runs in.
        with tempfile.TemporaryDirectory() as elsewhere, contextlib.chdir(elsewhere):
            try:
                return one, list(observe_tags(one.url)), []
            except ReleaseError as error:
                problems.append(f"the remote's tags are not known: {error.problem}")
    return remote, _git(root, "tag", "--list").split("\n"), problems


def _git(root: Path, *arguments: str) -> str:
    try:
        return run(["git", "-C", root, *arguments], env=environment(LC_ALL="C.UTF-8"), timeout=SECONDS)
    except CommandFailedError:  # no clone, no remote, or one that belongs to another user
        return ""
