"""github_releases: a release that is published on GitHub, by us or by a person, launches its images."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass

import dagster as dg
from pydantic import BaseModel

from release_assets.destinations import github
from release_assets.project import Project
from release_assets.release import ParsedTag, TagKind, TagPatterns, parse_tag
from release_assets.secrets import read_secret

TICK_SECONDS = 10

UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


class SeenReleases(BaseModel):
    """The sensor's cursor: tags that were dealt with, those that wait, and each page's ETag."""

    done: list[str]
    waiting: list[str]
    pages: list[github.Page]


@dataclass(frozen=True)
class ImagesDue:
    """Which releases get their images now, and which are looked at again on the next tick."""

    launch: list[str]
    waiting: list[str]
    done: list[str]


def images_due(
    published: Set[str],
    *,
    done: Set[str] | None,
    waiting: Set[str],
    ours: Set[str],
    built: Set[str],
    in_flight: Set[str],
    patterns: TagPatterns,
) -> ImagesDue:
    """Which of the `published` tags need their images built.

    `done` is None on the first look: what is published then is history, except for what this Dagster
    published itself (`ours`), whose images are due. `built` have their manifest list already, and
    `in_flight` are being built by a run that somebody launched by hand: whether that was enough is
    decided when it has ended. Tags that name no release are nobody's business.
    """
    releases = {tag for tag in published | waiting if _is_release(tag, patterns)}
    before = releases - ours if done is None else set(done)
    new = releases - before
    due = new - built
    return ImagesDue(
        launch=sorted(due - in_flight),
        waiting=sorted(due & in_flight),
        done=sorted(before | (new - (due & in_flight))),
    )


def _is_release(name: str, patterns: TagPatterns) -> bool:
    tag = parse_tag(name, patterns)
    return isinstance(tag, ParsedTag) and tag.kind is not TagKind.REBUILD


def github_releases(
    project: Project,
    partitions: dg.DynamicPartitionsDefinition,
    docker_job: dg.UnresolvedAssetJobDefinition,
) -> dg.SensorDefinition:
    """The sensor `<project>_github_releases`.

    A test release has no GitHub release: its images are due when its publication is recorded.
    """

    def key(name: str) -> dg.AssetKey:
        return dg.AssetKey([project.project, name])

    @dg.sensor(
        name=f"{project.project}_github_releases",
        job=docker_job,
        minimum_interval_seconds=TICK_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=f"Builds the images of releases published in {project.github.repository}.",
    )
    def sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        seen = SeenReleases.model_validate_json(context.cursor) if context.cursor else None
        # An error here fails the tick and keeps the cursor: an outage launches and forgets nothing.
        answer = github.published_releases(
            project.github.api_url,
            project.github.repository,
            read_secret(project.github.token_env) or None,
            seen.pages if seen else [],
            token_env=project.github.token_env,
        )
        instance = context.instance
        patterns = project.tags.patterns
        tests = {
            tag
            for tag in instance.get_materialized_partitions(key("pypi_publication"))
            if isinstance(parsed := parse_tag(tag, patterns), ParsedTag) and parsed.kind is TagKind.TEST
        }
        due = images_due(
            {release.tag for release in answer.releases} | tests,
            done=set(seen.done) if seen else None,
            waiting=set(seen.waiting) if seen else set(),
            ours=instance.get_materialized_partitions(key("github_release")) | tests,
            built=instance.get_materialized_partitions(key("manifest_list")),
            in_flight=_in_flight(instance, docker_job.name, key("manifest_list")),
            patterns=patterns,
        )
        if seen is None:
            context.log.info(f"first look: {len(due.done) - len(due.launch)} releases were there before")
        existing = set(instance.get_dynamic_partitions(str(partitions.name)))
        new = [tag for tag in due.launch if tag not in existing]
        return dg.SensorResult(
            run_requests=[dg.RunRequest(run_key=f"images {tag}", partition_key=tag) for tag in due.launch],
            dynamic_partitions_requests=[partitions.build_add_request(new)] if new else [],
            cursor=SeenReleases(
                done=due.done, waiting=due.waiting, pages=list(answer.pages)
            ).model_dump_json(),
        )

    return sensor


def _in_flight(instance: dg.DagsterInstance, docker_job: str, manifest_list: dg.AssetKey) -> set[str]:
    """The partitions whose manifest list an unfinished run is about to make.

    A run that a sensor launched has no selection: it makes everything in its job.
    """
    runs = instance.get_runs(dg.RunsFilter(statuses=UNFINISHED))
    return {
        tag
        for run in runs
        if (manifest_list in run.asset_selection if run.asset_selection else run.job_name == docker_job)
        if (tag := run.tags.get("dagster/partition")) is not None
    }
