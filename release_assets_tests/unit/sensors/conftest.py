"""A project whose sensors tick on an instance of their own, as the daemon would make them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import dagster as dg
import pytest
from dagster import AddDynamicPartitionsRequest

from release_assets.graph import build_release_graph
from release_assets.project import Project


class Ticks:
    """One sensor, its cursor, and the partitions that its ticks asked for."""

    def __init__(
        self,
        instance: dg.DagsterInstance,
        attributes: dict[str, Any],
        sensor: str,
        others: Sequence[Project] = (),
    ) -> None:
        self.instance = instance
        self.project = Project.model_validate(attributes)
        self.definitions = build_release_graph(self.project, {other.project: other for other in others})
        self.sensor = self.definitions.resolve_sensor_def(f"{self.project.project}_{sensor}")
        self.cursor: str | None = None
        self.said = ""  # by the last tick, where it launched nothing

    def goes_on_from(self, other: Ticks) -> Ticks:
        """Continue with another sensor's cursor, as after a change of the YAML."""
        self.cursor = other.cursor
        return self

    def ran(self, request: dg.RunRequest, status: dg.DagsterRunStatus) -> dg.DagsterRun:
        """Record the run that was asked for, as the daemon makes it, with a status."""
        assert request.job_name is not None
        return self.instance.create_run_for_job(
            self.definitions.resolve_job_def(request.job_name),
            tags={"dagster/partition": str(request.partition_key), **request.tags},
            status=status,
        )

    def tick(self) -> list[dg.RunRequest]:
        """The runs that one tick asks for. When it fails, the cursor is what it was."""
        context = dg.build_sensor_context(
            instance=self.instance, definitions=self.definitions, cursor=self.cursor
        )
        result = self.sensor(context)
        assert isinstance(result, dg.SensorResult)
        self.cursor = result.cursor
        self.said = str(result.skip_reason.skip_message) if result.skip_reason else ""
        # Dagster's own words for a tick without a reason tell a maintainer nothing.
        assert result.run_requests or self.said
        for request in result.dynamic_partitions_requests or ():
            if isinstance(request, AddDynamicPartitionsRequest):
                self.instance.add_dynamic_partitions(
                    request.partitions_def_name, list(request.partition_keys)
                )
            else:
                for tag in request.partition_keys:
                    self.instance.delete_dynamic_partition(request.partitions_def_name, tag)
        requests = list(result.run_requests or ())
        # The daemon fails a tick that asks for a partition which is not there, and so the next, without end.
        assert {request.partition_key for request in requests} <= set(self.partitions)
        return requests

    @property
    def partitions(self) -> list[str]:
        return sorted(self.instance.get_dynamic_partitions(f"{self.project.project}_releases"))

    def materialized(self, asset: str, tag: str) -> None:
        """Record the asset of a release as if it had been made."""
        key = dg.AssetKey([self.project.project, asset])
        self.instance.report_runless_asset_event(dg.AssetMaterialization(key, partition=tag))


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    """An instance without a past."""
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral
