"""The JSON schema: every key is explained with an example that is valid, and the reference is current."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from release_assets import ReleaseGraph
from release_assets.cli import commands
from release_assets.project import Project
from release_assets.schema import TEMPLATE, attributes_schema, file_schema, keys
from release_assets_tests.paths import ROOT

PAGE = ROOT / "docs" / "reference" / "configuration.md"
MINIMAL: dict[str, Any] = {
    "project": "sample",
    "repository": "https://github.com/owner/sample.git",
    "package": {},
}
ATTRIBUTES = {path: value for path, value, _ in keys(attributes_schema())}


NEEDED: dict[str, dict[str, Any]] = {
    "index": {"trusted_publishing": True},
    "test_index": {"trusted_publishing": True},
    "image": {"repository": "docker.io/owner/sample"},
    "scan": {"command": ["scan", "{image}"]},
    "publish": {"approval": "required"},
    "gitlab": {"project": "owner/sample"},
    "adopted": {"files": ["*-win_amd64.whl"]},
    "mirrors": {"repository": "ghcr.io/owner/sample", "username_env": "USERNAME", "token_env": "TOKEN"},
}


def declared(path: str, example: Any) -> dict[str, Any]:
    """Return a project's attributes with an example in its place, and what its blocks require."""
    *blocks, key = path.split(".")
    for name in reversed(blocks):
        entry = {**NEEDED.get(name.removesuffix("[]"), {}), key: example}
        example, key = [entry] if name.endswith("[]") else entry, name.removesuffix("[]")
    return {**MINIMAL, key: example}


@pytest.mark.parametrize("path", ATTRIBUTES)
def test_every_key_is_explained_with_valid_examples(path: str) -> None:
    value = ATTRIBUTES[path]
    assert value["description"][-1:] in ".`", path
    assert value["examples"]
    for example in value["examples"]:
        Project.model_validate(declared(path, example))


def test_dagsters_own_keys_are_explained() -> None:
    found = {path: value for path, value, _ in keys(file_schema())}
    assert {"type", "attributes", "requirements", "requirements.env", "post_processing"} <= set(found)
    for path, value in found.items():
        assert value["description"], path
        assert value.get("examples") or path == "attributes", path


def test_a_template_may_stand_for_every_value() -> None:
    for path, value in ATTRIBUTES.items():
        assert value.get("type") == "string" or TEMPLATE in value["anyOf"], path


def test_only_three_keys_are_required() -> None:
    required = {path for path, _, is_required in keys(attributes_schema()) if is_required}
    assert required == {
        "project",
        "repository",
        "package",
        "package.wheels[].adopted.files",
        "gitlab.project",
        "image.mirrors[].repository",
        "image.mirrors[].token_env",
        "image.mirrors[].username_env",
        "image.repository",
        "image.scan.command",
    }


def test_dagster_shows_the_same_schema() -> None:
    model = ReleaseGraph.get_model_cls()
    assert model is not None
    assert model.model_json_schema() == attributes_schema()


def test_the_schema_is_printed_for_editors() -> None:
    printed = CliRunner().invoke(commands, ["schema"])
    assert printed.exit_code == 0
    assert json.loads(printed.stdout) == file_schema()


def test_the_reference_of_all_keys_is_current() -> None:
    printed = CliRunner().invoke(commands, ["schema", "--markdown"])
    assert PAGE.read_text() == printed.stdout, "run `make docs`"
    rows = [line.split(" | ") for line in printed.stdout.splitlines() if line.startswith("| `")]
    assert [row[0].strip("| `") for row in rows] == list(ATTRIBUTES)
    for path, row in zip(ATTRIBUTES, rows, strict=True):
        (example,) = [row[-1].removesuffix(" |").strip("`").replace("\\|", "|")]
        assert yaml.safe_load(f"key: {example}")["key"] == ATTRIBUTES[path]["examples"][0], path


def test_the_page_of_behavior_names_keys_that_exist() -> None:
    blocks = {path.partition(".")[0] for path in ATTRIBUTES}
    named = re.findall(r"`(\w+\.\w+)`", PAGE.with_name("behavior.md").read_text())
    keys_named = [name for name in named if name.partition(".")[0] in blocks]
    assert len(keys_named) > 10
    assert set(keys_named) <= set(ATTRIBUTES)
