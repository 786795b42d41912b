"""Drift, for every kind of change at a destination."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import dagster as dg
import pytest

from release_assets.audit.bases import new_bases, recorded_bases
from release_assets.audit.drift import drift
from release_assets.destinations.attestations import BaseImage
from release_assets.destinations.github import PublishedRelease, ReleaseAsset
from release_assets.destinations.package_index import IndexFile
from release_assets.nodes.metadata import table
from release_assets.planning.observed import Hidden, Seen
from release_assets.project import Project
from release_assets.rules.daily import cron_at
from release_assets_tests.unit.planning.test_plan import (
    COMMIT,
    OTHER,
    PLATFORMS,
    images,
    project,
    tagged,
    world,
)

SDIST, WHEEL = "x-1.2.3.tar.gz", "x-1.2.3-py3-none-any.whl"
FILE = IndexFile(SDIST, "5d", "", yanked=False)
ASSETS = (
    ReleaseAsset(1, SDIST, 7, "uploaded", "sha256:5d", ""),
    ReleaseAsset(2, "SHA256SUMS", 9, "uploaded", None, ""),
)
RELEASE = PublishedRelease(1, "v1.2.3", "", "Release v1.2.3", "- fixed\n", False, False, ASSETS, None, "")
RECORDED: dict[str, dict[str, Any]] = {
    "sdist": {"file": SDIST, "sha256": "5d"},
    "pypi_publication": {
        "commit": COMMIT,
        "files": table([{"file": SDIST, "sha256": "5d"}]).value,
    },
    "github_release": {
        "title": "Release v1.2.3",
        "notes": "- fixed\r\n",
        "prerelease": False,
        "assets": table([{"file": one.name, "size_bytes": one.size} for one in ASSETS]).value,
    },
    "manifest_list": {"digest": "sha256:whole", "signed": "with the key in COSIGN_KEY"},
    "image_linux_amd64": {"digest": "sha256:1"},
    "image_linux_arm64": {"digest": "sha256:1"},
}
SEEN = Seen(world().release, {SDIST: FILE}, RELEASE, images())


def words(seen: Seen = SEEN, **how: Any) -> dict[str, tuple[str, str]]:
    """Return what is not as it was recorded: how bad and in which words, by node."""
    found = drift(project(), seen, RECORDED, **{"tag_now": COMMIT, "is_signed": True, **how})
    return {node: (one.state, one.words) for node, one in found.items() if one.state != "ok"}


def test_a_release_that_is_as_recorded_has_not_drifted() -> None:
    found = drift(project(), SEEN, RECORDED, tag_now=COMMIT, is_signed=None)
    assert {node: one.state for node, one in found.items()} == dict.fromkeys(
        ["version", "pypi_publication", "github_release", "manifest_list", *IMAGES], "ok"
    )


IMAGES = ["image_linux_amd64", "image_linux_arm64"]


@pytest.mark.parametrize(
    ("changed", "node", "state", "said"),
    [
        ({"index": {}}, "pypi_publication", "error", f"{SDIST} is gone, and sha256:5d was recorded"),
        (
            {"index": {SDIST: replace(FILE, sha256="66")}},
            "pypi_publication",
            "error",
            f"{SDIST} is sha256:66, and sha256:5d was recorded",
        ),
        (
            {"index": {SDIST: replace(FILE, yanked=True)}},
            "pypi_publication",
            "warning",
            f"{SDIST} is yanked",
        ),
        (
            {"index": {SDIST: FILE, WHEEL: IndexFile(WHEEL, "77", "", yanked=False)}},
            "pypi_publication",
            "warning",
            f"{WHEEL} was added: it is sha256:77, and nothing was recorded",
        ),
        ({"github": None}, "github_release", "error", "the release is not there"),
        (
            {"github": replace(RELEASE, assets=ASSETS[1:])},
            "github_release",
            "error",
            f"{SDIST} is gone, and 7 bytes was recorded",
        ),
        (
            {"github": replace(RELEASE, assets=(replace(ASSETS[0], digest="sha256:66"), ASSETS[1]))},
            "github_release",
            "error",
            f"{SDIST} is sha256:66, and sha256:5d was recorded",
        ),
        ({"github": replace(RELEASE, name="Other")}, "github_release", "warning", "the title was edited"),
        ({"github": replace(RELEASE, body="- other")}, "github_release", "warning", "the notes were edited"),
        ({"github": replace(RELEASE, draft=True)}, "github_release", "error", "the release is a draft again"),
        (
            {"images": images(whole=None)},
            "manifest_list",
            "error",
            "1.2.3 is gone, and sha256:whole was recorded",
        ),
        (
            {"images": images(platforms={**dict.fromkeys(PLATFORMS, tagged(COMMIT)), "linux/arm64": None})},
            "image_linux_arm64",
            "error",
            "1.2.3-arm64 is gone, and sha256:1 was recorded",
        ),
    ],
    ids=[
        "file gone", "other bytes", "yanked", "file added", "release deleted", "asset deleted",
        "asset replaced", "title", "notes", "draft", "image deleted", "platform deleted",
    ],
)  # fmt: skip
def test_each_change_is_named_at_its_node(changed: dict[str, Any], node: str, state: str, said: str) -> None:
    found = words(replace(SEEN, **changed))
    assert list(found) == [node]
    assert found[node][0] == state
    assert said in found[node][1].split("; ")


def test_a_moved_tag_a_lost_tag_and_a_lost_signature_are_errors() -> None:
    assert words(tag_now=OTHER) == {
        "version": ("error", f"the tag v1.2.3 points to {OTHER}, and {COMMIT} was released")
    }
    assert words(tag_now=None) == {"version": ("error", f"the tag v1.2.3 is gone; it pointed to {COMMIT}")}
    assert words(is_signed=False) == {
        "manifest_list": (
            "error",
            "the signature is gone; it was recorded as 'with the key in COSIGN_KEY'",
        )
    }


def test_an_outage_is_no_drift() -> None:
    hidden = Hidden("the index is unreachable")
    found = drift(
        project(), Seen(SEEN.release, hidden, hidden, hidden), RECORDED, tag_now=COMMIT, is_signed=None
    )
    assert list(found) == ["version"]


def test_what_was_never_recorded_has_not_drifted() -> None:
    assert drift(project(), replace(SEEN, github=None), {}, tag_now=COMMIT, is_signed=False) == {}


# Base images


def test_a_base_image_is_new_where_its_tag_points_elsewhere() -> None:
    slim, pinned = BaseImage("python:3.12-slim", "sha256:1"), BaseImage("python@sha256:1", "sha256:1")
    rows = [{"image": base.reference, "digest": base.digest} for base in (slim, pinned)]
    assert recorded_bases({"base_images": table(rows).value}) == [slim]
    assert recorded_bases({"base_images": "none"}) == []
    assert new_bases([slim], {"python:3.12-slim": ["sha256:1"]}) == []
    # Without provenance, the platform's own digest is recorded.
    assert new_bases([slim], {"python:3.12-slim": ["sha256:9", "sha256:1"]}) == []
    assert new_bases([slim], {}) == []  # unreachable
    (changed,) = new_bases([slim], {"python:3.12-slim": ["sha256:9", "sha256:2"]})
    assert str(changed) == "python:3.12-slim is sha256:9, and the image was built from sha256:1"


def test_projects_are_audited_at_different_minutes() -> None:
    def cron(name: str, **audit: Any) -> str | None:
        declared = {"project": name, "repository": "https://github.com/me/x.git", "package": {}}
        schedule = Project.model_validate({**declared, "audit": audit}).audit.schedule
        return cron_at(name, schedule, 0)

    times = {cron(f"project_{number}") for number in range(50)}
    assert len(times) > 45
    assert cron("x") == cron("x")
    assert (cron("x", schedule="0 5 * * 1"), cron("x", schedule=None)) == ("0 5 * * 1", None)
    for time in times:
        assert time is not None
        dg.ScheduleDefinition(name="audit", cron_schedule=time, job_name="audit")
