"""Make words that are not ours fit to be shown: a server's, a child's, those in a user's files.

They lose secrets, what drives a terminal, and length.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator, Sequence
from urllib.parse import quote

SHORTEST = 4  # characters of a secret; a placeholder such as "x" would take all words apart
LINE_OF_SECRET = 16  # characters; a shorter line of a secret is not looked for by itself
# ECMA-48: CSI sequences, then OSC and the like up to their end, then the two-character ones.
ESCAPE = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[@-Z\\^_]")


def redact(text: str, secrets: Iterable[str]) -> str:
    """Return `text` with every secret replaced by ***, also where it was percent-encoded or base64-encoded.

    Base64 of `user:secret` depends on where the secret starts, so all three alignments are looked for:
    a server that echoes the Authorization header shows the secret that way.
    """
    # The longest first: a secret that begins like another must not keep its end.
    for secret in sorted(secrets, key=len, reverse=True):
        for form in _forms(secret):
            text = text.replace(form, "***")
        for form in _forms_in_base64(secret):
            if form in text:
                # Its ends are mixed with what is next to it: four letters on each side go as well.
                text = re.sub(
                    rf"[\w+/-]{{0,4}}{re.escape(form)}[\w+/-]{{0,4}}={{0,2}}", "***", text, flags=re.ASCII
                )
    return text


def printable(text: str) -> str:
    """Return `text` without what would drive a terminal: colors, cursor moves, titles, bells.

    What a build prints and a server answers is data; only line breaks and tabs are kept of its controls.
    """
    text = ESCAPE.sub("", text)
    return "".join(c if c.isprintable() or c in "\n\t" else " " for c in text)


def without(secrets: Sequence[str], text: str) -> str:
    """Return `text` printable, and with *** for every secret."""
    # Again, since a secret with an escape sequence in it is whole when that is taken out.
    return redact(printable(redact(text, secrets)), secrets)


def one_line(text: str, limit: int = 300) -> str:
    """Return `text` as one printable line of at most `limit` characters."""
    return shortened(" ".join(printable(text).split()), limit)


def size_text(size: int) -> str:
    """Return a number of bytes as people say it: `29.1 MB`, `4.7 kB`, `312 bytes`."""
    for unit, bytes_of_it in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= bytes_of_it:
            return f"{size / bytes_of_it:.1f} {unit}"
    return f"{size} bytes"


def last_state(line: str) -> str:
    """Return what a terminal shows of a line in the end: a progress bar overwrites itself."""
    return printable(line.rstrip("\r").rpartition("\r")[2])


def shortened(text: str, limit: int) -> str:
    """Return `text`, cut with an ellipsis where it is longer than `limit` characters."""
    return text if len(text) <= limit else f"{text[:limit]}…"


def _forms(secret: str) -> Iterator[str]:
    if len(secret) < SHORTEST:
        return
    yield secret
    # Output is looked at line by line, and a private key has many.
    yield from (line for line in secret.splitlines() if len(line) >= LINE_OF_SECRET and line != secret)
    yield quote(secret, safe="")


def _forms_in_base64(secret: str) -> Iterator[str]:
    for shift in range(3) if len(secret) >= SHORTEST else ():
        encoded = base64.b64encode(b"\0" * shift + secret.encode()).decode()
        # The first and last groups mix the secret with its neighbors; the rest is the same everywhere.
        inner = encoded[4 if shift else 0 : -4]
        if len(inner) >= 4:
            yield inner
            yield inner.replace("+", "-").replace("/", "_")
