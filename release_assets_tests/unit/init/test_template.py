"""The commented defs.yaml: every key in it is one, and it reads back as what was written."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from release_assets.init.template import KEYS, render, scalar
from release_assets.project import Project

SAMPLE: dict[str, Any] = {
    "project": "sample",
    "repository": "https://github.com/me/sample.git",
    "package": {},
    "image": {"repository": "docker.io/me/sample"},
}


def uncommented(text: str) -> dict[str, Any]:
    """The file with every commented key in force; one character goes away from each line."""
    lines = (re.sub(r"^( +)#(\S+:( |$))", r"\1\2", line) for line in text.splitlines())
    attributes: dict[str, Any] = yaml.safe_load("\n".join(lines))["attributes"]
    return attributes


def test_every_key_that_is_there_as_a_comment_is_valid() -> None:
    text = render(SAMPLE, {})
    attributes = uncommented(text)
    assert Project.model_validate(yaml.safe_load(text)["attributes"]) == Project.model_validate(SAMPLE)
    Project.model_validate(attributes)
    written = {
        (block, key) for block, inner in attributes.items() if isinstance(inner, dict) for key in inner
    }
    assert written == {key for key, (_, example) in KEYS.items() if len(key) == 2 and example is not None}


def test_a_comment_says_where_a_value_is_from() -> None:
    text = render(SAMPLE, {("image", "repository"): "from release.yml:\n job 'x'\x1b[1m"})
    assert "    repository: docker.io/me/sample  # from release.yml: job 'x'\n" in text


@given(st.text(max_size=40))
def test_any_text_reads_back_as_itself(text: str) -> None:
    if any(mark in text for mark in ("{{", "{%", "{#")):
        with pytest.raises(ValueError, match="holds a template"):
            scalar(text)
        return
    attributes = SAMPLE | {"image": {"repository": text, "build_args": {text: text}, "platforms": [text]}}
    written = yaml.safe_load(render(attributes, {("repository",): text}))["attributes"]
    assert written["image"] == attributes["image"]
