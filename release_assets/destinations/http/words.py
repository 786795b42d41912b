"""A server's words, so that they can be shown: they are data, not ours."""

from __future__ import annotations

from collections.abc import Sequence

from release_assets.process import printable, redact

AGAIN = "Nothing is lost: materialize again when it answers; what has arrived is found and kept."


def without(secrets: Sequence[str], text: str) -> str:
    """A server's words, printable and with *** for every secret."""
    # Again, since a secret with an escape sequence in it is whole when that is taken out.
    return redact(printable(redact(text, secrets)), secrets)


def one_line(text: str, limit: int = 300) -> str:
    """A server's words as one printable line of at most `limit` characters: they are data, not ours."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= limit else f"{line[:limit]}…"
