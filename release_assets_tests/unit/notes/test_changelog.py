"""A version's section in changelogs as projects keep them."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

from release_assets.notes.changelog import section, without_heading

CHANGELOGS = Path(__file__).with_name("changelogs")


@pytest.mark.parametrize(
    ("name", "version", "expected"),
    [
        (
            "keep-a-changelog.md",
            "1.10",
            "### Fixed\n\n- A link of the style [guide], and of [#7].\n\n"
            "```sh\n## 1.9.9 is not a heading here\n```\n\n"
            "[guide]: https://example.org/guide\n[#7]: https://example.org/7",
        ),
        ("keep-a-changelog.md", "1.2.0", "- Older."),
        ("keep-a-changelog.md", "1.9.9", None),
        ("keep-a-changelog.md", "2.0.0", None),
        (
            "keep-a-changelog.md",
            "2.0.0rc1",
            "### Added\n\n- Something for 2.0, see [#9].\n\n[#9]: https://example.org/9",
        ),
        (
            "towncrier.rst",
            "3.1.0",
            "Features\n--------\n\n- A thing. (#12)\n\nBugfixes\n--------\n\n- Another thing. (#13)",
        ),
        ("towncrier.rst", "3.0.0", "- Before."),
        ("release-please.md", "2.1.0", "### Features\n\n* new ([abc](https://example.org/abc))"),
        ("release-please.md", "2.0.0", "### ⚠ BREAKING CHANGES\n\n* all of it"),
        ("release-please.md", "1.9.0", ""),
        ("minor-above.md", "1.2.0", "- first"),
        ("minor-above.md", "1.2.1", "- patch"),
        ("minor-above.md", "1.1.0", "- one"),
        ("minor-above.md", "1.3", None),
    ],
)
def test_the_section_of_a_version(name: str, version: str, expected: str | None) -> None:
    assert section((CHANGELOGS / name).read_text(), Version(version)) == expected


@pytest.mark.parametrize(
    ("heading", "version", "found"),
    [
        ("## v1.2.3", "1.2.3", True),
        ("## Version 1.2.3 — 2026-01-01", "1.2.3", True),
        ("## 1.2.3-rc.1", "1.2.3rc1", True),
        ("## 1.2.3.post1", "1.2.3.post1", True),
        ("## Python 3 and 1.2", "3", True),
        ("## 2026.1.2 (2026-01-02)", "2026.1.2", True),
        ("## Since 2026-01-02", "2026", False),
        ("## 1.2.30", "1.2.3", False),
        ("## 11.2.3", "1.2.3", False),
        ("## See [the other](https://example.org/1.2.3/)", "1.2.3", False),
        ("#1.2.3", "1.2.3", False),
        ("    ## 1.2.3", "1.2.3", False),
        ("1.2.3\n-----", "1.2.3", True),
        ("| 1.2.3 |\n-------", "1.2.3", False),
    ],
)
def test_which_headings_are_a_versions(heading: str, version: str, found: bool) -> None:
    text = f"# Changes\n\n{heading}\n\ntext\n"
    assert (section(text, Version(version)) == "text") is found


def test_a_heading_that_repeats_the_version_goes_away() -> None:
    version = Version("1.2.3")
    assert (
        without_heading("\n## [1.2.3] - 2026-01-01\n\n### Fixed\n\n- one\n", version) == "### Fixed\n\n- one"
    )
    assert (
        without_heading("### Fixed\n\n- in 1.2.3\n\n## 1.2.3\n", version)
        == "### Fixed\n\n- in 1.2.3\n\n## 1.2.3"
    )
    assert without_heading("", version) == ""


@given(st.text(alphabet="#`~=-. 0123[]():\n\tv", max_size=200))
def test_any_text_is_read(text: str) -> None:
    found = section(text, Version("1.2"))
    assert found is None or isinstance(found, str)


@pytest.mark.parametrize("line", ["[" * 200, "#" * 200, "1." * 100, "`" * 200, "-" * 200, "1.2.3 " * 30])
def test_a_changelog_of_megabytes_takes_no_minutes(line: str) -> None:
    started = time.monotonic()
    section(f"{line}\n" * 25_000, Version("1.2.3"))
    assert time.monotonic() - started < 20
