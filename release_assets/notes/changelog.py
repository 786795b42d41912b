"""Find a version's section in a changelog, in Markdown or reStructuredText. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from packaging.version import InvalidVersion, Version

# Where projects keep one, in the order in which they are looked for.
NAMES = (
    "CHANGELOG.md", "CHANGES.md", "HISTORY.md", "NEWS.md", "CHANGELOG.rst", "CHANGES.rst", "HISTORY.rst",
    "NEWS.rst", "CHANGELOG", "CHANGES", "changelog.md", "docs/changelog.md", "docs/changelog.rst",
)  # fmt: skip
LENGTH_LIMIT = 5_000_000  # characters of a changelog that are looked at

FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
HEADING = re.compile(r" {0,3}(#{1,6})[ \t]+(.*?)(?:[ \t]+#+)?[ \t]*$")
UNDERLINE = re.compile(r"([=\-~^\"'`*+#.:_])\1{2,}[ \t]*$")
WORD = re.compile(r"[0-9A-Za-z][0-9A-Za-z.!+_-]*")
DEFINITION = re.compile(r" {0,3}\[([^\]]+)\]:[ \t]*\S")
UNRELEASED = re.compile(r"\b(unreleased|upcoming|next)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Heading:
    """A heading: its level (1 is the outermost), its text, and the lines from and to which it reaches."""

    level: int
    text: str
    start: int
    end: int


def section(text: str, version: Version) -> str | None:
    """Return what a changelog says about a version, without its heading; None where it says nothing.

    A heading is the version's if it holds the version, however written: `## [1.2.3] - 2026-01-01`,
    `v1.2.3 (2026-01-01)`, `Version 1.2.3`. A prerelease without a section of its own has the unreleased one.
    Links that are defined elsewhere in the file go with the text that uses them.
    """
    lines = text[:LENGTH_LIMIT].splitlines()
    headings = list(_headings(lines))
    own = [heading for heading in headings if _is_of(heading.text, version)]
    if not own and version.is_prerelease:
        own = [heading for heading in headings if UNRELEASED.search(heading.text)]
    if not own:
        return None
    # `## 1.2` may stand above `### 1.2.0`: the one that says more is the version's own.
    chosen = max(own, key=lambda heading: (heading.text.count("."), -heading.start))
    end = next(
        (one.start for one in headings if one.start >= chosen.end and one.level <= chosen.level), len(lines)
    )
    definitions = {match[1].lower(): line for line in lines if (match := DEFINITION.match(line))}
    body = [line for line in lines[chosen.end : end] if not DEFINITION.match(line)]
    found = "\n".join(body).strip()
    used = [line for label, line in definitions.items() if f"[{label}]" in found.lower()]
    return "\n\n".join(filter(None, (found, "\n".join(used))))


def without_heading(text: str, version: Version) -> str:
    """Return a text without its first line, if that is a heading that holds the version."""
    lines = text.strip().splitlines()
    first = next(_headings(lines), None)
    if first is None or first.start != 0 or not _is_of(first.text, version):
        return text.strip()
    return "\n".join(lines[first.end :]).strip()


def _headings(lines: list[str]) -> Iterator[Heading]:
    """Yield the headings of a text, those in blocks of code left out."""
    fence = ""
    underlines: list[str] = []  # reStructuredText's levels are in the order in which they first appear
    for number, line in enumerate(lines):
        if match := FENCE.match(line):
            if not fence:
                fence = match[1]
            elif match[1].startswith(fence) and not line.strip().strip(fence[0]):
                fence = ""
            continue
        if fence:
            continue
        if match := HEADING.match(line):
            yield Heading(len(match[1]), match[2], number, number + 1)
        elif number and (match := UNDERLINE.match(line)) and _is_title(lines, number, line):
            if match[1] not in underlines:
                underlines.append(match[1])
            yield Heading(underlines.index(match[1]) + 1, lines[number - 1].strip(), number - 1, number + 1)


def _is_title(lines: list[str], number: int, underline: str) -> bool:
    """Return whether the line above an underline is a title, and not the text above a rule or a table."""
    title = lines[number - 1].strip()
    above = lines[number - 2].strip() if number > 1 else ""
    if not title or UNDERLINE.match(title) or "|" in title or len(underline.strip()) + 1 < min(len(title), 4):
        return False
    return not above or bool(UNDERLINE.match(above))


def _is_of(text: str, version: Version) -> bool:
    """Return whether a heading holds a version; dates do not count as one."""
    plain = re.sub(r"\]\([^)]*\)", "]", text)  # the address of a link
    for word in WORD.findall(plain):
        if "." not in word and "." in str(version):
            continue  # a year, a day, "Python 3"
        try:
            if Version(word.rstrip(".").lstrip("vV")) == version:
                return True
        except InvalidVersion:
            continue
    return False
