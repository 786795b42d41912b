"""Random kills of a real stack in the middle of real releases, and what came of each release."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import dagster as dg
import psutil
from packaging.version import Version

from release_assets.rules.image_tags import floating_tags
from release_assets.rules.tags import Channel
from release_assets.run_launcher import is_alive, worker_of
from release_assets.sensors.github_releases import UNFINISHED
from release_assets_tests.maintainer import Maintainer, NewMaintainer, Stands
from tools.chaos.judge import wrong_with
from tools.chaos.matrix import DOCKERFILE, built_first
from tools.chaos.processes import kill_all, kill_everything_of
from tools.sandbox.stack import Stack

VICTIMS = ("worker", "tree", "stack")
# The nodes of both halves, and the seconds that they take on two cores, about.
HALVES = {
    "release": {"version": 1.0, "sdist": 3.0, "wheel": 3.0, "pypi_publication": 3.0, "github_release": 2.0},
    "docker": {
        "image_linux_amd64": 3.0,
        "image_linux_arm64": 3.0,
        "manifest_list": 1.0,
        "floating_tags": 1.0,
    },
}
CONVERGE_SECONDS = 420.0
# Within which a run whose worker died is retried: by Dagster, or by our sensor where Dagster lost it.
RETRIED_SECONDS = {"true": 120.0, "false": 10.0}  # by the value of Dagster's tag will_retry


@dataclass(frozen=True)
class Aim:
    """When to kill: in which half, and while which node is at work; None: at any instant of the half."""

    half: str
    node: str | None

    @classmethod
    def at_random(cls, random: random.Random) -> Aim:
        """Each half as often as the other, and every second time no node in particular."""
        half = random.choice(sorted(HALVES))
        return cls(half, random.choice([None, random.choice(list(HALVES[half]))]))

    @property
    def order(self) -> tuple[bool, int]:
        """The later of two is the one that a release comes to later."""
        return self.half == "docker", list(HALVES[self.half]).index(self.node) if self.node else 0

    @property
    def seconds(self) -> float:
        """Return about how many seconds its target lasts."""
        nodes = HALVES[self.half]
        return nodes[self.node] if self.node else sum(nodes.values())


@dataclass
class Kill:
    """A kill, what it hit, and in which release."""

    victim: str
    job: str  # which half was at work
    nodes: str  # that were at work at that moment
    release: str


@dataclass
class Release:
    """A release that was killed in its middle, perhaps several times, and what came of it."""

    version: str
    kills: list[Kill] = field(default_factory=list)
    seconds: float = 0.0  # from the last kill until all was there
    launched_again: int = 0  # runs that a maintainer had to launch: Dagster had given up its retries
    wrong: list[str] = field(default_factory=list)


class Lane:
    """A project with a Dagster of its own, whose releases are killed one after the other."""

    def __init__(
        self, new: NewMaintainer, stands: Stands, folder: Path, seed: int, say: Callable[[str], None]
    ) -> None:
        self.maintainer: Maintainer = new(stands, dockerfile=DOCKERFILE)
        self.maintainer.attributes["image"]["cache"] = "registry"
        self.name = self.maintainer.name
        definition = {"type": "release_assets.ReleaseGraph", "attributes": self.maintainer.attributes}
        self.stack = Stack.at(
            folder / f"{self.name}-stack",
            definitions={self.name: json.dumps(definition)},
            variables=self.maintainer.variables,
        )
        self.random = random.Random(seed)  # noqa: S311  (a seed that can be given again)
        self.say = say
        self.releases: list[Release] = []

    def run(self, enough: Callable[[], bool], victims: tuple[str, ...] = VICTIMS) -> None:
        """Release and kill until it is enough."""
        with self.stack.instance() as instance, _Daemon(self.stack) as daemon:
            self.stack.wait_for_first_ticks({f"{self.name}_release_tags", f"{self.name}_github_releases"})
            while not enough():
                self._release(instance, daemon, enough, victims)

    def floating_tags(self) -> list[str]:
        """Return the floating tags that the release at work may move."""
        newest = self.releases[-1:]
        return [tag for made in newest for tag in floating_tags(Version(made.version), Channel.STABLE)]

    def _release(
        self,
        instance: dg.DagsterInstance,
        daemon: _Daemon,
        enough: Callable[[], bool],
        victims: tuple[str, ...],
    ) -> None:
        release = Release(f"1.{len(self.releases)}.0")
        tag = f"v{release.version}"
        self.maintainer.tag(tag, release.version)
        self.releases.append(release)
        aims = sorted(
            (Aim.at_random(self.random) for _ in range(self.random.randint(1, 4))), key=lambda aim: aim.order
        )
        first: dict[str, str] = {}
        distributions = self.stack.home / "storage" / "release_assets" / "distributions"
        since = time.monotonic()
        while not self._is_complete(instance, tag):
            first = built_first(distributions, self.name, tag) | first
            run = self._at_work(instance, tag)
            if run is not None and aims and not enough():
                done = sum(len(made.kills) for made in self.releases)
                # Each of them once, whatever the seed.
                victim = victims[done] if done < len(victims) else self.random.choice(victims)
                aim, at_work = aims[0], run.job_name.rpartition("_")[2]
                if at_work == aim.half and self._kill(instance, daemon, run, release, victim, aim):
                    since = time.monotonic()
                if at_work == aim.half or at_work == "docker":
                    aims.pop(0)  # hit, or missed for good
            elif run is None and self._is_given_up(instance, tag):
                self._launch(tag, "docker" if self._has(instance, tag, "github_release") else "release")
                release.launched_again += 1
            if time.monotonic() - since > CONVERGE_SECONDS:
                release.wrong.append(f"lost: not complete {CONVERGE_SECONDS:.0f} s after the last kill")
                return
            time.sleep(0.3)
        release.seconds = time.monotonic() - since
        release.wrong += wrong_with(self.maintainer, release.version, first)
        self.say(
            f"{self.name} {release.version}: {len(release.kills)} kills, {release.seconds:.0f} s, "
            f"{release.wrong or 'whole'}"
        )

    def _kill(
        self,
        instance: dg.DagsterInstance,
        daemon: _Daemon,
        run: dg.DagsterRun,
        release: Release,
        victim: str,
        aim: Aim,
    ) -> bool:
        """Kill at a random moment of what is aimed at; whether the run was still at work then."""
        if aim.node is not None and not self._wait_for(instance, run, aim.node):
            return False
        time.sleep(self.random.uniform(0, aim.seconds))
        nodes = _nodes_at_work(instance, run)
        worker = worker_of(instance, run.run_id)
        now = instance.get_run_by_id(run.run_id)
        if now is None or now.is_finished or worker is None or not _lives(worker):
            return False
        if victim == "stack":
            kill_everything_of(self.stack.home)
        else:
            try:
                process = psutil.Process(worker[0])
                kill_all([process, *(process.children(recursive=True) if victim == "tree" else [])])
            except psutil.Error:
                return False  # it ended in this very moment
        release.kills.append(
            Kill(victim, aim.half, ", ".join(sorted(nodes)) or "between nodes", release.version)
        )
        if victim == "stack":
            daemon.restart()
        return True

    def _wait_for(self, instance: dg.DagsterInstance, run: dg.DagsterRun, node: str) -> bool:
        """Return when the node is at work; whether it is: the run may have ended before."""
        deadline = time.monotonic() + CONVERGE_SECONDS
        while time.monotonic() < deadline:
            if node in _nodes_at_work(instance, run):
                return True
            now = instance.get_run_by_id(run.run_id)
            if now is None or now.is_finished:
                return False
            time.sleep(0.05)
        return False

    def _at_work(self, instance: dg.DagsterInstance, tag: str) -> dg.DagsterRun | None:
        """Return the run of the tag that has a worker; one whose worker was killed is Dagster's to notice."""
        started = dg.RunsFilter(tags={"dagster/partition": tag}, statuses=[dg.DagsterRunStatus.STARTED])
        for run in instance.get_runs(started):
            worker = worker_of(instance, run.run_id)
            if worker is not None and _lives(worker):
                return run
        return None

    def _is_given_up(self, instance: dg.DagsterInstance, tag: str) -> bool:
        """Return True where the newest run has failed, and nobody has retried it: a maintainer's turn."""
        ours = dg.RunsFilter(tags={"dagster/partition": tag})
        unfinished = dg.RunsFilter(tags={"dagster/partition": tag}, statuses=UNFINISHED)
        records = instance.get_run_records(ours, limit=1)
        if not records or records[0].dagster_run.status is not dg.DagsterRunStatus.FAILURE:
            return False
        patience = RETRIED_SECONDS[records[0].dagster_run.tags.get("dagster/will_retry", "true")]
        return time.time() - (records[0].end_time or time.time()) > patience and not instance.get_runs(
            unfinished, limit=1
        )

    def _launch(self, tag: str, half: str) -> None:
        """Return what a maintainer does in the UI, on Dagster's command line: materialize the job again."""
        subprocess.run(
            [
                Path(sys.executable).with_name("dagster"), "job", "launch",
                "-m", "release_assets.definitions",
                "--job", f"{self.name}_{half}",
                "--tags", json.dumps({"dagster/partition": tag}),
            ],
            env=dict(self.stack.env), capture_output=True, timeout=120, check=True,
        )  # fmt: skip

    def _is_complete(self, instance: dg.DagsterInstance, tag: str) -> bool:
        return self._has(instance, tag, "floating_tags") and not instance.get_runs(
            dg.RunsFilter(tags={"dagster/partition": tag}, statuses=UNFINISHED), limit=1
        )

    def _has(self, instance: dg.DagsterInstance, tag: str, node: str) -> bool:
        return tag in instance.get_materialized_partitions(dg.AssetKey([self.name, node]))


class _Daemon:
    """The stack's daemon, which can be started again after it was killed."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._running = stack.daemon()

    def __enter__(self) -> _Daemon:
        self._running.__enter__()
        return self

    def restart(self) -> None:
        """After it was killed."""
        self._running.__exit__(None, None, None)
        (self._stack.home / "daemon.log").unlink(missing_ok=True)  # its first words say that it is ready
        self._running = self._stack.daemon()
        self._running.__enter__()

    def __exit__(self, *_: object) -> None:
        self._running.__exit__(None, None, None)
        kill_everything_of(self._stack.home)


def _nodes_at_work(instance: dg.DagsterInstance, run: dg.DagsterRun) -> list[str]:
    """Return the nodes of a run that have begun and not ended."""
    return [
        step.step_key.rpartition("__")[2]
        for step in instance.get_run_step_stats(run.run_id)
        if step.start_time is not None and step.end_time is None
    ]


def _lives(worker: tuple[int, float]) -> bool:
    """Process ids are used again within minutes here: a stranger with the same one must not be killed."""
    pid, since = worker
    return is_alive(pid, started_before=since)
