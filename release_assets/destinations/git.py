"""The git remote of a project: which commit a tag names, and a clean checkout of that commit."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from filelock import FileLock, Timeout

from release_assets.destinations.http import MEBIBYTE, get, one_line
from release_assets.errors import PermanentError, ReleaseError, TransientError
from release_assets.process import CommandFailedError, Limits, environment, printable, run

LOOK_SECONDS = 30.0  # for asking a remote for its tags; half of what a sensor's tick may take
TAGS_LIMIT = 32 * MEBIBYTE  # characters of a remote's tags; a hundred thousand tags take 8
FETCH_SECONDS = 900.0  # for the first fetch of a large repository
LIMITS = Limits(memory=2 * 1024**3)
LOCAL_SECONDS = 300.0  # for what happens on this machine
# A remote that trickles is given up long before FETCH_SECONDS: bytes a second, and for how many seconds.
SLOWEST = {"GIT_HTTP_LOW_SPEED_LIMIT": "1000", "GIT_HTTP_LOW_SPEED_TIME": "60"}

Log = Callable[[str], None]


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


def observe_tags(remote: str) -> dict[str, str]:
    """All tags of a remote, each with the commit it names (that of an annotated tag's target).

    Raises TransientError when the remote is out of reach, PermanentError when it refuses us.
    """
    size = 0

    def count(line: str) -> None:
        nonlocal size
        size += len(line)
        if size > TAGS_LIMIT:
            raise TransientError(
                f"{remote} lists tags without an end: {size} characters of them.", "Ask its operators."
            )

    output = _git("ls-remote", "--tags", "--", remote, timeout=LOOK_SECONDS, remote=remote, log=count)
    tags = parse_tags(output)
    if not tags and remote.startswith(("http://", "https://")):
        _refuse_what_is_no_git(remote)
    return tags


def _refuse_what_is_no_git(remote: str) -> None:
    """Raise TransientError where the server answers, but not as a git server does.

    git takes the page of a proxy for an empty repository, and an outage must not look as if there were no
    tags: what is there when somebody looks for the first time is never released.
    """
    url = f"{remote.rstrip('/')}/info/refs?service=git-upload-pack"
    answer = get(url, headers={}, seconds=LOOK_SECONDS, limit=MEBIBYTE)
    kind = answer.headers.get("content-type", "")
    if answer.status == 200 and not kind.startswith(("application/x-git-", "text/plain")):
        raise TransientError(
            f"{remote} answered something that is no git repository ({one_line(kind) or 'no content type'})",
            "Look whether a proxy stands before it; the next attempt asks again.",
        )


def parse_tags(output: str) -> dict[str, str]:
    """What `git ls-remote --tags` says, as tag → commit.

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


class Mirror:
    """A cached bare copy of one remote, shared by every step of every release of its project."""

    def __init__(self, remote: str, root: Path) -> None:
        """`root` is the folder of all mirrors; the remote's digest is the folder's name."""
        self.remote = remote
        self.path = root / f"{hashlib.sha256(remote.encode()).hexdigest()[:16]}.git"

    def fetch(self, commit: str) -> Commit:
        """Make sure that `commit` is here, asking the remote only if it is not, and describe it.

        Raises TransientError or PermanentError when it cannot be had.
        """
        if not self._has(commit):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            try:
                # Parallel steps fetch the same repository: git's own lock makes the second one fail.
                with FileLock(f"{self.path}.lock", timeout=FETCH_SECONDS):
                    if not self._has(commit):
                        self._fetch_all()
            except Timeout as error:
                raise TransientError(
                    f"another step has been fetching {self.remote} for {FETCH_SECONDS:.0f} s",
                    "Look for a hanging git process, then materialize again.",
                ) from error
        if not self._has(commit):
            raise PermanentError(
                f"{self.remote} names commit {commit} in a tag, but does not hand it out",
                "Push the commit together with its tag.",
            )
        sha, subject, author, seconds = self._git(
            "show", "--no-patch", "--format=%H%x00%s%x00%an%x00%ct", commit
        ).split("\0")
        return Commit(sha, subject, author, datetime.fromtimestamp(int(seconds), UTC))

    def read(self, commit: str, path: str) -> str | None:
        """Return the text of a file in a commit, or None where there is no such file."""
        content = self.read_bytes(commit, path)
        return None if content is None else content.decode(errors="replace")

    def read_bytes(self, commit: str, path: str) -> bytes | None:
        """Return a file in a commit as it is, or None where there is no such file."""
        path = PurePosixPath(path).as_posix()  # git knows no a//b and no a/./b
        if not self._git("ls-tree", commit, "--", path).startswith("100"):
            return None
        return self._git("show", f"{commit}:{path}", encoding="latin-1").encode("latin-1")

    def checkout(self, commit: str, directory: Path, log: Log) -> None:
        """A clean working tree of `commit` in the new folder `directory`, tags and submodules included.

        It is a clone and not an archive: setuptools-scm reads the history, and export-ignore hides files.
        """
        _git(
            "clone", "--quiet", "--shared", "--no-checkout", "--", str(self.path), str(directory),
            timeout=LOCAL_SECONDS, remote=self.remote,
        )  # fmt: skip
        _git(
            "-C", str(directory), "checkout", "--quiet", "--detach", commit,
            timeout=LOCAL_SECONDS, remote=self.remote,
        )  # fmt: skip
        if (directory / ".gitmodules").is_file():
            # Relative submodule URLs are meant relative to the project's remote, not to our mirror.
            _git(
                "-C", str(directory), "remote", "set-url", "origin", self.remote,
                timeout=LOCAL_SECONDS, remote=self.remote,
            )  # fmt: skip
            _git(
                "-C", str(directory), "submodule", "update", "--init", "--recursive", "--depth=1",
                timeout=FETCH_SECONDS, remote=self.remote, log=log,
            )  # fmt: skip

    def _has(self, commit: str) -> bool:
        if not self.path.is_dir():
            return False
        try:
            self._git("cat-file", "-e", f"{commit}^{{commit}}")
        except ReleaseError:
            return False
        return True

    def _fetch_all(self) -> None:
        if not (self.path / "HEAD").is_file():
            _git("init", "--quiet", "--bare", str(self.path), timeout=LOCAL_SECONDS, remote=self.remote)
        self._tidy_up()
        try:
            self._git(
                "fetch", "--quiet", "--prune", "--force", "--", self.remote,
                "+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*",
                timeout=FETCH_SECONDS,
            )  # fmt: skip
        except ReleaseError:
            self._tidy_up()
            raise

    def _tidy_up(self) -> None:
        """Remove what a fetch that was ended has left: we hold the lock that counts.

        Its locks stop the next one, and a pack that came half, up to all that fits, is never looked at again.
        """
        for pattern in ("**/*.lock", "objects/pack/tmp_*", "objects/??/tmp_*"):
            for stale in self.path.glob(pattern):
                stale.unlink(missing_ok=True)

    def _git(self, *arguments: str, timeout: float = LOCAL_SECONDS, encoding: str = "utf-8") -> str:
        git_dir = ("--git-dir", str(self.path))
        return _git(*git_dir, *arguments, timeout=timeout, remote=self.remote, encoding=encoding)


def _nothing_unencrypted(remote: str) -> dict[str, str]:
    """Settings that keep git from it in redirects and submodules, unless the remote itself is unencrypted.

    Such a remote, of this machine or allowed by the YAML, must not lead anywhere else.
    """
    scheme = urlsplit(remote).scheme
    settings = {f"protocol.{other}.allow": "never" for other in ("http", "git") if other != scheme}
    if scheme == "http":
        settings["http.followRedirects"] = "false"
    variables = {"GIT_CONFIG_COUNT": str(len(settings))}
    for number, (key, value) in enumerate(settings.items()):
        variables |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return variables


# What git says when asking again will not help; anything else may be the network.
REFUSALS = re.compile(
    r"authentication failed|could not read (username|password)|permission denied|access denied"
    r"|repository .*not found|does not (appear to be a git repository|exist)|not a git repository"
    r"|returned error: 40[13]|host key verification failed|transport '\w+' not allowed"
    r"|dubious ownership|bad object|unknown revision",
    re.IGNORECASE,
)


def _git(
    *arguments: str, timeout: float, remote: str, log: Log | None = None, encoding: str = "utf-8"
) -> str:
    # No prompt may be waited for; keys and credential helpers are the user's own, as on the command line.
    needed = {name: os.environ[name] for name in ("SSH_AUTH_SOCK", "GIT_SSH_COMMAND") if name in os.environ}
    env = environment(
        GIT_TERMINAL_PROMPT="0",
        GIT_ASKPASS="true",
        SSH_ASKPASS="true",
        GIT_OPTIONAL_LOCKS="0",
        **_nothing_unencrypted(remote),
        **SLOWEST,
        **needed,
    )
    env["LC_ALL"] = "C.UTF-8"  # what git says is looked at below, in English
    env.setdefault("GIT_SSH_COMMAND", "ssh -o BatchMode=yes -o ConnectTimeout=20")
    try:
        argv = ["git", *arguments]
        return run(argv, env=env, timeout=timeout, on_line=log, limits=LIMITS, encoding=encoding)
    except CommandFailedError as error:
        # A remote's own words are among them, as long as it likes.
        said = printable("\n".join(line[:500] for line in error.tail[-5:])) or error.reason
        if REFUSALS.search(said):
            raise PermanentError(
                f"git cannot use {remote}: {said}",
                "Check the repository's address and that this machine may read it (`git ls-remote`).",
            ) from None
        raise TransientError(
            f"git cannot reach {remote}: {error.reason}. {said}",
            "Check the network and the remote; the next attempt asks again.",
        ) from None
