"""The figures in Prometheus' format, computed when they are scraped."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator, Sequence

import dagster as dg
from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from release_assets.figures.compute import Figure, figures
from release_assets.figures.observed import ObservedRun
from release_assets.figures.records import STATES, RunReader

PREFIX = "release_assets_"
LAST = 20  # releases
HALVES = ("release", "docker")


class FiguresCollector(Collector):
    """Collects the figures of these projects from an instance. One scrape at a time."""

    def __init__(self, instance: dg.DagsterInstance, projects: Sequence[str]) -> None:
        self.instance = instance
        self.projects = projects
        self._reader = RunReader(instance)
        self._lock = threading.Lock()

    def collect(self) -> Iterable[Metric]:
        """Return all metrics; no label holds a version or a run."""
        with self._lock:
            runs = {project: self._reader.last_runs(project, LAST) for project in self.projects}
            self._reader.forget_all_but(run for found in runs.values() for run in found)
            return [*self._totals(), *_gauges(runs, time.time()), *_newest(runs), *self._heartbeats()]

    def _totals(self) -> Iterator[Metric]:
        total = CounterMetricFamily(
            f"{PREFIX}runs",
            "Ended runs of the project's jobs, dry runs and rollbacks among them. A killed run is a failure.",
            labels=["project", "half", "state"],
        )
        for project in self.projects:
            for half in HALVES:
                for status, state in STATES.items():
                    of_job = dg.RunsFilter(job_name=f"{project}_{half}", statuses=[status])
                    total.add_metric([project, half, state], self.instance.get_runs_count(of_job))
        yield total

    def _heartbeats(self) -> Iterator[Metric]:
        heartbeat = GaugeMetricFamily(
            f"{PREFIX}daemon_heartbeat_timestamp_seconds",
            "When a part of Dagster's daemon was last alive, in seconds since 1970.",
            labels=["daemon"],
        )
        for name, status in self.instance.get_daemon_heartbeats().items():
            heartbeat.add_metric([name.lower()], status.timestamp)
        yield heartbeat


def _gauges(runs: dict[str, list[ObservedRun]], now: float) -> Iterator[Metric]:
    computed: dict[str, list[tuple[str, Figure]]] = {}
    for project, found in runs.items():
        for figure in figures(found, now):
            computed.setdefault(figure.name, []).append((project, figure))
    for name, rows in computed.items():
        gauge = GaugeMetricFamily(f"{PREFIX}{name}", rows[0][1].help, labels=["project", *rows[0][1].labels])
        for project, figure in rows:
            if figure.value is not None:
                gauge.add_metric([project, *figure.labels.values()], figure.value)
        yield gauge


def _newest(runs: dict[str, list[ObservedRun]]) -> Iterator[Metric]:
    succeeded = GaugeMetricFamily(
        f"{PREFIX}last_success_timestamp_seconds",
        "When the last successful run ended, in seconds since 1970.",
        labels=["project", "half"],
    )
    for project, found in runs.items():
        for half in HALVES:
            ended = [run.ended or 0.0 for run in found if run.half == half and run.state == "success"]
            if ended:
                succeeded.add_metric([project, half], max(ended))
    yield succeeded
