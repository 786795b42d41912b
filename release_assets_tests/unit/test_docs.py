"""The documentation is true: its links lead somewhere, its commands exist, its symptoms are real messages."""

from __future__ import annotations

import ast
import re
import shlex
from pathlib import Path

import click
import pytest
import yaml

from release_assets.cli import commands
from release_assets.project import Project
from release_assets_tests.paths import ROOT

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
FENCES = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)


def page_ids(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def headings(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub writes them."""
    titles = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=page_ids)
def test_every_link_to_a_file_leads_there(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", FENCES.sub("", page.read_text())):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        assert there.exists(), target
        assert not anchor or anchor in headings(there), target


@pytest.mark.parametrize("page", PAGES, ids=page_ids)
def test_every_command_is_one(page: Path) -> None:
    for _, block in FENCES.findall(page.read_text()):
        for line in block.splitlines():
            match = re.match(r"\s*release-assets (.*)", line)
            if match is None:
                continue
            name, *arguments = shlex.split(match[1], comments=True)
            with click.Context(commands) as parent:
                command = commands.get_command(parent, name)
                assert command is not None, line
                # What only exists on the reader's machine is not looked for; an unknown option is an error.
                command.make_context(name, arguments, parent=parent, resilient_parsing=True)
            known = {option for parameter in command.params for option in parameter.opts}
            assert {one.partition("=")[0] for one in arguments if one.startswith("-")} <= known, line


@pytest.mark.parametrize("page", PAGES, ids=page_ids)
def test_every_key_is_one(page: Path) -> None:
    for language, block in FENCES.findall(page.read_text()):
        if language != "yaml":
            continue
        attributes = yaml.safe_load(block)
        attributes = attributes.get("attributes", attributes)
        image = attributes.get("image")
        if image is not None:
            image.setdefault("repository", "docker.io/me/mypackage")
        sample = {"project": "sample", "repository": "https://github.com/me/sample.git", "package": {}}
        Project.model_validate(sample | attributes)


def messages() -> list[str]:
    """Return every text of the package, the fixed parts of formatted ones among them."""
    texts: list[str] = []
    for file in (ROOT / "release_assets").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                texts.append(node.value)
    return texts


def test_every_symptom_is_a_message_of_ours() -> None:
    page = (ROOT / "docs" / "how-to" / "when-a-release-fails.md").read_text()
    known = messages()
    tables = page.partition("## Before anything is published")[2]
    symptoms = [
        symptom
        for row in re.findall(r"^\| (`.*?) \|", tables, re.MULTILINE)
        for symptom in re.findall(r"`([^`]+)`", row)
    ]
    assert len(symptoms) > 15
    assert [one for one in symptoms if not any(one in text for text in known)] == []


def test_the_files_that_the_threat_model_names_are_there() -> None:
    rows = re.findall(r"\| ([^|]*) \|$", (ROOT / "SECURITY.md").read_text(), re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`([\w/]+(?:\.py|/))`", row)}
    assert len(named) > 8
    assert [name for name in named if not (ROOT / "release_assets" / name).exists()] == []
