"""Compare two commits of a mirror by their files."""

from __future__ import annotations

from release_assets.destinations import bounds
from release_assets.destinations.git import Mirror
from release_assets.errors import TransientError
from release_assets.process import CommandFailedError, environment, run


def changed_files(mirror: Mirror, before: str, after: str) -> list[str]:
    """Return the paths that differ between two commits, which are fetched where they are missing.

    Raises a ReleaseError where one of them cannot be fetched or compared.
    """
    mirror.fetch(before)
    mirror.fetch(after)
    # Plumbing: nothing in a person's configuration changes what it prints.
    argv = ["git", "--git-dir", str(mirror.path), "diff-tree", "-r", "-z", "--no-renames", "--name-only"]
    try:
        output = run(
            [*argv, before, after, "--"],
            env=environment(LC_ALL="C.UTF-8"),
            timeout=bounds.BOUNDS.git_history_seconds,
        )
    except CommandFailedError as error:
        raise TransientError(
            f"git cannot compare {before} with {after}: {error.reason}", "Run the same command again."
        ) from None
    return [name for name in output.split("\0") if name]
