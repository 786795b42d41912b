"""The results of the checks of an image: decided from values, and with real containers."""

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
