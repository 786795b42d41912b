"""Look at published releases again: the job of the audit and its schedule."""

# No `from __future__ import annotations` here: Dagster reads the annotation of `context` as a type.
import shutil
from collections.abc import Mapping
from typing import Any

import dagster as dg

from release_assets.audit.bases import judged
from release_assets.audit.drift import drift
from release_assets.audit.fresh_bases import changed_bases, fresh_bases
from release_assets.audit.recorded import newest_release, recorded_releases
from release_assets.checks.audit import BASE_IMAGE, DRIFT
from release_assets.destinations import cosign, git
from release_assets.destinations.registry import parse_repository
from release_assets.errors import ReleaseError
from release_assets.nodes.failures import RETRY_POLICY
from release_assets.nodes.image_step import docker_environment, image_name, observing_registry
from release_assets.nodes.release_check import Found
from release_assets.nodes.step import Step
from release_assets.planning.observed import Seen
from release_assets.planning.records import recorded_metadata
from release_assets.planning.world import (
    observe_github,
    observe_images,
    observe_index,
    step_of,
)
from release_assets.process import environment
from release_assets.project import Image, Project
from release_assets.rules.daily import cron_at
from release_assets.rules.tags import ParsedTag, Release, channel_of
from release_assets.sensors.release_half import UNFINISHED
from release_assets.text import printable, redact


def audit(
    project: Project,
    partitions: dg.DynamicPartitionsDefinition,
    docker_job: "dg.UnresolvedAssetJobDefinition | None",
) -> dg.Definitions:
    """Return the job `<project>_audit`, its schedule, and `<project>_fresh_bases` where the YAML has it."""
    name = f"{project.project}_audit"

    @dg.op(name=f"{name}_op", retry_policy=RETRY_POLICY)
    def look_again(context: dg.OpExecutionContext) -> None:
        try:
            _audit(project, str(partitions.name), context)
        except ReleaseError as error:
            raise dg.Failure(f"{error.problem}\n\nWhat to do: {error.remedy}") from None

    @dg.job(
        name=name,
        description=(
            "Asks every destination for the last releases and compares them with what was recorded. "
            "Differences are failed checks of the release's nodes. Nothing is repaired."
        ),
        executor_def=dg.in_process_executor,
    )
    def job() -> None:
        look_again()

    schedules: list[dg.ScheduleDefinition] = []
    if (cron := cron_at(project.project, project.audit.schedule, 0)) is not None:
        schedules.append(
            dg.ScheduleDefinition(
                name=name, job=job, cron_schedule=cron, default_status=dg.DefaultScheduleStatus.RUNNING
            )
        )
    rebuild_cron = cron_at(project.project, project.audit.schedule, 30)
    if project.image is not None and project.audit.rebuild and docker_job is not None and rebuild_cron:
        schedules.append(fresh_bases(project, project.image, str(partitions.name), docker_job, rebuild_cron))
    return dg.Definitions(jobs=[job], schedules=schedules)


def _audit(project: Project, partitions: str, context: dg.OpExecutionContext) -> None:
    """Look at the last releases and record what each check finds. Raises a ReleaseError without git."""
    instance = context.instance
    remote_tags = git.observe_tags(project.repository)
    releases = recorded_releases(project, instance, partitions)[: project.audit.releases]
    drifted = 0
    for parsed in releases:
        unfinished = instance.get_runs(
            dg.RunsFilter(statuses=UNFINISHED, tags={"dagster/partition": parsed.name}), limit=1
        )
        if unfinished:
            context.log.info(f"{parsed.name} is left out: run {unfinished[0].run_id} is at work on it")
            continue
        found = _look(project, parsed, remote_tags, instance)
        for node, result in found.items():
            _report(project, context, node, DRIFT.name, parsed.name, result)
            if result.state != "ok":
                drifted += 1
                context.log.warning(f"{parsed.name}: {node}: {printable(result.words)}")
    image, newest = project.image, newest_release(project, instance, partitions)
    if image is not None and newest is not None:
        changed, hidden = changed_bases(project, image, instance, newest)
        for reason in hidden:
            context.log.warning(f"a base image cannot be looked at: {printable(reason)}")
        for node, bases in changed.items():
            result = judged(newest, project.project, bases)
            _report(project, context, node, BASE_IMAGE.name, newest, result)
            if result.state != "ok":
                context.log.warning(f"{newest}: {node}: {result.words}. {result.remedy}")
    context.log.info(f"{len(releases)} releases were looked at; {drifted} nodes differ from their records")


