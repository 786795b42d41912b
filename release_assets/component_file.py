"""Mistakes in a component file that YAML permits, or that Dagster's loader tells without their line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import yaml

FILES = ("defs.yaml", "defs.yml", "component.yaml")  # Dagster's names of a component file
REQUIREMENTS = "env"


def component_files(folder: Path) -> list[Path]:
    """Return the component files in a folder."""
    return [folder / name for name in FILES if (folder / name).is_file()]


def mistakes_in(file: Path) -> list[str]:
    """Return what is wrong with a component file, each with its place; [] where YAML itself is broken.

    YAML permits a key twice, and the last one counts in silence.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        return [f"{file} cannot be loaded: it is not UTF-8: byte {error.start} is invalid"]
    except OSError as error:
        return [f"{file} cannot be loaded: {error.strerror}"]
    try:
        documents = list(yaml.compose_all(text, yaml.SafeLoader))
    except (yaml.YAMLError, RecursionError):
        return []  # told by Dagster's loader, with the line
    if not any(documents):
        needed = "`type: release_assets.ReleaseGraph` and `attributes:`"
        return [f"{file} cannot be loaded: it is empty; it needs {needed}"]
    found = []
    for document in documents:
        if document is None or document.tag.endswith(":null"):
            found.append(f"{file}: a document is empty; remove the line `---` before it")
        else:
            found += [f"{file}:{line}: {words}" for line, words in _mistakes(document, set())]
            found += [f"{file}:{line}: {words}" for line, words in _unknown_requirements(document)]
    return found


def _mistakes(node: yaml.Node, seen: set[int]) -> Iterator[tuple[int, str]]:
    if id(node) in seen:  # an alias
        return
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _mistakes(item, seen)
    if not isinstance(node, yaml.MappingNode):
        return
    first: dict[tuple[str, str], int] = {}
    for key, value in node.value:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode):
            yield line, 'a key is a mapping or a list; put a template in quotes: "{{ env.NAME }}"'
        elif (key.tag, key.value) in first:
            yield line, f"{key.value} is declared twice, first in line {first[key.tag, key.value]}"
        else:
            first[key.tag, key.value] = line
        yield from _mistakes(value, seen)


def _unknown_requirements(document: yaml.Node) -> Iterator[tuple[int, str]]:
    """Yield the keys of `requirements` that Dagster has not; its own error names neither key nor line."""
    for key, value in document.value if isinstance(document, yaml.MappingNode) else ():
        if key.value == "requirements" and isinstance(value, yaml.MappingNode):
            for name, _ in value.value:
                if name.value != REQUIREMENTS:
                    yield name.start_mark.line + 1, f"requirements: unknown key {name.value!r}; known is env"
