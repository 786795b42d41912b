"""Decide which releases' files may go. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from packaging.version import Version


def removable(stored: Iterable[tuple[str, Version]], complete: Collection[str], keep: int) -> list[str]:
    """Return the tags whose stored files may go: all complete releases but the `keep` highest versions.

    A release that is not complete needs its files to be resumed: they are never removed, and not counted.
    """
    done = sorted((version, tag) for tag, version in stored if tag in complete)
    return [tag for _, tag in done[: max(0, len(done) - keep)]]
