"""Find out whether the tags of a remote have changed since the last look, as cheaply as the remote allows.

A process of git costs 30 to 100 ms of CPU, which is too much for a look every five seconds at each of fifty
projects. So git is asked first, and then something cheaper that would show a change: the times of the files
of a repository on this machine, or git's own request over a connection that is kept. What that cannot show
(a repository that requires a login, a proxy, an address that the user's configuration rewrites) is left to
git, as is every change: nobody acts on anything else than git's own answer.
"""

from __future__ import annotations

import hashlib
import os
import random
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from requests.utils import get_environ_proxies

from release_assets.destinations import git
from release_assets.destinations.http import MEBIBYTE
from release_assets.destinations.http.kept import KeptConnection

HTTP_SECONDS = 10.0
HTTP_LIMIT = 32 * MEBIBYTE
GIT_SECONDS = 300.0  # after which git is asked again, whatever the cheap look shows
# Files change twice within one tick of a file system's clock: a time is only believed when it is older.
CLOCK_SECONDS = 2.0

FLUSH = b"0000"


def _packet(line: str) -> bytes:
    """Return a line as git's protocol frames it: its length in four hexadecimal digits, and the line."""
    return f"{len(line) + 4:04x}{line}".encode()


LS_REFS = (
    _packet("command=ls-refs\n") + b"0001" + _packet("peel\n") + _packet("ref-prefix refs/tags/\n") + FLUSH
)


@dataclass(frozen=True)
class Look:
    """The digest of a remote's tags; and the tags themselves where git was asked for them."""

    digest: str
    tags: Mapping[str, str] | None


@dataclass(frozen=True)
class _Known:
    sign: str
    digest: str
    until: float  # by time.monotonic


class TagLook:
    """Looks at the tags of one remote again and again."""

    def __init__(self, remote: str) -> None:
        self.remote = remote
        self._connection = KeptConnection()
        self._known: _Known | None = None
        self._no_http_until = 0.0  # by time.monotonic

    def look(self) -> Look:
        """Return the digest of the remote's tags. Raises as git.observe_tags does."""
        listing = self._listing() if _is_http(self.remote) else None
        # Before git is asked: what changes meanwhile is seen by the next look.
        sign = _digest(listing) if listing is not None else sign_of_files(self.remote)
        known = self._known
        if known is not None and sign == known.sign and time.monotonic() < known.until:
            return Look(known.digest, None)
        self._known = None
        tags = git.observe_tags(self.remote)
        digest = digest_of(tags)
        if listing is not None and tags_in(listing) != tags:
            self._no_http_until = time.monotonic() + GIT_SECONDS
        elif sign is not None:
            # Not all projects at once.
            until = time.monotonic() + GIT_SECONDS * random.uniform(0.7, 1.3)  # noqa: S311
            self._known = _Known(sign, digest, until)
        return Look(digest, tags)

    def _listing(self) -> bytes | None:
        """Return what git's protocol (version 2) lists over HTTP, or None where that is not to be had."""
        url = f"{self.remote.rstrip('/')}/git-upload-pack"
        if time.monotonic() < self._no_http_until or get_environ_proxies(url):
            return None
        answer = self._connection.ask(
            "POST",
            url,
            headers={
                "Git-Protocol": "version=2",
                "Content-Type": "application/x-git-upload-pack-request",
                "Accept": "application/x-git-upload-pack-result",
                "User-Agent": "git/2.0 (release-assets)",
            },
            data=LS_REFS,
            seconds=HTTP_SECONDS,
            limit=HTTP_LIMIT,
        )
        if answer is None or answer.status != 200:
            self._no_http_until = time.monotonic() + GIT_SECONDS
            return None
        return answer.body


def digest_of(tags: Mapping[str, str]) -> str:
    """Return a digest of tags and their commits, whatever their order."""
    return _digest("".join(f"{name}\0{commit}\n" for name, commit in sorted(tags.items())).encode())


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:32]


def _is_http(remote: str) -> bool:
    return urlsplit(remote).scheme in {"http", "https"}


def tags_in(listing: bytes) -> dict[str, str] | None:
    """Return the tags in an answer of git's protocol version 2, or None where it is another answer.

    Its lines are `COMMIT refs/tags/NAME`, and end in ` peeled:COMMIT` for an annotated tag.
    """
    lines: list[str] = []
    at = 0
    while (size := listing[at : at + 4]) != FLUSH:
        if not re.fullmatch(rb"[0-9a-f]{4}", size) or int(size, 16) < len(size):
            return None
        line = listing[at + len(size) : at + int(size, 16)].decode(errors="replace").rstrip("\n")
        commit, _, rest = line.partition(" ")
        ref, _, peeled = rest.partition(" peeled:")
        lines.append(f"{commit}\t{ref}")
        if peeled:
            lines.append(f"{peeled}\t{ref}^{{}}")
        at += int(size, 16)
    return git.parse_tags("\n".join(lines))


def sign_of_files(remote: str) -> str | None:
    """Return text that changes with the tags of a repository on this machine.

    None where there is none: the remote is elsewhere, or has changed a moment ago.
    """
    if ":" in remote.partition("/")[0]:  # ssh's HOST:PATH, or a URL
        return None
    path = Path(remote)
    # git renames a new file over the old one: the folder's time changes with each of its files.
    git_folder = path / ".git" if (path / ".git").exists() else path
    files = [git_folder / "HEAD", git_folder / "packed-refs", git_folder / "reftable" / "tables.list"]
    folders = [Path(folder) for folder, _, _ in os.walk(git_folder / "refs" / "tags")]
    seen: list[str] = []
    newest = 0.0
    for place in (*files, git_folder / "refs", *folders):
        try:
            found = place.stat()
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError:
            return None
        newest = max(newest, found.st_mtime, found.st_ctime)
        seen.append(f"{place} {found.st_ino} {found.st_size} {found.st_mtime_ns} {found.st_ctime_ns}")
    is_repository = len(seen) >= 2 and seen[0].startswith(f"{git_folder / 'HEAD'} ")
    return "\n".join(seen) if is_repository and newest < time.time() - CLOCK_SECONDS else None
