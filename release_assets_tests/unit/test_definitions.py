"""The code location: the names that users rely on, projects side by side, errors in a maintainer's words."""

from __future__ import annotations

import warnings
from pathlib import Path

import dagster as dg
import pytest
from dagster.components.testing import create_defs_folder_sandbox

from release_assets import ReleaseGraph
from release_assets.definitions import declarations, defs
from release_assets.errors import DeclarationError

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
DOCKER_HALF = {"image_linux_amd64", "image_linux_arm64", "manifest_list", "floating_tags", "summary"}


class Folder:
    """A folder of projects, as RELEASE_ASSETS_DEFS names it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def declare(self, yaml: str, name: str = "sample", **files: str) -> Path:
        """Write a project's defs.yaml, and other files next to it."""
        (self.path / name).mkdir(parents=True)
        for other, text in files.items():
            (self.path / name / f"{other}.py").write_text(text)
        file = self.path / name / "defs.yaml"
        file.write_text(yaml)
        return file

    def load(self) -> dg.Definitions:
        """Return what Dagster gets, checked as a whole."""
        loaded = defs()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", dg.BetaWarning)  # of an asset that is not executable
            dg.Definitions.validate_loadable(loaded)
        return loaded

    def refusal(self, yaml: str, name: str = "sample") -> str:
        """Return what the maintainer reads in the UI when this defs.yaml is refused."""
        self.declare(yaml, name)
        loaded = self.load()
        assert keys(loaded) == {f"{name}/configuration_error"}
        (node,) = loaded.resolve_asset_graph().asset_nodes
        assert node.group_name == name
        ((_, error),) = errors().items()
        assert node.description == f"{error.problem}\n\nWhat to do: {error.remedy}"
        return error.problem


def errors() -> dict[str, DeclarationError]:
    """Return what the commands learn of the projects that are refused, by the first line."""
    return {error.problem.partition("\n")[0]: error for error in declarations()[1]}


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


def test_one_sensor_sends_the_alerts_of_all_projects(folder: Folder) -> None:
    folder.declare(SAMPLE)
    assert "release_alerts" not in {one.name for one in folder.load().get_repository_def().sensor_defs}
    for name in ("one", "two"):
        alerts = f"{SAMPLE}  alerts: {{targets_env: [ALERTS_{name.upper()}]}}\n"
        folder.declare(alerts.replace("project: sample", f"project: {name}"), name)
    loaded = folder.load()
    assert [one.name for one in loaded.get_repository_def().sensor_defs].count("release_alerts") == 1
    assert "release_figures" in keys(loaded)


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
        assert node.group_name == f"sample_{'package' if node.key.path[-1] in RELEASE_HALF else 'images'}"
        assert node.kinds
        assert node.owners == ["maintainer@example.org"]
        does, *_, again = (node.description or "").split("\n\n")
        assert does.endswith(".")
        assert again.startswith("Safe to run again: ")


def test_every_asset_names_the_secrets_that_it_needs(folder: Folder) -> None:
    folder.declare(SAMPLE)
    graph = folder.load().resolve_asset_graph()
    described = {node.key.path[-1]: node.description or "" for node in graph.asset_nodes}
    assert "Needs PYPI_TOKEN (for a test release TEST_PYPI_TOKEN)." in described["pypi_publication"]
    assert "GITHUB_TOKEN" in described["github_release"]
    for node in DOCKER_HALF - {"summary"}:
        assert "DOCKER_USERNAME and DOCKER_TOKEN" in described[node]


def test_every_asset_links_to_where_its_things_are(folder: Folder) -> None:
    named = SAMPLE.replace("package: {directory: .}", "package: {directory: core, name: Sample}")
    folder.declare(named)
    metadata = {node.key.path[-1]: node.metadata for node in folder.load().resolve_asset_graph().asset_nodes}
    for found in metadata.values():
        links = {name: found[name].value for name in ("repository", "package", "registry")}
        assert links == {
            "repository": "https://github.com/owner/sample",
            "package": "https://pypi.org/project/Sample/",
            "registry": "https://hub.docker.com/r/owner/sample/tags",
        }
    source = "https://github.com/owner/sample/blob/HEAD"
    assert metadata["sdist"]["source"].value == f"{source}/core/pyproject.toml"
    assert metadata["image_linux_arm64"]["source"].value == f"{source}/Dockerfile"
    # Dagster's loader adds the project's defs.yaml.
    code = metadata["wheel"]["dagster/code_references"].code_references
    assert "wheel.py" in {Path(reference.file_path).name for reference in code}


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
    assert keys(loaded) == {f"plain/{name}" for name in RELEASE_HALF | {"summary"}}
    repository = loaded.get_repository_def()
    assert not repository.has_job("plain_docker")
    assert not repository.has_sensor_def("plain_github_releases")
    assert repository.has_sensor_def("plain_release_tags")


