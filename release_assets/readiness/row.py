"""Rows, which looks answer with. A failure becomes a row, too."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from release_assets.errors import ReleaseError, TransientError
from release_assets.nodes.preflight import UnsetError
from release_assets.text import printable, redact

State = Literal["ok", "warning", "failed"]


@dataclass(frozen=True)
class Row:
    """One thing that a release needs, how it stands, and what to do.

    `what` is what people call it, `key` what the YAML does; `command` mends it, or shows more.
    """

    project: str
    what: str
    key: str
    state: State
    words: str
    remedy: str = ""
    command: str = ""


@dataclass(frozen=True)
class Look:
    """A thing to look at. `if_not` is its state where it is missing, `command` what mends it."""

    project: str
    what: str
    key: str
    rows: Callable[[], Iterator[Row]]
    secrets: tuple[str, ...] = ()
    if_not: State = "failed"
    command: str = ""

    def answer(self) -> list[Row]:
        """Return what the look found; its failure as a row, in the words of the release itself."""
        try:
            return list(self.rows())
        except ReleaseError as error:
            words, remedy = (printable(redact(text, self.secrets)) for text in (error.problem, error.remedy))
            unset = error.variables if isinstance(error, UnsetError) else ()
            command = "; ".join(f"export {variable}=..." for variable in unset) or self.command
            if isinstance(error, TransientError) and command.startswith("export "):
                command = ""  # a new token mends no server that is unreachable
            return [Row(self.project, self.what, self.key, self.if_not, words, remedy, command)]
