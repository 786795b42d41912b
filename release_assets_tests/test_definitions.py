"""What Dagster loads: the names that users rely on, projects side by side, errors in a maintainer's words."""

from __future__ import annotations

import json
from pathlib import Path

import dagster as dg
import pytest
from dagster.components.testing import create_defs_folder_sandbox

from release_assets import ReleaseGraph
from release_assets.definitions import defs, project_files, read_project
from release_assets.errors import PermanentError

SECRET = "s3cr3t"
SAMPLE = """\
type: release_assets.ReleaseGraph
attributes:
  project: sample
  repository: https://github.com/owner/sample.git
  package: {directory: .}
  owners: [maintainer@example.org]
  image: {repository: docker.io/owner/sample}
"""
PLAIN = """\
type: release_assets.ReleaseGraph
attributes:
  project: plain
  repository: git@github.com:owner/plain.git
  package: {}
"""
RELEASE_HALF = {"version", "sdist", "wheel", "pypi_publication", "github_release"}
DOCKER_HALF = {"image_linux_amd64", "image_linux_arm64", "manifest_list", "floating_tags"}


class Folder:
    """A folder of projects, as RELEASE_ASSETS_DEFS names it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def declare(self, yaml: str, name: str = "sample") -> Path:
        (self.path / name).mkdir()
        file = self.path / name / "defs.yaml"
        file.write_text(yaml)
        return file

    def load(self) -> dg.Definitions:
        """What Dagster gets, checked as a whole."""
        loaded = defs()
        dg.Definitions.validate_loadable(loaded)
        return loaded

    def refusal(self, yaml: str) -> str:
        """What the maintainer reads when this defs.yaml is refused."""
        self.declare(yaml)
        with pytest.raises(PermanentError) as caught:
            defs()
        return str(caught.value)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folder:
    (tmp_path / "defs").mkdir()
    monkeypatch.setenv("RELEASE_ASSETS_DEFS", str(tmp_path / "defs"))
    return Folder(tmp_path / "defs")


def keys(definitions: dg.Definitions) -> set[str]:
    return {key.to_user_string() for key in definitions.resolve_asset_graph().get_all_asset_keys()}


def job_steps(definitions: dg.Definitions, job: str) -> set[str]:
    selected = definitions.resolve_job_def(job).asset_layer.selected_asset_keys
    return {key.path[-1] for key in selected}


# The names


def test_a_project_has_the_keys_jobs_partitions_and_sensors_of_the_contract(folder: Folder) -> None:
    folder.declare(SAMPLE)
    loaded = folder.load()
    assert keys(loaded) == {f"sample/{name}" for name in RELEASE_HALF | DOCKER_HALF}
    assert job_steps(loaded, "sample_release") == RELEASE_HALF
    assert job_steps(loaded, "sample_docker") == DOCKER_HALF | {"version"}
    sensors = {sensor.name for sensor in loaded.get_repository_def().sensor_defs}
    assert {"sample_release_tags", "sample_github_releases", "sample_lost_retries"} <= sensors
    for node in loaded.resolve_asset_graph().asset_nodes:
        assert isinstance(node.partitions_def, dg.DynamicPartitionsDefinition)
        assert node.partitions_def.name == "sample_releases"


def test_the_graph_is_drawn_as_designed(folder: Folder) -> None:
    folder.declare(SAMPLE)
    graph = folder.load().resolve_asset_graph()
    parents = {
        node.key.path[-1]: {parent.path[-1] for parent in node.parent_keys} for node in graph.asset_nodes
    }
    assert parents["version"] == set()
    assert parents["sdist"] == {"version"}
    assert "sdist" in parents["wheel"]
    assert {"sdist", "wheel"} & parents["pypi_publication"]
    assert "pypi_publication" in parents["github_release"]
    for platform in ("image_linux_amd64", "image_linux_arm64"):
        assert parents[platform] == {"version", "github_release"}
    assert {"image_linux_amd64", "image_linux_arm64"} <= parents["manifest_list"]
    assert "manifest_list" in parents["floating_tags"]


def test_every_asset_tells_a_maintainer_what_it_is(folder: Folder) -> None:
    folder.declare(SAMPLE)
    for node in folder.load().resolve_asset_graph().asset_nodes:
        assert node.group_name == "sample"
        assert node.description
        assert node.kinds
        assert node.code_version
        assert node.owners == ["maintainer@example.org"]


def test_sensors_run_without_being_switched_on(folder: Folder) -> None:
    folder.declare(SAMPLE)
    folder.declare(PLAIN, "plain")
    sensors = folder.load().get_repository_def().sensor_defs
    assert {sensor.default_status for sensor in sensors} == {dg.DefaultSensorStatus.RUNNING}


def test_there_is_an_image_for_each_platform(folder: Folder) -> None:
    folder.declare(SAMPLE.replace("sample}", "sample, platforms: [linux/arm/v7]}"))
    loaded = folder.load()
    assert {key for key in keys(loaded) if "image" in key} == {"sample/image_linux_arm_v7"}


def test_a_project_without_an_image_has_no_docker_half(folder: Folder) -> None:
    folder.declare(PLAIN)
    loaded = folder.load()
    assert keys(loaded) == {f"plain/{name}" for name in RELEASE_HALF}
    repository = loaded.get_repository_def()
    assert not repository.has_job("plain_docker")
    assert not repository.has_sensor_def("plain_github_releases")
    assert repository.has_sensor_def("plain_release_tags")


def test_projects_stand_side_by_side(folder: Folder) -> None:
    folder.declare(SAMPLE)
    folder.declare(PLAIN, "plain")
    loaded = folder.load()
    assert keys(loaded) == {f"sample/{name}" for name in RELEASE_HALF | DOCKER_HALF} | {
        f"plain/{name}" for name in RELEASE_HALF
    }
    assert job_steps(loaded, "plain_release") == job_steps(loaded, "sample_release") == RELEASE_HALF
    selected = loaded.resolve_job_def("plain_release").asset_layer.selected_asset_keys
    assert {key.path[0] for key in selected} == {"plain"}


# The folder


def test_a_fresh_clone_polls_nobodys_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RELEASE_ASSETS_DEFS", raising=False)
    assert project_files() == []
    assert keys(defs()) == set()


def test_other_files_in_the_folder_are_left_alone(folder: Folder) -> None:
    folder.declare(SAMPLE)
    (folder.path / "README.md").write_text("notes")
    (folder.path / "empty").mkdir()
    (folder.path / "defs.yaml").write_text("type: something.Else\n")
    assert [file.parent.name for file in project_files()] == ["sample"]


def test_a_folder_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RELEASE_ASSETS_DEFS", str(tmp_path / "missing"))
    with pytest.raises(PermanentError, match=r"RELEASE_ASSETS_DEFS is '.*missing', which is no folder"):
        defs()


# What is refused


def test_an_unknown_key_names_the_file_and_the_nearest_known_key(folder: Folder) -> None:
    said = folder.refusal(SAMPLE.replace("image:", "imgae:"))
    assert f"{folder.path / 'sample' / 'defs.yaml'} is not a project:" in said
    assert "  attributes: unknown key 'imgae'; did you mean 'image'?" in said


def test_an_unknown_key_of_a_block_names_the_block(folder: Folder) -> None:
    said = folder.refusal(SAMPLE.replace("directory:", "directori:"))
    assert "  package: unknown key 'directori'; did you mean 'directory'?" in said


def test_all_wrong_values_are_told_at_once(folder: Folder) -> None:
    said = folder.refusal(
        SAMPLE.replace("directory: .", "directory: ..").replace("docker.io", "d, cache: s3")
    )
    assert "  package.directory: '..' leads out of the repository" in said
    assert "  image.cache: " in said


@pytest.mark.parametrize(
    ("yaml", "message"),
    [
        ("", "does not say `type: release_assets.ReleaseGraph`"),
        ("- a list\n", "does not say `type: release_assets.ReleaseGraph`"),
        ("type: other.Component\n", "does not say `type: release_assets.ReleaseGraph`"),
        ("type: release_assets.ReleaseGraph\nproject: sample\n", "has project beside type and attributes"),
        ("type: release_assets.ReleaseGraph\n", "project: Field required"),
        ("type: release_assets.ReleaseGraph\nattributes: [sample]\n", "is not a project:\n  attributes: "),
        ("type: [\n", "cannot be read: "),
    ],
)
def test_a_file_that_declares_no_project_says_what_is_missing(
    folder: Folder, yaml: str, message: str
) -> None:
    assert message in folder.refusal(yaml)


@pytest.mark.parametrize(
    "change",
    [
        ("package:", f"index: {{token_env: pypi-{SECRET}}}\n  package:"),
        ("package:", f"index: {{token: {SECRET}}}\n  package:"),
        ("package:", f"index: {{upload_url: 'https://t:{SECRET}@h/'}}\n  package:"),
        ("github.com", f"o:{SECRET}@github.com"),
        ("package:", f"token: {SECRET}\n  package:"),
    ],
)
def test_a_secret_in_the_wrong_place_is_refused_and_not_repeated(
    folder: Folder, change: tuple[str, str]
) -> None:
    assert SECRET not in folder.refusal(SAMPLE.replace(*change))


def test_definitions_hold_the_names_of_secrets_and_never_a_secret(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("PYPI_TOKEN", "TEST_PYPI_TOKEN", "GITHUB_TOKEN", "DOCKER_USERNAME", "DOCKER_TOKEN")
    for name in names:
        monkeypatch.setenv(name, SECRET)
    file = folder.declare(SAMPLE)
    assert SECRET not in read_project(file).model_dump_json()
    repository = folder.load().get_repository_def()
    for job in repository.get_all_jobs():
        snapshot = job.get_job_snapshot()
        assert SECRET not in dg.serialize_value(snapshot)
    for node in repository.asset_graph.asset_nodes:
        assert SECRET not in json.dumps([node.description, node.tags, list(node.owners), str(node.metadata)])
    for sensor in repository.sensor_defs:
        assert SECRET not in json.dumps([sensor.description, sensor.tags, sensor.metadata], default=str)


# In somebody's own dg project


@pytest.mark.filterwarnings("ignore")  # Dagster's component loader warns of its own parts
def test_the_same_yaml_is_a_component_in_any_dg_project() -> None:
    with create_defs_folder_sandbox() as project:
        attributes = {
            "project": "sample",
            "repository": "https://github.com/owner/sample.git",
            "package": {},
            "image": {"repository": "docker.io/owner/sample", "build_args": {"VERSION": "{version}"}},
        }
        path = project.scaffold_component(
            component_cls=ReleaseGraph,
            defs_path="sample",
            defs_yaml_contents={"type": "release_assets.ReleaseGraph", "attributes": attributes},
        )
        with project.load_component_and_build_defs(defs_path=path) as (component, loaded):
            assert isinstance(component, ReleaseGraph)
            assert component.project.image is not None
            assert component.project.image.build_args == {"VERSION": "{version}"}
            assert keys(loaded) == {f"sample/{name}" for name in RELEASE_HALF | DOCKER_HALF}
