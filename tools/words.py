"""Check prose against the project's word list: comments, docstrings and texts of Python, Markdown, YAML.

    python -m tools.words [FILE...]   check these files, or all that git has
    python -m tools.words --prune     take files that pass out of words_ignore.txt

Files in words_ignore.txt are not checked: they were written before the list. The file only shrinks.
"""

from __future__ import annotations

import ast
import io
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
IGNORED = Path(__file__).with_name("words_ignore.txt")
EXEMPT = {"tools/words.py", "release_assets_tests/unit/tools/test_words.py"}  # they quote the list
SUFFIXES = {".py", ".md", ".yaml", ".yml", ".toml"}

# Programs, servers and files: people do things, software does not.
THINGS = (
    r"(?:\b(?:the |a |an )?(?:index|registry|server|engine|destination|sensor|daemon|command|program|script|"
    r"key|file|node|asset|step|child|cache|token|check|YAML|PyPI|GitHub|Dagster|git|docker|buildx|BuildKit|"
    r"twine|cosign|pip|uv)\s+)"
)
# An expression, and what to write in its place.
WORDS = (
    (r"\b(?<!there )(?:is|are|was|were) no (?!more\b|longer\b|less\b)\w+", "is not a"),
    (r"\bshall\b", "must, will"),
    (r"\bwhoever\b", "who, anybody who"),
    (r"\banew\b", "again"),
    (r"\bfor ever\b", "without end, forever"),
    (r"\bnobody's business\b", "secret, private"),
    (r"\ball the same\b", "anyway, or leave it out"),
    (r"\blest\b", "so that … not"),
    (r"\bbeside\b", "next to, besides"),
    (r"\bunwell\b", "failing, unavailable"),
    (r"\bout of reach\b", "unreachable"),
    (r"\bwithout a word\b", "without output, silently"),
    (r"\bgives? up (?:its|their) words?\b", "reports, prints"),
    (r"\bin our words\b", "as a ReleaseError"),
    (r"\btr(?:y|ies|ied) again\b(?= and again)", "retry"),
    (THINGS + r"(?:says|wants|asks|tells|takes|knows)\b", "returns, requires, rejects, accepts, reports"),
    (
        r"\b(?:behaviour|colour|licence|honour|favour|neighbour|recognise|organise|centre)(?:s|d|ed)?\b",
        "US spelling",
    ),
)
# The first word of a docstring: it is imperative, and says what comes back.
FIRST_WORDS = re.compile(r"(?:What|Whether|Where|Whose|Who|How|Which|Why)\b")


@dataclass(frozen=True)
class Finding:
    """A phrase at a line of a file."""

    line: int
    phrase: str
    instead: str


def findings(path: Path, text: str) -> list[Finding]:
    """Return the phrases of a file that the word list replaces, in their order."""
    found = list(_first_words(text)) if path.suffix == ".py" else []
    for start, prose in _prose(path, text):
        for pattern, instead in WORDS:
            for match in re.finditer(pattern, prose, flags=re.IGNORECASE):
                line = start + prose.count("\n", 0, match.start())
                found.append(Finding(line, " ".join(match[0].split()), instead))
    return sorted(found, key=lambda finding: finding.line)


def _prose(path: Path, text: str) -> Iterator[tuple[int, str]]:
    """Yield the texts for people in a file, each with its first line."""
    match path.suffix:
        case ".py":
            kinds = {tokenize.COMMENT, tokenize.STRING, getattr(tokenize, "FSTRING_MIDDLE", -1)}
            for token in tokenize.generate_tokens(io.StringIO(text).readline):
                if token.type in kinds:
                    yield token.start[0], token.string
        case ".md":
            code = re.compile(r"^( *```).*?^ *```|`[^`\n]+`", flags=re.MULTILINE | re.DOTALL)
            yield 1, code.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), text)
        case _:
            for number, line in enumerate(text.splitlines(), 1):
                _, hash_, comment = line.partition("#")
                if hash_:
                    yield number, comment


def _first_words(text: str) -> Iterator[Finding]:
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Module):
            continue
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            continue  # its docstring gives a reason
        docstring = ast.get_docstring(node)
        if docstring and (match := FIRST_WORDS.match(docstring)):
            line = node.body[0].lineno
            yield Finding(line, f"{match[0]} …", "an imperative: Return …, Raise …, Yield …")


def _tracked() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],  # noqa: S607
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return [ROOT / name for name in listed.stdout.splitlines()]


def _ignored() -> list[str]:
    lines = IGNORED.read_text(encoding="utf-8").splitlines() if IGNORED.exists() else []
    return [line for line in lines if line and not line.startswith("#")]


def _found_in(path: Path) -> list[Finding]:
    try:
        return findings(path, path.read_text(encoding="utf-8"))
    except (SyntaxError, UnicodeDecodeError):  # ruff reports it
        return []


def main(arguments: list[str]) -> int:
    """Print the findings and return the exit status: 1 if there are any."""
    ignored = _ignored()
    if arguments == ["--prune"]:
        header = [line for line in IGNORED.read_text(encoding="utf-8").splitlines() if line.startswith("#")]
        kept = [name for name in ignored if (ROOT / name).exists() and _found_in(ROOT / name)]
        IGNORED.write_text("\n".join([*header, *kept]) + "\n", encoding="utf-8")
        print(f"{len(ignored) - len(kept)} of {len(ignored)} files pass now")
        return 0
    status = 0
    for path in map(Path.absolute, map(Path, arguments)) if arguments else _tracked():
        name = path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else str(path)
        if path.suffix not in SUFFIXES or not path.is_file() or name in {*ignored, *EXEMPT}:
            continue
        for finding in _found_in(path):
            print(f"{name}:{finding.line}: {finding.phrase!r}: {finding.instead}")
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
