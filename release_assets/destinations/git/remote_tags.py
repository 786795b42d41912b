"""The tags of a remote, and the commit that each of them points to."""

from __future__ import annotations

import os
import re
from urllib.parse import urlsplit

from release_assets.destinations import bounds
from release_assets.destinations.git import command
from release_assets.destinations.http import MEBIBYTE, get
from release_assets.errors import TransientError
from release_assets.text import one_line


def observe_tags(remote: str) -> dict[str, str]:
    """Return all tags of a remote, each with its commit (for an annotated tag, that of its target).

    Raises TransientError where the remote is unreachable, PermanentError where it refuses access.
    """
    size = 0

    def count(line: str) -> None:
        nonlocal size
        size += len(line)
        if size > bounds.BOUNDS.git_tags_characters:
            raise TransientError(
                f"{remote} lists tags without an end: {size} characters of them.", "Ask its operators."
            )

    # A file that is not a repository: the configuration of one around the working directory is not ours.
    output = command.run_remote(
        "--git-dir", os.devnull, "ls-remote", "--tags", "--", remote,
        remote=remote, timeout=bounds.BOUNDS.git_look_seconds, log=count,
    )  # fmt: skip
    tags = parse_tags(output)
    if not tags:
        _refuse_what_is_no_git(remote)
    return tags


def _refuse_what_is_no_git(remote: str) -> None:
    """Raise TransientError where the server responds, but not as a git server does.

    git reads the page of a proxy as an empty repository, and an outage must not look as if there were no
    tags: what is there at the first look is never released.
    """
    reached = urlsplit(command.effective_url(remote))
    if reached.scheme not in {"http", "https"}:
        return
    host = reached.netloc.rpartition("@")[2]  # the user's url.*.insteadOf may hold a token
    url = f"{reached.scheme}://{host}{reached.path.rstrip('/')}/info/refs?service=git-upload-pack"
    answer = get(url, headers={}, seconds=bounds.BOUNDS.git_look_seconds, limit=MEBIBYTE)
    kind = answer.headers.get("content-type", "")
    if answer.status == 200 and not kind.startswith(("application/x-git-", "text/plain")):
        raise TransientError(
            f"{remote} is not a git repository: its content type is {one_line(kind) or 'missing'}",
            "Look whether a proxy stands before it; the next attempt asks again.",
        )


def parse_tags(output: str) -> dict[str, str]:
    """Return tag → commit from the output of `git ls-remote --tags`.

    An annotated tag has two lines: its own object, and with ^{} the commit that it points to.
    """
    tags: dict[str, str] = {}
    peeled: dict[str, str] = {}
    for line in output.split("\n"):  # splitlines would split tags at U+0085 and U+2028, too
        sha, _, ref = line.partition("\t")
        name = ref.removeprefix("refs/tags/")
        if name == ref or not re.fullmatch(r"[0-9a-f]{40,64}", sha):
            continue
        if name.endswith("^{}"):
            peeled[name.removesuffix("^{}")] = sha
        else:
            tags[name] = sha
    return tags | peeled
