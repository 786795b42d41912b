"""`release-assets rebuild` and `rollback`, from one to the next: what they move, say, and refuse."""

from __future__ import annotations

import json
from typing import Any

import dagster as dg
import pytest

from release_assets_tests.terminal import Terminal

pytestmark = pytest.mark.timeout(300)


def as_json(terminal: Terminal, *arguments: str) -> dict[str, Any]:
    ended = terminal.run(*arguments, "--json")
    assert ended.returncode == 0, ended.stderr
    answer: dict[str, Any] = json.loads(ended.stdout)
    return answer


def digests(terminal: Terminal) -> list[str | None]:
    return [terminal.maintainer.digest(tag) for tag in ("1.0.0", "1.1.0", "1.0", "1.1", "1", "latest")]


def test_releases_are_rebuilt_and_rolled_back(terminal: Terminal) -> None:
    maintainer = terminal.maintainer
    first = as_json(terminal, "rebuild", "v1.0.0")
    assert first["moved"] == "1.0, 1, latest"
    old = maintainer.digest("1.0.0")
    assert first["images"][-1] == {"image": f"{_repository(terminal)}:1.0.0", "before": "none", "after": old}
    assert as_json(terminal, "rebuild", "v1.1.0")["moved"] == "1.1, 1, latest"
    new = maintainer.digest("1.1.0")
    assert digests(terminal) == [old, new, old, new, new, new]

    rolled = as_json(terminal, "rollback", "v1.1.0", "--yes", "--reason", "it does not start")
    rows = {row["tag"]: row for row in rolled["tags"]}
    assert (rows["latest"]["from"], rows["latest"]["to"]) == (new, old)
    assert digests(terminal) == [old, new, old, new, old, old]
    assert _last(terminal, "floating_tags") == {"action": "rollback", "reason": "it does not start"}

    # A rebuild of the release that the tags went back to reaches them.
    maintainer.repository.commit({"README.md": "rebuilt\n"})
    maintainer.repository.tag("docker-rebuild-v1.0.0")
    assert as_json(terminal, "rebuild", "v1.0.0")["moved"] == "1.0, 1, latest"
    rebuilt = maintainer.digest("1.0.0")
    assert rebuilt != old
    assert digests(terminal) == [rebuilt, new, rebuilt, new, rebuilt, rebuilt]

    # The next release moves on from there, and so does the same one again.
    assert as_json(terminal, "rebuild", "v1.1.0")["moved"] == "1.1, 1, latest"
    assert maintainer.digest("latest") == maintainer.digest("1.1.0")


@pytest.mark.parametrize(
    ("arguments", "changed", "words"),
    [
        (["v1.0.0", "--platform", "linux/s390x"], {}, "'linux/s390x' is not among the platforms"),
        (["v9.9.9"], {}, "has no release tag 'v9.9.9'"),
        ([], {}, "Missing argument 'TAG'"),
    ],
    ids=["platform", "no-such-tag", "nothing"],
)
def test_wrong_usage_has_exit_status_2(
    terminal: Terminal, arguments: list[str], changed: dict[str, str], words: str
) -> None:
    ended = terminal.run("rebuild", *arguments, **changed)
    assert ended.returncode == 2
    assert words in ended.stderr
    assert "Traceback" not in ended.stderr


def _repository(terminal: Terminal) -> str:
    return str(terminal.maintainer.attributes["image"]["repository"])


def _last(terminal: Terminal, node: str) -> dict[str, Any]:
    key = dg.AssetKey([terminal.maintainer.name, node])
    with dg.DagsterInstance.from_config(terminal.env["DAGSTER_HOME"]) as instance:
        records = instance.fetch_materializations(dg.AssetRecordsFilter(asset_key=key), limit=1).records
        materialization = records[0].asset_materialization
        assert materialization is not None
        return {name: materialization.metadata[name].value for name in ("action", "reason")}
