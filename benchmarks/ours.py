"""Our side: the real daemon, whose sensors find the tag, and the records of the two runs that follow."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import dagster as dg

from benchmarks.stand import Place, Stand
from benchmarks.tools import CHECKS, StepSpan, longest_chain, tool_seconds
from benchmarks.watch import LOOK_SECONDS, four_tags
from release_assets import process
from release_assets.errors import ReleaseError
from tools.sandbox.stack import Stack

RELEASE_SECONDS = 900.0
TICK_SECONDS = 120.0
RUNS_SECONDS = 2.0  # between two looks at the runs in the database
SENSORS = ("release_tags", "github_releases")
NATIVE, QEMU = "native", "qemu"


@dataclass(frozen=True)
class Half:
    """A run: when it was created, started and ended, in seconds since 1970, and its tools' longest chain."""

    created: float
    started: float
    ended: float
    chain: float

    @property
    def seconds(self) -> float:
        """Return the run's own seconds, from created to ended."""
        return self.ended - self.created

    @property
    def added(self) -> float:
        """Return the seconds that are not the tools'."""
        return self.seconds - self.chain


@dataclass(frozen=True)
class OursReleased:
    """A release: times in seconds since 1970, and what the image's nodes recorded."""

    pushed: float
    last_tag: float
    published: float  # the GitHub release
    release: Half
    docker: Half
    checks: Mapping[str, float]  # seconds, native and under QEMU; empty where they are not recorded
    image_bytes: int  # that somebody downloads for this machine's platform
    home_bytes: int  # by which DAGSTER_HOME has grown


@dataclass(frozen=True)
class Ours:
    """A DAGSTER_HOME with the projects of our side."""

    stand: Stand
    stack: Stack
    kinds: tuple[str, ...]

    @classmethod
    def at(cls, home: Path, stand: Stand) -> Ours:
        """Make the home, and a defs.yaml for each of our projects."""
        kinds = tuple(kind for kind, side in stand.places if side == "ours")
        definitions = {kind: _defs_yaml(stand, stand.places[kind, "ours"], kind) for kind in kinds}
        stack = Stack.at(home, definitions=definitions, variables=stand.sandbox.environment)
        return cls(stand, stack, kinds)

    @contextlib.contextmanager
    def daemon(self) -> Iterator[None]:
        """Run the daemon inside the block, which begins when every sensor has looked once."""
        began = time.time()
        names = {f"{kind}_{sensor}" for kind in self.kinds for sensor in SENSORS}
        with self.stack.daemon(), self.stack.instance() as instance:
            deadline = time.monotonic() + TICK_SECONDS
            while waiting := names - _ticked_since(instance, began):
                if time.monotonic() > deadline:
                    raise ReleaseError(
                        f"timed out: no tick of {', '.join(sorted(waiting))} within {TICK_SECONDS:.0f} s",
                        f"Look at {self.stack.home / 'daemon.log'}.",
                    )
                time.sleep(0.2)
            yield

    def release(self, kind: str, tag: str, push: Callable[[], None]) -> OursReleased:
        """Push the tag while the daemon runs; return what came of it. Raises ReleaseError if a run fails."""
        place = self.stand.places[kind, "ours"]
        latest = place.watch.digests(("latest",))["latest"]
        size = _bytes_below(self.stack.home)
        with self.stack.instance() as instance:
            pushed = time.time()
            push()
            last_tag = self._watch(instance, kind, tag, unlike=latest)
            halves = {job: self._half(instance, kind, tag, job) for job in ("release", "docker")}
            images = {
                platform: _materialized(instance, kind, f"image_linux_{platform}", tag)
                for platform in ("amd64", "arm64")
            }
        return OursReleased(
            pushed=pushed,
            last_tag=last_tag,
            published=self._published(place, tag),
            **halves,
            checks=_check_seconds(images.values()),
            image_bytes=int(next(iter(images.values()))["size_bytes"]),
            home_bytes=_bytes_below(self.stack.home) - size,
        )

    def rebuild(self, kind: str, tag: str) -> float:
        """Rebuild a released tag's images, as a person does while the daemon runs; return the seconds."""
        started = time.monotonic()
        process.run(
            ["release-assets", "rebuild", tag, "--project", kind], env=self.stack.env, timeout=RELEASE_SECONDS
        )
        return time.monotonic() - started

    def _watch(self, instance: dg.DagsterInstance, kind: str, tag: str, *, unlike: str | None) -> float:
        """Return when the last image tag had moved; both runs have ended by then."""
        watch, tags = self.stand.places[kind, "ours"].watch, four_tags(tag.removeprefix("v"))
        filters = dg.RunsFilter(tags={"dagster/partition": tag})
        deadline = time.monotonic() + RELEASE_SECONDS
        last_tag, look_at_runs = None, 0.0
        while True:
            if last_tag is None and watch.has_moved(tags, unlike=unlike):
                last_tag = time.time()
            if time.monotonic() > look_at_runs:
                runs = [run for run in instance.get_runs(filters) if run.job_name.startswith(f"{kind}_")]
                failed = [run for run in runs if run.status is dg.DagsterRunStatus.FAILURE]
                if failed or time.monotonic() > deadline:
                    why = (
                        _why(instance, failed[0].run_id) if failed else f"timed out: {RELEASE_SECONDS:.0f} s"
                    )
                    raise ReleaseError(
                        f"{kind} {tag} was not released: {why}", f"Look at {self.stack.home / 'daemon.log'}."
                    )
                if last_tag is not None and len(runs) == 2 and all(run.is_finished for run in runs):
                    return last_tag
                look_at_runs = time.monotonic() + RUNS_SECONDS
            time.sleep(LOOK_SECONDS)

    def _half(self, instance: dg.DagsterInstance, kind: str, tag: str, job: str) -> Half:
        filters = dg.RunsFilter(tags={"dagster/partition": tag}, job_name=f"{kind}_{job}")
        (record,) = instance.get_run_records(filters)
        run_id = record.dagster_run.run_id
        assert record.start_time is not None and record.end_time is not None  # noqa: S101,PT018  (it has ended)
        stages = _stages(instance, run_id)
        spans = [
            StepSpan(
                step.start_time,
                step.end_time,
                tool_seconds(step.step_key.removeprefix(f"{kind}__"), stages.get(step.step_key, {})),
            )
            for step in instance.get_run_step_stats(run_id)
            if step.start_time is not None and step.end_time is not None
        ]
        return Half(
            record.create_timestamp.timestamp(), record.start_time, record.end_time, longest_chain(spans)
        )

    def _published(self, place: Place, tag: str) -> float:
        release = self.stand.github("GET", f"/repos/{place.github_repository}/releases/tags/{tag}")
        return datetime.fromisoformat(release["published_at"]).timestamp()


