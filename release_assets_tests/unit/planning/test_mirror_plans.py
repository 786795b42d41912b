"""The plan of an image in two repositories."""

from __future__ import annotations

from typing import Any

from release_assets.planning.observed import Hidden
from release_assets.planning.plan import Action, Plan, plan_release
from release_assets.project import Project
from release_assets_tests.unit.planning.test_plan import (
    NO_IMAGES,
    NOW,
    OTHER,
    PLATFORMS,
    actions,
    images,
    tagged,
    what,
    world,
)

MIRROR = "ghcr.io/me/x"


def plan(**changed: Any) -> Plan:
    mirror = {"repository": MIRROR, "name": "ghcr", "username_env": "U", "token_env": "T"}
    declared = Project.model_validate(
        {
            "project": "x",
            "repository": "https://github.com/me/x.git",
            "package": {},
            "image": {"repository": "docker.io/me/x", "platforms": PLATFORMS, "mirrors": [mirror]},
        }
    )
    return plan_release(declared, world(**changed), NOW)


def test_a_release_in_both_has_nothing_to_do() -> None:
    assert set(actions(plan(mirrors={MIRROR: images()})).values()) == {Action.NOTHING}


def test_a_mirror_that_lacks_the_release_gets_a_copy() -> None:
    found = plan(mirrors={MIRROR: NO_IMAGES})
    done = actions(found)
    assert done["image_linux_amd64"] is Action.NOTHING
    assert (done["manifest_list"], done["floating_tags"]) == (Action.NOTHING, Action.NOTHING)
    assert (done["manifest_list_ghcr"], done["floating_tags_ghcr"]) == (Action.DO, Action.DO)
    assert [move.tag for move in found.mirror_moves[MIRROR]] == ["1.2", "1", "latest"]


def test_a_mirror_that_is_unavailable_is_told_by_itself() -> None:
    found = plan(mirrors={MIRROR: Hidden("it is down")})
    assert actions(found)["manifest_list"] is Action.NOTHING
    assert actions(found)["manifest_list_ghcr"] is Action.UNKNOWN
    assert what(found, "manifest_list_ghcr") == "ghcr.io/me/x: it is down"


def test_a_foreign_image_blocks_its_own_repository_alone() -> None:
    foreign = images(platforms={platform: tagged(OTHER) for platform in PLATFORMS})
    done = actions(plan(images=foreign, mirrors={MIRROR: NO_IMAGES}))
    assert done["manifest_list"] is done["floating_tags"] is Action.BLOCKED
    assert done["manifest_list_ghcr"] is Action.DO
