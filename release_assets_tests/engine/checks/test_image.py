"""The checks of images that a real engine built and started."""

from __future__ import annotations

import pytest

from release_assets_tests.maintainer import Maintainer, NewMaintainer, Stands
from release_assets_tests.paths import SCANNER

TELLS = "FROM python:3.12-slim\nARG VERSION\nRUN echo tool v$VERSION > /version\n"


SILENT = "FROM python:3.12-slim\nARG VERSION\nRUN echo $VERSION > /elsewhere\n"


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


@pytest.mark.timeout(300)
def test_only_an_image_that_starts_gets_a_tag(maintainer: Maintainer) -> None:
    maintainer.tag("v1.0.0", "1.0.0")
    good = maintainer.materialize("v1.0.0", "version", *IMAGES, "manifest_list", "floating_tags")
    assert good.success, good.said
    assert {name: passed for name, (passed, _) in good.checked.items()} == {
        **{
            f"{image}/{check}": True
            for image in IMAGES
            for check in ("starts", "labels", "size", "build_time", "cache_hit_rate", "drift", "base_image")
        },
        **{f"version/{check}": True for check in ("preflight", "drift")},
        **{f"manifest_list/{check}": True for check in ("platforms", "drift")},
    }
    assert "starts on linux/arm64 and reports 1.0.0" in good.checked["image_linux_arm64/starts"][1]
    latest = maintainer.digest("latest")

    maintainer.tag("v1.1.0", "1.1.0", Dockerfile=SILENT + "RUN head -c 9000 /dev/urandom > /grown\n")
    bad = maintainer.materialize("v1.1.0", "version", *IMAGES, "manifest_list", "floating_tags")
    assert not bad.success
    assert "manifest_list" not in bad.materialized
    passed, words = bad.checked["image_linux_amd64/starts"]
    assert not passed
    assert "on linux/amd64: cat /version failed with exit status 1: " in words
    assert "No such file or directory" in words
    assert "Neither manifest list nor floating tag moves to it" in words
    assert bad.checked["image_linux_amd64/labels"][0]
    passed, words = bad.checked["image_linux_amd64/size"]
    assert not passed
    assert "% against 1.0.0\n`docker history` of both shows what grew" in words
    assert bad.failed == ["image_linux_amd64", "image_linux_arm64"]
    assert bad.retried == []
    assert "check starts: " in bad.words("image_linux_amd64")
    assert maintainer.digest("1.1.0") is None
    assert maintainer.digest("latest") == latest


def test_an_image_without_the_released_package_gets_no_tag(new: NewMaintainer, image_stands: Stands) -> None:
    maintainer = new(image_stands, dockerfile="FROM python:3.12-slim\nCOPY README.md /\n")
    maintainer.attributes["image"]["platforms"] = ["linux/amd64"]
    maintainer.tag("v1.0.0", "1.0.0")
    nodes = ("image_linux_amd64", "manifest_list", "floating_tags")
    without = maintainer.materialize("v1.0.0", *nodes)
    assert (without.failed, without.materialized) == (["image_linux_amd64"], ["image_linux_amd64"])
    assert f"does not have {maintainer.name} installed" in without.words("image_linux_amd64")
    assert "COPY --from=dist *.whl /dist/" in without.words("image_linux_amd64")
    assert maintainer.digest("latest") is None

    installed = "RUN mkdir -p /usr/lib/python3/dist-packages/{name}-{version}.dist-info"
    dockerfile = f"FROM python:3.12-slim\n{installed}\n".format(name=maintainer.name, version="0.9")
    maintainer.tag("v1.0.1", "1.0.1", Dockerfile=dockerfile)
    other = maintainer.materialize("v1.0.1", *nodes)
    assert other.failed == ["image_linux_amd64"]
    assert f"asked for {maintainer.name}, does not report 1.0.1: 0.9" in other.words("image_linux_amd64")
    assert maintainer.digest("latest") is None

    maintainer.tag("v1.0.2", "1.0.2", Dockerfile=dockerfile.replace("0.9", "1.0.2"))
    right = maintainer.materialize("v1.0.2", *nodes)
    assert right.success, right.said
    assert right.checked["image_linux_amd64/starts"][0]
    assert maintainer.digest("latest") == maintainer.digest("1.0.2")


def test_an_image_without_python_is_warned_of(new: NewMaintainer, image_stands: Stands) -> None:
    maintainer = new(image_stands, dockerfile="FROM scratch\nCOPY README.md /\n")
    maintainer.attributes["image"]["platforms"] = ["linux/amd64"]
    maintainer.tag("v1.0.0", "1.0.0")
    outcome = maintainer.materialize("v1.0.0", "image_linux_amd64")
    assert outcome.success
    passed, words = outcome.checked["image_linux_amd64/starts"]
    assert not passed
    assert "Name a command that prints the version (version_command in defs.yaml)" in words


@pytest.mark.timeout(300)
def test_findings_of_a_scanner_keep_the_floating_tags_in_place(
    maintainer: Maintainer,
) -> None:
    maintainer.attributes["image"]["platforms"] = ["linux/amd64"]
    scan = {"command": [str(SCANNER / "scan"), str(SCANNER / "trivy.json"), "{image}"], "blocks_at": "high"}
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

    scan["command"] = [str(SCANNER / "scan"), str(SCANNER / "README.md"), "{image}"]
    broken = maintainer.materialize("v2.0.0", "manifest_list", "floating_tags")
    assert not broken.success
    assert "cannot be read" in broken.words("manifest_list")
    assert "Let it print trivy's or grype's JSON" in broken.words("manifest_list")
