"""Git LFS: files that a commit holds as pointers only. A build gets the real bytes, or does not start."""

from __future__ import annotations

import hashlib
import re
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from release_assets.destinations import bounds
from release_assets.destinations.git import command
from release_assets.destinations.git.repository import NOBODY, Repository
from release_assets.destinations.git.submodules import with_submodules
from release_assets.errors import PermanentError, ReleaseError, TransientError
from release_assets.process import environment
from release_assets.project import is_loopback
from release_assets.text import one_line

if TYPE_CHECKING:
    from release_assets.destinations.git.command import Log
    from release_assets.destinations.git.mirror import Mirror

POINTER_LIMIT = 1024  # bytes, by the specification
VERSIONS = re.compile(
    r"https://git-lfs\.github\.com/spec/v1|http://git-media\.io/v/2|https://hawser\.github\.com/spec/v1"
)
TRACKED = ":(attr:filter=lfs)"
NAMED = 5  # files in an error
# How git-lfs and servers say that an object is not there.
LACKING = re.compile(r"\b404\b|\b410\b|does not exist|not found|missing object", re.IGNORECASE)


@dataclass(frozen=True)
class Pointer:
    """A file whose bytes are elsewhere: its path in the commit, its mode and blob, and what it points to."""

    path: str
    mode: str
    blob: str
    oid: str  # sha256 of the bytes
    size: int


def require(mirror: Mirror, commit: str, log: Log) -> None:
    """Raise PermanentError where the commit or a submodule needs git-lfs, which is not installed."""
    if is_installed():
        return
    for part in with_submodules(mirror, commit, log):
        if not mentions_lfs(part.mirror, part.commit):
            continue
        with tempfile.TemporaryDirectory(prefix="lfs-") as scratch:
            work_tree = Path(scratch, "tree")
            work_tree.mkdir()
            repository = Repository.create(Path(scratch, "git"), work_tree, part.mirror, part.commit)
            repository.git("read-tree", part.commit)
            if repository.git("ls-files", "--", TRACKED):
                repository.git("checkout", "--quiet", "--", TRACKED)
                _refuse_without_lfs(repository, pointers(repository))


def is_installed() -> bool:
    """Return whether git finds git-lfs."""
    return shutil.which("git-lfs", path=environment()["PATH"]) is not None


def mentions_lfs(mirror: Mirror, commit: str) -> bool:
    """Return whether any .gitattributes of the commit could put files into Git LFS."""
    return any(
        "filter=lfs" in mirror.git("cat-file", "blob", entry.sha)
        for entry in mirror.entries(commit)
        if entry.mode.startswith("100") and entry.path.rpartition("/")[2] == ".gitattributes"
    )


def pointers(repository: Repository) -> list[Pointer]:
    """Return the pointers among the files in the work tree that .gitattributes puts into Git LFS.

    Raises PermanentError for a pointer that git-lfs needs an extension for.
    """
    found = []
    for line in repository.git("ls-files", "--stage", "-z", "--", TRACKED).split("\0"):
        stage, _, path = line.partition("\t")
        if not stage.startswith("100"):
            continue
        mode, blob, _ = stage.split(" ")
        with (repository.work_tree / path).open("rb") as file:
            content = file.read(POINTER_LIMIT)
        pointed = parse_pointer(content)
        if pointed is None:
            continue
        if b"\next-" in content:
            raise PermanentError(
                f"{path} at commit {repository.commit} of {repository.remote} needs a Git LFS extension",
                "Store the file without the extension (`git lfs ext`), then tag that commit.",
            )
        found.append(Pointer(path, mode, blob, *pointed))
    return found


def parse_pointer(content: bytes) -> tuple[str, int] | None:
    """Return the sha256 and the size in bytes that a pointer file names; None for any other file."""
    if len(content) >= POINTER_LIMIT:
        return None
    lines = content.decode(errors="replace").splitlines()
    if not lines or not VERSIONS.fullmatch(lines[0].removeprefix("version ")):
        return None
    values = dict(line.split(" ", 1) for line in lines if " " in line)
    oid, size = values.get("oid", "").removeprefix("sha256:"), values.get("size", "")
    if not re.fullmatch(r"[0-9a-f]{64}", oid) or not re.fullmatch(r"[0-9]{1,18}", size):
        return None
    return oid, int(size)


def fill_in(mirror: Mirror, repository: Repository, log: Log) -> list[str]:
    """Replace the pointers in a work tree by the bytes they point to; return their paths.

    The bytes are kept in the mirror. Raises PermanentError where git-lfs is not installed or the remote
    lacks an object, TransientError where it cannot be fetched now.
    """
    if not mentions_lfs(mirror, repository.commit):
        return []
    found = pointers(repository)
    if not found:
        return []
    if not is_installed():
        _refuse_without_lfs(repository, found)
    storage = mirror.path.absolute() / "lfs"
    missing = [pointer for pointer in found if not _stored(storage, pointer).is_file()]
    if missing:
        log(f"fetching {len(missing)} Git LFS objects, {sum(p.size for p in missing)} bytes")
        _fetch(mirror, repository, missing, storage, log)
    for pointer in found:
        _copy(pointer, _stored(storage, pointer), repository.work_tree / pointer.path)
    return [pointer.path for pointer in found]


