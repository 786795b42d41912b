"""Find the files of the repository that a release gets besides its distributions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from release_assets.destinations.git import Mirror
from release_assets.destinations.github import same_name
from release_assets.errors import PermanentError

COUNT_LIMIT = 200
SIZE_LIMIT = 2 * 1024**3 - 1  # bytes; GitHub accepts less than 2 GiB


def extra_assets(
    mirror: Mirror,
    commit: str,
    globs: Sequence[str],
    *,
    taken: Sequence[str],
    folder: Path,
    log: Callable[[str], None],
) -> list[Path]:
    """Return the files that the globs match in a checkout of the commit, made in `folder`.

    `taken` are the names of the assets that the release has anyway. Raises PermanentError where a glob
    matches nothing, a file is not one of the repository's own, or GitHub could not tell two names apart.
    """
    if not globs:
        return []
    mirror.fetch(commit)
    source = (folder / "source").resolve()
    mirror.checkout(commit, source, log)
    found: list[Path] = []
    for glob in globs:
        matches = sorted(path for path in source.glob(glob) if path.is_file() and ".git" not in path.parts)
        if not matches:
            raise PermanentError(
                f"`github: assets:` {glob} matches no file at commit {commit}",
                "Correct it in defs.yaml, or add the file and tag that commit.",
            )
        found += (path for path in matches if path not in found)
    if len(found) > COUNT_LIMIT:
        raise PermanentError(
            f"`github: assets:` matches {len(found)} files; {COUNT_LIMIT} are the limit",
            "Attach an archive in their place.",
        )
    names = list(taken)
    for path in found:
        _check(path, source)
        same = next((name for name in names if same_name(name, path.name)), None)
        if same is not None:
            raise PermanentError(
                f"{path.relative_to(source)} would be attached as {path.name}, and so is {same}",
                "Give the file a name of its own, or leave it out of `github: assets:` in defs.yaml.",
            )
        names.append(path.name)
    return found


def _check(path: Path, source: Path) -> None:
    """Raise PermanentError for a link: it could lead to a file of this machine. Likewise for its size."""
    shown = path.relative_to(source)
    if path.resolve() != path:
        raise PermanentError(
            f"{shown} is a link, and `github: assets:` attaches the repository's own files only",
            "Name the file that it leads to.",
        )
    if path.stat().st_size > SIZE_LIMIT:
        raise PermanentError(
            f"{shown} has {path.stat().st_size} bytes; GitHub accepts {SIZE_LIMIT} an asset",
            "Leave it out of `github: assets:` in defs.yaml.",
        )
