"""A project's declaration: defaults that fit, and errors that name the key and hide the secret."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from release_assets.project import Image, Project, is_loopback
from release_assets.rules.tags import Channel

MINIMAL: dict[str, Any] = {
    "project": "sample",
    "repository": "https://github.com/owner/sample.git",
    "package": {},
}
SECRET = "s3cr3t"


def declare(**changes: Any) -> Project:
    return Project.model_validate({**MINIMAL, **changes})


def refusal(**changes: Any) -> str:
    """Return the error of these attributes."""
    with pytest.raises(ValidationError) as caught:
        declare(**changes)
    return str(caught.value)


def test_only_project_repository_and_package_are_needed() -> None:
    project = declare()
    assert project.package.directory == "."
    assert project.tags.release == "v{version}"
    assert project.index.upload_url == "https://upload.pypi.org/legacy/"
    assert project.index.token_env == "PYPI_TOKEN"
    assert project.github.api_url == "https://api.github.com"
    assert project.github.repository == "owner/sample"
    assert project.image is None
    for key in MINIMAL:
        with pytest.raises(ValidationError, match=f"(?m)^{key}$"):
            Project.model_validate({name: value for name, value in MINIMAL.items() if name != key})


def test_an_image_needs_its_repository_only() -> None:
    image = declare(image={"repository": "docker.io/owner/sample"}).image
    assert image is not None
    assert image.platforms == ["linux/amd64", "linux/arm64"]
    assert (image.dockerfile, image.context, image.cache) == ("Dockerfile", ".", "registry")
    assert (image.username_env, image.token_env) == ("DOCKER_USERNAME", "DOCKER_TOKEN")


def test_test_releases_go_to_the_test_index() -> None:
    project = declare()
    assert project.index_for(Channel.TEST).upload_url == "https://test.pypi.org/legacy/"
    assert project.index_for(Channel.TEST).token_env == "TEST_PYPI_TOKEN"
    for channel in (Channel.STABLE, Channel.PRERELEASE):
        assert project.index_for(channel).simple_url == "https://pypi.org/simple/"


@pytest.mark.parametrize(
    "remote",
    [
        "https://github.com/owner/sample.git",
        "https://github.com/owner/sample",
        "https://github.com/owner/sample/",
        "git@github.com:owner/sample.git",
        "ssh://git@github.com/owner/sample.git",
    ],
)
def test_the_github_repository_is_read_from_the_remote(remote: str) -> None:
    assert declare(repository=remote).github.repository == "owner/sample"
    own = declare(repository=remote, github={"repository": "other/name", "token_env": "T"}).github
    assert (own.repository, own.token_env) == ("other/name", "T")


def test_a_remote_elsewhere_needs_the_github_repository() -> None:
    assert (
        "github.repository is missing, and 'https://gitlab.com/o/n.git' does not tell it; "
        "add `github: {repository: owner/name}`"
    ) in refusal(repository="https://gitlab.com/o/n.git")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pakage": {}}, "unknown key 'pakage'; did you mean 'package'?"),
        ({"package": {"version_fil": "x"}}, "unknown key 'version_fil'; did you mean 'version_file'?"),
        ({"index": {"uplod_url": "x"}}, "unknown key 'uplod_url'; did you mean 'upload_url'?"),
        ({"image": {"repository": "r", "platform": []}}, "unknown key 'platform'; did you mean 'platforms'?"),
        ({"tags": {"qqq": "v{version}"}}, "unknown key 'qqq'; known are release, test, rebuild"),
        ({1: 2}, "unknown key 1; known are project, repository, allow_http, package"),
    ],
)
def test_an_unknown_key_names_the_nearest_known_one(changes: dict[Any, Any], message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Project.model_validate({**MINIMAL, **changes})
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "messages"),
    [
        ({"project": "My-Project"}, ["project\n", "should match pattern '^[a-z0-9_]+$'"]),
        ({"project": "sample\n"}, ["should match pattern"]),
        ({"project": ""}, ["should match pattern"]),
        ({"package": {"directory": "../other"}}, ["package.directory\n", "'../other' leads out of the"]),
        ({"package": {"version_file": "/etc/passwd"}}, ["package.version_file\n", "leads out of the"]),
        ({"image": {"repository": "r", "context": "a/../../b"}}, ["image.context\n", "leads out of the"]),
        ({"tags": {"release": "v"}}, ["tags.release\n", "'v' must hold {version} once"]),
        ({"tags": {"test": "{version}{version}"}}, ["tags.test\n", "must hold {version} once"]),
        ({"tags": {"test": "v{version}"}}, ["tags\n", "tags must be written differently"]),
        ({"image": {"repository": "r", "platforms": []}}, ["image.platforms\n", "at least 1 item"]),
        ({"image": {"repository": "r", "platforms": ["amd64"]}}, ["'amd64' is not a platform such as"]),
        (
            {"image": {"repository": "r", "platforms": ["linux/amd64", "linux/amd64"]}},
            ["image.platforms\n", "linux/amd64 and linux/amd64 are the same platform; remove one of them"],
        ),
        (
            {"image": {"repository": "r", "platforms": ["linux/arm64", "linux/amd64", "linux/arm64/v8"]}},
            ["linux/arm64 and linux/arm64/v8 are the same platform; remove one of them"],
        ),
        (
            {"image": {"repository": "r", "builders": {"linux/arm64": "one", "linux/aarch64": "other"}}},
            ["image.builders\n", "linux/arm64 and linux/aarch64 are the same platform"],
        ),
        (
            {"image": {"repository": "r", "platforms": ["linux/amd46"]}},
            ["unknown platform 'linux/amd46': 'amd46'; did you mean 'amd64'?"],
        ),
        (
            {"image": {"repository": "r", "builders": {"linux/s390x": "far"}}},
            ["builders names linux/s390x, which platforms does not"],
        ),
        (
            {"image": {"repository": "r", "build_contexts": {"dist": "x"}}},
            ["build_contexts must not name 'dist': that is the folder of the published files"],
        ),
        ({"image": {"repository": "r", "cache": "s3"}}, ["image.cache\n", "'registry', 'local' or 'none'"]),
        ({"github": {"repository": "no-owner"}}, ["github.repository\n", "expected owner/name"]),
    ],
)
def test_a_wrong_value_names_its_key(changes: dict[str, Any], messages: list[str]) -> None:
    said = refusal(**changes)
    for message in messages:
        assert message in said


@pytest.mark.parametrize("remote", ["--upload-pack=/bin/sh", "ext::sh -c id", "transport::address"])
def test_a_remote_that_git_would_run_is_refused(remote: str) -> None:
    assert "is not a git remote or path" in refusal(repository=remote, github={"repository": "o/n"})


@pytest.mark.parametrize(
    "changes",
    [
        {"index": {"upload_url": "http://pypi.example/legacy/"}},
        {"test_index": {"simple_url": "http://pypi.example/simple/"}},
        {"github": {"api_url": "http://github.example/api/v3", "repository": "o/n"}},
        {"index": {"upload_url": "http://127.0.0.1.example/legacy/"}},
    ],
)
def test_plain_http_is_for_this_machine_only_unless_it_is_allowed(changes: dict[str, Any]) -> None:
    assert "is not encrypted; use https, or set allow_http: true for this destination" in refusal(**changes)
    declare(**{key: {**block, "allow_http": True} for key, block in changes.items()})


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://localhost:1234/simple/", True),
        ("http://github.localhost", True),
        ("http://127.0.0.1:80", True),
        ("http://127.8.8.8", True),
        ("http://[::1]:8080/", True),
        ("http://notlocalhost", False),
        ("http://0.0.0.0", False),
        ("http://10.0.0.1", False),
        ("http://localhost@example.org", False),
        ("", False),
    ],
)
def test_which_hosts_are_this_machine(url: str, expected: bool) -> None:
    assert is_loopback(url) is expected


@pytest.mark.parametrize("remote", ["http://git.example/o/n.git", "git://git.example/o/n.git"])
def test_a_repository_is_fetched_encrypted_unless_the_yaml_allows_it(remote: str) -> None:
    github = {"repository": "o/n"}
    said = refusal(repository=remote, github=github)
    assert f"{remote!r} is not encrypted; use https or ssh, or set allow_http: true for the project" in said
    declare(repository=remote, github=github, allow_http=True)


@pytest.mark.parametrize(
    "remote",
    ["http://localhost:8080/n.git", "git@git.example:o/n.git", "ssh://git.example/o/n.git", "/srv/n.git"],
)
def test_a_repository_of_this_machine_or_over_ssh_needs_no_word(remote: str) -> None:
    assert declare(repository=remote, github={"repository": "o/n"}).repository == remote


@pytest.mark.parametrize("url", ["ftp://pypi.example/", "pypi.example", "https://", "file:///srv/index"])
def test_a_destination_is_a_web_address(url: str) -> None:
    assert "expected an http(s) URL such as https://pypi.example/simple/" in refusal(
        index={"upload_url": url}
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"index": {"token_env": f"pypi-{SECRET}"}},
            "must be the name of an environment variable; the YAML never holds the secret itself",
        ),
        (
            {"index": {"upload_url": f"https://t:{SECRET}@h/"}},
            "a URL must not hold a user or password; name a variable with token_env",
        ),
        (
            {"repository": f"https://o:{SECRET}@github.com/o/n"},
            "the remote holds a password; use git's credential helper or an SSH key",
        ),
        (
            {"repository": f"https://{SECRET}@github.com/o/n"},
            "the remote holds a password; use git's credential helper or an SSH key",
        ),
        ({"index": {"token": SECRET}}, "unknown key 'token'; did you mean 'token_env'?"),
    ],
)
def test_a_secret_in_the_wrong_place_is_refused_and_not_repeated(
    changes: dict[str, Any], message: str
) -> None:
    said = refusal(**changes)
    assert message in said
    assert SECRET not in said


def test_nothing_can_be_changed_after_it_was_checked() -> None:
    with pytest.raises(ValidationError, match="Instance is frozen"):
        Image(repository="r").cache = "none"  # type: ignore[misc]
