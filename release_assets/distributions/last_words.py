"""Cut the output of a failed build tool to what an error repeats."""

from __future__ import annotations

from collections.abc import Sequence

SAID_LIMIT = 10_000  # characters


def last_words(tail: Sequence[str]) -> str:
    """Return the end of a tool's output for an error."""
    return "\n".join(tail)[-SAID_LIMIT:]
