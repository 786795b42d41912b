"""Show the moves of floating tags: versions and reasons, and whole digests where they are known."""

from __future__ import annotations

from collections.abc import Sequence

from rich.markup import escape

from release_assets.cli.terminal import columns
from release_assets.rules.tag_moves import TagMove, as_rows


def move_lines(moves: Sequence[TagMove], *, digests: bool) -> list[str]:
    """Return what happens to each tag; with `digests`, a line for each digest of those that move."""
    rows = as_rows(moves)
    lines = []
    for row in rows:
        moved = row["from"] != row["to"]
        change = f"{row['from_version']} → {row['to_version']}" if moved else f"stays at {row['to_version']}"
        lines.append((f"[bold]{escape(row['tag'])}[/]", change, f"[dim]{escape(row['why'])}[/]"))
    shown = columns(lines, indent=2)
    if digests:
        for number, row in reversed(list(enumerate(rows, start=1))):
            if row["from"] != row["to"]:
                shown[number:number] = [f"      {row['from']} →", f"      {row['to']}"]
    return shown
