"""The words of a tick."""

from __future__ import annotations

from collections.abc import Sequence

SHOWN_REMARKS = 5


def with_remarks(said: str, remarks: Sequence[str]) -> str:
    """Return a tick's words, with the first few of its remarks."""
    more = len(remarks) - SHOWN_REMARKS
    rest = [f"and {more} more remarks, which are in the log"] if more > 0 else []
    return "; ".join([said, *remarks[:SHOWN_REMARKS], *rest])


def counted(number: int, thing: str, things: str = "") -> str:
    """Return "no tags", "1 tag", "2 tags"; `things` is for a plural that does not only add an s."""
    return f"{number or 'no'} {thing if number == 1 else things or f'{thing}s'}"
