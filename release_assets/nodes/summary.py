"""The summary of a release: what is public and where, what it holds now, how long it took, what warned.

The node `summary` and `release-assets release` show the same text. It is made from Dagster's records and a
short look at the registry. What cannot be learned is told, and is never an error: the release is public.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import dagster as dg
from packaging.version import Version

from release_assets.destinations.links import registry_page
from release_assets.destinations.registry import Manifest, parse_repository
from release_assets.errors import ReleaseError
from release_assets.nodes.alongside import alongside
from release_assets.nodes.image_step import image_name, observing_registry
from release_assets.nodes.metadata import rows_of
from release_assets.project import Image, Project
from release_assets.rules.image_tags import floating_tags, image_tag
from release_assets.rules.tags import Channel
from release_assets.text import one_line

LOOK_SECONDS = 5.0  # for the registry to answer, all tags together
UNRECORDED = "not recorded by this Dagster"


@dataclass(frozen=True)
class Part:
    """A node of the release: the run that made it the last time, and its metadata as plain values."""

    name: str
    run_id: str
    metadata: Mapping[str, Any]

    @property
    def seconds(self) -> float | None:
        """Return for how long the node worked, None where it was recorded without."""
        seconds = self.metadata.get("seconds/total")
        return float(seconds) if isinstance(seconds, int | float) else None


@dataclass(frozen=True)
class Summary:
    """A release as its records and the registry tell it."""

    project: Project
    tag: str
    version: Version
    channel: Channel
    parts: Mapping[str, Part]  # by name, in the order of the graph
    warnings: tuple[str, ...]
    holds: tuple[str, ...] | str | None  # the floating tags; or why that is unknown; None without images
    looked: datetime
    mirrors: Mapping[str, tuple[str, ...] | str] = field(default_factory=dict)  # as `holds`, by repository

    def value(self, node: str, name: str) -> str | None:
        """Return one value of a node's metadata as text, or None."""
        part = self.parts.get(node)
        value = part.metadata.get(name) if part is not None else None
        return str(value) if value is not None else None

    @property
    def release_run(self) -> str | None:
        """Return the id of the run that published the package."""
        return self._run_of("pypi_publication")

    @property
    def docker_run(self) -> str | None:
        """Return the id of the run that made the image tag."""
        return self._run_of("manifest_list")

    def _run_of(self, node: str) -> str | None:
        part = self.parts.get(node)
        return (part.run_id or None) if part is not None else None  # "": it was reported, not run

    @property
    def registry_page(self) -> str | None:
        """Return the page of the image's tag, None where the registry has none that is known."""
        image = self.project.image
        if image is None:
            return None
        repository = parse_repository(image.repository)
        tag = image_tag(self.version, self.channel) if "manifest_list" in self.parts else None
        return registry_page(repository.host, repository.name, self.project.page.repository, tag)

    @property
    def platforms(self) -> dict[str, str]:
        """Return the runnable digest of each platform that the image tag joins."""
        part = self.parts.get("manifest_list")
        rows = rows_of(part.metadata, "platforms") if part is not None else []
        # Records of release-assets 0.1 call it `digest`.
        return {
            str(row["platform"]): str(row["runnable_digest" if "runnable_digest" in row else "digest"])
            for row in rows
        }


def summarize(
    project: Project, tag: str, version: Version, channel: Channel, instance: dg.DagsterInstance
) -> Summary:
    """Return what is known of a release now. The registry is looked at for `LOOK_SECONDS` at most."""
    image = project.image
    looks = [_looks(place, version, channel) for place in image.places] if image is not None else []
    parts = {part.name: part for part in _parts(instance, project, tag)}
    return Summary(
        project=project,
        tag=tag,
        version=version,
        channel=channel,
        parts=parts,
        warnings=tuple(_warnings(instance, parts)),
        holds=_holds(looks[0]) if looks else None,
        mirrors={
            place.repository: _holds(look)
            for place, look in zip(image.places[1:] if image is not None else (), looks[1:], strict=True)
        },
        looked=datetime.now(UTC),
    )


def nodes_of(project: Project) -> list[str]:
    """Return the nodes of a project in the order of the graph, all but the summary."""
    names = ["version", *project.package.distributions, "pypi_publication", "github_release"]
    if project.image is not None:
        names += [image_name(platform) for platform in project.image.platforms]
        for place in project.image.places:
            names += [place.manifest_list_node, place.floating_tags_node]
    return names


def _parts(instance: dg.DagsterInstance, project: Project, tag: str) -> Iterator[Part]:
    for name in nodes_of(project):
        records = instance.fetch_materializations(
            dg.AssetRecordsFilter(asset_key=dg.AssetKey([project.project, name]), asset_partitions=[tag]),
            limit=1,
        ).records
        for record in records:
            if record.asset_materialization is not None:
                metadata = record.asset_materialization.metadata
                yield Part(name, record.run_id, {key: value.value for key, value in metadata.items()})


