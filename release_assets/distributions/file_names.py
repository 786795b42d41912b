"""Show the file names of distributions, which build code may choose."""

from __future__ import annotations

import re

# What file names of distributions are made of: nothing of Markdown, a terminal, a path, or a line's end.
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+!-]*")


def shown(name: str) -> str:
    """Return a file's name for an error or a log: quoted where no distribution has such a name."""
    return name if NAME.fullmatch(name) else repr(name[:200])
