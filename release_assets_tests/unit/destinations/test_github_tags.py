"""A release's tag that GitHub has is left alone, and one that it lacks is made."""

from __future__ import annotations

from release_assets_tests.scripted_server import Told
from release_assets_tests.unit.destinations.github_hub import Hub, sent, wanted


def test_a_tag_that_github_has_gets_no_target(hub: Hub) -> None:
    """GitHub requires `Workflows: write` for it where the workflows differ from the default branch's."""
    hub.tags = {"v4.0.0"}
    hub.publish(wanted())
    assert "target_commitish" not in sent(hub, "POST")
    assert "target_commitish" not in sent(hub, "PATCH")
    assert sent(hub, "PATCH")["tag_name"] == "v4.0.0"


def test_a_tag_that_github_lacks_is_put_on_the_commit(hub: Hub) -> None:
    hub.tags = {"v4.0"}
    hub.made(target_commitish="main")
    hub.publish(wanted())
    assert sent(hub, "PATCH")["target_commitish"] == "c" * 40


def test_a_tag_that_cannot_be_read_is_not_missing(hub: Hub) -> None:
    hub.faults["GET"] = [None, Told(502)]  # the list of releases, then the tag
    hub.publish(wanted())
    assert hub.pauses == [1]
