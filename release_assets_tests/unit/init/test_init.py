"""release-assets init: the file that it writes for a repository, and what it says about it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from release_assets.cli import commands
from release_assets.definitions import declarations
from release_assets.project import Project
from release_assets_tests.unit.init.conftest import Clone
from tools.sandbox.git_remote import git

Init = Callable[..., Result]


@pytest.fixture
def init(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Init:
    """Runs the command for a clone; the file is written below defs/."""
    monkeypatch.setenv("RELEASE_ASSETS_DEFS", str(tmp_path / "defs"))

    def run(path: Path, *options: str, answers: str | None = None) -> Result:
        result = CliRunner().invoke(commands, ["init", str(path), *options], input=answers)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result

    return run


def attributes(result: Result, project: str, tmp_path: Path) -> dict[str, Any]:
    """Return what was written for a project, which Dagster's code location can read."""
    assert result.exit_code == 0, result.output
    projects, errors = declarations()
    assert (project in projects, errors) == (True, [])
    written: dict[str, Any] = yaml.safe_load((tmp_path / "defs" / project / "defs.yaml").read_text())
    return dict(written["attributes"])


def section(result: Result, heading: str) -> list[str]:
    """The lines below a heading of the output."""
    _, _, rest = result.output.partition(f"{heading}:\n")
    return [line.strip() for line in rest.partition("\n\n")[0].splitlines()]


def test_the_two_workflows_that_this_replaces(init: Init, clone: Clone, tmp_path: Path) -> None:
    result = init(clone("two-workflows", "v0.7.3", "v0.7.4"), "--yes")
    assert attributes(result, "weaver", tmp_path) == {
        "project": "weaver",
        "repository": "https://github.com/Loomworks/two-workflows.git",
        "package": {"directory": ".", "version_file": "weaver/__version__.py"},
        "tags": {
            "release": "v{version}",
            "test": "test-v{version}",
            "rebuild": "docker-rebuild-v{version}",
        },
        "index": {"token_env": "PYPI_TOKEN"},
        "test_index": {"token_env": "TEST_PYPI_TOKEN"},
        "github": {"repository": "Loomworks/two-workflows", "token_env": "GITHUB_TOKEN"},
        "image": {
            "repository": "docker.io/loomworks/weaver",
            "dockerfile": "Dockerfile",
            "platforms": ["linux/amd64", "linux/arm64"],
            "build_args": {"WEAVER_VER": "{version}"},
            "username_env": "DOCKER_USERNAME",
            "token_env": "DOCKER_TOKEN",
        },
    }
    assert section(result, "Not taken over") == [
        "release.yml: job release, step 'Create GitHub Release': a workflow's GITHUB_TOKEN ends with it. "
        "Create a fine-grained token with `Contents: write` for this repository and set GITHUB_TOKEN",
        "release.yml: job release, step 'Create GitHub Release': its own text (`body`) is not taken over",
    ]
    assert "Note:" not in result.output


def test_images_of_a_matrix_pushed_by_digest_are_one_image(init: Init, clone: Clone, tmp_path: Path) -> None:
    result = init(clone("ghcr-matrix", "2.0.0", "2.1.0"), "--yes")
    found = attributes(result, "harbour", tmp_path)
    assert found["tags"]["release"] == "{version}"
    assert found["package"]["version_file"] == "src/harbour/__about__.py"
    assert found["image"] == {
        "repository": "ghcr.io/loomworks/ghcr-matrix",
        "dockerfile": "docker/server.Dockerfile",
        "platforms": ["linux/amd64", "linux/arm64"],
        "build_args": {"HARBOUR_VERSION": "{version}", "EXTRAS": "server"},
        "provenance": False,
        "username_env": "DOCKER_USERNAME",
        "token_env": "DOCKER_TOKEN",
    }
    left = "\n".join(section(result, "Not taken over"))
    assert "set PYPI_TOKEN" in left
    assert "build argument REVISION=${{ github.sha }} is not known before the workflow runs" in left
    assert "Create a classic token with `write:packages` for ghcr.io and set DOCKER_TOKEN" in left
    assert "attestations (PEP 740) are not made" in left
    assert "the image tags of `type=sha,format=long` are not made" in left
    assert "nothing here does what appleboy/ssh-action does" in left
    assert "step 'Tell the channel'" in left


