"""What the checks find in an image: decided from values, and with real containers."""

from __future__ import annotations

from pathlib import Path

import pytest
from packaging.version import Version

from release_assets.checks.image import build_time, cache_hit_rate, reports_version
from release_assets_tests.maintainer import Maintainer, NewMaintainer, Stands

TELLS = "FROM python:3.12-slim\nARG VERSION\nRUN echo tool v$VERSION > /version\n"
SILENT = "FROM python:3.12-slim\nARG VERSION\nRUN echo $VERSION > /elsewhere\n"


@pytest.mark.parametrize(
    ("output", "reported"),
    [
        ("1.2.0", True),
        ("tool v1.2.0 (linux)\n", True),
        ("tool, version 1.2", True),
        ("1.2.0.", True),
        ("11.2.0", False),
        ("1.2.0rc1", False),
        ("Traceback (most recent call last):", False),
        ("", False),
    ],
)
def test_whether_an_output_holds_the_version(output: str, reported: bool) -> None:
    assert reports_version(output, Version("1.2.0")) is reported


@pytest.mark.parametrize(
    ("seconds", "state"), [(None, "ok"), (12.0, "ok"), (901.0, "warning")], ids=["elsewhere", "quick", "slow"]
)
def test_how_long_a_build_may_take(seconds: float | None, state: str) -> None:
    assert build_time(seconds).state == state


@pytest.mark.parametrize(
    ("rate", "has_cache", "state"),
    [(None, True, "ok"), (0.8, True, "ok"), (0.4, True, "warning"), (0.0, False, "ok")],
    ids=["no-steps", "good", "poor", "no-cache"],
)
def test_how_much_is_to_come_from_the_cache(rate: float | None, has_cache: bool, state: str) -> None:
    assert cache_hit_rate(rate, has_cache=has_cache).state == state


@pytest.fixture(scope="module")
def maintainer(new: NewMaintainer, image_stands: Stands) -> Maintainer:
    made = new(image_stands, dockerfile=TELLS)
    made.attributes["image"] |= {
        "build_args": {"VERSION": "{version}"},
        "version_command": ["cat", "/version"],
        "warn_growth": 0.0,
    }
    return made


IMAGES = ("image_linux_amd64", "image_linux_arm64")


@pytest.mark.engine
@pytest.mark.timeout(300)
def test_an_image_that_starts_goes_on_and_one_that_does_not_gets_no_tag(maintainer: Maintainer) -> None:
    maintainer.tag("v1.0.0", "1.0.0")
    good = maintainer.materialize("v1.0.0", "version", *IMAGES, "manifest_list", "floating_tags")
    assert good.success, good.said
    assert {name: passed for name, (passed, _) in good.checked.items()} == {
        **{
            f"{image}/{check}": True
            for image in IMAGES
            for check in ("starts", "labels", "size", "build_time", "cache_hit_rate")
        },
        "manifest_list/platforms": True,
    }
    assert "starts on linux/arm64 and reports 1.0.0" in good.checked["image_linux_arm64/starts"][1]
    latest = maintainer.digest("latest")

    maintainer.tag("v1.1.0", "1.1.0", Dockerfile=SILENT + "RUN head -c 9000 /dev/urandom > /grown\n")
    bad = maintainer.materialize("v1.1.0", "version", *IMAGES, "manifest_list", "floating_tags")
    assert not bad.success
    assert "manifest_list" not in bad.materialized
    passed, words = bad.checked["image_linux_amd64/starts"]
    assert not passed
    assert "cat /version in " in words
    assert "No such file or directory" in words
    assert "Neither manifest list nor floating tag moves to it" in words
    assert bad.checked["image_linux_amd64/labels"][0]
    passed, words = bad.checked["image_linux_amd64/size"]
    assert not passed
    assert "% against 1.0.0: `docker history` of both shows what grew" in words
    assert maintainer.digest("1.1.0") is None
    assert maintainer.digest("latest") == latest


@pytest.mark.engine
@pytest.mark.timeout(300)
def test_a_scanner_that_finds_something_bad_keeps_the_floating_tags_where_they_are(
    maintainer: Maintainer,
) -> None:
    scanner = Path(__file__).parent / "scanner"
    maintainer.attributes["image"]["platforms"] = ["linux/amd64"]
    scan = {"command": [str(scanner / "scan"), str(scanner / "trivy.json"), "{image}"], "blocks_at": "high"}
    maintainer.attributes["image"]["scan"] = scan
    maintainer.tag("v2.0.0", "2.0.0", Dockerfile=TELLS)
    before = maintainer.digest("latest")
    nodes = ("version", "image_linux_amd64", "manifest_list", "floating_tags")
    bad = maintainer.materialize("v2.0.0", *nodes)
    assert not bad.success
    assert "floating_tags" not in bad.materialized
    passed, words = bad.checked["manifest_list/scan"]
    assert not passed
    assert "found 1 high, 1 low: no floating tag moves" in words
    assert maintainer.digest("latest") == before
    assert f"looks at {maintainer.attributes['image']['repository']}@sha256:" in bad.said

    scan["blocks_at"] = "critical"
    tolerated = maintainer.materialize("v2.0.0", "manifest_list", "floating_tags")
    assert tolerated.success
    passed, words = tolerated.checked["manifest_list/scan"]
    assert (passed, words.endswith("found 1 high, 1 low")) == (False, True)  # a warning
    assert maintainer.digest("latest") == maintainer.digest("2.0.0") != before

    scan["command"] = [str(scanner / "scan"), str(scanner / "README.md"), "{image}"]
    broken = maintainer.materialize("v2.0.0", "manifest_list", "floating_tags")
    assert not broken.success
    assert "cannot be read" in broken.words("checks")
    assert "Let it print trivy's or grype's JSON" in broken.words("checks")
