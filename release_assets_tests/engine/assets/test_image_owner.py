"""An image tag that somebody else pushed is left alone until a maintainer says otherwise."""

from __future__ import annotations

from release_assets_tests.maintainer import NewMaintainer, Stands

FROM_NOTHING = "FROM scratch\nCOPY README.md /\n"


def test_an_image_of_another_commit_is_refused_until_a_rebuild(
    new: NewMaintainer, image_stands: Stands
) -> None:
    maintainer = new(image_stands, dockerfile=FROM_NOTHING)
    maintainer.attributes["image"]["platforms"] = ["linux/amd64"]
    first = maintainer.tag("v1.0.0", "1.0.0")
    assert maintainer.materialize("v1.0.0", "version", "image_linux_amd64", "manifest_list").success
    theirs = maintainer.registry.manifest("1.0.0")
    assert theirs is not None
    maintainer.registry.put_manifest("2.0.0", theirs)
    ours = maintainer.tag("v2.0.0", "2.0.0")

    outcome = maintainer.materialize("v2.0.0", "version", "image_linux_amd64", "manifest_list")
    assert (outcome.failed, outcome.retried) == (["image_linux_amd64"], [])
    assert outcome.failure("image_linux_amd64").metadata["kind"].value == "conflict"
    words = outcome.words("image_linux_amd64")
    assert f":2.0.0 is {theirs.digest}, built from commit {first}, and v2.0.0 is commit {ours}" in words
    assert "as the rebuild tag docker-rebuild-v2.0.0" in words
    assert maintainer.digest("2.0.0") == theirs.digest
    assert maintainer.digest("2.0.0-amd64") is None

    maintainer.repository.tag("docker-rebuild-v2.0.0")
    again = maintainer.materialize("v2.0.0", "version", "image_linux_amd64", "manifest_list")
    assert again.success, again.said
    assert "it is replaced, as the rebuild tag docker-rebuild-v2.0.0 asks for" in again.said
    assert maintainer.digest("2.0.0") != theirs.digest


def test_a_tag_that_moved_after_the_push_of_its_image_is_refused(
    new: NewMaintainer, image_stands: Stands
) -> None:
    maintainer = new(image_stands, dockerfile=FROM_NOTHING)
    maintainer.attributes["image"]["platforms"] = ["linux/amd64"]
    first = maintainer.tag("v1.0.0", "1.0.0")
    assert maintainer.materialize("v1.0.0", "version", "image_linux_amd64", "manifest_list").success
    before = maintainer.digest("1.0.0")
    moved = maintainer.tag("v1.0.0", "1.0.0", **{"README.md": "moved\n"})
    outcome = maintainer.materialize("v1.0.0", "version", "image_linux_amd64", "manifest_list")
    assert outcome.failed == ["image_linux_amd64"]
    assert f"built from commit {first}, and v1.0.0 is commit {moved}" in outcome.words("image_linux_amd64")
    assert maintainer.digest("1.0.0") == before
