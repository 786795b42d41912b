"""What the commands share that start a run: which project, whose turn it is, and what came of it."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence

import click
import dagster as dg

from release_assets.definitions import declarations, projects_folder
from release_assets.errors import ReleaseError
from release_assets.graph import build_release_graph
from release_assets.project import Project
from release_assets.release import ParsedTag, TagKind, parse_tag
from release_assets.sensors.github_releases import UNFINISHED

TURN_SECONDS = 900.0  # for a run of the same project to end


def declared_projects() -> dict[str, Project]:
    """Return the valid projects by name; what is wrong with the others goes to standard error."""
    projects, errors = declarations()
    for error in errors:
        click.echo(f"{error.problem}\n{error.remedy}", err=True)
    return projects


def declared_project(name: str | None) -> Project:
    """Return the project of this name, or the only one. Raises UsageError naming those that there are."""
    projects, errors = declarations()
    if name is None and len(projects) == 1 and not errors:
        return next(iter(projects.values()))
    if name in projects:
        return projects[name]
    if errors:
        raise click.UsageError("\n".join(f"{error.problem}\n{error.remedy}" for error in errors))
    known = ", ".join(projects) or f"none in {projects_folder()}, see RELEASE_ASSETS_DEFS"
    raise click.UsageError(f"choose a project with --project; there are {known}")


def release_tag(project: Project, tag: str) -> str:
    """The tag, if it names a release of the project. Raises UsageError."""
    parsed = parse_tag(tag, project.tags.patterns)
    if not isinstance(parsed, ParsedTag) or parsed.kind is TagKind.REBUILD:
        raise click.UsageError(
            f"{tag!r} names no release: tags of {project.project} are written {project.tags.release!r} or "
            f"{project.tags.test!r}"
        )
    return tag


def docker_job(project: str) -> dg.JobDefinition:
    """The docker job of a project in JSON; the processes of its steps make it again from that."""
    declared = Project.model_validate_json(project)
    return build_release_graph(declared).resolve_job_def(f"{declared.project}_docker")


def run_docker_job(
    project: Project, tag: str, nodes: Sequence[str], tags: Mapping[str, str]
) -> dict[str, dict[str, object]]:
    """Materialize some nodes of the docker job for a release, here and now, and record it in DAGSTER_HOME.

    Waits until no other run of the project is at work, as Dagster's queue does. Returns each node's metadata
    as plain values. Raises ReleaseError with the words of the nodes that failed.
    """
    if project.image is None:
        raise click.UsageError(f"{project.project} declares no image")
    if not os.environ.get("DAGSTER_HOME"):
        raise click.UsageError("DAGSTER_HOME is not set: without it nothing of this would be recorded")
    with dg.DagsterInstance.get() as instance:
        _wait_for_turn(instance, project)
        instance.add_dynamic_partitions(f"{project.project}_releases", [tag])
        with _output_is_progress():
            result = dg.execute_job(
                dg.build_reconstructable_job(__name__, "docker_job", (project.model_dump_json(),)),
                instance=instance,
                tags={"dagster/partition": tag, **tags},
                asset_selection=[dg.AssetKey([project.project, node]) for node in nodes],
            )
        failures = [
            f"{(event.step_key or '').rpartition('__')[2]}: {data.description}"
            for event in result.all_events
            if event.event_type_value == "STEP_FAILURE"
            and (data := event.step_failure_data.user_failure_data) is not None
        ]
        if not result.success:
            raise ReleaseError(
                "\n".join(failures) or f"run {result.run_id} failed",
                f"Run {result.run_id} in Dagster's UI shows the rest.",
            )
        return {
            event.asset_key.path[-1]: {
                name: value.value
                for name, value in event.step_materialization_data.materialization.metadata.items()
            }
            for event in result.all_events
            if event.event_type_value == "ASSET_MATERIALIZATION" and event.asset_key is not None
        }


@contextlib.contextmanager
def _output_is_progress() -> Iterator[None]:
    """What steps print goes to standard error inside the block; standard output is for the answer."""
    sys.stdout.flush()
    answer = os.dup(1)
    try:
        os.dup2(2, 1)
        yield
    finally:
        sys.stdout.flush()
        os.dup2(answer, 1)
        os.close(answer)


def _wait_for_turn(instance: dg.DagsterInstance, project: Project) -> None:
    """Return when no run of the project is at work: Dagster's pools count runs of its own queue only."""
    deadline = time.monotonic() + TURN_SECONDS
    said = False
    while at_work := _at_work(instance, project):
        if time.monotonic() > deadline:
            raise ReleaseError(
                f"run {at_work} of {project.project} has not ended within {TURN_SECONDS:.0f} s",
                "End it in Dagster's UI, or try again when it has ended.",
            )
        if not said:
            click.echo(f"waiting for run {at_work} of {project.project} to end", err=True)
            said = True
        time.sleep(1)


def _at_work(instance: dg.DagsterInstance, project: Project) -> str | None:
    """The id of an unfinished run of the project, None where there is none."""
    jobs = {f"{project.project}_release", f"{project.project}_docker"}
    for run in instance.get_runs(dg.RunsFilter(statuses=UNFINISHED)):
        if run.job_name in jobs or any(key.path[0] == project.project for key in run.asset_selection or ()):
            return run.run_id
    return None
