"""`release-assets rollback` on a real registry: it explains, asks, does. The tests build on each other."""

from __future__ import annotations

import json
from typing import Any

import dagster as dg
import pytest

from release_assets_tests.terminal import Terminal, publish

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def released(shelf: Terminal) -> Terminal:
    """Three tags of one push, released in the order of their names."""
    for version in ("4.0.1", "4.10.0", "4.2.0"):
        publish(shelf.maintainer, version)
    return shelf


def recorded(terminal: Terminal) -> tuple[int, list[str]]:
    """Return how many runs there are, and the partitions."""
    with dg.DagsterInstance.from_config(terminal.env["DAGSTER_HOME"]) as instance:
        partitions = instance.get_dynamic_partitions(f"{terminal.maintainer.name}_releases")
        return instance.get_runs_count(), list(partitions)


def test_a_mistyped_tag_is_refused_before_anything_is_recorded(released: Terminal) -> None:
    for command in ("rollback", "rebuild"):
        ended = released.run(command, "v4.10")
        assert ended.returncode == 2
        assert "has no release tag 'v4.10'. The nearest: v4.10.0" in ended.stderr
        assert "There are 3 release tags, the newest v4.10.0." in ended.stderr
    assert recorded(released) == (0, [])


def test_a_dry_run_shows_what_would_move_and_does_nothing(released: Terminal) -> None:
    maintainer = released.maintainer
    bad, good = maintainer.digest("4.10.0"), maintainer.digest("4.2.0")
    ended = released.run("rollback", "v4.10.0", "--dry-run", COLUMNS="60", NO_COLOR="1")
    assert ended.returncode == 0, ended.stderr
    lines = ended.stdout.splitlines()
    assert "  latest  4.10.0 → 4.2.0   4.2.0 is the highest release before 4.10.0" in lines
    # Whole digests on a line each, for a person who copies them.
    assert f"      {bad} →" in lines
    assert f"      {good}" in lines
    assert not [line for line in lines if line != line.rstrip()]
    assert maintainer.digest("latest") == bad
    assert recorded(released) == (0, [])


def test_where_nobody_can_be_asked_nothing_is_done(released: Terminal) -> None:
    ended = released.run("rollback", "v4.10.0")
    assert ended.returncode == 2
    assert "standard input is not a terminal. Add --yes." in ended.stderr
    assert recorded(released) == (0, [])


def test_without_a_login_a_private_registry_is_not_visible(released: Terminal) -> None:
    ended = released.run("rollback", "v4.10.0", "--dry-run", DOCKER_TOKEN="", DOCKER_USERNAME="")
    assert ended.returncode == 0, ended.stderr
    assert "is not visible without DOCKER_USERNAME and DOCKER_TOKEN" in ended.stdout


def test_it_goes_back_without_a_daemon_in_a_run_like_any_other(released: Terminal) -> None:
    maintainer = released.maintainer
    good = maintainer.digest("4.2.0")
    ended = released.run("rollback", "v4.10.0", "--yes", "--json", "--reason", "it does not start")
    assert ended.returncode == 0, ended.stderr
    rows = {row["tag"]: row for row in json.loads(ended.stdout)["tags"]}
    assert (rows["latest"]["from_version"], rows["latest"]["to_version"]) == ("4.10.0", "4.2.0")
    assert rows["latest"]["to"] == maintainer.digest("latest") == maintainer.digest("4") == good
    done = [line.split("  ")[0] for line in ended.stderr.splitlines() if line.startswith("✓")]
    assert done == ["✓ floating_tags", "✓ summary"]
    run, metadata = last_run(released)
    assert run.status is dg.DagsterRunStatus.SUCCESS
    assert (metadata["action"], metadata["reason"]) == ("rollback", "it does not start")
    # What the UI's job page and Overview filter by, and what re-execution needs.
    assert run.tags_for_storage()[".dagster/repository"] == "__repository__@release_assets"
    assert run.remote_job_origin is not None
    assert run.remote_job_origin.location_name == "release_assets"


