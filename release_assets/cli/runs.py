"""The parts of the commands that start a run: which project, which release, and what came of the run."""

from __future__ import annotations

import contextlib
import difflib
import os
import tempfile
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import dagster as dg
from rich.markup import escape

from release_assets.cli.follow import Display, follow
from release_assets.cli.interruptions import Interruptions, interruptions
from release_assets.cli.launch import Launcher, launcher
from release_assets.cli.run_view import Reason, RunView
from release_assets.cli.terminal import display, node_lines, print_lines
from release_assets.definitions import declarations, projects_folder
from release_assets.destinations import git
from release_assets.errors import ReleaseError
from release_assets.project import Project
from release_assets.rules.pointers import pointers
from release_assets.rules.tags import ParsedTag, Release, TagKind, channel_of, parse_tag

END_SECONDS = 60.0  # for a run to end when it is told to, as cancel_timeout_seconds in dagster.yaml
NEAREST = 3


def declared_projects() -> dict[str, Project]:
    """Return the valid projects by name; what is wrong with the others goes to standard error."""
    projects, errors = declarations()
    for error in errors:
        click.echo(f"{error.problem}\n{error.remedy}", err=True)
    return projects


def declared_project(name: str | None) -> Project:
    """Return the project of this name, or the only one there is. Raises UsageError naming the nearest."""
    projects, errors = declarations()
    if name is None and len(projects) == 1 and not errors:
        return next(iter(projects.values()))
    if name in projects:
        return projects[name]
    if errors:
        raise click.UsageError("\n".join(f"{error.problem}\n{error.remedy}" for error in errors))
    if not projects:
        raise click.UsageError(
            f"There is no project in {projects_folder()}. Set RELEASE_ASSETS_DEFS to a directory with one "
            "subdirectory per project, each with a defs.yaml."
        )
    if name is None:
        raise click.UsageError(f"Choose a project with --project: {', '.join(sorted(projects))}.")
    raise click.UsageError(f"There is no project {name!r}. {nearest(name, projects)}")


def nearest(name: str, known: Collection[str]) -> str:
    """Return a sentence with the nearest known name and with all of them, where they are few."""
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"Did you mean {near[0]!r}? " if near else ""
    return f"{hint}There are: {', '.join(sorted(known))}."


def release_of(project: Project, tag: str) -> tuple[Release, dict[str, str]]:
    """Return the release that a tag makes and all of the remote's tags, before anything is recorded.

    Raises UsageError naming the nearest tags where the remote has no such release, ReleaseError where the
    remote cannot be reached.
    """
    tags = git.observe_tags(project.repository)
    parsed = parse_tag(tag, project.tags.patterns)
    if tag in tags and isinstance(parsed, ParsedTag) and parsed.kind is not TagKind.REBUILD:
        return Release(tag, parsed.version, tags[tag], channel_of(parsed.kind, parsed.version)), tags
    releases = release_tags(project, tags)
    near = difflib.get_close_matches(tag, releases, n=NEAREST)
    words = f"{project.repository} has no release tag {tag!r}."
    if near:
        words += f" The nearest: {', '.join(near)}."
    if releases:
        words += f" There are {len(releases)} release tags, the newest {releases[0]}."
    else:
        words += f" Release tags of {project.project} are written {project.tags.release!r}."
    raise click.UsageError(words)


def refuse_pointer(project: Project, tag: str, tags: Mapping[str, str]) -> None:
    """Raise UsageError for a tag such as `v1` that points to the commit of the release `v1.2.3`."""
    target = pointers(tags, project.tags.patterns).get(tag)
    if target is not None:
        raise click.UsageError(f"{tag!r} is not a release: it points to {target!r}. Name that tag.")


def observed_releases(project: Project) -> tuple[list[Release], dict[str, str]]:
    """Return all releases that the remote has a tag for, the highest version first, and all of its tags."""
    tags = git.observe_tags(project.repository)
    found = []
    for name in release_tags(project, tags):
        parsed = parse_tag(name, project.tags.patterns)
        if isinstance(parsed, ParsedTag):
            channel = channel_of(parsed.kind, parsed.version)
            found.append(Release(name, parsed.version, tags[name], channel))
    return found, tags


def release_tags(project: Project, tags: Collection[str]) -> list[str]:
    """Return the names of those tags that make a release, the highest version first."""
    parsed = (parse_tag(name, project.tags.patterns) for name in tags)
    releases = [tag for tag in parsed if isinstance(tag, ParsedTag) and tag.kind is not TagKind.REBUILD]
    return [tag.name for tag in sorted(releases, key=lambda tag: (tag.version, tag.name), reverse=True)]


