"""release_alerts: people are told what became of each release, and what keeps releases from going on."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import dagster as dg

from release_assets.alerts.delivery import Sender
from release_assets.alerts.messages import (
    CLOSING_DAYS,
    DAY,
    Alert,
    alert_of,
    closing,
    has_begun_to_upload,
    silent_daemon,
    silent_sensor,
)
from release_assets.alerts.outbox import Outbox, read_outbox, write_outbox
from release_assets.figures.chart import LAST, plotted
from release_assets.figures.observed import ObservedRun
from release_assets.figures.records import STATES, RunReader, half_of
from release_assets.project import Project
from release_assets.secrets import read_secrets
from release_assets.sensors.pace import projects_here, tick_seconds
from release_assets.sensors.record import shared_instance
from release_assets.sensors.words import counted
from release_assets.text import shortened, without

TICK_SECONDS = 15
SILENT_SECONDS = 600.0
# Dagster writes a failure, and a moment later that it will launch the run again.
SETTLED_SECONDS = 10.0
OVERLAP_SECONDS = 300.0  # transactions are not seen in the order of their times
MOST_RUNS = 1000  # in one tick
LONGEST_BODY = 3500  # characters
DESTINATIONS = ("pypi_publication", "github_release", "manifest_list")


def release_alerts(projects: Sequence[Project]) -> dg.SensorDefinition:
    """Return the sensor `release_alerts` of all projects that declare alerts."""
    by_name = {project.project: project for project in projects}
    targets = {target for one in projects if one.alerts is not None for target in one.alerts.targets_env}
    sender = Sender()

    @dg.sensor(
        name="release_alerts",
        minimum_interval_seconds=tick_seconds(projects_here(), at_least=TICK_SECONDS),
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Sends alerts through Apprise: releases that succeeded, warn or failed, and silence.",
    )
    def sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        instance = shared_instance(context)
        now = time.time()
        outbox = read_outbox(instance)
        _silence(instance, outbox, by_name, now)
        ended = _runs(instance, outbox, by_name, now)
        for project, alert in ended:
            outbox.add(project, alert)
        _remind(outbox, by_name, now)
        outbox.last_tick = now
        write_outbox(instance, outbox)
        sent = sender.send(
            outbox,
            targets=targets,
            save=lambda: write_outbox(instance, outbox),
            log=context.log.warning,
        )
        waiting = dict.fromkeys(sorted(targets), 0)
        for delivery in outbox.pending:
            if delivery.target in waiting:
                waiting[delivery.target] += 1
        words = [f"{counted(sent, 'alert')} sent"]
        words += [
            f"{counted(number, 'alert')} for {target} wait" for target, number in waiting.items() if number
        ]
        reader = RunReader(instance)
        changed = sorted({project.project for project, _ in ended})
        runs = {name: reader.last_runs(name, LAST) for name in changed}
        return dg.SensorResult(
            skip_reason="; ".join(words), asset_events=[plotted(runs, now)] if changed else []
        )

    return sensor


def _runs(
    instance: dg.DagsterInstance, outbox: Outbox, projects: Mapping[str, Project], now: float
) -> list[tuple[Project, Alert]]:
    """Return the alerts of runs that ended since the last look, and note which were looked at.

    The first look finds nothing: what ended before is history.
    """
    is_first = outbox.since is None
    after = (now if outbox.since is None else outbox.since) - OVERLAP_SECONDS
    outbox.since = now
    ended = dg.RunsFilter(statuses=list(STATES), updated_after=datetime.fromtimestamp(after, UTC))
    records = instance.get_run_records(ended, limit=MOST_RUNS, order_by="update_timestamp", ascending=True)
    if len(records) == MOST_RUNS:
        outbox.since = records[-1].update_timestamp.timestamp()
    reader = RunReader(instance)
    found = []
    for record in records:
        run = record.dagster_run
        ours = half_of(run, projects)
        end = record.end_time
        if ours is None or end is None or end < after or run.run_id in outbox.handled:
            continue
        if is_first:
            outbox.handled[run.run_id] = end
            continue
        if now - end < SETTLED_SECONDS and run.status is not dg.DagsterRunStatus.SUCCESS:
            continue
        project = projects[ours[0]]
        observed = reader.read(record, ours[1])
        outbox.handled[run.run_id] = end
        _note_upload(outbox, project, observed)
        found.append(
            (
                project,
                _clean(project, alert_of(project, observed, _published(instance, project, observed.tag))),
            )
        )
    oldest = outbox.since - OVERLAP_SECONDS
    outbox.handled = {run_id: end for run_id, end in outbox.handled.items() if end >= oldest}
    return found


def _published(instance: dg.DagsterInstance, project: Project, tag: str) -> set[str]:
    return {
        node
        for node in DESTINATIONS
        if instance.fetch_materializations(
            dg.AssetRecordsFilter(asset_key=dg.AssetKey([project.project, node]), asset_partitions=[tag]),
            limit=1,
        ).records
    }


def _note_upload(outbox: Outbox, project: Project, run: ObservedRun) -> None:
    key = f"{project.project} {run.tag}"
    if "pypi_publication" in run.made:
        outbox.uploads.pop(key, None)
    elif has_begun_to_upload(project, run):
        outbox.uploads.setdefault(key, run.started or run.created)


def _remind(outbox: Outbox, projects: Mapping[str, Project], now: float) -> None:
    """Put in an alert for each upload whose index is about to close the release; forget closed ones."""
    for key, since in list(outbox.uploads.items()):
        name, _, tag = key.partition(" ")
        project = projects.get(name)
        days = project.index.window_days if project is not None else None
        if project is None or days is None or now > since + days * DAY:
            del outbox.uploads[key]
        elif now > since + (days - CLOSING_DAYS) * DAY:
            outbox.add_once([project], closing(project, tag, since, days), now)


def _silence(
    instance: dg.DagsterInstance, outbox: Outbox, projects: Mapping[str, Project], now: float
) -> None:
    """Put in alerts for a daemon that was silent, and for sensors that are."""
    if outbox.last_tick is None or now - outbox.last_tick > SILENT_SECONDS:
        since, outbox.awake_since = outbox.last_tick, now
        if since is not None:
            outbox.add_once(projects.values(), silent_daemon(since, now), now)
    states = instance.all_instigator_state() if instance.schedule_storage is not None else []
    by_name = {state.instigator_name: state for state in states}
    for name, project in projects.items():
        sensors = [f"{name}_release_tags"]
        sensors += [f"{name}_github_releases"] if project.image is not None else []
        for sensor in sensors:
            state = by_name.get(sensor)
            if state is not None and not state.is_running:  # a person has switched it off
                outbox.heard.pop(sensor, None)
                continue
            succeeded = getattr(state.instigator_data, "last_tick_success_timestamp", None) if state else None
            # None also while a tick is at work.
            heard = outbox.heard[sensor] = succeeded or outbox.heard.get(sensor, now)
            since = max(heard, outbox.awake_since)
            if now - since > SILENT_SECONDS:
                outbox.add_once([project], silent_sensor(name, sensor, heard, now), now)


def _clean(project: Project, alert: Alert) -> Alert:
    """Return an alert without secrets, in a length that every target accepts."""
    secrets = read_secrets(project.secret_variables)
    body = shortened(without(secrets, alert.body), LONGEST_BODY)
    return Alert(alert.id, alert.project, alert.level, without(secrets, alert.title), body)
