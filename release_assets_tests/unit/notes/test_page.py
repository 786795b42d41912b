"""A release's page: its title, and its text with the notes in it, no longer than GitHub accepts."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version
from pydantic import ValidationError

from release_assets.distributions.store import Distribution
from release_assets.errors import PermanentError
from release_assets.notes.page import check_template, release_body, release_title, shortened
from release_assets.notes.source import Notes
from release_assets.project import Project
from release_assets.rules.tags import Channel, Release

RELEASE = Release("v1.2.3", Version("1.2.3"), "c" * 40, Channel.STABLE)
DISTRIBUTIONS = [
    Distribution(name="sample", filename="sample-1.2.3.tar.gz", size=10, sha256="a" * 64, commit="c" * 40),
    Distribution(
        name="sample", filename="sample-1.2.3-py3-none-any.whl", size=11, sha256="b" * 64, commit="c" * 40
    ),
]
BY_DEFAULT = f"""\
## Install

```
pip install sample==1.2.3
```

## Files

| file | size | sha256 |
| --- | --- | --- |
| sample-1.2.3.tar.gz | 10 | `{"a" * 64}` |
| sample-1.2.3-py3-none-any.whl | 11 | `{"b" * 64}` |

Built from commit {"c" * 40}.
"""


def project(**github: Any) -> Project:
    return Project.model_validate(
        {
            "project": "sample",
            "repository": "https://github.com/me/sample.git",
            "package": {},
            "github": github,
        }
    )


def body(
    notes: str = "", template: str | None = None, limit: int = 125_000, more: str = "https://h/all"
) -> str:
    return release_body(project(), RELEASE, DISTRIBUTIONS, Notes(notes, more), template=template, limit=limit)


def test_without_notes_the_page_is_how_to_install_it() -> None:
    assert body() == BY_DEFAULT


def test_notes_come_first() -> None:
    assert body("- new") == f"- new\n\n{BY_DEFAULT}"


def test_a_template_of_the_repository_decides_everything() -> None:
    template = "# $name $version\n$notes\n\n$tag costs $$5 ($commit)\n$files"
    assert body("- $name", template).startswith(
        f"# sample 1.2.3\n- $name\n\nv1.2.3 costs $5 ({'c' * 40})\n| sample-1.2.3.tar.gz | 10 |"
    )


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("$nots", "uses $nots, which nothing stands for"),
        ("costs $5", "is not a template: Invalid placeholder"),
        ("${version", "is not a template: Invalid placeholder"),
    ],
)
def test_a_template_that_cannot_be_filled_is_refused(template: str, words: str) -> None:
    with pytest.raises(PermanentError) as refused:
        check_template(template, "release.md")
    assert str(refused.value).startswith(f"release.md {words}")


def test_long_notes_are_cut_with_a_link_and_the_rest_stays() -> None:
    found = body("- a line of notes\n" * 10_000)
    assert len(found) <= 125_000
    assert found.endswith(BY_DEFAULT)
    assert found.removesuffix(f"\n\n{BY_DEFAULT}").endswith(
        "- a line of notes\n\n… [the rest](https://h/all)"
    )


def test_a_block_of_code_that_the_cut_leaves_open_is_closed() -> None:
    found = shortened("intro\n```sh\n" + "make\n" * 100, 100, "https://h")
    assert found.count("```") == 2
    assert found.endswith("\n```\n\n… [the rest](https://h)")


@given(
    st.text(alphabet="a `~\n", max_size=400),
    st.integers(0, 500),
    st.sampled_from(["", "https://example.org/compare"]),
)
def test_what_is_cut_fits(text: str, limit: int, more: str) -> None:
    found = shortened(text, limit, more)
    assert len(found) <= limit
    assert found == text or len(text) > limit


def test_a_template_that_repeats_the_notes_fits() -> None:
    assert len(body("word\n" * 30_000, "$notes\n${notes}\n")) <= 125_000


def test_the_title_is_of_the_users_making() -> None:
    assert release_title(project(), RELEASE, "sample") == "Release v1.2.3"
    assert release_title(project(title="{name} {version} ({tag})"), RELEASE, "s") == "s 1.2.3 (v1.2.3)"


@pytest.mark.parametrize("title", ["{versoin}", "{}", "{tag.__class__}", "", " ", "a\nb"])
def test_a_title_that_cannot_be_filled_is_refused(title: str) -> None:
    with pytest.raises(ValidationError, match=r"is unknown in a title|a title is one line"):
        project(title=title)
