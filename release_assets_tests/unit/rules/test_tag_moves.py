"""Moves of floating tags, decided from what the registry holds: examples, and properties for any order."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

from release_assets.rules.image_tags import floating_tags
from release_assets.rules.tag_moves import (
    Pointer,
    RecordedMove,
    TagMove,
    before_release,
    moves_back,
    moves_forward,
    overtaken_by,
)
from release_assets.rules.tags import Channel, TagKind
from release_assets_tests.strategies import examples, few_versions, is_stable, release_of

V = Version


def points(**tags: str | None) -> dict[str, Pointer | None]:
    """Return where tags point: `latest="4.0.1"` at the digest `d4.0.1` of that version, "?" at a stranger."""
    return {
        tag.replace("_", "."): None
        if text is None
        else Pointer("d?")
        if text == "?"
        else Pointer(f"d{text}", V(text.partition("-")[0]))
        for tag, text in tags.items()
    }


def shown(moves: list[TagMove]) -> dict[str, str]:
    """Return each tag's digest afterwards."""
    return {move.tag: move.after.digest if move.after else "none" for move in moves}


def reasons(moves: list[TagMove]) -> dict[str, str]:
    return {move.tag: move.why for move in moves}


# Forward


def test_a_release_takes_the_tags_of_its_series() -> None:
    found = points(**{"4_2": "4.2.0", "4": "4.2.0", "latest": "5.0.0"})
    moves = moves_forward(release_of(V("4.2.1")), "new", found, {V("4.2.0"), V("4.2.1"), V("5.0.0")})
    assert shown(moves) == {"4.2": "new", "4": "new", "latest": "d5.0.0"}
    assert reasons(moves) == {
        "4.2": "highest is 4.2.1",
        "4": "highest is 4.2.1",
        "latest": "held by 5.0.0",
    }
    assert [move.is_needed for move in moves] == [True, True, False]


def test_a_rebuild_reaches_the_tags_that_a_rollback_left() -> None:
    published = {V("4.0.1"), V("4.10.0")}
    found = points(**{"4_0": "4.0.1", "4": "4.0.1", "latest": "4.0.1"})
    moves = moves_forward(release_of(V("4.0.1")), "rebuilt", found, published)
    assert shown(moves) == {"4.0": "rebuilt", "4": "rebuilt", "latest": "rebuilt"}
    assert reasons(moves)["latest"] == "follows the rebuild of 4.0.1"


def test_an_earlier_digest_without_labels_is_known_by_the_record() -> None:
    found = points(**{"4_0": "?", "4": "?", "latest": "?"})
    published = {V("4.0.1"), V("4.10.0")}
    release = release_of(V("4.0.1"))
    assert shown(moves_forward(release, "rebuilt", found, published, {"d?"}))["latest"] == "rebuilt"
    moves = moves_forward(release, "rebuilt", found, published)
    assert shown(moves)["latest"] == "d?"
    assert reasons(moves)["latest"] == "points to an unknown image; it belongs to 4.10.0"


def test_held_by_names_the_version_that_the_tag_points_to() -> None:
    """A rollback left latest at 4.0.1: 4.10.0 does not hold it, and 4.2.0 must not take it."""
    published = {V("4.0.1"), V("4.2.0"), V("4.10.0")}
    found = points(**{"4_2": "4.2.0", "4": "4.0.1", "latest": None})
    moves = moves_forward(release_of(V("4.2.0")), "d4.2.0", found, published)
    assert reasons(moves) == {
        "4.2": "was there",
        "4": "held by 4.0.1; the highest is 4.10.0",
        "latest": "does not exist; it belongs to 4.10.0",
    }
    assert not any(move.is_needed for move in moves)


@given(st.lists(few_versions.filter(is_stable), unique=True, min_size=1))
@examples(100)
def test_tags_end_at_the_highest_whatever_the_order(order: list[Version]) -> None:
    tags: dict[str, Pointer | None] = {}
    published: set[Version] = set()
    for version in order:
        published.add(version)
        release = release_of(version)
        names = floating_tags(version, release.channel)
        found = {tag: tags.get(tag) for tag in names}
        for move in moves_forward(release, f"d{version}", found, published):
            tags[move.tag] = move.after
    for version in published:
        for tag, series in floating_tags(version, Channel.STABLE).items():
            holder = tags[tag]
            assert holder is not None
            assert holder.version is not None
            rivals = [
                other
                for other in published
                if (other.epoch, other.major, other.minor)[: len(series)] == series
            ]
            assert holder.version == max(rivals)


@pytest.mark.parametrize(
    ("tag", "appeared", "newest"),
    [
        ("latest", ["4.10.0"], "4.10.0"),
        ("4.2", ["4.10.0"], None),
        ("latest", ["4.0.0"], None),
        ("latest", [], None),
    ],
)
def test_only_a_higher_release_that_appeared_meanwhile_takes_over(
    tag: str, appeared: list[str], newest: str | None
) -> None:
    before = {V("4.2.0"), V("5.0.0")}  # 5.0.0 was rolled back: it was there before, and stays away
    now = before | set(map(V, appeared))
    assert overtaken_by(release_of(V("4.2.0")), tag, before, now) == (V(newest) if newest else None)


