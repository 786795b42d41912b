"""plan, release and status of a package in one terminal, on real servers, without a daemon and an engine."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import dagster as dg
import pytest

from release_assets_tests.maintainer import NewMaintainer, Stands
from release_assets_tests.terminal import Terminal, open_terminal

pytestmark = pytest.mark.timeout(300)

NODES = ["version", "sdist", "wheel", "pypi_publication", "github_release", "summary"]
UNSET = {"PYPI_TOKEN": "", "TEST_PYPI_TOKEN": "", "GITHUB_TOKEN": ""}


@pytest.fixture(scope="module")
def package(new: NewMaintainer, package_stands: Stands, tmp_path_factory: pytest.TempPathFactory) -> Terminal:
    """A package without images, with one tag. The tests build on each other."""
    maintainer = new(package_stands)
    maintainer.tag("v1.0.0", "1.0.0")
    return open_terminal(maintainer, tmp_path_factory.mktemp("package"))


def answer(
    terminal: Terminal, *arguments: str, status: int = 0, changed: Mapping[str, str] | None = None
) -> Any:
    ended = terminal.run(*arguments, "--json", **(changed or {}))
    assert ended.returncode == status, ended.stderr
    return json.loads(ended.stdout)


def recorded(instance: dg.DagsterInstance, project: str, node: str) -> Mapping[str, dg.MetadataValue]:
    (record,) = instance.fetch_materializations(dg.AssetKey([project, node]), limit=1).records
    assert record.asset_materialization is not None
    return record.asset_materialization.metadata


def actions(plan: Any) -> dict[str, str]:
    return {node["node"]: node["action"] for node in plan["nodes"]}


def test_a_plan_needs_no_secret_and_does_nothing(package: Terminal) -> None:
    plan = answer(package, "plan", "v1.0.0", changed={**UNSET, "DAGSTER_HOME": ""})
    # The repository on GitHub is private.
    assert actions(plan) == {
        "version": "nothing",
        "sdist": "do",
        "wheel": "do",
        "pypi_publication": "do",
        "github_release": "unknown",
    }
    assert plan["secrets"] == {"PYPI_TOKEN": False, "GITHUB_TOKEN": False}
    said = {node["node"]: node["what"] for node in plan["nodes"]}
    assert said["github_release"].endswith("not visible without GITHUB_TOKEN")
    assert plan["seconds"]["total"] > 0
    with dg.DagsterInstance.from_config(package.env["DAGSTER_HOME"]) as instance:
        assert instance.get_runs_count() == 0
        assert not instance.get_dynamic_partitions(f"{package.maintainer.name}_releases")
    assert package.maintainer.served() == {}


def test_a_dry_run_builds_everything_and_publishes_nothing(package: Terminal) -> None:
    ended = package.run("release", "v1.0.0", "--dry-run")
    assert ended.returncode == 0, ended.stderr
    assert "; nothing was published" in ended.stdout
    assert re.search(r"pypi_publication +upload the wheel and the sdist to http", ended.stdout)
    assert [line for line in ended.stderr.splitlines() if line.startswith("✓")] == [
        line for line in ended.stderr.splitlines() if re.match(r"✓ (version|sdist|wheel)  \d", line)
    ]
    assert package.maintainer.served() == {}
    assert package.maintainer.github_releases() == {}
    assert actions(answer(package, "plan", "v1.0.0"))["sdist"] == "nothing"


def test_a_refused_token_is_the_first_thing_that_is_said(package: Terminal) -> None:
    ended = package.run("release", "v1.0.0", PYPI_TOKEN="pypi-that-nobody-issued", COLUMNS="60")
    assert ended.returncode == 1
    after = ended.stderr[ended.stderr.index("✗ version") :].splitlines()
    assert after[1].startswith("version failed: check preflight: v1.0.0 cannot")
    assert "Check the token in PYPI_TOKEN" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert "pypi-that-nobody-issued" not in ended.stderr + ended.stdout
    assert package.maintainer.served() == {}


def test_a_release_continues_where_it_failed_and_lists_places(package: Terminal) -> None:
    maintainer = package.maintainer
    ended = package.run("release", "v1.0.0", COLUMNS="60", NO_COLOR="1")
    assert ended.returncode == 0, ended.stderr
    done = [line.split()[1] for line in ended.stderr.splitlines() if line.startswith("✓")]
    assert done == NODES
    assert f"released {maintainer.name} 1.0.0 in " in ended.stdout
    release = maintainer.github_releases()["v1.0.0"]["html_url"]
    assert f"- GitHub release: {release}" in ended.stdout.splitlines()
    assert f"- install: `pip install {maintainer.name}==1.0.0`" in ended.stdout.splitlines()
    with dg.DagsterInstance.from_config(package.env["DAGSTER_HOME"]) as instance:
        sections = recorded(instance, maintainer.name, "summary")
        shown = "\n\n".join(str(sections[name].value) for name in ("summary", "seconds"))
        (run,) = instance.get_runs(dg.RunsFilter(tags={"release_assets/version": "1.0.0"}), limit=1)
    assert shown in ended.stdout
    assert f"- release run: [{run.run_id[:8]}](/runs/{run.run_id})" in shown
    assert re.search(r"^\| sdist +\| +\d+\.\d \|$", shown, re.MULTILINE)
    for line in (ended.stdout + ended.stderr).splitlines():
        assert line == line.rstrip()
        assert "\x1b" not in line
    assert len(maintainer.served()) == 2


def test_a_second_release_does_nothing_again(package: Terminal) -> None:
    before = package.maintainer.served()
    found = answer(package, "release", "v1.0.0")
    assert [found["nodes"][node]["state"] for node in NODES] == ["done"] * 6
    assert package.maintainer.served() == before
    plan = package.run("plan", "v1.0.0")
    assert plan.returncode == 0
    assert "Nothing to do: the release is complete." in plan.stdout


def test_status_puts_the_world_beside_the_record(package: Terminal) -> None:
    maintainer = package.maintainer
    found = answer(package, "status", "v1.0.0")
    assert found["differs"] is False
    index, hub = found["places"]
    assert {row["what"] for row in index["rows"]} == set(maintainer.served())
    assert {row["state"] for row in [*index["rows"], *hub["rows"]]} == {"same"}
    sha256 = next(iter(maintainer.served().values())).sha256
    ended = package.run("status", "v1.0.0", COLUMNS="60")
    assert f"sha256:{sha256}" in ended.stdout

    # Somebody deletes the release on GitHub.
    release = maintainer.github_releases()["v1.0.0"]
    maintainer.stands.github_delete(f"/repos/{maintainer.github_repository}/releases/{release['id']}")
    _, hub = answer(package, "status", "v1.0.0", status=1)["places"]
    assert {row["state"] for row in hub["rows"]} == {"gone"}
    # Without the token nobody can tell, and nothing is claimed.
    _, hub = answer(package, "status", "v1.0.0", changed=UNSET)["places"]
    assert (hub["hidden"], {row["state"] for row in hub["rows"]}) == (
        "not visible without GITHUB_TOKEN",
        {"hidden"},
    )


def test_without_a_tag_status_is_a_table_of_the_last_releases(package: Terminal) -> None:
    package.maintainer.tag("v1.1.0", "1.1.0")
    package.maintainer.tag("v1.10.0rc1", "1.10.0rc1")
    found = answer(package, "status")
    assert [(row["tag"], row["index"], row["github"]) for row in found["releases"]] == [
        ("v1.10.0rc1", "no", "no"),
        ("v1.1.0", "no", "no"),
        ("v1.0.0", "yes", "gone"),
    ]
    ended = package.run("status", "--last", "1", COLUMNS="60")
    assert ended.stdout.splitlines()[1].split()[0] == "v1.10.0rc1"
    assert "2 older releases are not shown (--last)." in ended.stdout


def test_a_version_that_differs_blocks_the_plan(package: Terminal) -> None:
    package.maintainer.tag("v2.0.0", "1.9.9")
    plan = answer(package, "plan", "v2.0.0", status=1)
    assert plan["blocked"] is True
    assert set(actions(plan).values()) == {"blocked"}
    ended = package.run("plan", "v2.0.0")
    assert ended.returncode == 1
    assert "Blocked: version, sdist, wheel, pypi_publication, github_release." in ended.stdout


@pytest.mark.parametrize("command", ["plan", "release"])
def test_a_tag_that_points_to_a_release_is_not_one(package: Terminal, command: str) -> None:
    package.maintainer.repository.tag("v1", "v1.0.0^{commit}")
    ended = package.run(command, "v1")
    assert ended.returncode == 2
    assert "'v1' is not a release: it points to 'v1.0.0'. Name that tag." in ended.stderr


@pytest.mark.parametrize("command", ["plan", "release", "status"])
def test_a_mistyped_tag_is_answered_with_the_nearest(package: Terminal, command: str) -> None:
    ended = package.run(command, "v1.0.O")
    assert ended.returncode == 2
    assert "has no release tag 'v1.0.O'. The nearest: v1.0.0" in ended.stderr