def test_projects_stand_side_by_side(folder: Folder) -> None:
    folder.declare(SAMPLE)
    folder.declare(PLAIN, "plain")
    loaded = folder.load()
    assert keys(loaded) == {f"sample/{name}" for name in RELEASE_HALF | DOCKER_HALF} | {
        f"plain/{name}" for name in RELEASE_HALF | {"summary"}
    }
    assert job_steps(loaded, "sample_release") == RELEASE_HALF
    assert job_steps(loaded, "plain_release") == RELEASE_HALF | {"summary"}
    selected = loaded.resolve_job_def("plain_release").asset_layer.selected_asset_keys
    assert {key.path[0] for key in selected} == {"plain"}


# The folder


def test_a_fresh_clone_polls_nobodys_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RELEASE_ASSETS_DEFS", raising=False)
    assert declarations() == ({}, [])
    assert keys(defs()) == set()


def test_an_empty_folder_declares_nothing(folder: Folder) -> None:
    (folder.path / "README.md").write_text("notes")
    (folder.path / "empty").mkdir()
    (folder.path / ".git" / "hooks").mkdir(parents=True)
    (folder.path / ".git" / "hooks" / "defs.yaml").write_text("type: [")
    assert declarations() == ({}, [])
    assert keys(folder.load()) == set()


def test_a_folder_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RELEASE_ASSETS_DEFS", str(tmp_path / "missing"))
    with pytest.raises(DeclarationError, match=r"RELEASE_ASSETS_DEFS='.*missing' is not a directory"):
        defs()


# Everything that a component file may hold


def test_projects_may_be_in_deeper_folders(folder: Folder) -> None:
    folder.declare(SAMPLE, "team.a/core/sample")
    folder.declare(PLAIN, "team.a/plain")
    assert set(declarations()[0]) == {"sample", "plain"}
    assert {key.partition("/")[0] for key in keys(folder.load())} == {"sample", "plain"}


def test_a_file_may_hold_several_documents(folder: Folder) -> None:
    folder.declare(f"{SAMPLE}---\n{PLAIN}", "both")
    assert set(declarations()[0]) == {"sample", "plain"}
    assert {key.partition("/")[0] for key in keys(folder.load())} == {"sample", "plain"}


def test_requirements_and_post_processing_are_dagsters(folder: Folder) -> None:
    folder.declare(
        SAMPLE
        + "requirements: {env: [PYPI_TOKEN]}\n"
        + "post_processing:\n"
        + "  assets: [{target: 'key:\"sample/version\"', attributes: {tags: {team: core}}}]\n"
    )
    tags = {
        node.key.path[-1]: node.tags.get("team") for node in folder.load().resolve_asset_graph().asset_nodes
    }
    assert tags["version"] == "core"
    assert tags["sdist"] is None


def test_a_folders_own_file_changes_its_projects(folder: Folder) -> None:
    change = "{assets: [{target: '*', attributes: {tags: {team: core}}}]}"
    (folder.path / "defs.yaml").write_text(f"type: dagster.DefsFolderComponent\npost_processing: {change}\n")
    folder.declare(SAMPLE)
    folder.declare(PLAIN.replace("package: {}", "pakage: {}"), "plain")
    nodes = folder.load().resolve_asset_graph().asset_nodes
    assert {node.tags.get("team") for node in nodes if node.key.path[0] == "sample"} == {"core"}
    assert set(declarations()[0]) == {"sample"}
    assert len(errors()) == 1


