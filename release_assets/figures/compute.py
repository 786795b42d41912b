"""The figures of a project's last releases, computed from observed runs. Pure: no clock, no server."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from release_assets.figures.observed import Half, Made, ObservedRun

SUCCESS_TARGETS: dict[Half, float] = {"release": 0.99, "docker": 0.95}
RELEASE_SECONDS = 180.0
COLD_SECONDS = 900.0
WARM_SECONDS = 120.0
UPLOAD_SECONDS = 60.0
HIT_RATE = 0.8
LOW_HIT_RATE = 0.5  # of the steps of a build: below it, the cache was cold

DESTINATIONS = {
    "version": "git",
    "sdist": "build",
    "wheel": "build",
    "pypi_publication": "index",
    "github_release": "github",
    "manifest_list": "registry",
    "floating_tags": "registry",
}


@dataclass(frozen=True)
class Figure:
    """A figure: its name and labels as Prometheus has them, the value in base units, and its target."""

    name: str  # without the prefix release_assets_
    title: str
    help: str
    value: float | None  # None: nothing was recorded that it could be computed from
    samples: int
    labels: Mapping[str, str] = field(default_factory=dict)
    target: float | None = None
    worst: float | None = None

    @property
    def is_ratio(self) -> bool:
        """Return whether the value is a part of 1, of which more is better."""
        return self.name.endswith("_ratio")

    @property
    def is_met(self) -> bool | None:
        """Return whether the value reaches its target; None without a value or a target."""
        if self.value is None or self.target is None:
            return None
        return self.value >= self.target if self.is_ratio else self.value <= self.target


def figures(runs: Sequence[ObservedRun], now: float) -> list[Figure]:
    """Return the figures of these runs; `now` is in seconds since 1970.

    A killed run is a failed one. A run that a person ended counts neither as success nor as failure.
    """
    runs = sorted(runs, key=lambda run: run.created)
    release = [run for run in runs if run.half == "release"]
    docker = [run for run in runs if run.half == "docker"]
    return [
        _success("release", release),
        _success("docker", docker),
        _median(
            "run_duration_seconds",
            "release duration",
            "Median duration of successful runs over the last releases.",
            _seconds(release),
            target=RELEASE_SECONDS,
            labels={"half": "release", "cache": "none"},
        ),
        _median(
            "run_duration_seconds",
            "docker duration, cold cache",
            "Median duration of successful runs over the last releases.",
            _seconds(run for run in docker if not is_warm(run)),
            target=COLD_SECONDS,
            labels={"half": "docker", "cache": "cold"},
        ),
        _median(
            "run_duration_seconds",
            "docker duration, warm cache",
            "Median duration of successful runs over the last releases.",
            _seconds(run for run in docker if is_warm(run)),
            target=WARM_SECONDS,
            labels={"half": "docker", "cache": "warm"},
        ),
        _median(
            "upload_duration_seconds",
            "upload",
            "Median duration of uploads to the package index over the last releases.",
            list(_uploads(release)),
            target=UPLOAD_SECONDS,
        ),
        _hit_rate(docker),
        _median(
            "lead_time_seconds",
            "lead time",
            "Median time from the tagged commit to its publication over the last releases.",
            list(_lead_times(release)),
        ),
        _median(
            "recovery_time_seconds",
            "recovery time",
            "Median time from a failed run to the next successful one of the same half.",
            [*_recoveries(release), *_recoveries(docker)],
        ),
        *_retries(runs),
        _base_images(docker, now),
    ]


def is_warm(run: ObservedRun) -> bool:
    """Return whether at least half of the steps that the cache could have had came from it."""
    rates = _hit_rates(run)
    return bool(rates) and min(rates) >= LOW_HIT_RATE


def _hit_rates(run: ObservedRun) -> list[float]:
    """Return the hit rate of each image; no rate where no step could come from the cache."""
    return [
        float(check.metadata["cache_hit_rate"])
        for check in run.checks
        if check.check == "cache_hit_rate" and "cache_hit_rate" in check.metadata
    ]


def _success(half: Half, runs: Sequence[ObservedRun]) -> Figure:
    ended = [run for run in runs if run.state in {"success", "failure"}]
    succeeded = sum(run.state == "success" for run in ended)
    return Figure(
        "success_ratio",
        f"{half} success rate",
        "Part of the ended runs of the last releases that succeeded.",
        succeeded / len(ended) if ended else None,
        len(ended),
        {"half": half},
        SUCCESS_TARGETS[half],
    )


def _median(
    name: str,
    title: str,
    help_text: str,
    values: Sequence[float],
    *,
    labels: Mapping[str, str] | None = None,
    target: float | None = None,
) -> Figure:
    return Figure(
        name,
        title,
        help_text,
        statistics.median(values) if values else None,
        len(values),
        labels or {},
        target,
        max(values, default=None),
    )


def _seconds(runs: Iterable[ObservedRun]) -> list[float]:
    return [
        run.seconds
        for run in runs
        if run.state == "success" and run.has_published and run.seconds is not None
    ]


def _number(node: Made | None, name: str) -> float | None:
    value = node.metadata.get(name) if node is not None else None
    return float(value) if isinstance(value, int | float) else None


def _uploads(runs: Iterable[ObservedRun]) -> Iterator[float]:
    for run in runs:
        if (seconds := _number(run.made.get("pypi_publication"), "seconds/upload")) is not None:
            yield seconds


def _hit_rate(runs: Iterable[ObservedRun]) -> Figure:
    rates = [rate for run in runs for rate in _hit_rates(run)]
    return Figure(
        "cache_hit_ratio",
        "cache hit rate",
        "Mean part of the build steps that could come from the cache and did, over the last releases.",
        statistics.fmean(rates) if rates else None,
        len(rates),
        target=HIT_RATE,
        worst=min(rates, default=None),
    )


def _lead_times(runs: Iterable[ObservedRun]) -> Iterator[float]:
    """Yield the seconds from the commit to the first publication of each release."""
    committed: dict[str, float] = {}
    published: dict[str, float] = {}
    for run in runs:
        if (at := _number(run.made.get("version"), "committed")) is not None:
            committed[run.tag] = at
        if (publication := run.made.get("pypi_publication")) is not None:
            published.setdefault(run.tag, publication.at)
    for tag in published.keys() & committed.keys():
        yield max(0.0, published[tag] - committed[tag])


def _recoveries(runs: Iterable[ObservedRun]) -> Iterator[float]:
    """Yield the seconds from the first failure to the next success, which may be another release's."""
    failed: float | None = None
    ended = (run for run in runs if run.ended is not None)
    for run in sorted(ended, key=lambda run: run.ended or 0.0):
        if run.state == "failure" and failed is None:
            failed = run.ended
        elif run.state == "success" and failed is not None:
            yield (run.ended or failed) - failed
            failed = None


