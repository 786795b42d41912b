"""The result: everything that was measured, as JSON, from which every table and page is made."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.figures import Series


@dataclass(frozen=True)
class Result:
    """A measurement: its figures, the machine and the command."""

    command: str
    date: str
    commit: str
    seconds: float
    machine: Mapping[str, str]
    series: tuple[Series, ...]

    def of(self, what: str, row: str) -> Series | None:
        """Return one series, None where it was not measured."""
        return next((found for found in self.series if (found.what, found.row) == (what, row)), None)


def write(result: Result, file: Path) -> None:
    """Write the result as JSON, a series on each line."""
    content = asdict(result)
    rows = ",\n".join(f"  {json.dumps(_rounded(row))}" for row in content.pop("series"))
    head = json.dumps(content, indent=1).removesuffix("\n}")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f'{head},\n "series": [\n{rows}\n ]\n}}\n')


def read(file: Path) -> Result:
    """Return the result that is written in a file. Raises ValueError where it holds something else."""
    content = json.loads(file.read_text())
    try:
        series = tuple(
            Series(row["row"], row["what"], row["unit"], tuple(row["ours"]), tuple(row["script"]))
            for row in content.pop("series")
        )
        return Result(series=series, **content)
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"{file} is not a result of `make bench`: {error!r}") from None


def _rounded(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: [round(figure, 3) for figure in value] if isinstance(value, list | tuple) else value
        for name, value in row.items()
    }
