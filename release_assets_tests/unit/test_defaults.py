"""defaults.yaml: what the projects of an organization share, and what `after` may name."""

from __future__ import annotations

import pytest

from release_assets.defaults import merged
from release_assets.definitions import declarations
from release_assets_tests.unit.test_definitions import PLAIN, SAMPLE, Folder, errors, keys
from release_assets_tests.unit.test_definitions import folder as folder  # the fixture

DEFAULTS = """\
attributes:
  index:
    upload_url: https://pypi.acme.example/legacy/
    simple_url: https://pypi.acme.example/simple/
    token_env: "{{ project | upper }}_TOKEN"
  owners: [team:release]
  image:
    repository: ghcr.io/acme/{{ project }}
    platforms: [linux/amd64]
"""


def test_projects_share_what_they_do_not_declare_themselves(folder: Folder) -> None:
    (folder.path / "defaults.yaml").write_text(DEFAULTS)
    folder.declare(SAMPLE + "  index: {token_env: MINE}\n")
    folder.declare(PLAIN, "plain")
    folder.load()
    projects, wrong = declarations()
    assert wrong == []
    sample, plain = projects["sample"], projects["plain"]
    assert (sample.index.token_env, plain.index.token_env) == ("MINE", "PLAIN_TOKEN")
    assert sample.index.simple_url == plain.index.simple_url == "https://pypi.acme.example/simple/"
    assert (sample.owners, plain.owners) == (["maintainer@example.org"], ["team:release"])
    assert sample.image is not None
    assert (sample.image.repository, sample.image.platforms) == ("docker.io/owner/sample", ["linux/amd64"])
    assert plain.image is None  # a default makes no image


def test_the_nearest_defaults_count(folder: Folder) -> None:
    (folder.path / "defaults.yaml").write_text(DEFAULTS)
    folder.declare(PLAIN, "team/plain")
    (folder.path / "team" / "defaults.yaml").write_text("attributes: {index: {token_env: TEAM}}\n")
    folder.load()
    assert declarations()[0]["plain"].index.token_env == "TEAM"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("attributes: {indx: {}}", "indx: unknown key 'indx'; did you mean 'index'?"),
        ("attributes: {index: {token_env: s3cr3t!}}", "index.token_env: must be the name of an environment"),
        ("attributes: [", "is not YAML: line 1: "),
        ("index: {}", "does not hold `attributes:` alone"),
        ("attributes: [index]", "`attributes:` is not a mapping"),
    ],
    ids=["unknown key", "value", "syntax", "top level", "list"],
)
def test_a_mistake_in_the_defaults_names_their_file(folder: Folder, text: str, words: str) -> None:
    (folder.path / "defaults.yaml").write_text(text)
    folder.declare(PLAIN, "plain")
    assert keys(folder.load()) == {"plain/configuration_error"}
    ((_, error),) = errors().items()
    assert str(folder.path / "defaults.yaml") in error.problem
    assert words in error.problem
    assert "s3cr3t" not in str(error)


def test_a_missing_key_and_an_own_mistake_name_the_projects_file(folder: Folder) -> None:
    (folder.path / "defaults.yaml").write_text(DEFAULTS)
    folder.declare(PLAIN, "plain")
    folder.declare(SAMPLE.replace("  package: {directory: .}\n", ""))
    assert keys(folder.load()) >= {"sample/configuration_error", "plain/version"}  # it disables itself alone
    ((_, error),) = errors().items()
    assert "sample/defs.yaml" in error.problem
    assert "package: is required" in error.problem


def test_a_list_and_a_null_replace_a_default() -> None:
    defaults = {"image": {"scan": {"command": ["a"]}, "platforms": ["x", "y"]}}
    own = {"image": {"scan": None, "platforms": ["x"]}}
    assert merged(defaults, own) == {"image": {"scan": None, "platforms": ["x"]}}


# after

CORE = PLAIN.replace("plain", "core").replace("owner/core", "owner/mono")
PLUGIN = CORE.replace("project: core", "project: plugin") + "  after: [core]\n"


def test_a_project_comes_after_another_of_its_repository(folder: Folder) -> None:
    folder.declare(CORE, "core")
    folder.declare(PLUGIN, "plugin")
    assert {"core/version", "plugin/version"} <= keys(folder.load())
    assert declarations()[0]["plugin"].after == ["core"]


@pytest.mark.parametrize(
    ("declared", "words"),
    [
        (PLUGIN.replace("[core]", "[cor]"), "after: no project is named 'cor'; did you mean 'core'?"),
        (PLUGIN.replace("[core]", "[plugin]"), "after: a cycle: plugin → plugin"),
        (PLUGIN.replace("mono.git", "other.git"), "only projects of one repository have an order"),
    ],
    ids=["typo", "cycle", "repository"],
)
def test_a_wrong_order_disables_its_project_alone(folder: Folder, declared: str, words: str) -> None:
    folder.declare(CORE, "core")
    folder.declare(declared, "plugin")
    loaded = keys(folder.load())
    assert {"core/version", "plugin/configuration_error"} <= loaded
    assert "plugin/version" not in loaded
    ((_, error),) = errors().items()
    assert words in error.problem


def test_an_invalid_project_leaves_those_after_it_loaded(folder: Folder) -> None:
    folder.declare(CORE.replace("package: {}", "package: 7"), "core")
    folder.declare(PLUGIN, "plugin")
    assert {"core/configuration_error", "plugin/version"} <= keys(folder.load())


def test_projects_that_name_a_pool_share_it(folder: Folder) -> None:
    (folder.path / "defaults.yaml").write_text("attributes: {image: {pool: image_builds}}\n")
    folder.declare(SAMPLE)
    pools = {
        node.key.path[-1]: node.pools
        for node in folder.load().resolve_asset_graph().asset_nodes
        if node.pools
    }
    assert pools["image_linux_arm64"] == {"image_builds"}
    assert pools["manifest_list"] == {"sample_publishing"}
