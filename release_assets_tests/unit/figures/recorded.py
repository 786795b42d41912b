"""Runs that Dagster itself records: jobs with the graph's names and keys, whose nodes do as they are told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import dagster as dg

RELEASE = ("version", "sdist", "wheel", "pypi_publication", "github_release")
DOCKER = ("version", "image_linux_amd64", "manifest_list", "floating_tags")
WARNING = dg.AssetCheckSeverity.WARN


@dataclass(frozen=True)
class Told:
    """A node's part in a run: metadata to record, retries before that, or a failure."""

    metadata: Mapping[str, Any] = field(default_factory=dict)
    retries: int = 0
    failure: dg.Failure | None = None
    checks: Mapping[str, tuple[bool, str, Mapping[str, Any]]] = field(default_factory=dict)


class Recorder:
    """Runs the jobs of a project on an instance."""

    def __init__(self, instance: dg.DagsterInstance, project: str = "sample") -> None:
        self.instance = instance
        self.project = project
        self.told: dict[str, Told] = {}
        partitions = dg.DynamicPartitionsDefinition(name=f"{project}_releases")
        self.assets = {
            node: self._asset(node, before, partitions)
            for half in (RELEASE, DOCKER)
            for before, node in zip((None, *half), half, strict=False)
        }
        self.definitions = dg.Definitions(
            assets=list(self.assets.values()),
            jobs=[
                dg.define_asset_job(
                    f"{project}_{name}",
                    dg.AssetSelection.assets(*(dg.AssetKey([project, node]) for node in half)),
                    executor_def=dg.in_process_executor,
                )
                for name, half in (("release", RELEASE), ("docker", DOCKER))
            ],
        )

    def _asset(
        self, node: str, before: str | None, partitions: dg.DynamicPartitionsDefinition
    ) -> dg.AssetsDefinition:
        key = dg.AssetKey([self.project, node])
        checks = ("cache_hit_rate", "build_time") if node.startswith("image_") else ()

        @dg.asset(
            key=key,
            deps=[dg.AssetKey([self.project, before])] if before else [],
            partitions_def=partitions,
            retry_policy=dg.RetryPolicy(max_retries=3),
            check_specs=[dg.AssetCheckSpec(name, asset=key) for name in checks],
        )
        def work(context):  # type: ignore[no-untyped-def]  # Dagster reads annotations as types
            told = self.told.get(node, Told())
            if context.retry_number < told.retries:
                raise dg.RetryRequested(max_retries=3)
            if told.failure is not None:
                raise told.failure
            return dg.MaterializeResult(
                metadata=dict(told.metadata),
                check_results=[
                    dg.AssetCheckResult(
                        check_name=name,
                        passed=passed,
                        severity=WARNING,
                        description=words,
                        metadata=dict(found),
                    )
                    for name in checks
                    for passed, words, found in [told.checks.get(name, (True, "", {}))]
                ],
            )

        return work

    def run(
        self,
        half: str,
        tag: str,
        *,
        tags: Mapping[str, str] | None = None,
        nodes: Sequence[str] = (),
        **told: Told,
    ) -> str:
        """Run a half for a release to its end and return the run's id."""
        self.told = told
        self.instance.add_dynamic_partitions(f"{self.project}_releases", [tag])
        job = self.definitions.resolve_job_def(f"{self.project}_{half}")
        result = job.execute_in_process(
            instance=self.instance,
            partition_key=tag,
            tags=dict(tags or {}),
            raise_on_error=False,
            asset_selection=[dg.AssetKey([self.project, node]) for node in nodes] or None,
        )
        return str(result.run_id)

    def killed(self, half: str, tag: str, **tags: str) -> str:
        """Record a run whose worker was killed, as Dagster's run monitoring does; return its id."""
        self.instance.add_dynamic_partitions(f"{self.project}_releases", [tag])
        job = self.definitions.resolve_job_def(f"{self.project}_{half}")
        run = self.instance.create_run_for_job(
            job, tags={"dagster/partition": tag, **tags}, status=dg.DagsterRunStatus.STARTED
        )
        self.instance.report_run_failed(run, "the worker process 12 no longer exists")
        return run.run_id


def refused(problem: str, remedy: str) -> dg.Failure:
    """Return the failure of a node, as the graph words it."""
    return dg.Failure(
        f"{problem}\n\nWhat to do: {remedy}",
        metadata={"problem": problem, "what_to_do": remedy, "kind": "permanent"},
        allow_retries=False,
    )
