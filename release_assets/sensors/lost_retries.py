"""lost_retries: a run whose worker died, and whose retry Dagster promised and lost, is launched again."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import dagster as dg

from release_assets.project import Project
from release_assets.sensors.pace import projects_here, tick_seconds
from release_assets.sensors.record import shared_instance
from release_assets.sensors.words import counted

TICK_SECONDS = 30
# Dagster launches its retries within five seconds of a failure, or of its own restart.
PATIENCE_SECONDS = 60.0
# What failed longer ago is history: somebody has seen it by now.
LONGEST = timedelta(days=1)


def is_lost_retry(run: dg.DagsterRun, ended: float, newest: str, now: float) -> bool:
    """Return True where nothing continues a failed run, though Dagster announced a retry.

    Dagster writes the failure before the promise (the tag will_retry), and looks at each failure only once: a
    look between the two, or a daemon killed then, finds no promise to keep. `ended` and `now` are seconds
    since 1970; `newest` is the id of the job's newest run for the same release: with another one there,
    somebody went on.
    """
    return (
        run.tags.get("dagster/will_retry") == "true"
        and "dagster/auto_retry_run_id" not in run.tags
        and run.run_id == newest
        and now - ended > PATIENCE_SECONDS
    )


def lost_retries(project: Project, jobs: list[dg.UnresolvedAssetJobDefinition]) -> dg.SensorDefinition:
    """Return the sensor `<project>_lost_retries`."""
    names = {job.name for job in jobs}

    @dg.sensor(
        name=f"{project.project}_lost_retries",
        jobs=jobs,
        minimum_interval_seconds=tick_seconds(projects_here(), at_least=TICK_SECONDS),
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=(
            "Launches a run again that was killed and that nobody retried. When the process of a run is "
            "killed (a restart of the machine, too little memory), Dagster promises a retry, and forgets it "
            "where its daemon was killed as well. The release would stay unfinished until somebody retries "
            "it; this sensor does so after a minute. What is published already is found and kept."
        ),
    )
    def sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        instance = shared_instance(context)
        failed = dg.RunsFilter(
            statuses=[dg.DagsterRunStatus.FAILURE],
            tags={"dagster/will_retry": "true"},
            updated_after=datetime.now(UTC) - LONGEST,
        )
        requests = []
        promised = [
            record for record in instance.get_run_records(failed) if record.dagster_run.job_name in names
        ]
        for record in promised:
            run = record.dagster_run
            partition = run.tags.get("dagster/partition")
            if partition is None or record.end_time is None:
                continue
            same = dg.RunsFilter(job_name=run.job_name, tags={"dagster/partition": partition})
            newest = instance.get_runs(same, limit=1)[0].run_id
            if is_lost_retry(run, record.end_time, newest, time.time()):
                context.log.warning(f"the retry of run {run.run_id} for {partition} was lost")
                requests.append(_again(run, run.job_name, partition))
        said = f"{counted(len(promised), 'retry', 'retries')} promised within a day, none of them lost"
        return dg.SensorResult(requests, skip_reason=None if requests else said)

    return sensor


def _again(run: dg.DagsterRun, job_name: str, partition: str) -> dg.RunRequest:
    """Return the same run once more: what it selected, and its own tags, but not those that Dagster added."""
    return dg.RunRequest(
        run_key=f"lost retry of {run.run_id}",
        job_name=job_name,
        partition_key=partition,
        asset_selection=sorted(run.asset_selection) if run.asset_selection else None,
        tags={name: value for name, value in run.tags.items() if name.startswith("release_assets/")},
    )
