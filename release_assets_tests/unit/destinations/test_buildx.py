"""buildx: what it is told, what it says (recorded from a real engine), and real builds for two platforms."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from release_assets.destinations.buildx import (
    INSTALL_QEMU,
    BuildRequest,
    Engine,
    Failure,
    Progress,
    build_arguments,
    build_failure,
    cache_hit_rate,
    check_platform,
    check_request,
    docker_argv,
    docker_environment,
    inspected_platforms,
    is_emulated,
    native_platforms,
    observe_engine,
    parsed_version,
    plugin_folders,
    rate_limit_wait,
)
from release_assets.destinations.registry import (
    Repository,
    parse_repository,
)
from release_assets.errors import PermanentError, ReleaseError, TransientError

RECORDED = Path(__file__).parent / "rawjson"


def request(**changes: Any) -> BuildRequest:
    """A request to build, of which a test says what matters to it."""
    fields: dict[str, Any] = {
        "repository": Repository("docker.io", "owner/name"),
        "tag": "1.2.3-arm64",
        "platform": "linux/arm64",
        "context": Path("/source"),
        "dockerfile": Path("/source/Dockerfile"),
        "build_args": {},
        "build_contexts": {},
        "labels": {},
        "cache": "none",
        "cache_folder": Path("/cache"),
        "builder": None,
        "source_date_epoch": 0,
        "username_env": "IMAGE_USER",
        "token_env": "IMAGE_TOKEN",
    }
    return BuildRequest(**fields | changes)


def an_engine(*platforms: str, exports_cache: bool = True, pushes_twice: bool = False) -> Engine:
    """An engine that runs these platforms, the first without help."""
    return Engine(
        ("docker",),
        ("buildx",),
        "docker's builder",
        platforms=frozenset(platforms),
        native=frozenset(platforms[:1]),
        exports_cache=exports_cache,
        pushes_twice=pushes_twice,
        keeps_images=True,
    )


def options(arguments: list[str], name: str) -> list[str]:
    """The values that an option was given."""
    return [value for option, value in pairwise(arguments) if option == name]


# What buildx is told


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


# Where it builds

INSPECTED = """\
Name:          arm-host
Driver:        docker-container