def test_twice_is_refused_with_the_reasons_and_no_run(released: Terminal) -> None:
    before = recorded(released)
    ended = released.run("rollback", "v4.10.0", "--yes")
    assert ended.returncode == 1
    assert "no floating tag of v4.10.0 can go back" in ended.stderr
    assert "latest: held by 4.2.0, not by 4.10.0" in ended.stderr
    assert recorded(released) == before


def test_a_person_says_where_to(released: Terminal) -> None:
    maintainer = released.maintainer
    ended = released.run("rollback", "v4.2.0", "--to", "v4.0.1", "--yes")
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines()[-1] == "Rolled back v4.2.0. Moved: 4, latest."
    assert maintainer.digest("latest") == maintainer.digest("4.0.1")
    for to, words in {"v4.0.2": "The nearest: v4.0.1", "v4.2.0": "cannot be rolled back to itself"}.items():
        ended = released.run("rollback", "v4.2.0", "--to", to, "--yes")
        assert ended.returncode == 2
        assert words in ended.stderr


@pytest.mark.parametrize(
    ("arguments", "changed", "words"),
    [
        (["v4.0.1"], {"DAGSTER_HOME": ""}, "DAGSTER_HOME is unset"),
        (["v4.0.1"], {"DAGSTER_HOME": "/nowhere"}, "DAGSTER_HOME='/nowhere' is not an absolute path"),
        (["docker-rebuild-v4.0.1"], {}, "has no release tag 'docker-rebuild-v4.0.1'"),
        (["v4.0.1", "--project", "other"], {}, "There is no project 'other'. "),
        (["v4.0.1"], {"RELEASE_ASSETS_DEFS": "/nowhere"}, "'/nowhere'"),
        ([], {}, "Missing argument 'TAG'"),
    ],
    ids=["no-home", "wrong-home", "rebuild-tag", "project", "no-folder", "nothing"],
)
def test_wrong_usage_has_exit_status_2(
    released: Terminal, arguments: list[str], changed: dict[str, str], words: str
) -> None:
    ended = released.run("rollback", *arguments, **changed)
    assert ended.returncode == 2
    assert words in ended.stderr
    assert "Traceback" not in ended.stderr


def last_run(terminal: Terminal) -> tuple[dg.DagsterRun, dict[str, Any]]:
    """Return the newest run, and the metadata of the floating tags that it recorded."""
    key = dg.AssetKey([terminal.maintainer.name, "floating_tags"])
    with dg.DagsterInstance.from_config(terminal.env["DAGSTER_HOME"]) as instance:
        (run,) = instance.get_runs(limit=1)
        (record,) = instance.fetch_materializations(dg.AssetRecordsFilter(asset_key=key), limit=1).records
        assert record.asset_materialization is not None
        return run, {name: value.value for name, value in record.asset_materialization.metadata.items()}


def test_plan_and_status_show_who_holds_each_tag(released: Terminal) -> None:
    """latest was left at 4.0.1 above; 4.10.0 is the highest."""
    found = json.loads(released.run("status", "v4.10.0", "--json").stdout)
    assert {row["tag"]: row["version"] for row in found["floating_tags"]} == {
        "4.10": "4.10.0",
        "4": "4.0.1",
        "latest": "4.0.1",
    }
    plan = json.loads(released.run("plan", "v4.10.0", "--json").stdout)
    moves = {row["tag"]: (row["from_version"], row["to_version"]) for row in plan["floating_tags"]}
    assert moves == {"4.10": ("4.10.0", "4.10.0"), "4": ("4.0.1", "4.10.0"), "latest": ("4.0.1", "4.10.0")}
    actions = {node["node"]: node["action"] for node in plan["nodes"]}
    assert (actions["image_linux_amd64"], actions["floating_tags"]) == ("nothing", "do")

    overview = released.run("status", COLUMNS="60")
    assert overview.returncode == 0, overview.stderr
    lines = {line.split()[0]: line for line in overview.stdout.splitlines()[1:]}
    assert "4.0, 4, latest" in lines["v4.0.1"]
    assert "elsewhere" in lines["v4.2.0"]  # its images were pushed by hand
