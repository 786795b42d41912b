"""An approval covers what it was given for, and nothing that changed since."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from release_assets.rules.approval import (
    Approval,
    Subject,
    files_not_covered,
    images_not_covered,
    not_covered,
    recorded,
)

A, B, C = "a" * 40, "b" * 40, "c" * 40
NOW = Subject("v1.2.3", A, A, {"sdist": "5d", "wheel": "3e"})


def test_an_approval_covers_what_it_was_given_for() -> None:
    assert not_covered(NOW, NOW) is None
    assert not_covered(None, NOW) == "nobody has approved it"


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"commit": B}, f"commit {A} was approved, and the tag points to {B} now"),
        (
            {"files": {"sdist": "77", "wheel": "3e"}},
            "the sdist with sha256 5d was approved, and 77 is built now",
        ),
        (
            {"files": {"sdist": "5d", "wheel": "77"}},
            "the wheel with sha256 3e was approved, and 77 is built now",
        ),
        ({"images_from": B}, f"images from commit {A} were approved, and a rebuild tag names {B} now"),
    ],
    ids=["moved tag", "other sdist", "other wheel", "rebuild tag"],
)
def test_what_changed_since_is_not_approved(changed: dict[str, Any], words: str) -> None:
    now = replace(NOW, **changed)
    assert not_covered(NOW, now) == words
    assert now.code != NOW.code


def test_a_rebuild_tag_leaves_the_files_approved() -> None:
    now = replace(NOW, images_from=B)
    assert files_not_covered(NOW, now) is None
    assert images_not_covered(now, NOW) is None  # the tag is deleted: the release's own commit counts


def test_files_that_are_not_kept_anymore_need_no_approval() -> None:
    assert not_covered(NOW, replace(NOW, files={"sdist": None, "wheel": None})) is None
    # What was approved before anything was built covers no file.
    assert files_not_covered(replace(NOW, files={"sdist": "5d", "wheel": None}), NOW) is not None


def test_only_a_whole_record_is_an_approval() -> None:
    approval = Approval(NOW, "anna", "tried it", 1.0)
    assert recorded("v1.2.3", approval.metadata) == approval
    assert recorded("v1.2.4", approval.metadata) is None
    assert recorded("v1.2.3", {}) is None  # somebody reported a materialization in the UI
    for name in set(approval.metadata) - {"reason", "approved_by", "approved_at"}:
        assert recorded("v1.2.3", {**approval.metadata, name: "other"}) is None


def test_every_platform_wheel_is_approved_by_its_bytes() -> None:
    now = replace(NOW, files={"sdist": "5d", "wheel_linux_amd64": "aa", "adopted_wheels": "bb"})
    assert recorded("v1.2.3", Approval(now, "anna", "tried it", 1.0).metadata) == Approval(
        now, "anna", "tried it", 1.0
    )
    other = replace(now, files={**now.files, "adopted_wheels": "cc"})
    assert files_not_covered(now, other) == (
        "the adopted_wheels with sha256 bb was approved, and cc is built now"
    )
    more = replace(NOW, files={**NOW.files, "adopted_wheels": "bb"})
    assert files_not_covered(NOW, more) is not None


def test_an_approval_of_before_platform_wheels_still_counts() -> None:
    old = dict(Approval(NOW, "anna", "tried it", 1.0).metadata)
    del old["files"]
    assert recorded("v1.2.3", old) == Approval(NOW, "anna", "tried it", 1.0)
