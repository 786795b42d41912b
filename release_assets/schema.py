"""The JSON schema of a defs.yaml, for editors, `dg check yaml` and the reference of all keys."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from release_assets.project import Project

COMPONENT = "release_assets.ReleaseGraph"
TEMPLATE = {"type": "string", "pattern": r"\{\{.*\}\}"}
ANNOTATIONS = ("title", "description", "examples", "default")


def attributes_schema() -> dict[str, Any]:
    """Return the JSON schema of `attributes`; each value may be a template such as `{{ env.REPOSITORY }}`."""
    schema = Project.model_json_schema()
    for block in (schema, *schema["$defs"].values()):
        block["properties"] = {key: _or_template(value) for key, value in block["properties"].items()}
    return schema


def file_schema() -> dict[str, Any]:
    """Return the JSON schema of a whole defs.yaml document, Dagster's own keys included."""
    attributes = attributes_schema()
    definitions = attributes.pop("$defs")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A release-assets project",
        "type": "object",
        "properties": {
            "type": {
                "const": COMPONENT,
                "description": "The component that releases a project.",
                "examples": [COMPONENT],
            },
            "attributes": attributes,
            "requirements": {
                "type": "object",
                "description": "What the file needs; `dg list envs` lists the variables that are missing.",
                "examples": [{"env": ["PYPI_TOKEN", "GITHUB_TOKEN"]}],
                "properties": {
                    "env": {
                        "type": "array",
                        "items": {"type": "string"},
                        "description": "Names of environment variables.",
                        "examples": [["PYPI_TOKEN", "GITHUB_TOKEN"]],
                    }
                },
                "additionalProperties": False,
            },
            "post_processing": {
                "type": "object",
                "description": "Dagster's changes to the finished assets, such as tags.",
                "examples": [{"assets": [{"target": "*", "attributes": {"tags": {"team": "core"}}}]}],
            },
            "template_vars_module": {
                "type": "string",
                "description": "The Python module with @dg.template_var functions for templates.",
                "examples": [".template_vars"],
            },
        },
        "required": ["type", "attributes"],
        "additionalProperties": False,
        "$defs": definitions,
    }


def keys(schema: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Mapping[str, Any], bool]]:
    """Yield each key of a schema with its dotted path, its own schema, and whether it is required."""
    yield from _keys(schema, schema.get("$defs", {}), prefix)


def _keys(
    block: Mapping[str, Any], definitions: Mapping[str, Any], prefix: str
) -> Iterator[tuple[str, Mapping[str, Any], bool]]:
    for name, value in block.get("properties", {}).items():
        yield f"{prefix}{name}", value, name in block.get("required", ())
        forms = (value, *value.get("anyOf", ()))
        for form in forms:
            for block_of, path in ((form, f"{prefix}{name}."), (form.get("items", {}), f"{prefix}{name}[].")):
                target = definitions[block_of["$ref"].rpartition("/")[2]] if "$ref" in block_of else block_of
                yield from _keys(target, definitions, path)


def reference() -> str:
    """Return the reference of all keys of `attributes` as Markdown."""
    lines = [
        "# Configuration",
        "",
        "The keys of `attributes` in a project's `defs.yaml`. A dot separates a block and its key:",
        "`image.cache` is `cache` in the block `image`, and `[]` stands for each entry of a list. Each value",
        "may be a template such as `{{ env.REPOSITORY }}`. This page is generated: change the descriptions",
        "in `release_assets/project`, then run `make docs`.",
        "",
        "| key | default | what it does | example |",
        "| --- | --- | --- | --- |",
    ]
    for path, value, required in keys(attributes_schema()):
        given = value.get("default")
        # A block's defaults are those of its keys.
        default = (
            "**required**"
            if required
            else ""
            if given in (None, {}, []) or isinstance(given, dict)
            else _code(given)
        )
        lines.append(f"| `{path}` | {default} | {value['description']} | {_code(value['examples'][0])} |")
    return "\n".join(lines) + "\n"


def _code(value: Any) -> str:
    """Return a value in YAML's flow style, as a cell of a Markdown table."""
    return f"`{_flow(value)}`".replace("|", "\\|")


def _flow(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case dict():
            return "{" + ", ".join(f"{key}: {_flow(item)}" for key, item in value.items()) + "}"
        case list():
            return "[" + ", ".join(map(_flow, value)) + "]"
        case str() if (
            re.fullmatch(r"[\d.]+", value) or "{" in value or value[:1] in "*&!|>%@`'\"[#" or ": " in value
        ):
            return f'"{value}"'
    return str(value)


def _or_template(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema of a key that accepts a template as well; plain text does already."""
    annotations = {name: value[name] for name in ANNOTATIONS if name in value}
    form = {name: part for name, part in value.items() if name not in ANNOTATIONS}
    if form == {"type": "string"}:
        return dict(value)
    return {**annotations, "anyOf": [*form.get("anyOf", [form]), TEMPLATE]}
