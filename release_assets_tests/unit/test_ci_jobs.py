"""The jobs in the documentation can release: an identity, isolation, a home for Dagster, real commands."""

from __future__ import annotations

import re
import shlex
from typing import Any

import click
import pytest
import yaml

from release_assets.cli import commands
from release_assets.distributions.isolation import SETTING
from release_assets_tests.paths import ROOT

PAGE = (ROOT / "docs" / "how-to" / "trusted-publishing.md").read_text()
GITHUB, GITLAB = map(yaml.safe_load, re.findall(r"^```yml\n(.*?)^```$", PAGE, re.M | re.S))


def lines(job: dict[str, Any]) -> list[str]:
    steps = [*(step.get("run", "") for step in job.get("steps", [])), *job.get("script", [])]
    return [line.strip() for step in steps for line in step.splitlines() if line.strip()]


@pytest.mark.parametrize("job", [GITHUB["jobs"]["release"], GITLAB["release"]], ids=["GitHub", "GitLab"])
def test_a_job_installs_what_it_needs_and_releases(job: dict[str, Any]) -> None:
    said = lines(job)
    assert any("bubblewrap" in line for line in said)
    assert "pip install 'release-assets[attestations]'" in said
    assert 'mkdir -p "$DAGSTER_HOME"' in said
    name, tag = shlex.split(said[-1].removeprefix("release-assets "))
    with click.Context(commands) as parent:
        command = commands.get_command(parent, name)
        assert command is not None
        assert command.make_context(name, [tag], parent=parent).params["tag"] == tag
    variables = job.get("env") or job["variables"]
    assert {"DAGSTER_HOME", "RELEASE_ASSETS_DEFS"} <= set(variables)


def test_each_job_has_the_least_identity() -> None:
    job = GITHUB["jobs"]["release"]
    assert GITHUB["permissions"] == {}
    assert job["permissions"] == {"contents": "write", "id-token": "write"}
    assert job["env"][SETTING] == "required"
    assert GITLAB["release"]["id_tokens"] == {
        "PYPI_ID_TOKEN": {"aud": "pypi"},
        "SIGSTORE_ID_TOKEN": {"aud": "sigstore"},
    }
