"""Compare what the places hold of a release with each other. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from release_assets.destinations.github import same_name
from release_assets.text import one_line
from release_assets.verification.finding import Finding, Verdict

FILES = "files"
SUMS = "SHA256SUMS"
LINE = re.compile(r"([0-9a-f]{64}) [ *](\S.*)")


@dataclass(frozen=True)
class Held:
    """A file as a place holds it: its sha256 in hex, and whether that was computed from its bytes."""

    sha256: str
    downloaded: bool


def sums_of(text: str) -> dict[str, str]:
    """Return file → sha256 of a SHA256SUMS file; lines that are not such are left out."""
    return {
        match[2]: match[1]
        for line in text.splitlines()
        if (match := LINE.fullmatch(line.strip())) is not None
    }


def agreement(places: Mapping[str, Mapping[str, Held]]) -> Iterator[Finding]:
    """Yield, for each file, whether the places that hold it hold the same bytes.

    `places` are the files of each place by name. A name that GitHub rewrote counts as the name it was
    uploaded under.
    """
    names: dict[str, dict[str, Held]] = {}
    for place, files in places.items():
        for name, held in files.items():
            known = next((other for other in names if same_name(other, name)), name)
            names.setdefault(known, {})[place] = held
    for name, held_by in names.items():
        shown = one_line(name)
        if len({held.sha256 for held in held_by.values()}) > 1:
            details = tuple(f"{place}: sha256 {held.sha256}" for place, held in held_by.items())
            yield Finding(FILES, shown, Verdict.FAILED, "the places hold other bytes of it", details)
            continue
        sha256 = next(iter(held_by.values())).sha256
        where = ", ".join(
            place if held.downloaded else f"{place} (stated)" for place, held in held_by.items()
        )
        yield Finding(FILES, shown, Verdict.OK, f"sha256 {sha256} at {where}")
