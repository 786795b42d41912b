"""The table of a benchmark: in the terminal, as JSON, and in docs/performance.md."""

from __future__ import annotations

import json
import os
import platform
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from rich.table import Table

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"


def machine() -> dict[str, Any]:
    """Return what the figures depend on: processor, cores, memory, system and Python."""
    model = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "processor": model[1] if model else platform.machine(),
        "cores": os.cpu_count(),
        "memory_gib": round(memory / 1024**3),
        "system": platform.platform(),
        "python": platform.python_version(),
    }


def table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """Return the rows as a table for a terminal."""
    shown = Table(title="Seconds: median (lowest to highest)", title_justify="left", box=None)
    for column in COLUMNS:
        shown.add_column(column, justify="left" if column == "row" else "right", no_wrap=column != "row")
    for row in rows:
        shown.add_row(*cells(row))
    return shown


COLUMNS = ("row", "ours", "script", "value", "must", "aim", "")


def cells(row: Mapping[str, Any]) -> list[str]:
    """Return a row's cells in the order of `COLUMNS`."""
    unit = row["unit"]
    return [
        row["row"],
        _seconds(row["ours"]),
        _seconds(row["script"]) if row["script"] else "",
        f"{row['value']:.2f} {unit}",
        "" if row["must"] is None else f"≤ {row['must']:g} {unit}",
        "" if row["aim"] is None else f"≤ {row['aim']:g} {unit}",
        "✓" if row["holds"] else "✗",
    ]


def _seconds(values: Sequence[float]) -> str:
    return f"{median(values):.1f} ({min(values):.1f} to {max(values):.1f})"


def write_json(path: Path, rows: Sequence[Mapping[str, Any]], *, command: str) -> None:
    """Write rows, machine and command; rows of an earlier benchmark that were not measured now are kept."""
    earlier: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {"rows": []}
    new = {row["row"] for row in rows}
    kept = [row for row in earlier["rows"] if row["row"] not in new]
    content = {"machine": machine(), "command": command, "rows": [*kept, *rows]}
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def update_document(document: Path, measured: Path) -> None:
    """Put the measured table into the document, between its two marks. Raises ValueError without them."""
    content = json.loads(measured.read_text())
    text = document.read_text()
    if BEGIN not in text or END not in text:
        raise ValueError(f"{document} lacks the lines {BEGIN} and {END}")
    lines = ["| " + " | ".join(COLUMNS) + " |", "| " + " | ".join("---" for _ in COLUMNS) + " |"]
    lines += ["| " + " | ".join(cells(row)) + " |" for row in content["rows"]]
    about = content["machine"]
    where = (
        f"`{content['command']}` on {about['processor']}, {about['cores']} cores, {about['memory_gib']} GiB, "
        f"Python {about['python']}."
    )
    block = "\n".join([BEGIN, where, "", *lines, END])
    head, _, rest = text.partition(BEGIN)
    document.write_text(head + block + rest.partition(END)[2])
