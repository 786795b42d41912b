"""Tell tags that are releases from those that point to one: `v1` and `v1.2` next to `v1.2.3`."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from release_assets.rules.pointers import overtaken, pointers
from release_assets.rules.tags import ParsedTag, TagPatterns, parse_tag
from release_assets_tests.strategies import examples, tags

PATTERNS = TagPatterns()
A, B = "a" * 40, "b" * 40


@pytest.mark.parametrize(
    ("on_one_commit", "expected"),
    [
        (["v1", "v1.2", "v1.2.3"], {"v1": "v1.2.3", "v1.2": "v1.2.3"}),
        (["v1.2.3", "v2"], {}),
        (["v1.2.3", "v1.3"], {}),
        (["v1", "v1.2.3.post1"], {"v1": "v1.2.3.post1"}),
        (["v1!1", "v1.2"], {}),
        # Alone, each of them is a release; together, the longest is.
        (["v1.0"], {}),
        (["v1.0.0"], {}),
        (["v1", "v1.0", "v1.0.0"], {"v1": "v1.0.0", "v1.0": "v1.0.0"}),
        (["v1.0-rc.1", "v1.0rc1"], {"v1.0-rc.1": "v1.0rc1"}),
        # A candidate that is promoted unchanged.
        (["v1.2.3rc1", "v1.2.3"], {}),
        (["v2.0.0rc1", "v2.0"], {}),
        (["v2", "v2.1.0rc1"], {"v2": "v2.1.0rc1"}),
        (["test-v1.2.3", "v1.2.3"], {}),
        (["test-v1", "test-v1.2.3", "v1"], {"test-v1": "test-v1.2.3"}),
        (["docker-rebuild-v1", "v1.2.3"], {}),
        (["v1", "vnext", "nightly"], {}),
    ],
)
def test_a_shorter_version_on_the_same_commit_is_a_pointer(
    on_one_commit: list[str], expected: dict[str, str]
) -> None:
    assert pointers(dict.fromkeys(on_one_commit, A), PATTERNS) == expected


def test_tags_on_other_commits_are_no_pointers() -> None:
    assert pointers({"v1": A, "v1.2.3": B}, PATTERNS) == {}


def test_what_was_released_is_not_replaced_by_another_name_of_it() -> None:
    assert pointers({"v1.0": A, "v1.0.0": A}, PATTERNS, released=["v1.0"]) == {"v1.0.0": "v1.0"}


@pytest.mark.parametrize(
    ("new", "known", "expected"),
    [
        ("v2", ["v1.9.0", "v2.0.0", "v2.1.0"], {"v2": "v2.1.0"}),
        ("v1.2", ["v1.2.3", "v1.3.0"], {"v1.2": "v1.2.3"}),
        ("v1.2", ["v1.2.0rc1", "v1.1.9", "v1.3"], {}),
        ("v1.2.post1", ["v1.2.3"], {}),
        ("v1.2.3rc1", ["v1.2.3.1"], {}),
        ("v1", ["test-v1.2.3", "v1!1.2"], {}),
        ("nightly", ["v1.2.3"], {}),
    ],
)
def test_a_shorter_version_that_comes_later_moves(
    new: str, known: list[str], expected: dict[str, str]
) -> None:
    assert overtaken([new], known, PATTERNS) == expected


@given(st.dictionaries(tags, st.sampled_from([A, B]), max_size=10))
@examples(500)
def test_a_pointer_leads_to_a_release_on_its_commit(observed: dict[str, str]) -> None:
    found = pointers(observed, PATTERNS)
    for name, target in found.items():
        assert target not in found
        assert observed[name] == observed[target]
        ours, theirs = parse_tag(name, PATTERNS), parse_tag(target, PATTERNS)
        assert isinstance(ours, ParsedTag)
        assert isinstance(theirs, ParsedTag)
        assert ours.kind == theirs.kind


def test_twenty_thousand_tags_on_one_commit_take_no_time() -> None:
    many = {f"v{a}.{b}.{c}": A for a in range(20) for b in range(20) for c in range(50)}
    started = time.process_time()
    assert pointers(many | {"v1": A, "v1.2": A}, PATTERNS) == {"v1": "v1.0.0", "v1.2": "v1.2.0"}
    assert time.process_time() - started < 5