def _warnings(instance: dg.DagsterInstance, parts: Mapping[str, Part]) -> Iterator[str]:
    """Yield what warned while these parts were made: checks that do not hold, and lines of the log."""
    for run_id in dict.fromkeys(part.run_id for part in parts.values()):
        found: dict[str, str] = {}  # by check: an attempt that was repeated has reported before
        for entry in instance.all_logs(run_id):
            event = entry.dagster_event
            if event is not None and event.event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION:
                check = event.asset_check_evaluation_data
                node = check.asset_key.path[-1]
                words = "" if check.passed else f"{check.check_name}: {check.description or 'failed'}"
                name = f"{node}/{check.check_name}"
            elif event is None and entry.step_key is not None and int(entry.level) >= logging.WARNING:
                node, words = entry.step_key.rpartition("__")[2], entry.user_message
                name = f"{node}: {words}"
            else:
                continue
            if node in parts and parts[node].run_id == run_id:
                found[name] = f"{node}: {words}" if words else ""
        yield from (one_line(words) for words in found.values() if words)


def _looks(image: Image, version: Version, channel: Channel) -> dict[str, Future[Manifest | None]]:
    """Look where the release's own image tag points, and each floating tag that it may hold."""
    registry = observing_registry(image)
    tags = [image_tag(version, channel), *floating_tags(version, channel, image.floating_tags)]
    return {tag: alongside(registry.manifest, tag) for tag in tags}


def _holds(looks: Mapping[str, Future[Manifest | None]]) -> tuple[str, ...] | str:
    """Return the floating tags that point to the release's image, or why that is unknown."""
    deadline = time.monotonic() + LOOK_SECONDS
    try:
        found = {tag: look.result(max(0.0, deadline - time.monotonic())) for tag, look in looks.items()}
    except TimeoutError:
        return f"unknown: the registry did not answer within {LOOK_SECONDS:.0f} s"
    except ReleaseError as error:
        return f"unknown: {one_line(error.problem)}"
    (own, there), *others = found.items()
    if there is None:
        return f"unknown: the registry has no tag {own}"
    return tuple(tag for tag, other in others if other is not None and other.digest == there.digest)


def summary_sections(summary: Summary) -> dict[str, str]:
    """Return the summary as Markdown that is also read as it is, in a terminal; in parts by their names.

    Dagster's UI shows up to 1,000 characters of Markdown in place, and a button for more.
    """
    sections = {
        "summary": [_head(summary), "", *_listed(_lines(summary))],
        # As code: the words are a server's or a build's, and could be anything.
        "what_warned": _listed(f"`{warning.replace('`', chr(39))}`" for warning in summary.warnings),
        "seconds": [*_table(summary)],
        "digests": _listed(_digests(summary)),
    }
    return {name: "\n".join(lines) for name, lines in sections.items() if lines}


def summary_text(summary: Summary) -> str:
    """Return all of the summary."""
    return "\n\n".join(summary_sections(summary).values())


def _listed(lines: Iterable[str]) -> list[str]:
    return [f"- {line}" for line in lines]


def _head(summary: Summary) -> str:
    project = summary.project.project
    return f"{project} {summary.version} ({summary.channel.value}), tag {summary.tag}"


def _lines(summary: Summary) -> Iterator[str]:
    yield f"package: {summary.value('pypi_publication', 'package') or UNRECORDED}"
    if summary.channel is not Channel.TEST:
        address = summary.value("github_release", "release") or UNRECORDED
        yield f"{summary.project.page.host} release: {address}"
    if summary.registry_page is not None:
        yield f"registry: {summary.registry_page}"
    yield f"commit: {summary.value('version', 'commit') or UNRECORDED}"
    for half, run_id in (("release", summary.release_run), ("docker", summary.docker_run)):
        if run_id is not None:
            yield f"{half} run: [{run_id[:8]}](/runs/{run_id})"
    if (install := summary.value("pypi_publication", "install")) is not None:
        yield f"install: `{install}`"
    if summary.project.image is not None:
        pull = summary.value("manifest_list", "pull")
        yield f"image: {f'`{pull}`' if pull is not None else UNRECORDED}"
        yield f"holds now ({summary.looked:%Y-%m-%d %H:%M} UTC): {_held(summary.holds)}"
        for place in summary.project.image.places[1:]:
            pull = summary.value(place.manifest_list_node, "pull")
            yield f"image: {f'`{pull}`' if pull is not None else f'{place.repository}: {UNRECORDED}'}"
            yield f"holds in {place.repository}: {_held(summary.mirrors.get(place.repository))}"
    yield f"warnings: {len(summary.warnings) or 'none'}"


def _held(holds: tuple[str, ...] | str | None) -> str:
    return holds if isinstance(holds, str) else ", ".join(holds or ()) or "no floating tag"


def _digests(summary: Summary) -> Iterator[str]:
    if (digest := summary.value("manifest_list", "digest")) is not None:
        yield f"digest: `{digest}`"
    for platform, digest in summary.platforms.items():
        yield f"runnable digest of {platform}: `{digest}`"


def _table(summary: Summary) -> Iterator[str]:
    """Yield the seconds of each part as a Markdown table, aligned for a terminal."""
    rows = [
        (name, f"{part.seconds:.1f}" if part is not None and part.seconds is not None else "not recorded")
        for name in nodes_of(summary.project)
        for part in [summary.parts.get(name)]
    ]
    names = max(len(name) for name, _ in rows)
    values = max(len(value) for _, value in [*rows, ("", "seconds")])
    yield f"| {'part':{names}} | {'seconds':>{values}} |"
    yield f"| {'-' * names} | {'-' * (values - 1)}: |"
    for name, value in rows:
        yield f"| {name:{names}} | {value:>{values}} |"
