"""Alerts in words, from observed runs. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from release_assets.figures.observed import ObservedRun, Refusal
from release_assets.figures.records import RUN
from release_assets.project import Project
from release_assets.rules.tags import ParsedTag, TagKind, parse_tag

Level = Literal["success", "warning", "failure"]
DAY = 86400.0
CLOSING_DAYS = 3.0  # before the index closes a release


@dataclass(frozen=True)
class Alert:
    """A message to people. `id` is the same however often the same thing is looked at."""

    id: str
    project: str  # "" where it is about all of them
    level: Level
    title: str
    body: str


def alert_of(project: Project, run: ObservedRun, published: Set[str]) -> Alert:
    """Return what to tell about a run that has ended.

    `published` are those of pypi_publication, github_release and manifest_list that the release has.
    """
    name = f"{project.project} {run.tag}"
    warnings = list(_warnings(run))
    lines: list[str] = []
    level: Level
    if run.state == "success" and not run.has_published:
        level, title = "warning", f"{name} is built and not published yet"
        lines.append("Nothing irreversible has happened: it waits for an approval.")
        lines.append(f"What to do: `release-assets approve {run.tag} --project {project.project}`")
    elif run.state == "success":
        what = "is published" if run.half == "release" else "has its images"
        noted = f", with {len(warnings)} warning{'s' if len(warnings) > 1 else ''}" if warnings else ""
        level = "warning" if warnings else "success"
        title = f"{name} {what}{noted}"
        lines += _published(run)
    else:
        level, title = "failure", f"{name}: the {run.half} run failed"
        half = half_public(project, run, published)
        refused = sorted(set(_credentials(project, run.refusals.values())))
        if run.is_retried:  # where that run fails as well, it is told
            level, title = "warning", f"{name}: the {run.half} run was killed and is launched again"
        elif half is not None:
            title = f"{name} is half public"
        elif refused:
            title = f"{name}: a credential is refused or missing ({', '.join(refused)})"
        elif run.state == "canceled":
            level, title = "warning", f"{name}: the {run.half} run was ended by a person"
        lines += [half] if half is not None else []
        lines += [f"{node} failed: {refusal.problem}" for node, refusal in run.refusals.items()]
        lines.append(f"What to do: {_next_step(run, project)}")
    lines += warnings
    if run.seconds is not None:
        lines.append(f"{run.seconds:.0f} s, run {run.run_id}")
    return Alert(f"run {run.run_id}", project.project, level, title, "\n".join(lines))


def half_public(project: Project, run: ObservedRun, published: Set[str]) -> str | None:
    """Return where a release that did not succeed is public and where it is not, or None."""
    parsed = parse_tag(run.tag, project.tags.patterns)
    is_test = isinstance(parsed, ParsedTag) and parsed.kind is TagKind.TEST
    if run.half == "docker":
        if "manifest_list" not in published and ({"github_release", "pypi_publication"} & published):
            return "The package is public, its images are not."
        return None
    if "pypi_publication" not in published:
        if has_begun_to_upload(project, run):
            return "Some of its files may be on the package index. GitHub has no release of it."
        return None
    if "github_release" not in published and not is_test:
        return "The package index has it, GitHub has no release of it."
    return None


def has_begun_to_upload(project: Project, run: ObservedRun) -> bool:
    """Return whether a run that published no files may have uploaded some."""
    if run.half != "release" or run.state == "success" or "pypi_publication" in run.made:
        return False
    if (refusal := run.refusals.get("pypi_publication")) is not None:
        return "upload" in refusal.stages
    # Its worker died, or a person ended it, after the last node that comes before the upload.
    built = set(project.package.distributions) <= set(run.made)
    return built and (RUN in run.refusals or run.state == "canceled")


def closing(project: Project, tag: str, since: float, window_days: int) -> Alert:
    """Return what to tell before the index accepts no more files of a release."""
    ends = datetime.fromtimestamp(since + window_days * DAY, UTC)
    index = project.index.title
    return Alert(
        f"closing {project.project} {tag}",
        project.project,
        "failure",
        f"{project.project} {tag}: {index} closes the release on {ends:%Y-%m-%d}",
        f"An upload of {tag} began on {datetime.fromtimestamp(since, UTC):%Y-%m-%d} and was not completed. "
        f"If a file of it is on {index}, no other one can be added after {ends:%Y-%m-%d %H:%M} UTC.\n"
        f"What to do: run `release-assets release {tag} --project {project.project}` before that.",
    )


def silent_daemon(since: float, until: float) -> Alert:
    """Return what to tell when Dagster's daemon is back after a silence; the same for all projects."""
    return Alert(
        f"silence of the daemon {since:.0f}",
        "",
        "failure",
        f"Dagster's daemon was silent for {(until - since) / 60:.0f} min",
        f"Nothing was looked at from {_clock(since)} to {_clock(until)}. Tags that were pushed meanwhile are "
        "released now.\nWhat to do: see in the daemon's log why it stopped.",
    )


def daemon_is_silent(since: float) -> Alert:
    """Return what to tell while Dagster's daemon is silent; the same for all projects."""
    return Alert(
        f"the daemon is silent {since:.0f}",
        "",
        "failure",
        f"Dagster's daemon has been silent since {_clock(since)}",
        "No tag is released and no run is started until it runs again.\n"
        "What to do: start dagster-daemon again; its log shows why it stopped.",
    )


def silent_sensor(project: str, sensor: str, since: float, now: float) -> Alert:
    """Return what to tell about a sensor without a successful tick."""
    return Alert(
        f"silence {sensor} {since:.0f}",
        project,
        "failure",
        f"{project}: the sensor {sensor} has been silent for {(now - since) / 60:.0f} min",
        f"No tick of it succeeded since {_clock(since)}: new tags or releases are not seen.\n"
        f"What to do: open {sensor} under Automation in Dagster's UI; its last tick shows the reason.",
    )


def _clock(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M} UTC"


def _published(run: ObservedRun) -> Iterator[str]:
    """Yield what was published where, with links and digests."""
    made = {node: one.metadata for node, one in run.made.items()}
    if (index := made.get("pypi_publication")) is not None:
        yield str(index.get("package", ""))
        yield str(index.get("install", ""))
        for row in index.get("files", []):
            yield f"{row['file']} sha256:{row['sha256']}"
    if (hub := made.get("github_release")) is not None:
        yield str(hub.get("release", ""))
    if (image := made.get("manifest_list")) is not None:
        yield f"{image.get('image', '')}@{image.get('digest', '')}"
    if (tags := made.get("floating_tags")) is not None:
        yield f"floating tags moved: {tags.get('moved', 'none')}"


def _warnings(run: ObservedRun) -> Iterator[str]:
    for check in run.checks:
        if not check.passed and check.is_warning:
            yield f"Warning, {check.node} {check.check}: {check.description}"


def _credentials(project: Project, refusals: Iterable[Refusal]) -> Iterator[str]:
    """Yield the variables of secrets that a failure names."""
    words = {word for one in refusals for word in re.findall(r"\w+", f"{one.problem} {one.remedy}")}
    yield from words.intersection(project.secret_variables)


def _next_step(run: ObservedRun, project: Project) -> str:
    """Return the one thing to do next."""
    for refusal in run.refusals.values():
        if refusal.remedy:
            return refusal.remedy
    if run.is_retried:
        return "nothing; a second message follows"
    command = "release" if run.half == "release" else "rebuild"
    return (
        f"see the run in Dagster's UI, then `release-assets {command} {run.tag} --project {project.project}`"
    )
