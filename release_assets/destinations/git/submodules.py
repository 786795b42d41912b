"""The submodules of a commit: where each is, and which commit of which remote it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from release_assets.destinations.git.command import Log
    from release_assets.destinations.git.mirror import Mirror


@dataclass(frozen=True)
class Submodule:
    """A folder that is a commit of a repository."""

    path: str
    mirror: Mirror
    commit: str


def with_submodules(mirror: Mirror, commit: str, log: Log, path: str = ".") -> Iterator[Submodule]:
    """Return a commit and, after it, its submodules and theirs, which are fetched one by one.

    Those that the project itself leaves out (`update = none`, or no entry in .gitmodules) are passed over.
    """
    yield Submodule(path, mirror, commit)
    if not any(
        entry.path == ".gitmodules" and entry.mode.startswith("100") for entry in mirror.entries(commit)
    ):
        return
    declared: dict[str, dict[str, str]] = {}
    for setting in mirror.git("config", "--blob", f"{commit}:.gitmodules", "--list", "--null").split("\0"):
        key, _, value = setting.partition("\n")
        name, _, what = key.removeprefix("submodule.").rpartition(".")
        if name and key.startswith("submodule."):
            declared.setdefault(name, {})[what] = value
    by_path = {entry["path"]: entry for entry in declared.values() if "path" in entry}
    for entry in mirror.entries(commit):
        if entry.mode != "160000":
            continue
        its = by_path.get(entry.path, {})
        if its.get("update") == "none":
            log(f"submodule {entry.path} is left out: .gitmodules has `update = none`")
        elif "url" not in its:
            log(f"submodule {entry.path} is left out: .gitmodules has no URL for it")
        else:
            submodule = mirror.submodule(absolute_url(mirror.remote, its["url"]))
            submodule.fetch(entry.sha)
            yield from with_submodules(submodule, entry.sha, log, f"{path}/{entry.path}")


def absolute_url(remote: str, url: str) -> str:
    """Return a submodule's URL, which may begin with ./ or ../ and then starts from `remote`."""
    if not url.startswith(("./", "../")):
        return url
    base, separator = remote.rstrip("/"), "/"
    while True:
        if url.startswith("../"):
            url = url[3:]
            if "/" in base:
                base = base.rpartition("/")[0]
            else:  # host:name has a colon where other addresses have a slash
                base, separator = base.rpartition(":")[0] or ".", ":" if ":" in base else "/"
        elif url.startswith("./"):
            url = url[2:]
        else:
            return f"{base}{separator}{url}".rstrip("/")
