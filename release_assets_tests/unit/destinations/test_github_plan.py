"""The difference between a wanted release and what GitHub has is decided."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from release_assets.destinations.github import ReleasePlan, fitting_body, release_plan, same_name
from release_assets.errors import ConflictError
from release_assets_tests.unit.destinations.github_hub import WHEEL, file, observed, there, wanted


def test_nothing_there_is_created_filled_and_published(tmp_path: Path) -> None:
    release = wanted(file(tmp_path))
    assert release_plan(None, release) == ReleasePlan(True, (), release.assets, True)


def test_a_whole_published_release_is_done_whatever_else_it_has(tmp_path: Path) -> None:
    asset = file(tmp_path)
    other = there(asset, name="notes.pdf", size=1)
    assert release_plan(observed(there(asset), other, draft=False), wanted(asset)).is_done


@pytest.mark.parametrize("change", [{"state": "starter"}, {"size": 3}, {"digest": "sha256:00"}])
def test_a_wrong_asset_of_a_draft_is_replaced(tmp_path: Path, change: dict[str, Any]) -> None:
    asset = file(tmp_path)
    wrong = there(asset, **change)
    assert release_plan(observed(wrong, draft=True), wanted(asset)) == ReleasePlan(
        False, (wrong,), (asset,), True
    )


def test_a_half_uploaded_asset_of_a_release_is_replaced(tmp_path: Path) -> None:
    asset = file(tmp_path)
    half = there(asset, state="starter", size=0)
    assert release_plan(observed(half, draft=False), wanted(asset)) == ReleasePlan(
        False, (half,), (asset,), False
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [({"size": 3}, "3 bytes, ours has 5"), ({"digest": "sha256:00"}, "sha256:00, ours is sha256:")],
)
def test_other_bytes_in_a_release_are_a_conflict_that_names_both(
    tmp_path: Path, change: dict[str, Any], words: str
) -> None:
    asset = file(tmp_path)
    with pytest.raises(ConflictError) as caught:
        release_plan(observed(there(asset, **change), draft=False), wanted(asset))
    assert f"has {WHEEL} with other bytes: {words}" in caught.value.problem


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (WHEEL, WHEEL),
        ("p-1!2.0-py3-none-any.whl", "p-1.2.0-py3-none-any.whl"),
        ("p-1.0+cu118.tar.gz", "p-1.0.cu118.tar.gz"),
        ("p-1.0+cu118.tar.gz", "p-1.0+cu118.tar.gz"),
        ("my notes (1).txt", "my.notes.1.txt"),
    ],
)
def test_a_name_that_github_rewrote_is_still_ours(ours: str, theirs: str) -> None:
    assert same_name(ours, theirs)


def test_wheels_of_two_platforms_have_two_names() -> None:
    assert not same_name("p-1.0-cp312-cp312-linux_x86_64.whl", "p-1.0-cp312-cp312-linux_aarch64.whl")


def test_a_long_text_is_cut_and_says_so() -> None:
    assert fitting_body("x" * 125_000) == "x" * 125_000
    cut = fitting_body("x" * 125_001)
    assert len(cut) == 125_000
    assert cut.endswith("(cut here: GitHub accepts no more than 125,000 characters)\n")