@contextlib.contextmanager
def dagster_instance() -> Iterator[dg.DagsterInstance]:
    """Yield the instance of DAGSTER_HOME. Raises UsageError where there is none."""
    home = os.environ.get("DAGSTER_HOME")
    if not home:
        raise click.UsageError(
            "DAGSTER_HOME is unset, so nothing of this would be recorded. Set it to the directory where "
            "Dagster keeps its records."
        )
    if not Path(home).is_dir() or not Path(home).is_absolute():
        raise click.UsageError(
            f"DAGSTER_HOME={home!r} is not an absolute path of a directory. Create the directory and copy "
            "dagster.yaml there."
        )
    with dg.DagsterInstance.get() as instance:
        yield instance


@contextlib.contextmanager
def records_instance() -> Iterator[dg.DagsterInstance]:
    """Yield the instance of DAGSTER_HOME to look at; without one, an empty one that is thrown away."""
    if os.environ.get("DAGSTER_HOME"):
        with dagster_instance() as instance:
            yield instance
        return
    with (
        tempfile.TemporaryDirectory(prefix="release-assets-") as folder,
        dg.DagsterInstance.ephemeral(tempdir=folder) as instance,
    ):
        yield instance


@dataclass(frozen=True)
class Runs:
    """Starts runs of one project and shows how they go."""

    project: Project
    launcher: Launcher
    display: Display
    interruptions: Interruptions

    @property
    def instance(self) -> dg.DagsterInstance:
        """The instance that records the runs."""
        return self.launcher.instance

    def run(self, job: str, tag: str, *, nodes: Sequence[str] = (), tags: Mapping[str, str]) -> RunView:
        """Run a job for a release, or some of its nodes, to its end. Raises ReleaseError where it fails."""
        self.instance.add_dynamic_partitions(f"{self.project.project}_releases", [tag])
        keys = [dg.AssetKey([self.project.project, node]) for node in nodes]
        return self.follow(self.launcher.launch(job, tag, nodes=keys, tags=tags))

    def follow(self, run_id: str) -> RunView:
        """Follow a run to its end; Ctrl-C ends it. Raises ReleaseError where it fails."""
        try:
            self.interruptions.check()
            view = follow(self.launcher, self.project.project, run_id, self.display)
        except KeyboardInterrupt:
            raise self._ended(run_id) from None
        if not view.is_success:
            raise RunFailedError(view)
        return view

    def _ended(self, run_id: str) -> ReleaseError:
        """End a run that a person interrupted; return the error that says what is safe."""
        self.display.say(f"ending run {run_id}; a second Ctrl-C does not wait for it")
        refusal = self.launcher.terminate(run_id)
        deadline = time.monotonic() + END_SECONDS
        while time.monotonic() < deadline:
            run = self.instance.get_run_by_id(run_id)
            if run is None or run.is_finished:
                return ReleaseError(
                    f"run {run_id} was ended by you",
                    "What was published stays, and nothing is half-written. Run the same command again: it "
                    "continues from there.",
                )
            time.sleep(0.2)
        return ReleaseError(
            f"run {run_id} has not ended within {END_SECONDS:.0f} s{f': {refusal}' if refusal else ''}",
            "Terminate it in Dagster's UI before you run the same command again.",
        )


class RunFailedError(ReleaseError):
    """A run failed: the reasons of its nodes."""

    def __init__(self, view: RunView) -> None:
        """Take the reasons from the run's events."""
        self.view = view
        failures = view.failures or {f"run {view.run_id}": Reason(f"it ended as {view.status.value}", "")}
        problem = "\n".join(f"{name} failed: {reason.problem}" for name, reason in failures.items())
        remedies = dict.fromkeys(reason.remedy for reason in failures.values() if reason.remedy)
        super().__init__(problem, "\n".join(remedies) or f"Run {view.run_id} in Dagster's UI shows the rest.")


@contextlib.contextmanager
def runs_of(project: Project, *, verbose: bool) -> Iterator[Runs]:
    """Yield what runs the project's jobs, with a log of every event where it is `verbose`.

    Where a run fails, its reason is printed, then how far its nodes came; the exit status is 1.
    """
    try:
        with (
            interruptions() as interrupted,
            dagster_instance() as instance,
            launcher(instance, project.project, interrupted) as launches,
            display(verbose=verbose) as shown,
        ):
            yield Runs(project, launches, shown, interrupted)
    except RunFailedError as error:
        print_lines([escape(line) for line in str(error).splitlines()], stderr=True)
        if shown.is_live:  # else each line was printed when its node ended
            print_lines(["", *node_lines(error.view, time.time())], stderr=True)
        raise click.exceptions.Exit(1) from None