def test_commands_in_shell_scripts_are_read(init: Init, clone: Clone, tmp_path: Path) -> None:
    result = init(clone("shell-scripts"), "--yes")
    found = attributes(result, "lantern_cli", tmp_path)
    assert found["package"] == {"directory": ".", "name": "lantern-cli"}
    assert found["tags"] == {
        "release": "release-{version}",
        "test": "test-release-{version}",
        "rebuild": "docker-rebuild-release-{version}",
    }
    assert found["index"]["token_env"] == "LANTERN_PYPI"
    assert (found["github"]["token_env"], found["github"]["notes"]) == ("RELEASE_PAT", "github")
    assert found["image"] == {
        "repository": "docker.io/lantern/lantern-cli",
        "dockerfile": "Dockerfile",
        "platforms": ["linux/amd64", "linux/arm64", "linux/arm/v7"],
        "build_args": {"LIGHT": "bright"},
        "username_env": "HUB_USER",
        "token_env": "HUB_PASSWORD",
    }
    assert section(result, "Not taken over") == [
        "deploy.yml: job all, step 'docs': nothing here runs its `mkdocs gh-deploy`",
        "deploy.yml: images of the branch main are not built: tags start releases",
    ]


def test_a_monorepo_has_a_file_for_each_package(init: Init, clone: Clone, tmp_path: Path) -> None:
    path = clone("monorepo", "quilt-core/v1.3.0", "quilt-cli/v0.9.1")
    result = init(path, "--yes")
    core, cli = attributes(result, "quilt_core", tmp_path), attributes(result, "quilt_cli", tmp_path)
    assert not (tmp_path / "defs" / "not_to_publish").exists()
    assert core["package"] == {
        "directory": "packages/core",
        "version_file": "packages/core/src/quilt_core/__init__.py",
    }
    assert cli["package"]["version_file"] == "packages/cli/quilt_cli/__init__.py"
    assert (core["tags"]["release"], cli["tags"]["release"]) == (
        "quilt-core/v{version}",
        "quilt-cli/v{version}",
    )
    assert len({*core["tags"].values(), *cli["tags"].values()}) == 6
    assert (core["index"]["token_env"], cli["index"]["token_env"]) == ("CORE_TOKEN", "CLI_TOKEN")


def test_the_directory_of_a_package_chooses_it(init: Init, clone: Clone, tmp_path: Path) -> None:
    result = init(clone("monorepo") / "packages" / "core", "--yes")
    attributes(result, "quilt_core", tmp_path)
    assert [file.name for file in (tmp_path / "defs").iterdir()] == ["quilt_core"]


def test_one_of_several_packages_is_asked_for(init: Init, clone: Clone, tmp_path: Path) -> None:
    result = init(clone("monorepo"), answers="1\n")
    attributes(result, "quilt_cli", tmp_path)
    assert [file.name for file in (tmp_path / "defs").iterdir()] == ["quilt_cli"]


def test_what_has_no_counterpart_is_named(init: Init, clone: Clone, tmp_path: Path) -> None:
    result = init(clone("leftovers"), "--yes")
    found = attributes(result, "attic", tmp_path)["image"]
    assert found["repository"] == "docker.io/attic/attic"
    assert (found["context"], found["dockerfile"]) == ("server", "server/Dockerfile")
    assert found["build_args"] == {"TAG": "v{version}"}
    assert (found["username_env"], found["token_env"]) == ("DOCKER_USERNAME", "HUB_TOKEN")
    github = attributes(result, "attic", tmp_path)["github"]
    assert (github["notes"], github["assets"]) == ("github", ["install.sh"])
    left = "\n".join(section(result, "Not taken over"))
    for words in (
        "build/manual.pdf is not in the repository",
        "the tag filter '!v*-rc*' is not taken over",
        "no workflow uploads to a package index: stable releases go to PyPI",
        "docker.io/attic/worker is not built: a project has one image",
        "quay.io/attic/attic is not pushed to: an image has one repository",
        "build argument TOKEN holds a secret: anybody can read it in the image",
        "build argument DATE=${{ steps.date.outputs.now }} is not known before the workflow runs",
        "set DOCKER_USERNAME to atticbot",
        "server/Dockerfile is not in this checkout",
        "`target` has no counterpart",
        "`secrets` has no counterpart",
        "`image: sbom_generator:`",
        "the image tag nightly is not made",
        "`image: scan:` runs a scanner before floating tags move",
        "`image: sign:` signs images with cosign",
        "the tags that it pushes start a release here",
        "attic/shared/.github/workflows/page.yml@main is in another repository",
        "`draft: true`: the release is published, not left as a draft",
        "the action ./.github/actions/announce was not looked into",
        "nothing here runs its `helm`",
        "nothing starts on a schedule",
        "images of the branch main are not built",
    ):
        assert words in left


@pytest.mark.parametrize(
    ("repository", "project", "package", "words"),
    [
        (
            "setup-cfg",
            "old_timer",
            {"directory": ".", "version_file": "src/old_timer/version.py", "name": "old_timer"},
            "old_timer 5.6",
        ),
        ("setup-py", "elder", {"directory": ".", "name": "elder"}, "elder 0.3 (version from setup.py)"),
        ("compiled", "anvil", {"directory": "."}, "the package is compiled (maturin)"),
        ("computed-version", "pkg", {"directory": "."}, "pkg/__init__.py does not hold it as plain text"),
    ],
)
def test_where_the_version_is_declared(
    init: Init,
    clone: Clone,
    tmp_path: Path,
    repository: str,
    project: str,
    package: dict[str, str],
    words: str,
) -> None:
    ran = Path("/tmp/setup-py-was-run")  # noqa: S108  (setup.py would leave it)
    ran.unlink(missing_ok=True)
    result = init(clone(repository), "--yes")
    assert attributes(result, project, tmp_path)["package"] == package
    assert words in result.output
    assert not ran.exists()


