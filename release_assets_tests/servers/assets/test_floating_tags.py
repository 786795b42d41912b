"""Floating tags on a real registry, without an engine: forward, along with a rebuild, and back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from release_assets.nodes.metadata import rows_of
from release_assets.nodes.rollback import ROLLBACK, ROLLBACK_TO
from release_assets_tests.maintainer import Maintainer, NewMaintainer, Outcome, Stands
from release_assets_tests.pushed_images import PLATFORM, push_image
from tools.sandbox.registry import Registry as RealRegistry


@pytest.fixture
def maintainer(new: NewMaintainer, package_stands: Stands, registry: RealRegistry) -> Maintainer:
    """Return a maintainer with an image repository; a test pushes the images itself."""
    variables = {
        **package_stands.variables,
        "DOCKER_USERNAME": registry.username,
        "DOCKER_TOKEN": registry.token,
    }
    made = new(replace(package_stands, variables=variables))
    made.attributes["image"] = {
        "repository": f"{registry.host}/tests/{made.name}",
        "platforms": [PLATFORM],
        "cache": "none",
    }
    return made


def publish(maintainer: Maintainer, version: str, *, labels: bool = True) -> str:
    """Tag a version, push its image and let the floating tags follow; return the digest."""
    commit = maintainer.tag(f"v{version}", version)
    digest = push_image(maintainer, version, commit if labels else None)
    assert maintainer.materialize(f"v{version}", "floating_tags").success
    return digest


def roll_back(maintainer: Maintainer, tag: str, to: str | None = None) -> Outcome:
    run_tags = {ROLLBACK: "true", **({ROLLBACK_TO: to} if to else {})}
    return maintainer.materialize(tag, "floating_tags", run_tags=run_tags)


def rows(outcome: Outcome) -> dict[str, dict[str, Any]]:
    assert outcome.success, outcome.said
    return {row["tag"]: row for row in rows_of(outcome.metadata("floating_tags"), "tags")}


@pytest.mark.parametrize("labels", [True, False], ids=["labels", "no-labels"])
def test_a_rebuild_after_a_rollback_reaches_people(maintainer: Maintainer, labels: bool) -> None:
    """Without labels, the record of the manifest list tells which digests were the release's."""
    old = publish(maintainer, "4.0.1", labels=labels)
    newest = publish(maintainer, "4.10.0", labels=labels)
    assert maintainer.digest("latest") == newest
    assert rows(roll_back(maintainer, "v4.10.0"))["latest"]["to"] == old
    if not labels:
        assert maintainer.materialize("v4.0.1", "manifest_list").success

    commit = maintainer.repository.git("rev-parse", "v4.0.1^{commit}")
    rebuilt = push_image(maintainer, "4.0.1", commit if labels else None, build="second")
    found = rows(maintainer.materialize("v4.0.1", "floating_tags"))
    assert found["latest"] == {
        "tag": "latest",
        "why": "follows the rebuild of 4.0.1",
        "from_version": "4.0.1" if labels else "unknown",
        "to_version": "4.0.1",
        "from": old,
        "to": rebuilt,
    }
    assert {maintainer.digest(tag) for tag in ("4.0", "4", "latest")} == {rebuilt}
    assert maintainer.digest("4.10") == newest

    # A release between the two neither takes the tag nor is told that 4.10.0 holds it.
    publish(maintainer, "4.2.0", labels=labels)
    again = rows(maintainer.materialize("v4.2.0", "floating_tags"))
    assert again["latest"]["why"] == "held by 4.0.1; the highest is 4.10.0"
    assert maintainer.digest("latest") == rebuilt


def test_a_rollback_goes_to_the_highest_release_before(maintainer: Maintainer) -> None:
    """Released in the order of their names, the record of before names 4.0.1."""
    publish(maintainer, "4.0.1")
    bad = publish(maintainer, "4.10.0")
    good = publish(maintainer, "4.2.0")
    found = rows(roll_back(maintainer, "v4.10.0"))
    assert (found["latest"]["from_version"], found["latest"]["to_version"]) == ("4.10.0", "4.2.0")
    assert (found["latest"]["from"], found["latest"]["to"]) == (bad, good)
    assert found["latest"]["why"] == "4.2.0 is the highest release before 4.10.0"
    assert found["4.10"]["from"] == found["4.10"]["to"] == bad
    assert maintainer.digest("latest") == maintainer.digest("4") == good

    twice = roll_back(maintainer, "v4.10.0")
    assert "no floating tag of v4.10.0 can go back: " in twice.words("floating_tags")
    assert "latest: held by 4.2.0, not by 4.10.0" in twice.words("floating_tags")


def test_a_rollback_goes_where_a_person_says(maintainer: Maintainer) -> None:
    oldest = publish(maintainer, "4.0.1")
    publish(maintainer, "4.2.0")
    publish(maintainer, "4.10.0")
    maintainer.tag("v5.0.0rc1", "5.0.0rc1")
    found = rows(roll_back(maintainer, "v4.10.0", to="v4.0.1"))
    assert (found["latest"]["to"], found["latest"]["why"]) == (oldest, "as asked for")
    assert maintainer.digest("latest") == oldest
    words = roll_back(maintainer, "v4.10.0", to="v5.0.0rc1").words("floating_tags")
    assert "'v5.0.0rc1' is not a stable release" in words
    words = roll_back(maintainer, "v4.10.0", to="v4.10.0").words("floating_tags")
    assert "v4.10.0 cannot be rolled back to itself" in words


def test_where_the_release_before_is_gone_the_record_decides(maintainer: Maintainer) -> None:
    """The git tags of both releases before were deleted. The registry still has what latest pointed to."""
    publish(maintainer, "4.0.1")
    before = publish(maintainer, "4.2.0")
    publish(maintainer, "4.10.0")
    maintainer.repository.untag("v4.2.0")
    maintainer.repository.untag("v4.0.1")
    found = rows(roll_back(maintainer, "v4.10.0"))
    assert (found["latest"]["to"], found["latest"]["to_version"]) == (before, "4.2.0")
    assert found["latest"]["why"] == "no release before this one in its series: where it pointed before"
    assert maintainer.digest("latest") == before


def test_an_image_without_labels_is_known_by_its_version_tag(maintainer: Maintainer) -> None:
    publish(maintainer, "1.0.0", labels=False)
    digest = publish(maintainer, "1.1.0", labels=False)
    found = rows(maintainer.materialize("v1.0.0", "floating_tags"))
    assert (found["latest"]["why"], found["latest"]["from_version"]) == ("held by 1.1.0", "1.1.0")
    assert maintainer.digest("latest") == digest
