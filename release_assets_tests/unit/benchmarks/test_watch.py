"""The registry is watched until the last tag moves, or the script ends without having moved it."""

from __future__ import annotations

import threading
from collections.abc import Mapping

import pytest

from benchmarks.watch import Watch, four_tags
from release_assets.errors import ReleaseError

TAGS = ("1.2.3", "latest")
OLD, NEW = "sha256:old", "sha256:new"


class Registry(Watch):
    """Holds one state of the tags after the other; the last one stays."""

    def hold(self, *states: Mapping[str, str | None]) -> Registry:
        object.__setattr__(self, "states", list(states))
        return self

    def digests(self, tags: tuple[str, ...]) -> Mapping[str, str | None]:
        states: list[Mapping[str, str | None]] = self.__dict__["states"]
        state = states.pop(0) if len(states) > 1 else states[0]
        return {tag: state.get(tag) for tag in tags}


def registry(*states: Mapping[str, str | None]) -> Registry:
    return Registry("http://localhost:1/v2/image", "", "").hold(*states)


@pytest.mark.parametrize(
    ("state", "has_moved"),
    [
        ({"latest": None}, False),
        ({"latest": OLD, "1.2.3": OLD}, False),
        ({"latest": OLD, "1.2.3": NEW}, False),
        ({"latest": NEW, "1.2.3": None}, False),
        ({"latest": NEW, "1.2.3": OLD}, False),
        ({"latest": NEW, "1.2.3": NEW}, True),
    ],
)
def test_all_tags_must_point_to_one_new_image(state: Mapping[str, str | None], has_moved: bool) -> None:
    assert registry(state).has_moved(TAGS, unlike=OLD) is has_moved


def test_the_wait_ends_when_the_last_tag_has_moved() -> None:
    before, after = {"latest": OLD, "1.2.3": NEW}, {"latest": NEW, "1.2.3": NEW}
    assert registry(before, before, after).wait(TAGS, unlike=OLD, ended=threading.Event()) > 0


def test_what_the_script_moved_last_is_seen_after_its_end() -> None:
    ended = threading.Event()
    ended.set()
    assert registry({"latest": NEW, "1.2.3": NEW}).wait(TAGS, unlike=OLD, ended=ended) > 0


@pytest.mark.timeout(10)
def test_a_script_that_ends_without_an_image_is_not_waited_for() -> None:
    ended = threading.Event()
    ended.set()
    with pytest.raises(
        ReleaseError, match=r"no new image under 1\.2\.3, latest although the script has ended"
    ):
        registry({"latest": OLD}).wait(TAGS, unlike=OLD, ended=ended)


def test_a_stable_release_moves_four_tags() -> None:
    assert four_tags("1.2.3") == ("1.2.3", "1.2", "1", "latest")
