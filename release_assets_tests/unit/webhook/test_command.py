"""`release-assets webhook` as a person starts and ends it."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from release_assets.cli import commands
from release_assets.process import environment
from release_assets_tests.unit.figures.conftest import home as home  # the fixture, for these tests too
from tools.sandbox.servers import answers, free_port, wait_until

DEFS = """\
type: release_assets.ReleaseGraph
attributes: {project: sample, repository: "https://github.com/example/sample.git", package: {}}
"""


@pytest.fixture
def variables(home: Path, tmp_path: Path) -> dict[str, str]:
    file = tmp_path / "defs" / "sample" / "defs.yaml"
    file.parent.mkdir(parents=True)
    file.write_text(DEFS)
    secret = {"GITHUB_WEBHOOK_SECRET": "a-secret", "OTHER_SECRET": ""}
    return {"DAGSTER_HOME": str(home), "RELEASE_ASSETS_DEFS": str(tmp_path / "defs"), **secret}


def test_without_a_secret_it_does_not_listen(variables: dict[str, str]) -> None:
    ended = CliRunner().invoke(commands, ["webhook", "--secret-env", "OTHER_SECRET"], env=variables)
    assert ended.exit_code == 2
    assert "OTHER_SECRET is unset. Set it to the secret of the webhook on GitHub" in ended.output


def test_without_a_project_it_does_not_listen(variables: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    env = variables | {"RELEASE_ASSETS_DEFS": str(tmp_path / "empty")}
    ended = CliRunner().invoke(commands, ["webhook"], env=env)
    assert ended.exit_code == 2
    assert f"There is no valid project in {tmp_path / 'empty'}." in ended.output


def test_it_listens_until_ctrl_c(variables: dict[str, str]) -> None:
    url = f"http://127.0.0.1:{(port := free_port())}"
    with subprocess.Popen(
        [Path(sys.executable).with_name("release-assets"), "webhook", "--port", str(port)],
        env=environment(**variables),
        stderr=subprocess.PIPE,
        text=True,
    ) as server:
        assert wait_until(lambda: answers(f"{url}/healthz"), seconds=60)
        server.send_signal(signal.SIGINT)
        _, said = server.communicate(timeout=60)
    assert said == f"listening on {url}/github; figures on /metrics\n"
    assert server.returncode == 0
