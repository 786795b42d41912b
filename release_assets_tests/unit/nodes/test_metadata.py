"""Metadata as people read it: links first, words next to numbers, tables that fit on a page, digests last."""

from __future__ import annotations

import dagster as dg
import pytest

from release_assets.nodes.metadata import rows_of, shown, table
from release_assets.text import size_text

DIGEST = f"sha256:{'0123456789ab' * 5}abcd"
MOVES = [{"tag": "latest", "why": "highest is 1.2.3", "from": "none", "to": DIGEST}]


def test_links_come_first_then_words_numbers_and_digests() -> None:
    entries = shown({
        "digest": DIGEST,
        "size_bytes": 29_143_210,
        "tags": table([{"tag": "latest"}]),
        "image": "registry.example.org/sample:1.2.3",
        "release_run": dg.MetadataValue.dagster_run("1"),
        "page": dg.MetadataValue.url("https://example.org"),
        "signed": True,
    })  # fmt: skip
    assert list(entries) == ["release_run", "page", "size", "image", "signed", "size_bytes", "tags", "digest"]
    assert (entries["size"], entries["size_bytes"]) == ("29.1 MB", 29_143_210)


def test_a_table_is_short_and_its_rows_stay_whole_to_copy() -> None:
    entries = shown({"tags": table(MOVES)})
    (row,) = entries["tags"].records
    assert row.data == {**MOVES[0], "to": "sha256:0123456789ab…"}
    assert entries["tags/whole"].data == MOVES
    assert rows_of(entries, "tags") == MOVES
    assert rows_of({name: value.value for name, value in entries.items()}, "tags") == MOVES


def test_the_files_of_a_release_fit_on_a_page() -> None:
    files: list[dict[str, str | int]] = [
        {"file": "a.whl", "size_bytes": 4_696, "sha256": "ab" * 32, "url": "https://example.org/a.whl"}
    ]
    entries = shown({"files": table(files)})
    (row,) = entries["files"].records
    assert row.data == {"file": "a.whl", "size": "4.7 kB", "sha256": "abababababab…"}
    assert rows_of(entries, "files") == files


def test_a_table_without_digests_has_no_second_form() -> None:
    assert list(shown({"steps": table([{"step": "RUN true", "seconds": 1.0}])})) == ["steps"]


def test_rows_that_were_recorded_before_are_read_as_they_are() -> None:
    assert rows_of({"tags": table(MOVES)}, "tags") == MOVES
    assert rows_of({"tags": "none: a prerelease moves no tag"}, "tags") == []


@pytest.mark.parametrize(
    ("size", "words"),
    [(0, "0 bytes"), (999, "999 bytes"), (4_696, "4.7 kB"), (29_143_210, "29.1 MB"), (5 * 10**9, "5.0 GB")],
)
def test_a_size_in_words(size: int, words: str) -> None:
    assert size_text(size) == words