def _retries(runs: Iterable[ObservedRun]) -> list[Figure]:
    counts: Counter[str] = Counter()
    total = 0
    for run in runs:
        total += 1
        for node, retries in run.retries.items():
            counts[_destination(node)] += retries
    return [
        Figure(
            "retries",
            f"retries, {destination}",
            "Steps that were repeated within a run, over the last releases.",
            float(counts[destination]),
            total,
            {"destination": destination},
        )
        for destination in sorted({*DESTINATIONS.values()})
    ]


def _destination(node: str) -> str:
    """Return what a node works with: a build for every kind of wheel, the registry for images."""
    return DESTINATIONS.get(node, "build" if "wheel" in node else "registry")


def _base_images(runs: Sequence[ObservedRun], now: float) -> Figure:
    """Return for how long the oldest base image of the newest build has been in use.

    That is a lower bound of its age: it is counted from the first of these runs that built from its digest.
    """
    first: dict[tuple[str, str], float] = {}
    newest: dict[str, dict[str, str]] = {}
    for run in runs:
        for node, made in run.made.items():
            rows = made.metadata.get("base_images")
            if not node.startswith("image_") or not isinstance(rows, list):
                continue
            newest[node] = {}
            for row in rows:
                image, digest = str(row["image"]), str(row["digest"])
                first.setdefault((image, digest), made.at)
                newest[node][image] = digest
    ages = [now - first[one] for bases in newest.values() for one in bases.items()]
    return Figure(
        "base_image_age_seconds",
        "age of the oldest base image",
        "Time since the oldest base image of the newest build was first built from.",
        max(ages, default=None),
        len(ages),
    )
