"""A release's plan from what was observed, and how long it takes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from packaging.version import Version

from release_assets.destinations.github import PublishedRelease, ReleaseAsset
from release_assets.destinations.package_index import IndexFile
from release_assets.distributions.store import Distribution
from release_assets.errors import PermanentError
from release_assets.planning.changes import Change
from release_assets.planning.estimate import Records, estimate
from release_assets.planning.observed import Hidden, Images, TaggedImage, World
from release_assets.planning.plan import Action, Plan, plan_release
from release_assets.project import Project
from release_assets.rules.tag_moves import Pointer
from release_assets.rules.tags import Channel, Release

COMMIT, OTHER = "c" * 40, "d" * 40
NOW = datetime(2026, 11, 20, tzinfo=UTC)
PLATFORMS = ["linux/amd64", "linux/arm64"]
PACKAGE = ("version", "sdist", "wheel", "pypi_publication", "github_release")
IMAGES = ("image_linux_amd64", "image_linux_arm64", "manifest_list", "floating_tags")


def project(image: bool = True, wheels: list[dict[str, Any]] | None = None) -> Project:
    package = {} if wheels is None else {"wheels": wheels}
    declared: dict[str, Any] = {"project": "x", "repository": "https://github.com/me/x.git"}
    declared["package"] = package
    if image:
        declared["image"] = {"repository": "docker.io/me/x", "platforms": PLATFORMS}
    return Project.model_validate(declared)


def served(*names: str, uploaded: datetime = NOW, sha256: str = "0" * 64) -> Mapping[str, IndexFile]:
    return {name: IndexFile(name, sha256, f"https://index/{name}", False, uploaded) for name in names}


def hub(*names: str, draft: bool = False) -> PublishedRelease:
    assets = tuple(ReleaseAsset(1, name, 1, "uploaded", None, "") for name in names)
    return PublishedRelease(1, "v1.2.3", "https://hub/v1.2.3", "", "", draft, False, assets, None, "")


def tagged(commit: str, digest: str = "sha256:1") -> TaggedImage:
    return TaggedImage(digest, frozenset({commit}))


def images(**changed: Any) -> Images:
    """Return the images of a complete release, with what is changed."""
    own = Pointer("sha256:whole", Version("1.2.3"))
    complete: dict[str, Any] = {
        "whole": tagged(COMMIT, "sha256:whole"),
        "platforms": {platform: tagged(COMMIT) for platform in PLATFORMS},
        "is_joined": True,
        "floating": {"1.2": own, "1": own, "latest": own},
        "published": frozenset({Version("1.2.3")}),
        "earlier": frozenset(),
    }
    return Images(**{**complete, **changed})


NO_IMAGES = images(
    whole=None,
    platforms=dict.fromkeys(PLATFORMS),
    is_joined=False,
    floating=dict.fromkeys(["1.2", "1", "latest"]),
    published=frozenset(),
)
FILES = ("x-1.2.3.tar.gz", "x-1.2.3-py3-none-any.whl")


def world(**changed: Any) -> World:
    """Return the world of a release that is complete, with what is changed."""
    complete: dict[str, Any] = {
        "release": Release("v1.2.3", Version("1.2.3"), COMMIT, Channel.STABLE),
        "name": "x",
        "declared_in": "pyproject.toml: [project] version",
        "problem": None,
        "built_from": COMMIT,
        "rebuild_tag": None,
        "kept": {"sdist": (), "wheel": ()},
        "index": served(*FILES),
        "github": hub(*FILES, "SHA256SUMS"),
        "images": images(),
        "notes": "- fixed",
        "notes_problem": None,
        "previous": "v1.2.2",
        "change": Change.CODE,
    }
    return World(**{**complete, **changed})


def plan(image: bool = True, **changed: Any) -> Plan:
    return plan_release(project(image), world(**changed), NOW)


def actions(found: Plan) -> dict[str, Action]:
    return {node.node: node.action for node in found.nodes}


def what(found: Plan, node: str) -> str:
    return next(plan.what for plan in found.nodes if plan.node == node)


def test_a_complete_release_has_nothing_to_do() -> None:
    found = plan()
    assert actions(found) == dict.fromkeys([*PACKAGE, *IMAGES], Action.NOTHING)
    assert what(found, "floating_tags") == "every tag is where it belongs"
    assert not found.is_blocked
    assert estimate(found, Change.CODE, Records({}, {})).total == 0


def test_a_new_release_does_everything() -> None:
    before = {tag: Pointer("sha256:old", Version("1.2.2")) for tag in ("1.2", "1", "latest")}
    fresh = images(
        whole=None,
        platforms=dict.fromkeys(PLATFORMS),
        is_joined=False,
        floating=before,
        published=frozenset({Version("1.2.2"), Version("2.0.0")}),
    )
    found = plan(index={}, github=None, images=fresh)
    done = [*PACKAGE[1:], *IMAGES]
    assert actions(found) == {"version": Action.NOTHING, **dict.fromkeys(done, Action.DO)}
    assert what(found, "pypi_publication") == "upload the wheel and the sdist to https://pypi.org/simple/"
    assert what(found, "floating_tags") == "move 1.2, 1"
    shown = {
        move.tag: (move.before and move.before.version, move.after and move.after.version)
        for move in found.moves
    }
    assert shown["1"] == (Version("1.2.2"), Version("1.2.3"))
    assert shown["latest"] == (Version("1.2.2"), Version("1.2.2"))


def test_a_package_without_images_has_the_first_half_only() -> None:
    assert list(actions(plan(image=False, images=None))) == list(PACKAGE)


def test_what_blocks_one_node_blocks_what_is_left_after_it() -> None:
    problem = PermanentError(
        "pyproject.toml declares 1.2.2, and v1.2.3 is 1.2.3.", "Commit 1.2.3 and tag again."
    )
    found = plan(problem=problem, index=served(FILES[0]), github=None, images=NO_IMAGES)
    assert actions(found) == {
        "version": Action.BLOCKED,
        "sdist": Action.NOTHING,
        **dict.fromkeys([*PACKAGE[2:], *IMAGES], Action.BLOCKED),
    }
    assert what(found, "version") == f"{problem.problem} {problem.remedy}"
    assert what(found, "wheel") == "waits for version"
    assert found.is_blocked


def test_half_a_publication_uploads_the_rest() -> None:
    found = plan(index=served(FILES[1]), github=hub(*FILES))
    assert what(found, "pypi_publication") == "upload the sdist to https://pypi.org/simple/"
    assert what(found, "github_release") == "add SHA256SUMS to https://hub/v1.2.3"
    assert what(plan(github=hub(draft=True)), "github_release").startswith("complete and publish the draft")


def test_a_release_without_its_notes_is_blocked() -> None:
    problem = PermanentError("CHANGELOG.md has no section for 1.2.3.", "Add it, and tag again.")
    found = plan(github=None, notes=None, notes_problem=problem)
    assert actions(found)["github_release"] is Action.BLOCKED
    assert what(found, "github_release") == f"{problem.problem} {problem.remedy}"


def test_a_closed_release_takes_no_new_file() -> None:
    found = plan(index=served(FILES[1], uploaded=datetime(2026, 11, 1, tzinfo=UTC)))
    assert actions(found)["sdist"] is Action.BLOCKED
    assert "14 days after its first one" in what(found, "sdist")


def distribution(name: str, commit: str) -> Distribution:
    return Distribution(filename=name, sha256="1" * 64, size=1, commit=commit, name="x")


def test_kept_files_are_not_built_again() -> None:
    kept = {"sdist": (distribution(FILES[0], COMMIT),), "wheel": (distribution(FILES[1], OTHER),)}
    found = plan(index={}, kept=kept)
    assert what(found, "sdist") == f"built before: {FILES[0]}"
    assert what(found, "wheel") == "build the wheel"  # the tag moved before it was published


WHEELS = [{"zig": {"platforms": ["linux/arm64"]}}, {"adopted": {"files": ["*-win_*.whl", "*-macosx_*.whl"]}}]
ARM = "x-1.2.3-cp311-abi3-manylinux_2_17_aarch64.whl"
WINDOWS, MAC = "x-1.2.3-cp311-cp311-win_amd64.whl", "x-1.2.3-cp311-cp311-macosx_11_0_arm64.whl"
NOTHING_KEPT: dict[str, Any] = {"sdist": (), "wheel_linux_arm64": (), "adopted_wheels": ()}


def plan_wheels(wheels: list[dict[str, Any]] = WHEELS, **changed: Any) -> Plan:
    return plan_release(project(image=False, wheels=wheels), world(**changed), NOW)


def test_platform_wheels_are_planned_one_by_one() -> None:
    found = plan_wheels(index={}, github=None, kept=NOTHING_KEPT)
    assert [(node.node, node.what) for node in found.nodes[1:4]] == [
        ("sdist", "build the sdist"),
        ("wheel_linux_arm64", "build the wheel linux/arm64"),
        ("adopted_wheels", "wait for the wheels of another machine"),
    ]
    assert what(found, "pypi_publication").startswith(
        "upload the wheel_linux_arm64 and the adopted_wheels and"
    )
    takes = estimate(found, Change.CODE, Records({}, {}))
    assert takes.package > 5.0 + 25.0 + 10.0 + 5.0
    assert takes.images == 0


def test_a_release_with_fewer_wheels_than_kept_is_not_complete() -> None:
    kept = {**NOTHING_KEPT, "adopted_wheels": (distribution(WINDOWS, COMMIT), distribution(MAC, COMMIT))}
    there = (FILES[0], ARM, WINDOWS)
    found = plan_wheels(index=served(*there, sha256="1" * 64), github=hub(*there, "SHA256SUMS"), kept=kept)
    assert what(found, "pypi_publication").startswith("upload the adopted_wheels to")
    assert what(found, "github_release") == f"add {MAC} to https://hub/v1.2.3"
    whole = (*there, MAC)
    found = plan_wheels(index=served(*whole, sha256="1" * 64), github=hub(*whole, "SHA256SUMS"), kept=kept)
    assert set(actions(found).values()) == {Action.NOTHING}


def test_an_sdist_alone_is_a_whole_release() -> None:
    found = plan_wheels([], index=served(FILES[0]), github=hub(FILES[0], "SHA256SUMS"), kept={"sdist": ()})
    assert actions(found) == dict.fromkeys(
        ["version", "sdist", "pypi_publication", "github_release"], Action.NOTHING
    )


def test_a_tag_that_moved_after_its_publication_is_blocked() -> None:
    kept = {"sdist": (distribution(FILES[0], OTHER),), "wheel": ()}
    found = plan(kept=kept)
    assert actions(found)["sdist"] is Action.BLOCKED
    assert OTHER in what(found, "sdist")
    assert COMMIT in what(found, "sdist")


def test_other_bytes_are_compared() -> None:
    found = plan(kept={"sdist": (distribution(FILES[0], COMMIT),), "wheel": ()})
    assert what(found, "pypi_publication").startswith(f"compare {FILES[0]} with the files that ")


def test_what_cannot_be_seen_is_said_and_fails_nothing() -> None:
    hidden = Hidden("not visible without A_TOKEN")
    found = plan(index=hidden, github=hidden, images=hidden)
    unknown = ["pypi_publication", "github_release", *IMAGES]
    assert {node for node, action in actions(found).items() if action is Action.UNKNOWN} == set(unknown)
    assert what(found, "image_linux_amd64") == "docker.io/me/x: not visible without A_TOKEN"
    assert not found.is_blocked


def test_an_image_of_another_commit_is_blocked_until_a_rebuild_tag() -> None:
    foreign = images(platforms={platform: tagged(OTHER) for platform in PLATFORMS})
    found = plan(images=foreign)
    assert actions(found)["image_linux_amd64"] is Action.BLOCKED
    assert "the rebuild tag docker-rebuild-v1.2.3" in what(found, "image_linux_amd64")
    assert actions(found)["floating_tags"] is Action.BLOCKED
    found = plan(images=foreign, built_from="e" * 40, rebuild_tag="the rebuild tag docker-rebuild-v1.2.3")
    assert what(found, "image_linux_amd64") == "build it again from the rebuild tag docker-rebuild-v1.2.3"
    assert actions(found)["floating_tags"] is Action.DO


def test_a_test_release_has_no_github_release() -> None:
    release = Release("test-v1.2.3", Version("1.2.3"), COMMIT, Channel.TEST)
    found = plan(release=release, github=None, images=images(floating={"test-latest": None}))
    assert actions(found)["github_release"] is Action.NOTHING
    assert what(found, "floating_tags") == "move test-latest"


@pytest.mark.parametrize(
    ("change", "minutes"),
    [(Change.DOCKERFILE, 11), (Change.REQUIREMENTS, 4), (Change.CODE, 2), (Change.NOTHING, 1)],
)
def test_without_records_the_images_take_the_usual_minutes(change: Change, minutes: int) -> None:
    takes = estimate(plan(index={}, github=None, images=NO_IMAGES), change, Records({}, {}))
    assert (takes.images, takes.recorded) == (minutes * 60, 0)
    assert 15 < takes.package < 60


def test_records_of_the_same_kind_of_change_decide() -> None:
    records = Records(
        {"sdist": [10.0, 20.0, 90.0], "wheel": [1.0]},
        {Change.CODE: [30.0, 40.0, 50.0], Change.DOCKERFILE: [900.0]},
    )
    new = plan(index={}, github=hub(*FILES, "SHA256SUMS"), images=NO_IMAGES)
    takes = estimate(new, Change.CODE, records)
    assert (takes.images, takes.recorded) == (40.0, 3)
    assert takes.package == 20.0 + 1.0 + 10.0 + 3.0 + 3.0  # sdist, wheel, upload, list and tags
    assert estimate(new, Change.REQUIREMENTS, records).images == 240.0