def _defs_yaml(stand: Stand, place: Place, kind: str) -> str:
    sandbox = stand.sandbox
    attributes = {
        "project": kind,
        "repository": str(place.repository.remote),
        "package": {},
        "index": vars(sandbox.index),
        "test_index": vars(sandbox.test_index),
        "github": {"api_url": sandbox.github_api_url, "repository": place.github_repository},
        "image": {"repository": place.image, "build_contexts": dict(place.build_contexts)},
    }
    # JSON is YAML.
    return json.dumps({"type": "release_assets.ReleaseGraph", "attributes": attributes})


def _ticked_since(instance: dg.DagsterInstance, since: float) -> set[str]:
    return {
        state.instigator_name
        for state in instance.all_instigator_state()
        if (getattr(state.instigator_data, "last_tick_timestamp", None) or 0.0) > since
    }


def _stages(instance: dg.DagsterInstance, run_id: str) -> dict[str, dict[str, float]]:
    """Return the seconds of each stage, by step."""
    stages: dict[str, dict[str, float]] = {}
    records = instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION).records
    for record in records:
        event = record.event_log_entry.dagster_event
        if event is None or event.step_key is None:
            continue
        for name, value in event.step_materialization_data.materialization.metadata.items():
            if name.startswith("seconds/") and name != "seconds/total" and isinstance(value.value, float):
                stages.setdefault(event.step_key, {})[name.removeprefix("seconds/")] = value.value
    return stages


def _materialized(instance: dg.DagsterInstance, kind: str, node: str, tag: str) -> dict[str, Any]:
    filters = dg.AssetRecordsFilter(asset_key=dg.AssetKey([kind, node]), asset_partitions=[tag])
    (record,) = instance.fetch_materializations(filters, limit=1).records
    assert record.asset_materialization is not None  # noqa: S101  (a record of a materialization has one)
    return {name: value.value for name, value in record.asset_materialization.metadata.items()}


def _check_seconds(images: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    """Return the seconds of the images' checks, native and under QEMU, where the nodes record them."""
    return {
        QEMU if image["emulated"] else NATIVE: sum(image[f"seconds/{stage}"] for stage in CHECKS)
        for image in images
        if all(f"seconds/{stage}" in image for stage in CHECKS)
    }


def _why(instance: dg.DagsterInstance, run_id: str) -> str:
    records = instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.STEP_FAILURE).records
    events = [record.event_log_entry.dagster_event for record in records]
    return "\n".join(
        str(event.step_failure_data.error_display_string) for event in events if event is not None
    )


def _bytes_below(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