# Back

IMAGES = {V("4.0.1"): "d4.0.1", V("4.1.0"): "d4.1.0", V("4.2.0"): "d4.2.0", V("4.10.0"): "d4.10.0"}
HELD = points(**{"4_10": "4.10.0", "4": "4.10.0", "latest": "4.10.0"})


def back(
    found: dict[str, Pointer | None] = HELD,
    images: dict[Version, str] = IMAGES,
    tagged: set[Version] | None = None,
    recorded: dict[str, Pointer] | None = None,
    to: str | None = None,
    release: str = "4.10.0",
) -> list[TagMove]:
    return moves_back(
        release_of(V(release)),
        found,
        images,
        tagged=set(IMAGES) if tagged is None else tagged,
        recorded=recorded or {},
        to=V(to) if to else None,
    )


def test_back_goes_to_the_highest_release_before_whatever_was_recorded() -> None:
    """Three tags of one push were released in the order of their names: the record says 4.0.1."""
    moves = back(recorded={"4": Pointer("d4.0.1", V("4.0.1")), "latest": Pointer("d4.0.1", V("4.0.1"))})
    assert shown(moves) == {"4.10": "d4.10.0", "4": "d4.2.0", "latest": "d4.2.0"}
    assert reasons(moves)["latest"] == "4.2.0 is the highest release before 4.10.0"
    assert (
        reasons(moves)["4.10"] == "no release before this one in its series, and no tag can point to nothing"
    )


def test_back_never_goes_to_a_release_that_is_higher() -> None:
    """4.10.0 was rolled back already; 4.2.0 is bad as well."""
    found = points(**{"4_2": "4.2.0", "4": "4.2.0", "latest": "4.2.0"})
    assert shown(back(found, release="4.2.0"))["latest"] == "d4.1.0"


def test_the_record_decides_where_that_release_is_gone() -> None:
    gone = {version: digest for version, digest in IMAGES.items() if version != V("4.2.0")}
    recorded = {"latest": Pointer("dbefore", V("4.2.0"))}
    moves = back(images=gone, recorded=recorded)
    assert shown(moves)["latest"] == "dbefore"
    assert reasons(moves)["latest"] == "4.2.0 has no image in the registry: where it pointed before"
    assert shown(moves)["4"] == "d4.1.0"
    assert reasons(moves)["4"] == "4.2.0 has no image in the registry: 4.1.0 is the highest that has"


def test_a_person_names_the_release_to_go_to() -> None:
    moves = back(to="4.0.1")
    assert shown(moves) == {"4.10": "d4.10.0", "4": "d4.0.1", "latest": "d4.0.1"}
    assert reasons(moves) == {
        "4.10": "4.0.1 is not in its series",
        "4": "as asked for",
        "latest": "as asked for",
    }
    assert reasons(back(to="4.3.0"))["latest"] == "4.3.0 has no image in the registry"


def test_a_tag_that_points_elsewhere_stays() -> None:
    moves = back(points(**{"4_10": None, "4": "?", "latest": "4.2.0"}))
    assert reasons(moves) == {
        "4.10": "does not exist",
        "4": "points to an unknown image, not to 4.10.0",
        "latest": "held by 4.2.0, not by 4.10.0",
    }
    assert not any(move.is_needed for move in moves)


def test_a_prerelease_has_nothing_to_go_back() -> None:
    assert moves_back(release_of(V("1.0rc1")), {}, {}, tagged=set(), recorded={}) == []


def test_a_test_release_goes_back_among_test_releases() -> None:
    found = {"test-latest": Pointer("b", V("2.0rc1"))}
    moves = moves_back(
        release_of(V("2.0rc1"), TagKind.TEST), found, {V("1.0"): "a"}, tagged={V("1.0")}, recorded={}
    )
    assert shown(moves) == {"test-latest": "a"}


# The record


@pytest.mark.parametrize(
    ("moves", "before"),
    [
        ([], None),
        ([RecordedMove("latest", "old", "now")], "old"),
        ([RecordedMove("latest", None, "now")], None),
        ([RecordedMove("1", "other", "now")], None),
        ([RecordedMove("latest", "built", "now"), RecordedMove("latest", "old", "built")], "old"),
        ([RecordedMove("latest", "old", "now"), RecordedMove("latest", "old", "built")], "old"),
        ([RecordedMove("latest", "old", "elsewhere")], None),
    ],
    ids=["no-record", "moved", "made", "another-tag", "rebuilt", "rolled-back-and-rebuilt", "moved-since"],
)
def test_where_a_tag_pointed_before_the_release(moves: list[RecordedMove], before: str | None) -> None:
    assert before_release("latest", "now", moves) == before
