"""`release-assets approve` without a daemon: a release waits, a person approves it, and it goes on."""

from __future__ import annotations

import json

import pytest

from release_assets_tests.maintainer import NewMaintainer, Stands
from release_assets_tests.terminal import Terminal, open_terminal

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def careful(new: NewMaintainer, package_stands: Stands, tmp_path_factory: pytest.TempPathFactory) -> Terminal:
    """A package whose releases wait for an approval. The tests build on each other."""
    maintainer = new(package_stands, publish={"approval": "required"})
    maintainer.tag("v1.0.0", "1.0.0")
    return open_terminal(maintainer, tmp_path_factory.mktemp("careful"))


def test_nothing_can_be_approved_before_it_is_built(careful: Terminal) -> None:
    ended = careful.run("approve", "v1.0.0", "--yes")
    assert ended.returncode == 1
    assert "nothing of v1.0.0 at commit" in ended.stderr
    assert "Run `release-assets release v1.0.0`" in ended.stderr


def test_a_release_waits_and_plan_and_status_show_it(careful: Terminal) -> None:
    ended = careful.run("release", "v1.0.0", NO_COLOR="1")
    assert ended.returncode == 0, ended.stderr
    assert "it waits for an approval" in ended.stdout
    assert "run `release-assets approve v1.0.0`" in ended.stdout
    assert careful.maintainer.served() == {}
    plan = json.loads(careful.run("plan", "v1.0.0", "--json").stdout)
    nodes = {node["node"]: node for node in plan["nodes"]}
    assert [*nodes] == ["version", "sdist", "wheel", "approval", "pypi_publication", "github_release"]
    assert nodes["approval"]["action"] == "waits"
    assert "Run `release-assets approve v1.0.0`" in nodes["approval"]["what"]
    (row,) = json.loads(careful.run("status", "--json").stdout)["releases"]
    assert row["last_run"] == "waits for approval"


def test_a_person_approves_it_by_name(careful: Terminal) -> None:
    ended = careful.run("approve", "v1.0.0", "--yes", "--by", "anna", "--reason", "tried it", "--json")
    assert ended.returncode == 0, ended.stderr
    answer = json.loads(ended.stdout)
    assert (answer["approved_by"], answer["reason"], len(answer["runs"])) == ("anna", "tried it", 1)
    served = {file.sha256 for file in careful.maintainer.served().values()}
    assert served == {answer["sdist_sha256"], answer["wheel_sha256"]}
    status = careful.run("status", "v1.0.0")
    assert (status.returncode, "approved by anna: tried it" in status.stdout) == (0, True)