def _refuse_without_lfs(repository: Repository, found: Sequence[Pointer]) -> None:
    if found:
        raise PermanentError(
            f"{_files(found)} at commit {repository.commit} of {repository.remote} "
            f"{'is' if len(found) == 1 else 'are'} in Git LFS, and git-lfs is not installed",
            "Install git-lfs where Dagster's runs can find it (apt install git-lfs, or https://git-lfs.com), "
            "then materialize again.",
        )


def _files(found: Sequence[Pointer]) -> str:
    named = ", ".join(one_line(pointer.path) for pointer in found[:NAMED])
    return f"{named} and {len(found) - NAMED} more files" if len(found) > NAMED else named


def _stored(storage: Path, pointer: Pointer) -> Path:
    return storage / "objects" / pointer.oid[:2] / pointer.oid[2:4] / pointer.oid


def _fetch(
    mirror: Mirror, repository: Repository, missing: Sequence[Pointer], storage: Path, log: Log
) -> None:
    """Fetch objects into `storage`, by the user's git-lfs, from where .lfsconfig and the remote lead."""
    _refuse_unencrypted(repository, mirror.project_remote)
    failure: ReleaseError | None = None
    with tempfile.TemporaryDirectory(prefix="lfs-") as scratch:
        # `git lfs fetch` fetches for everything in a commit that looks like a pointer, also for files that
        # are not in Git LFS, such as a test's. So it gets a commit with what is needed and nothing else.
        needed = Repository.create(Path(scratch, ".git"), Path(scratch), mirror, repository.commit)
        if (configuration := _configuration(repository)) is not None:
            shutil.copyfile(configuration, Path(scratch, ".lfsconfig"))
        blobs = {pointer.oid: pointer.blob for pointer in missing}
        infos = (("--cacheinfo", f"100644,{blob},{oid}") for oid, blob in blobs.items())
        needed.update_index("--add", arguments=[part for info in infos for part in info])
        tree = needed.git("write-tree").strip()
        commit = needed.git("commit-tree", "-m", "Git LFS", tree, variables=NOBODY).strip()
        # By folder and in its own configuration: a variable would hold for a remote that is a path, too.
        needed.git("config", "remote.origin.url", mirror.remote)
        needed.git("config", "lfs.storage", str(storage))
        try:
            command.run_remote(
                "-C", scratch, "lfs", "fetch", "--include=", "--exclude=", "origin", commit,
                remote=mirror.remote,
                origin=mirror.project_remote,
                timeout=bounds.BOUNDS.git_fetch_seconds,
                log=log,
                settings={"lfs.fetchrecentalways": "false"},
            )  # fmt: skip
        except ReleaseError as error:
            failure = error
    lacking = [pointer for pointer in missing if not _stored(storage, pointer).is_file()]
    if not lacking:
        return
    if failure is not None and not LACKING.search(failure.problem):
        raise failure
    oids = ", ".join(pointer.oid for pointer in lacking[:NAMED])
    raise PermanentError(
        f"the Git LFS server of {mirror.remote} lacks {_files(lacking)} of commit {repository.commit} "
        f"(sha256 {oids}){f': {failure.problem}' if failure else ''}",
        "Run `git lfs push --all origin` in a clone that has the files, then materialize again.",
    )


def _configuration(repository: Repository) -> Path | None:
    """Return the project's own configuration of git-lfs."""
    file = repository.work_tree / ".lfsconfig"
    return file if file.is_file() and not file.is_symlink() else None


def _refuse_unencrypted(repository: Repository, remote: str) -> None:
    """Raise PermanentError where .lfsconfig leads from an encrypted remote to a server that is not."""
    file = _configuration(repository)
    if urlsplit(remote).scheme == "http" or file is None:
        return
    for setting in repository.git("config", "--file", str(file), "--list", "--null").split("\0"):
        key, _, url = setting.partition("\n")
        if key.endswith("url") and url.startswith("http://") and not is_loopback(url):
            raise PermanentError(
                f".lfsconfig at commit {repository.commit} of {repository.remote} has {key} = {url}, "
                "which is not encrypted",
                "Use https in .lfsconfig, then tag that commit.",
            )


def _copy(pointer: Pointer, stored: Path, file: Path) -> None:
    """Write an object over its pointer. Raises TransientError where the copy in the mirror is damaged."""
    digest = hashlib.sha256()
    with stored.open("rb") as source, file.open("wb") as target:
        while piece := source.read(1024 * 1024):
            digest.update(piece)
            target.write(piece)
    if digest.hexdigest() != pointer.oid:
        stored.unlink(missing_ok=True)
        raise TransientError(
            f"the copy of {pointer.path} in the mirror has sha256 {digest.hexdigest()}, not {pointer.oid}",
            "The next attempt fetches it again.",
        )
