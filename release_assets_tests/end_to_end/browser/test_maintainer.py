"""A maintainer in Dagster's UI: releases, reads what came of it, builds images again, meets a failure."""

from __future__ import annotations

import re

import pytest

from release_assets_tests.end_to_end.browser.conftest import PROJECT, RUN_MILLISECONDS, TAG, Maintainer

pytestmark = pytest.mark.timeout(300)

NODES = (
    "version", "sdist", "wheel", "pypi_publication", "github_release",
    "image_linux_amd64", "image_linux_arm64", "manifest_list", "floating_tags", "summary",
)  # fmt: skip


def test_the_graph_shows_what_a_release_is(maintainer: Maintainer) -> None:
    maintainer.opens("/asset-groups")
    for half in ("package", "images"):
        maintainer.sees(f"{PROJECT}_{half}")


def test_a_release_is_launched_and_watched(maintainer: Maintainer) -> None:
    maintainer.launches("release")
    maintainer.sees(f"partition: {TAG}")
    maintainer.sees_success()
    maintainer.sees("is published")


def test_the_summary_is_the_whole_release(maintainer: Maintainer) -> None:
    """Its images are built by the sensor's own run, which began when GitHub had the release."""
    page = maintainer.page
    maintainer.opens_release("summary")
    maintainer.reloads_until("holds now")
    shown = page.locator("body").inner_text()
    assert re.search(r"holds now .*: 3\.1, 3, latest", shown)
    assert f"pip install {PROJECT}==3.1.0" in shown
    assert re.search(r"runnable digest of linux/arm64: sha256:[0-9a-f]{64}", shown)
    for node in NODES[:-1]:
        assert re.search(rf"{node}\s+\d+\.\d", shown), node
    link = page.get_by_role("link", name=f"/sample/releases/tag/{TAG}").first
    assert str(link.get_attribute("href")).startswith("http")
    links = page.get_by_role("link", name=re.compile("^[0-9a-f]{8}-"))
    release, docker = (str(links.nth(number).get_attribute("href")) for number in (0, 1))
    assert release != docker
    maintainer.takes_picture("summary")
    maintainer.opens(docker)  # in this tab
    maintainer.sees(f"{PROJECT}_docker")
    maintainer.sees_success()


def test_the_graph_of_a_release_is_on_one_screen(maintainer: Maintainer) -> None:
    page = maintainer.page
    groups = ",".join(f"global@global:{PROJECT}_{half}" for half in ("package", "images"))
    maintainer.opens(f"/asset-groups?expanded={groups}")
    for node in NODES:
        maintainer.sees(node)
    page.get_by_role("button", name="Hide navigation").click()
    page.locator("button:has([aria-label=panel_show_right])").first.click()  # the list of groups
    page.mouse.dblclick(700, 800)  # fits the graph into the window
    page.wait_for_timeout(1500)  # for the movement to end, and the nodes' states to be there
    maintainer.takes_picture("graph", top=340, height=260)
    page.evaluate("localStorage.clear()")  # where the UI keeps what is hidden


def test_an_image_shows_size_digests_and_why_it_was_built(maintainer: Maintainer) -> None:
    maintainer.opens_release("image_linux_arm64")
    maintainer.sees("runnable_digest")
    entries = maintainer.page.locator("table").first.inner_text()
    assert re.search(r"size\s+\d+\.\d MB", entries)
    assert re.search(r"size_bytes\s+\d+", entries)
    assert re.search(r"\sdigest\s+sha256:[0-9a-f]{64}", entries)
    assert "the release was published, as the sensor" in entries
    maintainer.takes_picture("image")
    # A table that is wider than its page has a reason or a digest that nobody sees.
    maintainer.opens_release("floating_tags")
    maintainer.sees("highest is 3.1.0")
    tables = maintainer.page.locator("table table")
    box = tables.first.bounding_box()
    assert box is not None
    assert box["x"] + box["width"] < 1400


def test_images_are_built_again_with_some_clicks(maintainer: Maintainer) -> None:
    maintainer.project.push_tag("v9.9.9")  # what fails meanwhile is the next test's
    maintainer.launches("docker")
    maintainer.sees_success()
    maintainer.opens_release("image_linux_amd64")
    maintainer.sees("materialized by hand")


def test_the_remedy_of_a_failure_is_two_clicks_away(maintainer: Maintainer) -> None:
    maintainer.opens("/overview/activity/timeline")
    maintainer.page.get_by_role("link", name="Runs").first.click()
    view = maintainer.page.get_by_role("link", name="View", exact=True)
    rows = maintainer.page.locator("div").filter(has_text="partition: v9.9.9").filter(has=view)
    failed = rows.filter(has_text="Failure").last
    failed.wait_for(timeout=RUN_MILLISECONDS)
    failed.get_by_role("link", name="View", exact=True).click()
    maintainer.sees("tag v9.9.9 is version 9.9.9, but pyproject.toml: [project] version is '3.1.0'")
    maintainer.sees("What to do: Set the version in pyproject.toml to 9.9.9 and tag that commit")
    assert "Stack Trace" not in maintainer.page.locator("body").inner_text()
    maintainer.takes_picture("failure")
