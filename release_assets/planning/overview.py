"""The last releases of a project at every destination, with few requests: a row for each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import dagster as dg
from packaging.version import Version

from release_assets.destinations import package_index
from release_assets.destinations.package_index import IndexFile
from release_assets.destinations.release_hosts import release_host
from release_assets.nodes.image_holders import observe_pointers
from release_assets.nodes.image_step import observing_registry
from release_assets.planning.comparison import Cell, cell
from release_assets.planning.observed import Hidden
from release_assets.planning.world import approvals_of, seen, step_of
from release_assets.project import Image, Project
from release_assets.rules.image_tags import floating_tags, image_tag, platform_tag, published_versions
from release_assets.rules.tag_moves import Pointer
from release_assets.rules.tags import Channel, Release
from release_assets.secrets import read_secret


@dataclass(frozen=True)
class ReleaseRow:
    """A release: how far it is at each destination, the floating tags that point to it, and its last run."""

    tag: str
    version: Version
    index: Cell
    github: Cell | None  # None: a test release has none
    images: Cell | None  # None: the project declares none
    holds: tuple[str, ...]
    run: str  # the status of the newest run, "" without one


@dataclass(frozen=True)
class Overview:
    """The rows, highest version first, and what could not be looked at, by destination."""

    rows: tuple[ReleaseRow, ...]
    hidden: Mapping[str, str]


@dataclass(frozen=True)
class _Registry:
    tags: frozenset[str]
    pointers: Mapping[str, Pointer | None]


def observe_overview(
    project: Project,
    releases: Sequence[Release],
    remote_tags: Mapping[str, str],
    instance: dg.DagsterInstance,
) -> Overview:
    """Look at these releases. Raises a ReleaseError where the newest commit cannot be fetched."""
    if not releases:
        return Overview((), {})
    name = step_of(project, releases[0].tag, remote_tags, instance).declared_name
    channels = {release.channel is Channel.TEST for release in releases}
    with ThreadPoolExecutor(4) as threads:
        indexes = {
            is_test: threads.submit(_files, project, Channel.TEST if is_test else Channel.STABLE, name)
            for is_test in channels
        }
        hub = threads.submit(_published, project)
        looks = {
            place.repository: threads.submit(_images, project, place, releases, remote_tags)
            for place in (project.image.places if project.image is not None else ())
        }
    files = {is_test: future.result() for is_test, future in indexes.items()}
    published = hub.result()
    registries = {repository: look.result() for repository, look in looks.items()}
    hidden = {
        what: found.why
        for what, found in {
            **{
                project.index_for(Channel.TEST if test else Channel.STABLE).simple_url: found
                for test, found in files.items()
            },
            project.page.repository: published,
            **registries,
        }.items()
        if isinstance(found, Hidden)
    }
    lists = [place.manifest_list_node for place in project.image.places] if project.image is not None else []
    recorded = {
        node: instance.get_materialized_partitions(dg.AssetKey([project.project, node]))
        for node in ("pypi_publication", "github_release", *lists)
    }
    rows = [
        ReleaseRow(
            tag=release.tag,
            version=release.version,
            index=_index_cell(
                project, release, files[release.channel is Channel.TEST], recorded["pypi_publication"]
            ),
            github=None
            if release.channel is Channel.TEST
            else cell(
                is_there=None if isinstance(published, Hidden) else [release.tag in published],
                is_recorded=release.tag in recorded["github_release"],
            ),
            images=_images_cell(
                project, release, registries, all(release.tag in recorded[node] for node in lists)
            ),
            holds=_holds(release, registries),
            run=_waits(project, release, remote_tags, instance) or _last_run(instance, project, release.tag),
        )
        for release in releases
    ]
    return Overview(tuple(rows), hidden)


def _files(project: Project, channel: Channel, name: str | None) -> Mapping[str, IndexFile] | Hidden:
    index = project.index_for(channel)
    if name is None:
        return Hidden("the package's name is known only when it is built")
    return seen(
        lambda: package_index.observe_index(index, name),
        index.token_env,
    )


def _published(project: Project) -> set[str] | Hidden:
    page = project.page
    host = release_host(page, read_secret(page.token_env) or None)
    return seen(lambda: {release.tag for release in host.published_releases([]).releases}, page.token_env)


def _images(
    project: Project, image: Image, releases: Sequence[Release], remote_tags: Mapping[str, str]
) -> _Registry | Hidden:
    registry = observing_registry(image)

    def look() -> _Registry:
        tags = registry.tags()
        pointers: dict[str, Pointer | None] = {}
        for release in releases:
            wanted = [
                tag
                for tag in floating_tags(release.version, release.channel, image.floating_tags)
                if tag in tags and tag not in pointers
            ]
            published = published_versions(release, remote_tags, tags, project.tags.patterns)
            pointers |= observe_pointers(registry, wanted, published, release.channel)
        return _Registry(frozenset(tags), pointers)

    return seen(look, image.username_env, image.token_env)


def _index_cell(
    project: Project, release: Release, files: Mapping[str, IndexFile] | Hidden, recorded: set[str]
) -> Cell:
    there = None
    if not isinstance(files, Hidden):
        names = package_index.files_of(release.version, files)
        package, version = project.package, str(release.version)
        there = [
            any(package.is_made_by(node, name, version) for name in names) for node in package.distributions
        ]
    return cell(is_there=there, is_recorded=release.tag in recorded)


def _images_cell(
    project: Project, release: Release, registries: Mapping[str, _Registry | Hidden], is_recorded: bool
) -> Cell | None:
    """Return how far the images are, in all repositories that can be seen."""
    if project.image is None:
        return None
    seen = [found for found in registries.values() if isinstance(found, _Registry)]
    wanted = [image_tag(release.version, release.channel)]
    wanted += [platform_tag(release.version, release.channel, name) for name in project.image.platforms]
    there = [tag in registry.tags for registry in seen for tag in wanted] if seen else None
    return cell(is_there=there, is_recorded=is_recorded)


def _holds(release: Release, registries: Mapping[str, _Registry | Hidden]) -> tuple[str, ...]:
    """Return the floating tags that point to the release in each repository that can be seen."""
    pointers = [found.pointers for found in registries.values() if isinstance(found, _Registry)]
    return tuple(
        tag
        for tag in floating_tags(release.version, release.channel)
        if any(tag in found for found in pointers)
        and all(
            (there := found.get(tag)) is not None and there.version == release.version for found in pointers
        )
    )


def _waits(
    project: Project, release: Release, remote_tags: Mapping[str, str], instance: dg.DagsterInstance
) -> str:
    """Return "waits for approval" for a release that was built here and is not approved, else ""."""
    if not project.needs_approval:
        return ""
    approvals = approvals_of(step_of(project, release.tag, remote_tags, instance))
    is_built = approvals is not None and None not in approvals.now.files.values()
    return "waits for approval" if is_built and approvals is not None and approvals.missing else ""


def _last_run(instance: dg.DagsterInstance, project: Project, tag: str) -> str:
    """Return the status of the release's newest run, in lower case; "" without one."""
    for run in instance.get_runs(dg.RunsFilter(tags={"dagster/partition": tag})):
        is_ours = run.job_name in {f"{project.project}_release", f"{project.project}_docker"}
        if is_ours or any(key.path[0] == project.project for key in run.asset_selection or ()):
            return run.status.value.lower().replace("_", " ")
    return ""
