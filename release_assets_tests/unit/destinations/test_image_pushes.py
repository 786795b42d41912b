"""A build for several repositories: what buildx is told, and what happens where one refuses it."""

from __future__ import annotations

from pathlib import Path

import pytest

from release_assets.destinations.buildx import (
    Also,
    BuildRequest,
    BuildResult,
    build_arguments,
    pushed_somewhere,
)
from release_assets.destinations.buildx.image_build import PushError
from release_assets.destinations.buildx.request import build_environment
from release_assets.destinations.registry import Repository
from release_assets.errors import PermanentError, ReleaseError
from release_assets_tests.unit.destinations.buildx_records import an_engine, request

HUB, GHCR = Repository("docker.io", "owner/name"), Repository("ghcr.io", "owner/name")
BOTH = request(also=(Also(GHCR, "GHCR_USER", "GHCR_TOKEN"),))
RESULT = BuildResult(
    digest="sha256:1",
    runnable_digest="sha256:1",
    config_digest=None,
    steps=(),
    cache_warning=None,
    seconds={},
    timestamps_rewritten=False,
    from_images=(),
    builder="docker's builder",
    emulated=False,
    is_kept=True,
)


def arguments(wanted: BuildRequest) -> list[str]:
    return build_arguments(wanted, Path("/metadata"), an_engine("linux/arm64"))


def values(wanted: BuildRequest, option: str) -> list[str]:
    found = arguments(wanted)
    return [found[number + 1] for number, argument in enumerate(found) if argument == option]


def test_one_build_has_a_tag_in_each_repository() -> None:
    assert values(BOTH, "--tag") == ["docker.io/owner/name:1.2.3-arm64", "ghcr.io/owner/name:1.2.3-arm64"]


def test_a_build_secret_is_in_the_environment_alone() -> None:
    wanted = request(secrets={"pip_token": "s3cret", "netrc": "machine x"})
    (first, second) = values(wanted, "--secret")
    assert (first, second) == (
        "id=pip_token,env=RELEASE_ASSETS_BUILD_SECRET_0",
        "id=netrc,env=RELEASE_ASSETS_BUILD_SECRET_1",
    )
    assert "s3cret" not in " ".join(arguments(wanted))
    assert "s3cret" not in repr(wanted)
    env = build_environment(wanted, {"PATH": "/bin"})
    assert env["RELEASE_ASSETS_BUILD_SECRET_0"] == "s3cret"
    assert env["PATH"] == "/bin"


def test_a_stage_and_annotations_are_passed_on() -> None:
    wanted = request(target="runtime", annotations={"org.example": "a, b = c"})
    assert values(wanted, "--target") == ["runtime"]
    assert values(wanted, "--annotation") == ["manifest:org.example=a, b = c"]
    assert values(request(annotations={"org.example": "x"}, provenance=False), "--annotation") == []


def test_the_cache_has_the_reference_of_the_yaml() -> None:
    wanted = request(cache="registry", cache_ref="ghcr.io/me/cache:x-{platform}")
    assert values(wanted, "--cache-from") == ["type=registry,ref=ghcr.io/me/cache:x-arm64"]
    assert values(request(cache="registry"), "--cache-from") == [
        "type=registry,ref=docker.io/owner/name:buildcache-arm64"
    ]


def test_a_push_to_all_is_one_build() -> None:
    built: list[BuildRequest] = []

    def build(wanted: BuildRequest) -> BuildResult:
        built.append(wanted)
        return RESULT

    assert pushed_somewhere(BOTH, build, print) == (RESULT, HUB, {})
    assert built == [BOTH]


@pytest.mark.parametrize("bad", [HUB, GHCR])
def test_a_repository_that_refuses_is_left_out(bad: Repository) -> None:
    built: list[BuildRequest] = []
    refused = PermanentError(f"{bad.host} refuses", "Look there.")

    def build(wanted: BuildRequest) -> BuildResult:
        built.append(wanted)
        if wanted.also:
            raise PushError(refused, [bad])
        if wanted.repository == bad:
            raise refused
        return RESULT

    good = GHCR if bad == HUB else HUB
    result, repository, failed = pushed_somewhere(BOTH, build, print)
    assert (result, repository) == (RESULT, good)
    assert {one: error.problem for one, error in failed.items()} == {bad: f"{bad.host} refuses"}
    # The one that the error names is not tried first, and nothing is cached in a repository by this build.
    assert [(one.repository, one.used_cache) for one in built[1:]] == [(good, "none")]
    assert built[1].token_env == ("GHCR_TOKEN" if good == GHCR else "IMAGE_TOKEN")


def test_without_any_repository_the_first_ones_error_counts() -> None:
    def build(wanted: BuildRequest) -> BuildResult:
        error = PermanentError(f"{wanted.repository.host} refuses", "Look there.")
        raise PushError(error, []) if wanted.also else error

    with pytest.raises(ReleaseError) as raised:
        pushed_somewhere(BOTH, build, print)
    assert raised.value.problem == "docker.io refuses"


def test_a_build_that_fails_is_not_tried_again() -> None:
    built: list[BuildRequest] = []

    def build(wanted: BuildRequest) -> BuildResult:
        built.append(wanted)
        raise PermanentError("RUN failed", "Correct the Dockerfile.")

    with pytest.raises(PermanentError, match="RUN failed"):
        pushed_somewhere(BOTH, build, print)
    assert len(built) == 1
