"""Where a floating tag pointed before a release moved it."""

from __future__ import annotations

import pytest

from release_assets.assets.rollback import Move, before_release


@pytest.mark.parametrize(
    ("moves", "before"),
    [
        ([], None),
        ([Move("latest", "old", "now")], "old"),
        ([Move("latest", None, "now")], None),
        ([Move("1", "other", "now")], None),
        ([Move("latest", "built", "now"), Move("latest", "old", "built")], "old"),
        ([Move("latest", "old", "now"), Move("latest", "old", "built")], "old"),
        ([Move("latest", "old", "elsewhere")], None),
    ],
    ids=["no-record", "moved", "made", "another-tag", "rebuilt", "rolled-back-and-rebuilt", "moved-since"],
)
def test_where_a_tag_pointed_before_the_release(moves: list[Move], before: str | None) -> None:
    assert before_release("latest", "now", moves) == before
