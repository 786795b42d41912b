"""The word list's check: where it looks, and what it finds."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.words import WORDS, findings


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("a.py", '"""It is no folder."""\n', [(1, "is no folder")]),
        ("a.py", "x = 1  # nothing shall happen\n", [(1, "shall")]),
        ("a.py", 'print(f"{x} is unwell")\n', [(1, "unwell")]),
        ("a.py", 'x = """one\ntwo anew\n"""\n', [(2, "anew")]),
        ("a.py", "shall = anew = lest = 1\n", []),
        ("a.py", 'def f():\n    """Whether it is so."""\n', [(2, "Whether …")]),
        ("a.py", 'def test_f():\n    """Where it was."""\n', []),
        ("a.py", '"""There is no file, it is no longer there."""\n', []),
        ("a.md", "The registry wants a\nlogin.\n", [(1, "The registry wants")]),
        ("a.md", "```\nshall\n```\nand `anew`, lest\n", [(4, "lest")]),
        ("a.md", "People know; the maintainer says so.\n", []),
        ("a.yaml", "shall: anew  # for ever\n", [(1, "for ever")]),
    ],
)
def test_phrases_are_found_in_prose_only(name: str, text: str, found: list[tuple[int, str]]) -> None:
    assert [(one.line, one.phrase) for one in findings(Path(name), text)] == found


def test_every_phrase_has_another_one() -> None:
    assert all(instead for _, instead in WORDS)
