"""One DAGSTER_HOME for all end-to-end tests: a daemon that runs, stops and runs again, as a user's does."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from tools.sandbox import Sandbox
from tools.sandbox.stack import Stack

PROJECT = "sampleproject"
RELEASE_HALF = ["version", "sdist", "wheel", "pypi_publication", "github_release"]
DOCKER_HALF = ["image_linux_amd64", "image_linux_arm64", "manifest_list", "floating_tags", "summary"]
RELEASED_SECONDS = 300.0


@dataclass(frozen=True)
class Dagster:
    """The sandbox's Dagster, and what a test wants to know of it."""

    stack: Stack
    instance: dg.DagsterInstance

    def runs(self, tag: str, job: str | None = None) -> list[dg.DagsterRun]:
        """All runs of a partition, newest first."""
        return list(self.instance.get_runs(dg.RunsFilter(tags={"dagster/partition": tag}, job_name=job)))

    def wait_for(self, tag: str, nodes: Iterable[str], since: float = 0.0) -> None:
        """Return when the partition has every node, materialized after `since`; fail if a run does.

        With the summary, the last node, its run has ended, too: a daemon that ends takes its runs along.
        """
        deadline = time.monotonic() + RELEASED_SECONDS
        nodes = list(nodes)
        while (missing := [node for node in nodes if self.time_of(tag, node) <= since]) or (
            "summary" in nodes and not all(run.is_finished for run in self.runs(tag))
        ):
            failed = [run for run in self.runs(tag) if run.status is dg.DagsterRunStatus.FAILURE]
            assert not failed, "\n".join(self.errors(run) for run in failed)
            assert time.monotonic() < deadline, (
                f"{tag} lacks {missing}; its runs: {[(run.job_name, run.status) for run in self.runs(tag)]}\n"
                + (self.stack.home / "daemon.log").read_text()[-3000:]
            )
            time.sleep(1)

    def wait_for_run(self, tag: str, job: str, status: dg.DagsterRunStatus) -> dg.DagsterRun:
        """The newest run of the job for the partition, once it has this status."""
        deadline = time.monotonic() + RELEASED_SECONDS
        while True:
            runs = self.runs(tag, job)
            if runs and runs[0].status is status:
                return runs[0]
            assert time.monotonic() < deadline, [(run.run_id, run.status) for run in runs]
            time.sleep(1)

    def time_of(self, tag: str, node: str) -> float:
        """When the node was materialized for the partition the last time; 0 if never."""
        record = self._record(tag, node)
        return record.timestamp if record else 0.0

    def metadata(self, tag: str, node: str) -> dict[str, Any]:
        """The metadata of the last materialization, as plain values."""
        record = self._record(tag, node)
        assert record is not None, f"{node} of {tag} was never materialized"
        assert record.asset_materialization is not None
        return {name: value.value for name, value in record.asset_materialization.metadata.items()}

    def errors(self, run: dg.DagsterRun) -> str:
        """Return the errors of a run's failed steps."""
        records = self.instance.get_records_for_run(run.run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
        return "\n".join(record.event_log_entry.user_message for record in records.records) + "\n".join(
            str(event.step_failure_data.error)
            for record in records.records
            if (event := record.event_log_entry.dagster_event) is not None
        )

    def _record(self, tag: str, node: str) -> dg.EventLogRecord | None:
        records = self.instance.fetch_materializations(
            dg.AssetRecordsFilter(asset_key=dg.AssetKey([PROJECT, node]), asset_partitions=[tag]), limit=1
        ).records
        return records[0] if records else None


@pytest.fixture(scope="session")
def dagster(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dagster]:
    """Dagster's home for the sandbox's sample project; each test says when the daemon runs."""
    home: Path = tmp_path_factory.mktemp("dagster-home")
    stack = Stack.at(home, definitions={PROJECT: sandbox.defs_yaml(PROJECT)}, variables=sandbox.environment)
    with stack.instance() as instance:
        yield Dagster(stack, instance)