def test_an_index_that_cannot_be_seen_is_asked_for(init: Init, clone: Clone, tmp_path: Path) -> None:
    """A package of a private index must not go to PyPI because nobody was asked."""
    path = clone("private-index")
    refused = init(path, "--yes")
    assert refused.exit_code == 2
    assert "Which URL does publish.yml: job publish, step 'twine upload" in refused.output
    result = init(path, answers="https://pypi.inner.example/upload/\n")
    found = attributes(result, "inner", tmp_path)
    assert found["index"] == {
        "upload_url": "https://pypi.inner.example/upload/",
        "simple_url": "https://pypi.inner.example/upload/",
        "token_env": "INDEX_PASSWORD",
    }
    assert found["tags"]["release"] == "rel/{version}"


def test_a_remote_elsewhere_asks_for_the_github_repository(init: Init, clone: Clone, tmp_path: Path) -> None:
    path = clone("setup-py", remote="https://user:pa55word@gitlab.com/Loomworks/{name}.git")
    refused = init(path, "--yes")
    assert refused.exit_code == 2
    assert "Which repository on GitHub gets the releases (owner/name)?" in refused.output
    result = init(path, answers="loomworks/elder\n")
    found = attributes(result, "elder", tmp_path)
    assert found["repository"] == "https://gitlab.com/Loomworks/setup-py.git"
    assert found["github"]["repository"] == "loomworks/elder"
    assert "pa55word" not in refused.output + result.output


def test_the_image_of_a_dockerfile_without_workflow_is_asked_for(
    init: Init, clone: Clone, tmp_path: Path
) -> None:
    path = clone("computed-version")
    (path / "Dockerfile").write_text("FROM python:3.12\n")
    silent = init(path, "--yes")
    assert "image" not in attributes(silent, "pkg", tmp_path)
    assert "Where does the image of Dockerfile go" in silent.output
    result = init(path, "--force", answers="docker.io/me/pkg\n")
    assert attributes(result, "pkg", tmp_path)["image"]["repository"] == "docker.io/me/pkg"
    assert "was overwritten" in result.output


def test_an_existing_file_is_not_overwritten(init: Init, clone: Clone, tmp_path: Path) -> None:
    path = clone("setup-py")
    file = tmp_path / "defs" / "elder" / "defs.yaml"
    file.parent.mkdir(parents=True)
    file.write_text("mine\n")
    refused = init(path, "--yes")
    assert refused.exit_code == 2
    assert f"{file} exists. Overwrite it with --force, or set another --output." in refused.output
    assert file.read_text() == "mine\n"


@pytest.mark.parametrize(
    ("option", "file"), [("here", "here/defs.yaml"), ("here/project.yaml", "here/project.yaml")]
)
def test_output_is_a_directory_or_a_file(
    init: Init, clone: Clone, tmp_path: Path, option: str, file: str
) -> None:
    result = init(clone("setup-py"), "--yes", "--output", str(tmp_path / option))
    assert result.exit_code == 0
    written = yaml.safe_load((tmp_path / file).read_text())
    assert Project.model_validate(written["attributes"]).project == "elder"


def test_a_repository_over_ssh_is_read_over_ssh(init: Init, clone: Clone, tmp_path: Path) -> None:
    """Where HTTPS does not show it: the address that git leads to the repository on disk is the SSH one."""
    path = clone("setup-py", "1.0", "1.1", remote="git@github.com:Private/{name}.git")
    result = init(path, "--yes")
    found = attributes(result, "elder", tmp_path)
    assert found["repository"] == "git@github.com:Private/setup-py.git"
    assert found["tags"]["release"] == "{version}"


def test_without_the_remote_its_clone_tells_the_tags(init: Init, clone: Clone, tmp_path: Path) -> None:
    path = clone("setup-py", remote="https://127.0.0.1:9/Loomworks/{name}.git")
    (tmp_path / "home" / ".gitconfig").unlink()
    git("tag", "rel-1.0", directory=path)
    result = init(path, answers="loomworks/elder\n")
    assert attributes(result, "elder", tmp_path)["tags"]["release"] == "rel-{version}"
    (note,) = section(result, "Note")
    assert note.startswith("the remote's tags are not known: git cannot reach https://127.0.0.1:9/")


def test_no_package_says_what_was_looked_for(init: Init, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    result = init(tmp_path / "empty", "--yes")
    assert result.exit_code == 2
    assert "no package was found in" in result.output
