"""What the checks find in an image: decided from values, and with real containers."""

from __future__ import annotations

import dagster as dg
import pytest
from packaging.version import Version

from release_assets.checks.image import (
    BuiltBefore,
    build_time,
    built_before,
    cache_hit_rate,
    reports_version,
    steps_that_could_hit,
)
from release_assets.nodes.metadata import table
from release_assets_tests.maintainer import Maintainer, NewMaintainer, Stands
from release_assets_tests.paths import SCANNER

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


@pytest.mark.parametrize(("seconds", "state"), [(12.0, "ok"), (901.0, "warning")], ids=["quick", "slow"])
def test_how_long_a_build_may_take(seconds: float, state: str) -> None:
    assert build_time(seconds, 15.0).state == state
    assert build_time(seconds, seconds / 60).state == "ok"


FROM = "[1/4] FROM docker.io/library/python:3.12@sha256:b"
STEPS = [FROM, "[2/4] WORKDIR /app", "[3/4] COPY requirements.txt .", "[4/4] RUN pip install -r x"]


def build_of(*steps: str, base: str = "sha256:b", builder: str = "here", kept: bool = True) -> BuiltBefore:
    """A build with these steps."""
    return BuiltBefore(steps, {"python:3.12": base}, builder, kept)


@pytest.mark.parametrize(
    ("now", "before", "could_hit"),
    [
        (build_of(*STEPS), None, []),
        (build_of(*STEPS), build_of(*STEPS), STEPS[1:]),
        (build_of(*STEPS, base="sha256:c"), build_of(*STEPS), []),
        (build_of(*STEPS, builder="there"), build_of(*STEPS), STEPS[1:]),
        (build_of(*STEPS, builder="there"), build_of(*STEPS, kept=False), []),
        (build_of(*STEPS), build_of(*STEPS, kept=False), STEPS[1:]),
        (
            build_of(FROM, "[2/4] RUN apt-get install x", *STEPS[2:]),
            build_of(*STEPS),
            [],
        ),
        (
            build_of(*(step.replace("/4]", "/5]") for step in STEPS), "[5/5] COPY . ."),
            build_of(*STEPS),
            [step.replace("/4]", "/5]") for step in STEPS[1:]],
        ),
        (
            build_of("[build 1/2] FROM x", "[build 2/2] RUN new", "[app 1/2] FROM x", "[app 2/2] RUN old"),
            build_of("[build 1/2] FROM x", "[build 2/2] RUN old", "[app 1/2] FROM x", "[app 2/2] RUN old"),
            ["[app 2/2] RUN old"],
        ),
    ],
    ids=[
        "first",
        "same",
        "new-base",
        "elsewhere",
        "elsewhere-without-a-cache",
        "here-without-a-cache",
        "changed-at-the-top",
        "one-step-more",
        "stages",
    ],
)
def test_which_steps_the_build_before_can_have_cached(
    now: BuiltBefore, before: BuiltBefore | None, could_hit: list[str]
) -> None:
    assert steps_that_could_hit(now, before) == could_hit


@pytest.mark.parametrize(
    ("could_hit", "cached", "state"),
    [
        ([], [], "ok"),
        (STEPS[1:], STEPS[1:], "ok"),
        (STEPS[1:], STEPS[1:3], "ok"),
        (STEPS[1:], STEPS[1:2], "warning"),
    ],
    ids=["nothing-to-hit", "all", "good", "poor"],
)
def test_how_much_is_to_come_from_the_cache(could_hit: list[str], cached: list[str], state: str) -> None:
    found = {step: step in cached for step in STEPS}
    assert cache_hit_rate(found, could_hit, 0.5).state == state
    assert cache_hit_rate(found, could_hit, 0.0).state == "ok"


def test_the_record_of_a_build_tells_what_the_next_one_finds() -> None:
    metadata = {
        "steps": table({"step": step, "seconds": 0.1, "cached": False} for step in STEPS),
        "base_images": table([{"image": "python:3.12", "digest": "sha256:b"}]),
        "builder": dg.MetadataValue.text("here"),
        "cache": dg.MetadataValue.text("registry"),
    }
    assert built_before(metadata) == build_of(*STEPS)
    spoilt = {**metadata, "cache": dg.MetadataValue.text("warning: the cache is not kept")}
    assert built_before(spoilt) == build_of(*STEPS, kept=False)
    assert built_before({}) == BuiltBefore((), {}, "", cache_was_kept=False)


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


@pytest.mark.engine
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


@pytest.mark.engine
def test_an_image_without_python_is_warned_of(new: NewMaintainer, image_stands: Stands) -> None:
    maintainer = new(image_stands, dockerfile="FROM scratch\nCOPY README.md /\n")
    maintainer.attributes["image"]["platforms"] = ["linux/amd64"]
    maintainer.tag("v1.0.0", "1.0.0")
    outcome = maintainer.materialize("v1.0.0", "image_linux_amd64")
    assert outcome.success
    passed, words = outcome.checked["image_linux_amd64/starts"]
    assert not passed
    assert "Name a command that prints the version (version_command in defs.yaml)" in words


@pytest.mark.engine
@pytest.mark.timeout(300)
def test_a_scanner_that_finds_something_bad_keeps_the_floating_tags_where_they_are(
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
