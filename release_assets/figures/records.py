"""Read the runs of a project from Dagster's records, with a bounded number of queries."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import dagster as dg

from release_assets.figures.observed import Checked, Half, Made, ObservedRun, Refusal, State
from release_assets.text import one_line

# A release that was tried more often than this, on average, hides older ones.
ATTEMPTS = 5
# The nodes without which a run publishes nothing: a dry run selects the builds, a rollback the floating tags.
PUBLISHING: dict[Half, frozenset[str]] = {
    "release": frozenset({"pypi_publication", "github_release"}),
    "docker": frozenset({"manifest_list"}),
}
RUN = "the run"  # in the place of a node, where the run died and no step failed
STATES: dict[dg.DagsterRunStatus, State] = {
    dg.DagsterRunStatus.SUCCESS: "success",
    dg.DagsterRunStatus.FAILURE: "failure",
    dg.DagsterRunStatus.CANCELED: "canceled",
}
EVENTS = {
    dg.DagsterEventType.ASSET_MATERIALIZATION,
    dg.DagsterEventType.ASSET_CHECK_EVALUATION,
    dg.DagsterEventType.STEP_UP_FOR_RETRY,
    dg.DagsterEventType.STEP_FAILURE,
    dg.DagsterEventType.RUN_FAILURE,
}


def half_of(run: dg.DagsterRun, projects: Iterable[str]) -> tuple[str, Half] | None:
    """Return the project and the half that a run publishes, or None for any other run."""
    project, _, name = run.job_name.rpartition("_")
    if project not in projects or "dagster/partition" not in run.tags:
        return None
    for half, publishing in PUBLISHING.items():
        selected = {key.path[-1] for key in run.asset_selection or ()}
        if half == name and (not selected or selected & publishing):
            return project, half
    return None


class RunReader:
    """Reads runs with their events. A run that has ended is read once: nothing changes it anymore."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self.instance = instance
        self._ended: dict[str, ObservedRun] = {}

    def last_runs(self, project: str, releases: int) -> list[ObservedRun]:
        """Return the runs of both halves for the last releases that were tried here, the newest first."""
        tags: list[str] = []
        kept: list[tuple[dg.RunRecord, Half]] = []
        for record, half in self._records(project, "release", releases):
            tag = record.dagster_run.tags["dagster/partition"]
            if tag not in tags:
                if len(tags) == releases:
                    continue
                tags.append(tag)
            kept.append((record, half))
        # A release that was made elsewhere has a docker half only.
        docker = list(self._records(project, "docker", releases))
        for record, _ in docker:
            tag = record.dagster_run.tags["dagster/partition"]
            if tag not in tags and len(tags) < releases:
                tags.append(tag)
        kept += [one for one in docker if one[0].dagster_run.tags["dagster/partition"] in tags]
        kept.sort(key=lambda one: one[0].create_timestamp, reverse=True)
        return [self.read(record, half) for record, half in kept]

    def _records(self, project: str, half: Half, releases: int) -> Iterator[tuple[dg.RunRecord, Half]]:
        of_job = dg.RunsFilter(job_name=f"{project}_{half}")
        for record in self.instance.get_run_records(of_job, limit=releases * ATTEMPTS):
            if half_of(record.dagster_run, {project}) is not None:
                yield record, half

    def forget_all_but(self, runs: Iterable[ObservedRun]) -> None:
        """Free the memory of runs that are not among these."""
        kept = {run.run_id for run in runs}
        self._ended = {run_id: run for run_id, run in self._ended.items() if run_id in kept}

    def read(self, record: dg.RunRecord, half: Half) -> ObservedRun:
        """Return a run with everything that its events tell."""
        run = record.dagster_run
        if run.run_id in self._ended:
            return self._ended[run.run_id]
        made: dict[str, Made] = {}
        checks: dict[tuple[str, str], Checked] = {}
        retries: Counter[str] = Counter()
        refusals: dict[str, Refusal] = {}
        for found in self.instance.get_records_for_run(run.run_id, of_type=EVENTS).records:
            event = found.event_log_entry.dagster_event
            if event is None:
                continue
            node = (event.step_key or "").rpartition("__")[2]
            match event.event_type:
                case dg.DagsterEventType.ASSET_MATERIALIZATION:
                    materialization = event.step_materialization_data.materialization
                    made[materialization.asset_key.path[-1]] = Made(
                        found.timestamp, _plain(materialization.metadata)
                    )
                case dg.DagsterEventType.ASSET_CHECK_EVALUATION:
                    result = event.asset_check_evaluation_data
                    key = result.asset_key.path[-1], result.check_name
                    checks[key] = Checked(
                        *key,
                        passed=result.passed,
                        is_warning=result.severity is dg.AssetCheckSeverity.WARN,
                        description=result.description or "",
                        metadata=_plain(result.metadata),
                    )
                case dg.DagsterEventType.STEP_UP_FOR_RETRY:
                    retries[node] += 1
                case dg.DagsterEventType.STEP_FAILURE:
                    refusals[node] = _refusal(event)
                case _:
                    if not refusals:
                        refusals[RUN] = Refusal(one_line(event.message or "its worker died"))
        observed = ObservedRun(
            run_id=run.run_id,
            half=half,
            tag=run.tags["dagster/partition"],
            state=STATES.get(run.status, "unfinished"),
            created=record.create_timestamp.timestamp(),
            started=record.start_time,
            ended=record.end_time,
            is_retried=run.tags.get("dagster/will_retry") == "true",
            made=made,
            checks=list(checks.values()),
            retries=retries,
            refusals=refusals,
        )
        if observed.state != "unfinished":
            self._ended[run.run_id] = observed
        return observed


def _plain(metadata: Mapping[str, dg.MetadataValue[Any]]) -> dict[str, Any]:
    """Return metadata as plain values, a table as a list of its rows."""
    return {
        name: [dict(row.data) for row in value.records]
        if isinstance(value, dg.TableMetadataValue)
        else value.value
        for name, value in metadata.items()
    }


def _refusal(event: dg.DagsterEvent) -> Refusal:
    """Return the words of a failed step; those that it failed with, where it is one of ours."""
    failure = event.step_failure_data.user_failure_data
    if failure is None:
        error = event.step_failure_data.error
        return Refusal(one_line(error.message if error is not None else "it failed without a message"))
    words = _plain(failure.metadata or {})
    if "problem" in words:
        stages = {name.removeprefix("seconds/") for name in words if name.startswith("seconds/")}
        return Refusal(str(words["problem"]), str(words.get("what_to_do", "")), frozenset(stages))
    problem, _, remedy = (failure.description or "it failed without a message").partition("\n\nWhat to do: ")
    return Refusal(problem, remedy)
