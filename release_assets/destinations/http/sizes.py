"""How long a file of some size may take."""

from __future__ import annotations

MEBIBYTE = 1024 * 1024
# Seconds for a whole file, up or down: what a slow line needs (100 kB/s), and no more.
FILE_SECONDS, SECONDS_PER_MEBIBYTE = 60.0, 10.0


def seconds_for(size: int) -> float:
    """How long a file of `size` bytes may take in all: what a slow line needs, but never for ever."""
    return FILE_SECONDS + SECONDS_PER_MEBIBYTE * size / MEBIBYTE
