"""Split the texts that actions take as inputs, and the commands of shell scripts. Pure."""

from __future__ import annotations

import re


def commands(script: str) -> list[str]:
    """Return the commands of a shell script, one a line, without comments and what is only printed.

    Expressions are written without blanks, so that each is one word.
    """
    joined = re.sub(r"\\[ \t]*\n[ \t]*", " ", script)
    joined = re.sub(r"\$\{\{([^{}\n]{0,500})\}\}", lambda match: f"${{{{{match[1].strip()}}}}}", joined)
    lines = (" ".join(line.split()) for line in joined.splitlines())
    return [line for line in lines if line and not _only_prints(line)]


def _only_prints(line: str) -> bool:
    return line.startswith(("#", "echo ", "printf ")) and " | " not in line


def entries(text: str) -> list[str]:
    """Return the lines of a list, without quotes, comments and empty ones."""
    lines = (line.strip().strip("'\"") for line in text.splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def pairs(text: str) -> dict[str, str]:
    """Return the NAME=value lines of a text; a name alone has its value elsewhere and is left out."""
    split = (line.partition("=") for line in entries(text))
    return {name.strip(): value.strip() for name, equals, value in split if equals}