Nodes:
Name:                  arm-host0
Platforms:             linux/arm64*, linux/arm/v7
Name:                  arm-host1
Platforms:             linux/amd64, linux/amd64/v2
"""


def test_the_platforms_of_all_nodes_are_read() -> None:
    assert inspected_platforms(INSPECTED) == {"linux/arm64", "linux/arm/v7", "linux/amd64", "linux/amd64/v2"}


def test_each_nodes_first_platform_is_its_own() -> None:
    assert native_platforms(INSPECTED) == {"linux/arm64", "linux/amd64"}


@pytest.mark.parametrize(
    ("machine", "platform", "emulated"),
    [
        ("linux/amd64", "linux/amd64", False),
        ("linux/amd64", "linux/amd64/v3", False),
        ("linux/amd64", "linux/386", False),
        ("linux/amd64", "linux/arm64", True),
        ("linux/arm64", "linux/arm64/v8", False),
        ("linux/arm64", "linux/arm/v7", False),
        ("linux/arm64", "linux/amd64", True),
    ],
)
def test_a_platform_of_another_processor_is_emulated(machine: str, platform: str, emulated: bool) -> None:
    assert is_emulated(an_engine(machine), platform) is emulated


def test_a_builder_that_does_not_say_what_it_is_emulates_nothing_that_we_know_of() -> None:
    assert not is_emulated(an_engine(), "linux/arm64")


@pytest.mark.parametrize(
    "platform", ["linux/arm64", "linux/arm64/v8", "linux/arm", "linux/arm/v7", "linux/amd64"]
)
def test_a_platform_that_is_listed_can_be_run(platform: str) -> None:
    check_platform(an_engine(*inspected_platforms(INSPECTED)), platform)


def test_no_qemu_is_installed_for_another_operating_system() -> None:
    with pytest.raises(PermanentError) as raised:
        check_platform(an_engine("linux/amd64", "linux/arm64"), "windows/amd64")
    assert raised.value.remedy.startswith("Name a machine with windows in image: builders:")


def test_a_platform_that_cannot_be_run_tells_how_to_install_qemu() -> None:
    with pytest.raises(PermanentError) as raised:
        check_platform(an_engine("linux/amd64", "linux/amd64/v2"), "linux/arm64")
    assert raised.value.problem == "docker's builder cannot run linux/arm64, only linux/amd64, linux/amd64/v2"
    for way in ("tonistiigi/binfmt --install all", "qemu-user-static and binfmt-support", "builders:"):
        assert way in raised.value.remedy


# The environment of docker


def written(env: Mapping[str, str]) -> Any:
    """The configuration that docker reads in this environment."""
    return json.loads(Path(env["DOCKER_CONFIG"], "config.json").read_text())


@pytest.mark.usefixtures("home")
def test_the_token_is_in_no_file() -> None:
    repository = parse_repository("owner/name")
    with docker_environment(repository, "maintainer", "s3cret-token") as env:
        folder = Path(env["DOCKER_CONFIG"])
        assert written(env)["credHelpers"] == {"https://index.docker.io/v1/": "release-assets"}
        assert not any(b"s3cret" in file.read_bytes() for file in folder.rglob("*") if file.is_file())
        assert [name for name, value in env.items() if "s3cret-token" in value] == [
            "RELEASE_ASSETS_REGISTRY_TOKEN"
        ]
    assert not folder.exists()


@pytest.mark.usefixtures("home")
def test_without_credentials_no_helper_is_named() -> None:
    with docker_environment(parse_repository("owner/name"), None, None) as env:
        assert "credHelpers" not in written(env)
        assert not any(name.startswith("RELEASE_ASSETS_REGISTRY") for name in env)


def test_the_users_contexts_builders_and_plugins_go_on_working(home: Path) -> None:
    docker = home / ".docker"
    (docker / "contexts" / "meta").mkdir(parents=True)
    elsewhere = home / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "docker-buildx").touch(mode=0o755)
    configuration = {
        "currentContext": "colima",
        "cliPluginsExtraDirs": [str(elsewhere)],
        "auths": {"ghcr.io": {"auth": "cGVyc29uYWw="}},
        "credsStore": "desktop",
    }
    (docker / "config.json").write_text(json.dumps(configuration))
    with docker_environment(parse_repository("owner/name"), None, None) as env:
        ours = written(env)
        assert ours["currentContext"] == "colima"
        assert ours["cliPluginsExtraDirs"][:2] == [str(docker / "cli-plugins"), str(elsewhere)]
        assert (ours["credsStore"], "auths" in ours) == ("desktop", False)
        assert Path(env["DOCKER_CONFIG"], "contexts", "meta").is_dir()
        assert env["BUILDX_CONFIG"] == str(docker / "buildx")


def test_what_says_where_the_engine_is_is_passed_on_and_nothing_that_logs_in(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_here = {
        "DOCKER_HOST": "tcp://engine.example:2376",
        "DOCKER_TLS_VERIFY": "1",
        "BUILDX_CONFIG": "/builders",
        "DOCKER_AUTH_CONFIG": '{"auths": {}}',
        "PYPI_TOKEN": "pypi-s3cret",
    }
    for name, value in set_here.items():
        monkeypatch.setenv(name, value)
    with docker_environment(parse_repository("owner/name"), "maintainer", "s3cret") as env:
        assert env["DOCKER_HOST"] == "tcp://engine.example:2376"
        # Docker looks for certificates in DOCKER_CONFIG, which is ours now.
        assert env["DOCKER_CERT_PATH"] == str(home / ".docker")
        assert env["BUILDX_CONFIG"] == "/builders"
        assert not {"DOCKER_AUTH_CONFIG", "PYPI_TOKEN"} & set(env)


@pytest.mark.parametrize("content", ["", "no JSON", "[]", '{"cliPluginsExtraDirs": 5}'])
def test_a_configuration_that_makes_no_sense_is_passed_over(home: Path, content: str) -> None:
    (home / ".docker" / "config.json").write_text(content)
    with docker_environment(parse_repository("owner/name"), None, None) as env:
        assert str(home / ".docker" / "cli-plugins") in written(env)["cliPluginsExtraDirs"]


def test_a_missing_plugin_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "docker-buildx").touch(mode=0o644)  # a file that is not executable
    with pytest.raises(PermanentError) as raised:
        plugin_folders([tmp_path, tmp_path / "nowhere"])
    assert raised.value.problem == "docker's buildx plugin is not installed"
    assert "docker-buildx-plugin from Docker's packages" in raised.value.remedy


# What buildx prints


def read(name: str, log: Callable[[str], None] = lambda _: None, *, indented: bool = False) -> Progress:
    """The recorded output of a build, as it is or with its JSON written over many lines, as 0.13 does."""
    progress = Progress(log)
    for line in (RECORDED / f"{name}.jsonl").read_text().splitlines():
        if indented and line.startswith("{"):
            for part in json.dumps(json.loads(line), indent=2).splitlines():
                progress.line(part)
        else:
            progress.line(line)
    return progress


def test_a_first_build_is_told_in_lines_that_can_be_read() -> None:
    said: list[str] = []
    read("cold", said.append)
    assert [line for line in said if line.startswith("[build ")] == [
        "[build 1/4] FROM 127.0.0.1:5077/base:1@sha256:"
        "87f64d8fc13a07baecaa2024c304760858e88a46b81defe2cefeb7c88a21f545",
        *[line for line in said if line.startswith("[build 1/4] FROM ") and line.endswith(" s")],
        "[build 2/4] WORKDIR /src",
        *[line for line in said if line.startswith("[build 2/4] WORKDIR /src: ")],
        "[build 3/4] COPY hello.txt .",
        *[line for line in said if line.startswith("[build 3/4] COPY hello.txt .: ")],
        *[line for line in said if line.startswith("[build 4/4] RUN ") and not line.endswith(" s")],
        # Put together from two pieces, a progress bar's last state, and without its color.
        "[build 4/4] compiling",
        "[build 4/4] 100%",
        "[build 4/4] red",
        *[line for line in said if line.startswith("[build 4/4] RUN ") and line.endswith(" s")],
    ]
    assert not any("[internal]" in line or "[auth]" in line for line in said)
    assert any(line.startswith("importing cache manifest") and line.endswith("not found") for line in said)


def test_the_steps_of_a_first_build() -> None:
    progress = read("cold")
    steps = progress.steps()
    assert [step.name.split("]")[0].strip("[") for step in steps] == [
        "build 1/4",
        "build 2/4",
        "build 3/4",
        "build 4/4",
        "stage-1 2/3",
        "stage-1 3/3",
    ]
    assert 1.0 < next(step.seconds for step in steps if "RUN busybox sh" in step.name) < 2.0
    assert cache_hit_rate(progress.steps()) == 0.0
    assert progress.failure() is None
    assert progress.at_work() == "nothing"


def test_the_stages_of_a_build_are_timed_apart() -> None:
    seconds = read("cold").seconds()
    assert set(seconds) == {"build", "export", "push", "cache_export"}
    assert 1.0 < seconds["build"] < 3.0
    assert all(0.0 < spent < 1.0 for stage, spent in seconds.items() if stage != "build")


def test_a_push_that_docker_repeats_after_the_export_counts_as_push() -> None:
    seconds = read("cached").seconds()
    # 0.13 s inside the export and 0.07 s after it; neither is taken off the export twice.
    assert 0.15 < seconds["push"] < 0.25
    assert 0.03 < seconds["export"] < 0.1


def test_all_that_could_hit_did_and_from_does_not_count() -> None:
    said: list[str] = []
    progress = read("cached", said.append)
    assert cache_hit_rate(progress.steps()) == 1.0
    assert [step.cached for step in progress.steps() if " FROM " in step.name] == [False]
    assert "[build 3/4] COPY hello.txt .: CACHED" in said


def test_steps_that_were_found_at_one_moment_are_in_the_dockerfiles_order() -> None:
    names = [step.name for step in read("cached").steps() if step.name.startswith("[build")]
    assert [name[:11] for name in names] == ["[build 1/4]", "[build 2/4]", "[build 3/4]", "[build 4/4]"]


def test_the_digests_of_image_and_config_are_those_in_its_index() -> None:
    progress = read("cached")
    assert (
        progress.exported("manifest")
        == "sha256:0f101336f18efa0db40cece615ce6463581b9102a5ca34516f419b78e7d92438"
    )
    assert (
        progress.exported("config")
        == "sha256:8d323e7f01a30446ef5c0598a37571f05eb248a55b86b9a9cdaf4239b69c71cf"
    )


def test_a_build_without_steps_has_no_hit_rate() -> None:
    progress = read("base_unreachable")
    assert (progress.steps(), cache_hit_rate(progress.steps()), progress.exported("manifest")) == (
        [],
        None,
        None,
    )


@pytest.mark.parametrize("name", ["cached", "failed_run", "push_refused", "no_qemu"])
def test_json_over_many_lines_says_the_same(name: str) -> None:
    compact: list[str] = []
    indented: list[str] = []
    one, other = read(name, compact.append), read(name, indented.append, indented=True)
    assert (compact, one.steps(), one.failure()) == (indented, other.steps(), other.failure())


def test_a_line_that_was_cut_does_not_hide_those_after_it() -> None:
    said: list[str] = []
    progress = Progress(said.append)
    progress.line('{"logs":[{"vertex":"x","data":"' + "A" * 1000)
    progress.line("{")
    progress.line('  "vertexes": [')
    for line in (RECORDED / "failed_run.jsonl").read_text().splitlines():
        progress.line(line)
    failure = progress.failure()
    assert failure is not None
    assert failure.said.endswith("exit code: 3")


def vertex(started: str, completed: str | None = None, **others: Any) -> str:
    """A report about one RUN."""
    times = {"started": f"2026-01-01T00:00:{started}Z"}
    if completed:
        times["completed"] = f"2026-01-01T00:00:{completed}Z"
    return json.dumps({"vertexes": [{"digest": "sha256:1", "name": "[2/2] RUN x", **times, **others}]})


def output(text: str) -> str:
    """A report about what that RUN printed."""
    data = base64.b64encode(text.encode()).decode()
    return json.dumps({"logs": [{"vertex": "sha256:1", "stream": 1, "data": data}]})


def test_the_intervals_of_one_step_are_merged_and_cached_is_kept() -> None:
    progress = Progress(lambda _: None)
    progress.line(vertex("10.0", "12.0", cached=True))
    progress.line(vertex("11.0", "13.0"))
    progress.line(vertex("20.0"))
    assert progress.at_work() == "[2/2] RUN x"
    progress.line(vertex("20.0", "20.5"))
    step = progress.steps()[0]
    assert step.seconds == pytest.approx(3.5)
    assert step.cached


def test_the_last_line_is_told_even_without_a_line_break() -> None:
    said: list[str] = []
    progress = Progress(said.append)
    for line in (vertex("10"), output("no\nnew"), output("line"), vertex("10", "11", error="exit code: 1")):
        progress.line(line)
    assert said == ["[2/2] RUN x", "[2/2] no", "[2/2] newline", "[2/2] RUN x: exit code: 1"]
    assert progress.failure() == Failure("[2/2] RUN x", "exit code: 1", ["no", "newline"])


def test_output_that_was_redacted_while_encoded_says_so() -> None:
    said: list[str] = []
    progress = Progress(said.append)
    progress.line(vertex("10"))
    progress.line('{"logs": [{"vertex": "sha256:1", "data": "YWJj***ZGVm"}]}')
    assert said[-1] == "[2/2] (a line that held a secret)"


def test_control_characters_of_a_build_do_not_reach_the_terminal() -> None:
    said: list[str] = []
    progress = Progress(said.append)
    progress.line(vertex("10"))
    progress.line(output("\x1b]0;title\x07\x1b[2J\x9b31mtext\n"))
    progress.line("\x1b[31mERROR: text")
    assert all(character.isprintable() for line in said for character in line)


def test_an_image_that_is_unpacked_is_no_push_that_stands_still() -> None:
    progress = Progress(lambda _: None)

    def says(what: str, *, ended: bool) -> None:
        status = {"id": what, "vertex": "sha256:1", "started": "2026-01-01T00:00:10Z"}
        status |= {"completed": "2026-01-01T00:00:11Z"} if ended else {}
        progress.line(json.dumps({"statuses": [status]}))

    progress.line(vertex("10", name="exporting to image"))
    for local in ("exporting layers", "unpacking to localhost:5000/owner/name:1.2.3-amd64"):
        says(local, ended=False)
        assert not progress.only_pushes()
        says(local, ended=True)
    says("pushing layers", ended=False)
    assert progress.only_pushes()


def test_a_layer_on_its_way_is_told_every_few_seconds() -> None:
    said: list[str] = []
    progress = Progress(said.append)
    for tenth in range(300):
        status = {
            "id": "pushing layer 0123456789ab",
            "vertex": "sha256:2",
            "current": tenth * 1_000_000,
            "total": 300_000_000,
            "started": "2026-01-01T00:00:00Z",
            "timestamp": f"2026-01-01T00:00:{tenth / 10:04.1f}Z",
        }
        progress.line(json.dumps({"statuses": [status]}))
    assert [line.strip() for line in said] == [
        f"pushing layer 0123456789ab {seconds * 10}.0 of 300.0 MB, {seconds} s"
        for seconds in (5, 10, 15, 20, 25)
    ]


# Why it failed


def failure_of(name: str, **changes: Any) -> ReleaseError:
    """The error for a recorded build."""
    failure = read(name).failure()
    assert failure is not None
    return build_failure(failure, request(**changes))


def test_a_run_that_failed_is_shown_with_its_last_lines() -> None:
    error = failure_of("failed_run")
    assert isinstance(error, PermanentError)
    assert error.problem.startswith(
        "building docker.io/owner/name:1.2.3-arm64 for linux/arm64 failed, at [3/3] RUN for i in 1 2 3; "
    )
    assert "\nline 1\nline 2\nline 3\nfatal: no such module\nfailed to solve: process" in error.problem
    assert error.problem.endswith("did not complete successfully: exit code: 3")
    assert "Correct the Dockerfile" in error.remedy


def test_a_platform_that_the_kernel_cannot_run_asks_for_qemu() -> None:
    error = failure_of("no_qemu")
    assert isinstance(error, PermanentError)
    assert "exec /bin/sh: exec format error" in error.problem
    assert error.remedy == INSTALL_QEMU


def test_a_push_that_was_refused_names_the_variables() -> None:
    error = failure_of("push_refused")
    assert isinstance(error, PermanentError)
    assert "401 Unauthorized" in error.problem
    assert error.remedy.startswith(
        "Check IMAGE_USER and IMAGE_TOKEN: they must be allowed to pull and push docker.io/owner/name."
    )


@pytest.mark.parametrize("name", ["base_unreachable", "registry_500"])
def test_a_registry_that_is_unwell_may_be_well_again(name: str) -> None:
    error = failure_of(name)
    assert isinstance(error, TransientError)
    assert "the next attempt is quick" in error.remedy


SOURCE = "failed to solve: python:3.12: failed to resolve source metadata for docker.io/library/python:3.12"


@pytest.mark.parametrize(
    ("said", "kind", "remedy"),
    [
        (
            f"{SOURCE}: docker.io/library/python:3.12: not found",
            PermanentError,
            "The base image is not there",
        ),
        (
            f"{SOURCE}: no match for platform in manifest: not found",
            PermanentError,
            "not made for this platform",
        ),
        (f"{SOURCE}: pull access denied, repository does not exist", PermanentError, "IMAGE_USER"),
        (f"{SOURCE}: failed to authorize: 403 Forbidden", PermanentError, "IMAGE_TOKEN"),
        (f"{SOURCE}: 429 Too Many Requests - toomanyrequests: You have reached", TransientError, "how often"),
        (
            f"{SOURCE}: dial tcp: lookup registry-1.docker.io: no such host",
            TransientError,
            "failed or is unreachable",
        ),
        (f"{SOURCE}: net/http: TLS handshake timeout", TransientError, "failed or is unreachable"),
        (f"{SOURCE}: tls: failed to verify certificate: x509: unknown", PermanentError, "does not trust"),
        (
            "failed to push x: unexpected status from PUT request to y: 503 Service U",
            TransientError,
            "failed or is unreachable",
        ),
        (
            "failed to push x: received unexpected HTTP status: 502 Bad Gateway",
            TransientError,
            "failed or is unreachable",
        ),
        (
            "failed to push x: read tcp 1->2: connection reset by peer",
            TransientError,
            "failed or is unreachable",
        ),
        ("failed to push x: failed to copy: unexpected EOF", TransientError, "failed or is unreachable"),
        ("denied: requested access to the resource is denied", PermanentError, "IMAGE_USER and IMAGE_TOKEN"),
        (
            "Cannot connect to the Docker daemon at unix:///run/d.sock",
            TransientError,
            "failed or is unreachable",
        ),
        ("failed to solve: write /var/lib/x: no space left on device", PermanentError, "docker buildx prune"),
        ("failed to solve: dockerfile parse error on line 1: unknown instruction", PermanentError, "Correct"),
        ("failed to solve: failed to read dockerfile: open x: permission denied", PermanentError, "Correct"),
        ('failed to calculate checksum of ref: "/x": not found', PermanentError, "Correct the Dockerfile"),
    ],
)
def test_what_buildx_says_tells_whether_to_try_again(
    said: str, kind: type[ReleaseError], remedy: str
) -> None:
    error = build_failure(Failure("", said, []), request())
    assert isinstance(error, kind)
    assert said in error.problem
    assert remedy in error.remedy


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        (
            "429 Too Many Requests - Server message: toomanyrequests: You have reached your pull rate limit.",
            60,
        ),
        ("toomanyrequests: retry-after: 44.5ms, allowed: 44000/minute", 1),
        ("toomanyrequests: retry after 90 seconds", 90),
        ("429 Too Many Requests: please try again in 5 minutes", 300),
        ("429 Too Many Requests: try again in 1h", 3600),
        ("503 Service Unavailable: retry after 90 seconds", 0),
    ],
)
def test_a_limit_is_waited_for_as_long_as_it_says(said: str, seconds: float) -> None:
    assert rate_limit_wait(said) == seconds
    error = build_failure(Failure("", f"failed to solve: {said}", []), request())
    assert isinstance(error, TransientError)
    assert error.wait == seconds


@pytest.mark.parametrize("printed", ["503 Service Unavailable", "cp: Permission denied", "401 Unauthorized"])
def test_what_a_run_printed_does_not_decide(printed: str) -> None:
    said = 'process "/bin/sh -c curl x" did not complete successfully: exit code: 22'
    error = build_failure(Failure("[2/3] RUN curl x", said, [printed]), request())
    assert isinstance(error, PermanentError)
    assert printed in error.problem
    assert "Correct the Dockerfile" in error.remedy


def test_a_run_that_was_killed_hints_at_memory() -> None:
    said = 'process "/bin/sh -c make" did not complete successfully: exit code: 137'
    assert "takes too much memory" in build_failure(Failure("[2/3] RUN make", said, []), request()).remedy


# Real builds


def test_a_missing_docker_says_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(PermanentError) as raised:
        observe_engine(None, {"PATH": str(tmp_path), "HOME": str(tmp_path)})
    assert "docker's client or its buildx plugin does not work: was not found" in raised.value.problem
    assert raised.value.remedy.startswith("Install docker's client and its buildx plugin")


@pytest.mark.parametrize(
    "said", ["github.com/docker/buildx 0.12.1 abc", "github.com/docker/buildx v0.9.0 abc"]
)
def test_a_buildx_that_is_too_old_is_named(tmp_path: Path, said: str) -> None:
    docker = tmp_path / "docker"
    docker.write_text(f"#!/bin/sh\necho '{said}'\n")
    docker.chmod(0o755)
    with pytest.raises(PermanentError) as raised:
        observe_engine(None, {"PATH": f"{tmp_path}:/usr/bin:/bin"})
    assert raised.value.problem == f"buildx is too old: {said}"
    assert raised.value.remedy == "Install buildx 0.13 or newer."
