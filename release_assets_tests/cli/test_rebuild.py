"""`release-assets rebuild` and `rollback`, from one to the next: what they move, say, and refuse."""

from __future__ import annotations

import json
from typing import Any

import dagster as dg
import pytest

from release_assets_tests.cli.conftest import Terminal

pytestmark = [pytest.mark.engine, pytest.mark.timeout(300)]


def as_json(terminal: Terminal, *arguments: str) -> dict[str, Any]:
    ended = terminal.run(*arguments, "--json")
    assert ended.returncode == 0, ended.stderr
    answer: dict[str, Any] = json.loads(ended.stdout)
    return answer


def digests(terminal: Terminal) -> list[str | None]:
    return [terminal.maintainer.digest(tag) for tag in ("1.0.0", "1.1.0", "1.0", "1.1", "1", "latest")]


def test_releases_are_rebuilt_and_rolled_back_and_all_of_it_is_recorded(terminal: Terminal) -> None:
    maintainer = terminal.maintainer
    first = as_json(terminal, "rebuild", "v1.0.0")
    assert first["moved"] == "1.0, 1, latest"
    old = maintainer.digest("1.0.0")
    assert first["images"][-1] == {"image": f"{_repository(terminal)}:1.0.0", "before": "none", "after": old}
    assert as_json(terminal, "rebuild", "v1.1.0")["moved"] == "1.1, 1, latest"
    new = maintainer.digest("1.1.0")
    assert digests(terminal) == [old, new, old, new, new, new]

    rolled = as_json(terminal, "rollback", "v1.1.0", "--reason", "it does not start")
    rows = {row["tag"]: row for row in rolled["tags"]}
    assert (rows["latest"]["from"], rows["latest"]["to"]) == (new, old)
    assert rows["1.1"]["why"] == "did not exist before, and no tag can point to nothing"
    assert digests(terminal) == [old, new, old, new, old, old]
    assert _last(terminal, "floating_tags") == {"action": "rollback", "reason": "it does not start"}

    twice = terminal.run("rollback", "v1.1.0")
    assert twice.returncode == 1
    assert "no floating tag of v1.1.0 can go back: " in twice.stderr
    assert "latest not where this release put it" in twice.stderr

    # The next release moves on from there, and so does the same one again.
    assert as_json(terminal, "rebuild", "v1.1.0")["moved"] == "1.1, 1, latest"
    assert maintainer.digest("latest") == maintainer.digest("1.1.0")


def test_without_a_record_the_highest_other_version_counts(
    terminal: Terminal, tmp_path_factory: pytest.TempPathFactory
) -> None:
    maintainer = terminal.maintainer
    maintainer.tag("v1.2.0", "1.2.0", **{"README.md": "newest\n"})
    before = maintainer.digest("1.1.0")
    assert as_json(terminal, "rebuild", "v1.2.0")["moved"] == "1.2, 1, latest"
    elsewhere = tmp_path_factory.mktemp("another-home")
    ended = terminal.run("rollback", "v1.2.0", "--json", DAGSTER_HOME=str(elsewhere))
    assert ended.returncode == 0, ended.stderr
    rows = {row["tag"]: row for row in json.loads(ended.stdout)["tags"]}
    assert rows["latest"]["to"] == before
    assert rows["latest"]["why"] == "no record of before: 1.1.0 is the highest other version"
    assert maintainer.digest("latest") == maintainer.digest("1") == before


@pytest.mark.parametrize(
    ("arguments", "changed", "words"),
    [
        (["rollback", "v1.0.0"], {"DAGSTER_HOME": ""}, "DAGSTER_HOME is not set"),
        (["rollback", "1.0.0"], {}, "'1.0.0' names no release"),
        (["rebuild", "docker-rebuild-v1.0.0"], {}, "names no release"),
        (
            ["rebuild", "v1.0.0", "--project", "other"],
            {},
            "choose a project with --project; there are sample_",
        ),
        (["rebuild", "v1.0.0", "--platform", "linux/s390x"], {}, "linux/s390x is not among the platforms"),
        (["rollback", "v1.0.0"], {"RELEASE_ASSETS_DEFS": "/nowhere"}, "is '/nowhere', which is no folder"),
        (["rebuild"], {}, "Missing argument 'TAG'"),
    ],
    ids=["no-home", "no-tag", "rebuild-tag", "project", "platform", "no-folder", "nothing"],
)
def test_wrong_usage_is_said_in_a_line_with_exit_status_2(
    terminal: Terminal, arguments: list[str], changed: dict[str, str], words: str
) -> None:
    ended = terminal.run(*arguments, **changed)
    assert ended.returncode == 2
    assert words in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_release_that_is_not_in_git_fails_with_what_to_do(terminal: Terminal) -> None:
    ended = terminal.run("rebuild", "v9.9.9")
    assert ended.returncode == 1
    assert "has no tag v9.9.9" in ended.stderr
    assert "Push it again" in ended.stderr


def _repository(terminal: Terminal) -> str:
    return str(terminal.maintainer.attributes["image"]["repository"])


def _last(terminal: Terminal, node: str) -> dict[str, Any]:
    key = dg.AssetKey([terminal.maintainer.name, node])
    with dg.DagsterInstance.from_config(terminal.env["DAGSTER_HOME"]) as instance:
        records = instance.fetch_materializations(dg.AssetRecordsFilter(asset_key=key), limit=1).records
        materialization = records[0].asset_materialization
        assert materialization is not None
        return {name: materialization.metadata[name].value for name in ("action", "reason")}