def _look(
    project: Project, tag: ParsedTag, remote_tags: Mapping[str, str], instance: dg.DagsterInstance
) -> dict[str, Found]:
    images = [image_name(platform) for platform in project.image.platforms] if project.image else []
    places = project.image.places if project.image else []
    lists = [place.manifest_list_node for place in places]
    nodes = [*project.package.distributions, "pypi_publication", "github_release", *lists, *images]
    recorded = {node: recorded_metadata(instance, project, node, tag.name) for node in nodes}
    commit = remote_tags.get(tag.name) or str(recorded["pypi_publication"].get("commit", ""))
    release = Release(tag.name, tag.version, commit, channel_of(tag.kind, tag.version))
    step = step_of(project, tag.name, {**remote_tags, tag.name: commit}, instance)
    kept = step.store.find("sdist")
    name = kept.name if kept is not None else project.package.name or _recorded_name(recorded)
    seen = Seen(
        release=release,
        index=observe_index(project, release, name),
        github=observe_github(project, release),
        images=observe_images(project, places[0], release, remote_tags) if places else None,
        mirrors={
            place.repository: observe_images(project, place, release, remote_tags) for place in places[1:]
        },
    )
    signed = {
        place.manifest_list_node: _is_signed(step, place, recorded[place.manifest_list_node].get("digest"))
        for place in places
    }
    found = drift(
        project,
        seen,
        recorded,
        tag_now=remote_tags.get(tag.name),
        is_signed=signed.pop("manifest_list", None),
        mirrors_signed=signed,
    )
    secrets = step.secrets
    return {
        node: Found(one.state, redact(one.words, secrets), one.remedy.replace("TAG", tag.name))
        for node, one in found.items()
    }


def _recorded_name(recorded: Mapping[str, Mapping[str, Any]]) -> str | None:
    """Return the distribution's name by the recorded `pip install NAME==VERSION`."""
    install = str(recorded["pypi_publication"].get("install", ""))
    return install.removeprefix("pip install ").partition("==")[0] or None


def _is_signed(step: Step, image: Image, digest: Any) -> bool | None:
    """Return whether the manifest list is signed, None where nobody can tell."""
    if image.sign is None or digest is None:
        return None
    how, registry = image.sign, observing_registry(image)
    try:
        if how.key_env is None:
            return registry.manifest(f"{str(digest).replace(':', '-')}.sig") is not None
        if not step.has_secret(how.key_env) or shutil.which("cosign", path=environment()["PATH"]) is None:
            return None
        password = step.secret(how.password_env, "the key") if step.has_secret(how.password_env) else ""
        key = cosign.Key(step.secret(how.key_env, "the signature"), password, how.key_env)
        reference = parse_repository(image.repository).reference(str(digest))
        with docker_environment(step, image) as env:
            return cosign.is_signed(reference, key, env, secrets=step.secrets, allow_http=image.allow_http)
    except ReleaseError:
        return None


def _report(
    project: Project, context: dg.OpExecutionContext, node: str, check: str, tag: str, found: Found
) -> None:
    """Record what a check of a node found for a release, as if the node itself had reported it.

    In the run's log: Dagster stores an event without a run only once for each check and partition.
    """
    context.log_event(
        dg.AssetCheckEvaluation(  # type: ignore[arg-type]  # taken as well, and not declared
            asset_key=dg.AssetKey([project.project, node]),
            check_name=check,
            passed=found.state == "ok",
            severity=found.severity,
            description=printable(found.description),
            blocking=False,
            partition=tag,
        )
    )
