"""buildx gets the arguments that a request needs, and no others."""

from __future__ import annotations

from pathlib import Path

import pytest

from release_assets.destinations.buildx import build_arguments, check_request, docker_argv, parsed_version
from release_assets.errors import PermanentError
from release_assets_tests.unit.destinations.buildx_records import an_engine, options, request


def test_values_from_the_yaml_are_data() -> None:
    hostile = '$(reboot) "quoted", a=b\n--push'
    arguments = build_arguments(
        request(
            build_args={"VERSION": hostile},
            build_contexts={"dist": "/published/files", "python": "docker-image://python:3.12"},
            labels={"org.opencontainers.image.version": hostile},
        ),
        Path("/metadata.json"),
        an_engine(),
    )
    assert options(arguments, "--build-arg") == [f"VERSION={hostile}"]
    assert options(arguments, "--label") == [f"org.opencontainers.image.version={hostile}"]
    assert options(arguments, "--build-context") == [
        "dist=/published/files",
        "python=docker-image://python:3.12",
    ]
    assert options(arguments, "--tag") == ["docker.io/owner/name:1.2.3-arm64"]
    assert options(arguments, "--platform") == ["linux/arm64"]
    assert arguments[-2:] == ["--", "/source"]


def test_each_platform_has_a_registry_cache_of_its_own_whose_failure_fails_nothing() -> None:
    arguments = build_arguments(request(cache="registry"), Path("/metadata.json"), an_engine())
    reference = "type=registry,ref=docker.io/owner/name:buildcache-arm64"
    assert options(arguments, "--cache-from") == [reference]
    assert options(arguments, "--cache-to") == [
        f"{reference},mode=max,image-manifest=true,oci-mediatypes=true,ignore-error=true"
    ]


@pytest.mark.parametrize("cache", ["registry", "local"])
def test_an_engine_that_cannot_export_a_cache_is_not_asked_to(cache: str, tmp_path: Path) -> None:
    wanted = request(cache=cache, cache_folder=tmp_path)
    arguments = build_arguments(wanted, Path("/metadata.json"), an_engine(exports_cache=False))
    assert options(arguments, "--cache-to") == []


def test_a_local_cache_is_read_once_it_is_there_in_a_folder_of_any_name(tmp_path: Path) -> None:
    folder = tmp_path / 'with, a "comma"'
    wanted = request(cache="local", cache_folder=folder)
    first = build_arguments(wanted, Path("/metadata.json"), an_engine())
    (folder / "arm64").mkdir(parents=True)
    (folder / "arm64" / "index.json").write_text("{}")
    second = build_arguments(wanted, Path("/metadata.json"), an_engine())
    quoted = str(folder / "arm64").replace('"', '""')
    assert options(first, "--cache-from") == []
    assert options(second, "--cache-from") == [f'type=local,"src={quoted}"']
    assert options(second, "--cache-to") == [f'type=local,"dest={quoted}",mode=max,ignore-error=true']


def test_without_a_cache_nothing_is_said_about_one() -> None:
    assert not any("cache" in word for word in build_arguments(request(), Path("/m"), an_engine()))


def test_only_one_of_buildkit_and_docker_pushes() -> None:
    once = build_arguments(request(), Path("/m"), an_engine())
    assert options(once, "--output") == ["type=image,push=true"]
    twice = build_arguments(request(), Path("/m"), an_engine(pushes_twice=True))
    assert options(twice, "--output") == ["type=image,push="]
    assert "--push" not in once + twice


def test_only_a_reproducible_build_rewrites_and_has_no_cache(tmp_path: Path) -> None:
    for cache in ("registry", "local"):
        wanted = request(cache=cache, cache_folder=tmp_path, reproducible=True)
        arguments = build_arguments(wanted, Path("/m"), an_engine())
        assert options(arguments, "--output") == ["type=image,push=true,store=false,rewrite-timestamp=true"]
        assert "--no-cache" in arguments
        assert not {"--cache-from", "--cache-to"} & set(arguments)
    usual = build_arguments(request(cache="registry"), Path("/m"), an_engine())
    assert not any("rewrite" in word or word == "--no-cache" for word in usual)
    with pytest.raises(PermanentError) as raised:
        check_request(an_engine(exports_cache=False), request(reproducible=True))
    assert (
        raised.value.problem == "docker's builder cannot rewrite timestamps: its image store is docker's own"
    )


def test_dockers_own_image_store_is_asked_for_nothing_that_it_cannot_do() -> None:
    arguments = build_arguments(request(), Path("/m"), an_engine(exports_cache=False))
    assert "--push" in arguments
    assert not {"--output", "--attest"} & set(arguments)
    with pytest.raises(PermanentError) as raised:
        check_request(an_engine(exports_cache=False), request(sbom_generator="generator:1"))
    assert raised.value.problem == "docker's builder cannot attach an SBOM: its image store is docker's own"


def test_provenance_holds_the_least_and_an_sbom_is_made_by_the_generator_that_is_named() -> None:
    by_default = build_arguments(request(), Path("/m"), an_engine())
    assert options(by_default, "--attest") == ["type=provenance,mode=min"]
    wanted = request(provenance=False, sbom_generator="localhost:5000/a,b:1")
    assert options(build_arguments(wanted, Path("/m"), an_engine()), "--attest") == [
        "type=provenance,disabled=true",
        'type=sbom,"generator=localhost:5000/a,b:1"',
    ]


def test_base_images_are_pulled_again_when_it_is_wished() -> None:
    assert "--pull" not in build_arguments(request(), Path("/m"), an_engine())
    assert "--pull" in build_arguments(request(pull=True), Path("/m"), an_engine())


def test_a_builder_and_a_context_are_chosen_each_in_its_own_way() -> None:
    assert docker_argv(None, ["default"]) == (("docker",), ("buildx",))
    assert docker_argv("arm", ["default", "arm"]) == (("docker", "--context", "arm"), ("buildx",))
    assert docker_argv("arm", ["default"]) == (("docker",), ("buildx", "--builder", "arm"))


@pytest.mark.parametrize(
    ("said", "version"),
    [
        ("github.com/docker/buildx 0.13.1+ds1 0.13.1+ds1-3\n", (0, 13)),
        ("github.com/docker/buildx v0.29.1-desktop.1 abcdef\n", (0, 29)),
        ("github.com/docker/buildx v1.0.0 abcdef\n", (1, 0)),
    ],
)
def test_the_version_of_buildx(said: str, version: tuple[int, int]) -> None:
    assert parsed_version(said) == version


def test_a_buildx_from_source_counts_as_new() -> None:
    assert parsed_version("github.com/docker/buildx dev unknown") > (1, 0)
