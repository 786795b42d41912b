"""A stranger's `dg` project, made with create-dagster: README's example loads, lists and scaffolds."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from release_assets.process import environment
from release_assets.project import Project
from release_assets_tests.paths import ROOT, TESTS
from tools.sandbox.git_remote import git

SECRET = "pypi-AgEIs3cr3ts3cr3t"
LOAD_ERROR = (
    "{workspaceOrError {... on Workspace {locationEntries {locationOrLoadError {__typename "
    "... on PythonError {message stack cause {message stack} causes {message stack} "
    "errorChain {error {message}}}}}}}}"
)


@dataclass(frozen=True)
class DgProject:
    """A project as create-dagster makes it, and a terminal in it."""

    folder: Path
    env: dict[str, str]

    def run(self, *command: str, status: int = 0, **variables: str) -> str:
        """Run a command of our environment to its end, and return all that it printed."""
        program = Path(sys.executable).with_name(command[0])
        ended = subprocess.run(
            [program, *command[1:]],
            cwd=self.folder,
            env=self.env | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )
        assert ended.returncode == status, ended.stdout
        return ended.stdout

    def declare(self, text: str, name: str = "mypackage") -> Path:
        """Write a defs.yaml, in the place of all projects that were there."""
        for other in self.defs.glob("*/"):
            shutil.rmtree(other)
        file = self.defs / name / "defs.yaml"
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
        return file

    @property
    def defs(self) -> Path:
        return self.folder / "src" / "stranger" / "defs"


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> DgProject:
    """A project in an environment that has release-assets installed. Nothing is fetched."""
    folder = tmp_path_factory.mktemp("dg")
    env = environment(
        HOME=str(folder), DAGSTER_DISABLE_TELEMETRY="1", COLUMNS="200", PYTHONPATH=f"{folder}/stranger/src"
    )
    DgProject(folder, env).run("create-dagster", "project", "--no-uv-sync", "stranger")
    return DgProject(folder / "stranger", env)


def example_of_readme() -> str:
    """Return the defs.yaml that README shows."""
    (example,) = re.findall(r"```yaml\n( *# defs/mypackage/defs\.yaml\n.*?)```", README, re.DOTALL)
    return str(example)


README = (ROOT / "README.md").read_text()
CRAWL4AI = (ROOT / "examples" / "crawl4ai" / "defs.yaml").read_text()


@pytest.mark.parametrize("text", [example_of_readme(), CRAWL4AI], ids=["README", "crawl4ai"])
def test_the_examples_pass_dg_check(stranger: DgProject, text: str) -> None:
    stranger.declare(text)
    project = yaml.safe_load(text)["attributes"]["project"]
    assert "All definitions loaded successfully." in stranger.run("dg", "check", "defs")
    listed = stranger.run("dg", "list", "defs", "--json")
    for name in ("version", "pypi_publication", "image_linux_arm64", "floating_tags"):
        assert f"{project}/{name}" in listed
    assert f"{project}_release_tags" in listed


def test_what_is_missing_is_listed(stranger: DgProject) -> None:
    example = example_of_readme()
    stranger.declare(example + "requirements: {env: [PYPI_TOKEN, GITHUB_TOKEN]}\n")
    (stranger.folder / ".env").write_text(f"PYPI_TOKEN={SECRET}\n")
    listed = stranger.run("dg", "list", "envs")
    (stranger.folder / ".env").unlink()
    assert re.search(r"PYPI_TOKEN +│ +✓", listed), listed
    assert re.search(r"GITHUB_TOKEN +│ +│", listed), listed
    assert SECRET not in listed


def test_a_template_needs_its_variable(stranger: DgProject) -> None:
    template = re.sub("repository: https.*", 'repository: "{{ env.REPO }}"', example_of_readme())
    file = stranger.declare(template + "requirements: {env: [REPO]}\n")
    assert "validated successfully" in stranger.run("dg", "check", "yaml", "--validate-requirements")
    line = 1 + template[: template.index("{{")].count("\n")
    said = stranger.run("dg", "check", "defs", status=1)
    assert f"{file}:{line}: repository: the environment variable REPO is unset" in said
    assert "loaded successfully" in stranger.run("dg", "check", "defs", REPO="https://github.com/o/n.git")


def test_a_scaffold_passes_dg_check(stranger: DgProject) -> None:
    stranger.declare(example_of_readme())
    stranger.run("dg", "scaffold", "defs", "release_assets.ReleaseGraph", "My-Package.2")
    file = stranger.defs / "My-Package.2" / "defs.yaml"
    text = file.read_text()
    written = yaml.safe_load(text)
    assert Project.model_validate(written["attributes"]).project == "my_package_2"
    for key in ("version_file", "tags", "index", "test_index", "github", "build_args", "owners"):
        assert re.search(rf"^ *#{key}: ", text, re.MULTILINE), key
    assert "DOCKER_TOKEN" in written["requirements"]["env"]
    stranger.run("dg", "scaffold", "defs", "release_assets.ReleaseGraph", "coded", "--format", "python")
    assert "All definitions loaded successfully." in stranger.run("dg", "check", "defs")
    assert {"my_package_2", "coded", "mypackage"} <= set(
        re.findall(r"(\w+)/sdist", stranger.run("dg", "list", "defs", "--json"))
    )
    # Each key that is commented out is valid when it is not.
    uncommented = re.sub(r"^( *)#(?=\w+: )", r"\1", text, flags=re.MULTILINE)
    assert uncommented.count("#") < text.count("#")
    project = Project.model_validate(yaml.safe_load(uncommented)["attributes"])
    assert project.package.version_file == "src/my_package_2/__about__.py"


def test_what_init_writes_passes_dg_check(stranger: DgProject, tmp_path: Path) -> None:
    clone = tmp_path / "two-workflows"
    shutil.copytree(TESTS / "unit" / "init" / "repositories" / "two-workflows", clone)
    git("init", "--quiet", directory=clone)
    git("remote", "add", "origin", "https://github.com/me/weaver.git", directory=clone)
    stranger.declare(example_of_readme())
    said = stranger.run(
        "release-assets", "init", str(clone), "--yes", "--output", str(stranger.defs / "weaver")
    )
    assert "was written" in said
    assert "validated successfully" in stranger.run("dg", "check", "yaml")
    assert "All definitions loaded successfully." in stranger.run("dg", "check", "defs")


def test_a_token_in_the_place_of_a_name_is_told_nowhere(stranger: DgProject) -> None:
    stranger.declare(example_of_readme().replace("package:", f"index: {{token_env: {SECRET}}}\n  package:"))
    module = ("-m", "stranger.definitions")
    outputs = [
        stranger.run("dg", "check", "defs", "--verbose", status=1),
        stranger.run("dg", "list", "defs", "--verbose", status=1),
        stranger.run("dagster", "definitions", "validate", *module, status=1),
        # What the UI shows:
        stranger.run("dagster-graphql", *module, "-t", LOAD_ERROR, DAGSTER_HOME=str(stranger.folder)),
    ]
    for said in outputs:
        assert "index.token_env: must be the name of an environment variable" in said, said
        assert SECRET not in said


def test_the_repository_itself_is_a_dg_project() -> None:
    here = DgProject(ROOT, environment(DAGSTER_DISABLE_TELEMETRY="1", COLUMNS="200"))
    assert "Project configuration file is valid" in here.run("dg", "check", "toml")
    assert "All definitions loaded successfully." in here.run("dg", "check", "defs")
    folder = str(ROOT / "examples")
    assert "crawl4ai/version" in here.run("dg", "list", "defs", "--json", RELEASE_ASSETS_DEFS=folder)