def test_templates_are_resolved(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REPO", "https://github.com/other/sample.git")
    monkeypatch.setenv("PYTHON", "3.10")
    monkeypatch.setenv("DAYS", "7")
    yaml = SAMPLE.replace("https://github.com/owner/sample.git", '"{{ env.REPO }}"').replace(
        "owner/sample}",
        "owner/sample, platforms: '{{ platforms }}', "
        "build_args: {PYTHON: '{{ env.PYTHON }}', PLAIN: '3.10', VERSION: '{version}'}}\n"
        "  index: {closes_after_days: '{{ env.DAYS }}'}",
    )
    variables = "import dagster as dg\n@dg.template_var\ndef platforms(): return ['linux/arm64']\n"
    folder.declare(f"{yaml}template_vars_module: .variables\n", variables=variables)
    project = declarations()[0]["sample"]
    assert project.repository == "https://github.com/other/sample.git"
    assert project.github.repository == "other/sample"
    assert project.index.closes_after_days == 7
    assert project.image is not None
    assert project.image.platforms == ["linux/arm64"]
    assert project.image.build_args == {"PYTHON": "3.10", "PLAIN": "3.10", "VERSION": "{version}"}
    assert "sample/image_linux_arm64" in keys(folder.load())


def test_a_template_without_a_value_is_refused(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REPO", raising=False)
    said = folder.refusal(
        SAMPLE.replace("owner/sample.git", "{{ env.REPO }}").replace("'.'", "{{ nothing }}")
    )
    assert said.endswith("defs.yaml:4: repository: the environment variable REPO is unset")


def test_a_project_can_be_written_in_python(folder: Folder) -> None:
    (folder.path / "coded").mkdir()
    (folder.path / "coded" / "component.py").write_text(
        "import dagster as dg\n"
        "from release_assets import ReleaseGraph\n"
        "from release_assets.project import Project\n"
        "@dg.component_instance\n"
        "def load(context: dg.ComponentLoadContext) -> ReleaseGraph:\n"
        "    return ReleaseGraph(Project.model_validate({\n"
        "        'project': 'coded', 'repository': 'https://github.com/o/n', 'package': {}}))\n"
    )
    assert set(declarations()[0]) == {"coded"}
    assert "coded/version" in keys(folder.load())


# What is refused


def test_an_invalid_project_leaves_the_others_alone(folder: Folder) -> None:
    folder.declare(SAMPLE)
    folder.declare(PLAIN.replace("package", "pakage"), "wrong-key")
    folder.declare("type: [\n", "not_yaml")
    folder.declare("type: nowhere.Component\n", "stranger")
    folder.declare(f"{PLAIN}---\n{SAMPLE.replace('project: sample', 'project: 7')}", "both")
    folder.declare(PLAIN.replace("git@github.com:", "https://gitlab.com/"), "team/elsewhere")
    loaded = folder.load()
    assert {key for key in keys(loaded) if key.partition("/")[0] not in {"sample", "plain"}} == {
        "wrong_key/configuration_error",
        "not_yaml/configuration_error",
        "stranger/configuration_error",
        "both/configuration_error",
        "team_elsewhere/configuration_error",
    }
    assert {key for key in keys(loaded) if key.startswith("plain/")} == {
        f"plain/{one}" for one in RELEASE_HALF | {"summary"}
    }
    assert set(declarations()[0]) == {"sample", "plain"}
    assert len(declarations()[1]) == 5


def test_a_sensor_fails_with_what_is_wrong(folder: Folder) -> None:
    problem = folder.refusal(SAMPLE.replace("image:", "imgae:"))
    (sensor,) = folder.load().get_repository_def().sensor_defs
    assert sensor.name == "sample_configuration_error"
    assert sensor.default_status is dg.DefaultSensorStatus.RUNNING
    with pytest.raises(dg.Failure) as caught:
        sensor(dg.build_sensor_context())
    assert problem in str(caught.value.description)


def test_two_folders_cannot_declare_one_project(folder: Folder) -> None:
    folder.declare(SAMPLE, "a")
    folder.declare(SAMPLE, "b")
    loaded = folder.load()
    assert "b/configuration_error" in keys(loaded)
    assert "sample/version" in keys(loaded)
    assert list(errors()) == [
        f"{folder.path / 'b'} declares the project 'sample', and {folder.path / 'a'} does already"
    ]


def test_one_file_cannot_declare_a_project_twice(folder: Folder) -> None:
    assert "declares the project 'sample'" in folder.refusal(f"{SAMPLE}---\n{SAMPLE}", "twice")


def test_an_unknown_key_names_file_line_and_nearest_key(folder: Folder) -> None:
    said = folder.refusal(SAMPLE.replace("image:", "imgae:"))
    file = folder.path / "sample" / "defs.yaml"
    assert said == f"invalid project:\n  {file}:7: imgae: unknown key 'imgae'; did you mean 'image'?"


def test_all_mistakes_are_told_at_once(folder: Folder) -> None:
    said = folder.refusal(
        SAMPLE.replace("directory: .", "directory: .., direktory: .")
        .replace("docker.io", "d, cache: s3")
        .replace("  project: sample\n", "")
        .replace("owners:", "owner:")
    )
    lines = [line.partition("defs.yaml:")[2] for line in said.splitlines()[1:]]
    assert [line.partition(": ")[2] for line in lines] == [
        "project: is required",
        "package.directory: '..' leads out of the repository; give a path below its top folder",
        "package.direktory: unknown key 'direktory'; did you mean 'directory'?",
        "image.cache: Input should be 'registry', 'local' or 'none'",
        "owner: unknown key 'owner'; did you mean 'owners'?",
    ]
    assert [int(line.partition(":")[0]) for line in lines] == [2, 4, 4, 6, 5]


@pytest.mark.parametrize(
    ("yaml", "message"),
    [
        ("", "cannot be loaded: "),
        ("- a list\n", "cannot be loaded: "),
        ("type: other.Component\n", "No module named 'other'"),
        ("type: release_assets.ReleaseGrap\n", "has no attribute `ReleaseGrap`"),
        (
            "type: release_assets.ReleaseGraph\nproject: sample\n",
            "defs.yaml:2: Extra inputs are not permitted",
        ),
        ("type: release_assets.ReleaseGraph\n", "project: is required"),
        (
            "type: release_assets.ReleaseGraph\nattributes: [sample]\n",
            "defs.yaml:2: Input should be an object",
        ),
        ("type: [\n", "cannot be loaded: line 2: expected the node content"),
    ],
)
def test_a_file_without_a_project_says_what_is_missing(folder: Folder, yaml: str, message: str) -> None:
    assert message in folder.refusal(yaml)


@pytest.mark.parametrize(
    "change",
    [
        ("package:", f"index: {{token_env: pypi-{SECRET}}}\n  package:"),
        ("package:", f"index: {{token: {SECRET}}}\n  package:"),
        ("package:", f"index: {{token_env: [{SECRET}]}}\n  package:"),
        ("package:", f"index: {SECRET}\n  package:"),
        ("package:", f"index: {{upload_url: 'https://t:{SECRET}@h/'}}\n  package:"),
        ("package:", f"index: {{upload_url: '{SECRET}'}}\n  package:"),
        ("package:", f"index: {{upload_limit: '{SECRET}', closes_after_days: '{SECRET}'}}\n  package:"),
        ("package:", f"index: {{token_env: '{{{{ \"{SECRET}\" }}}}-'}}\n  package:"),
        ("package:", f"index: {{token_env: '{{{{ {SECRET} }}}}'}}\n  package:"),
        ("package:", f"index: {{token_env: '{{{{ {SECRET}'}}\n  package:"),
        ("package:", f"index: {{token_env: '{SECRET}-'}}\n package:"),
        ("package:", f"github: {{repository: {SECRET}}}\n  package:"),
        ("github.com", f"o:{SECRET}@github.com"),
        ("github.com", f"{SECRET}@gitlab.com"),
        ("docker.io/owner/sample", f"[{SECRET}]"),
        ("package:", f"token: {SECRET}\n  package:"),
        ("attributes:", f"attributes: {SECRET}\nattribute:"),
    ],
)
def test_a_secret_in_the_wrong_place_is_told_nowhere(
    folder: Folder, change: tuple[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    assert SECRET not in folder.refusal(SAMPLE.replace(*change))
    assert caplog.text
    assert SECRET not in caplog.text


def test_definitions_hold_the_names_of_secrets_and_never_a_secret(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("PYPI_TOKEN", "TEST_PYPI_TOKEN", "GITHUB_TOKEN", "DOCKER_USERNAME", "DOCKER_TOKEN")
    for name in names:
        monkeypatch.setenv(name, SECRET)
    folder.declare(SAMPLE)
    assert SECRET not in declarations()[0]["sample"].model_dump_json()
    repository = folder.load().get_repository_def()
    for job in repository.get_all_jobs():
        snapshot = job.get_job_snapshot()
        assert SECRET not in dg.serialize_value(snapshot)
    for node in repository.asset_graph.asset_nodes:
        assert SECRET not in str([node.description, node.tags, list(node.owners), node.metadata])
    for sensor in repository.sensor_defs:
        assert SECRET not in str([sensor.description, sensor.tags, dict(sensor.metadata)])


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
