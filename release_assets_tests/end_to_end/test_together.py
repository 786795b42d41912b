"""Two daemons that know nothing of each other release the same tags at once: each is there once."""

from __future__ import annotations

import json
import time
from contextlib import ExitStack
from pathlib import Path

import dagster as dg
import pytest

from release_assets.destinations.registry import platform_images
from release_assets_tests.maintainer import Maintainer, NewMaintainer, Stands
from tools.sandbox.stack import Stack

pytestmark = pytest.mark.timeout(420)

WITH_THE_WHEEL = "FROM scratch\nCOPY --from=dist *.whl /dist/\n"
TAGS = ["v2.0.0", "v1.9.1"]
RELEASED_SECONDS = 300.0


def stack_of(maintainer: Maintainer, home: Path) -> Stack:
    definition = json.dumps({"type": "release_assets.ReleaseGraph", "attributes": maintainer.attributes})
    return Stack.at(home, definitions={maintainer.name: definition}, variables=maintainer.variables)


def released(instance: dg.DagsterInstance, name: str) -> set[str]:
    return instance.get_materialized_partitions(dg.AssetKey([name, "floating_tags"]))


def words_of_failures(instance: dg.DagsterInstance) -> str:
    return "\n".join(
        str(event.step_failure_data.error_display_string)
        for run in instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE]))
        for record in instance.get_records_for_run(
            run.run_id, of_type=dg.DagsterEventType.STEP_FAILURE
        ).records
        if (event := record.event_log_entry.dagster_event) is not None
    )


def test_two_daemons_and_two_tags_at_once(
    new: NewMaintainer,
    image_stands: Stands,
    tmp_path: Path,
) -> None:
    maintainer = new(image_stands, dockerfile=WITH_THE_WHEEL)
    maintainer.attributes["image"]["platforms"] = ["linux/amd64"]
    name = maintainer.name
    sensors = {f"{name}_release_tags", f"{name}_github_releases"}
    stacks = [stack_of(maintainer, tmp_path / which) for which in ("one", "other")]
    with ExitStack() as running:
        for stack in stacks:
            running.enter_context(stack.daemon())
        instances = [running.enter_context(stack.instance()) for stack in stacks]
        for stack in stacks:
            stack.wait_for_first_ticks(sensors)
        for tag in TAGS:  # the higher version first: its floating tags must stay where they are
            maintainer.build_with_setuptools(tag.removeprefix("v"))
            maintainer.repository.tag(tag)
        deadline = time.monotonic() + RELEASED_SECONDS
        while not all(set(TAGS) <= released(instance, name) for instance in instances):
            assert time.monotonic() < deadline, [released(instance, name) for instance in instances]
            assert [words_of_failures(instance) for instance in instances] == ["", ""]
            time.sleep(1)

    # setuptools packs every sdist otherwise: the first one is the one that everybody has.
    assert set(maintainer.served()) == {
        file
        for version in ("2.0.0", "1.9.1")
        for file in (f"{name}-{version}.tar.gz", f"{name}-{version}-py3-none-any.whl")
    }
    listed = maintainer.stands.github("GET", f"/repos/{maintainer.github_repository}/releases")
    assert sorted(release["tag_name"] for release in listed) == sorted(TAGS)
    for release in listed:
        assert not release["draft"]
        assert len(release["assets"]) == 3
    for version in ("2.0.0", "1.9.1"):
        whole = maintainer.registry.manifest(version)
        assert whole is not None
        assert set(platform_images(whole)) == {"linux/amd64"}
    assert maintainer.digest("latest") == maintainer.digest("2") == maintainer.digest("2.0.0")
    assert maintainer.digest("1") == maintainer.digest("1.9") == maintainer.digest("1.9.1")
