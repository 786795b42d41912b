"""The figures, from runs as they were observed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from release_assets.figures.compute import Figure, figures, is_warm
from release_assets.figures.observed import Checked, Half, Made, ObservedRun, State

DAY = 86400.0


def run(
    half: Half, tag: str, state: State = "success", *, at: float = 0.0, seconds: float = 60.0
) -> ObservedRun:
    made = {"pypi_publication": Made(at), "manifest_list": Made(at)}
    return ObservedRun(
        f"{half} {tag} {at}",
        half,
        tag,
        state,
        at,
        at,
        at + seconds,
        made=made,
    )


def hit(rate: float) -> Checked:
    return Checked("image_linux_amd64", "cache_hit_rate", True, True, metadata={"cache_hit_rate": rate})


def figure(runs: list[ObservedRun], name: str, now: float = 0.0, **labels: str) -> Figure:
    [found] = [one for one in figures(runs, now) if one.name == name and labels.items() <= one.labels.items()]
    return found


def test_a_killed_run_counts_and_a_canceled_one_does_not() -> None:
    runs = [
        run("release", "v1"),
        run("release", "v2", "failure"),
        run("release", "v3", "canceled"),
        run("release", "v4", "unfinished"),
    ]
    rate = figure(runs, "success_ratio", half="release")
    assert (rate.value, rate.samples, rate.target, rate.is_met) == (0.5, 2, 0.99, False)
    assert figure(runs, "success_ratio", half="docker").value is None


def test_without_any_run_no_figure_misses_its_target() -> None:
    for found in figures([], 0.0):
        assert found.value in {None, 0.0}
        assert found.is_met is None


def test_a_run_is_warm_where_half_of_what_could_be_cached_was() -> None:
    build = run("docker", "v1")
    assert not is_warm(build)
    assert not is_warm(replace(build, checks=[hit(0.9), hit(0.4)]))
    assert is_warm(replace(build, checks=[hit(0.9), hit(0.5)]))


def test_durations_are_medians_of_successes_next_to_the_worst() -> None:
    runs = [
        run("docker", "v1", seconds=800),
        replace(run("docker", "v2", seconds=100), checks=[hit(1.0)]),
        replace(run("docker", "v3", seconds=300), checks=[hit(0.8)]),
        replace(run("docker", "v4", "failure", seconds=5000), checks=[hit(0.8)]),
    ]
    warm = figure(runs, "run_duration_seconds", half="docker", cache="warm")
    assert (warm.value, warm.worst, warm.samples, warm.is_met) == (200, 300, 2, False)
    cold = figure(runs, "run_duration_seconds", half="docker", cache="cold")
    assert (cold.value, cold.is_met) == (800, True)


def test_the_cache_hit_rate_leaves_out_builds_that_could_not_hit() -> None:
    first = replace(run("docker", "v1"), checks=[Checked("image_linux_amd64", "cache_hit_rate", True, True)])
    second = replace(run("docker", "v2"), checks=[hit(0.9), hit(0.7)])
    rate = figure([first, second], "cache_hit_ratio")
    assert rate.value == pytest.approx(0.8)
    assert (rate.samples, rate.worst) == (2, 0.7)


def test_lead_time_runs_from_the_commit_to_the_first_publication() -> None:
    first = replace(run("release", "v1", "failure"), made={"version": Made(10, {"committed": 5.0})})
    second = replace(run("release", "v1", at=100), made={"pypi_publication": Made(150)})
    again = replace(run("release", "v1", at=900), made={"pypi_publication": Made(950)})
    assert figure([first, second, again], "lead_time_seconds").value == 145


def test_recovery_runs_from_first_failure_to_next_success() -> None:
    runs = [
        run("release", "v1", "failure", at=0, seconds=10),
        run("release", "v1", "failure", at=50, seconds=10),
        run("docker", "v0", at=60, seconds=10),
        run("release", "v2", at=100, seconds=10),
        run("release", "v3", at=900, seconds=10),
    ]
    recovery = figure(runs, "recovery_time_seconds")
    assert (recovery.value, recovery.samples) == (100, 1)


def test_retries_are_counted_by_destination() -> None:
    runs = [
        replace(run("release", "v1"), retries={"pypi_publication": 2, "github_release": 1}),
        replace(run("docker", "v1"), retries={"image_linux_arm64": 1, "floating_tags": 1, "version": 3}),
    ]
    counts = {one.labels["destination"]: one.value for one in figures(runs, 0.0) if one.name == "retries"}
    assert counts == {"build": 0, "git": 3, "github": 1, "index": 2, "registry": 2}


def test_a_base_image_is_as_old_as_its_first_build() -> None:
    def build(tag: str, day: float, digest: str) -> ObservedRun:
        metadata = {"base_images": [{"image": "python:3.12", "digest": digest}]}
        return replace(
            run("docker", tag, at=day * DAY), made={"image_linux_amd64": Made(day * DAY, metadata)}
        )

    old = [build("v1", 0, "sha256:a"), build("v2", 10, "sha256:a")]
    assert figure(old, "base_image_age_seconds", now=30 * DAY).value == 30 * DAY
    fresh = [*old, build("v3", 25, "sha256:b")]
    assert figure(fresh, "base_image_age_seconds", now=30 * DAY).value == 5 * DAY


def test_a_run_that_waits_for_an_approval_is_no_duration() -> None:
    waits = replace(run("release", "v1", seconds=5), made={"wheel": Made(3)})
    assert figure([waits, run("release", "v2")], "run_duration_seconds", half="release").value == 60


def test_uploads_count_where_something_was_uploaded() -> None:
    uploaded = replace(run("release", "v1"), made={"pypi_publication": Made(1, {"seconds/upload": 12.5})})
    resumed = replace(run("release", "v2"), made={"pypi_publication": Made(1)})
    assert figure([uploaded, resumed], "upload_duration_seconds").value == 12.5
