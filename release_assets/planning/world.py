"""Observe what destinations hold of a release, with requests that change nothing.

What cannot be seen is `Hidden` with the reason. An outage, or a private repository without its token, fails
no plan and no status.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import dagster as dg

from release_assets.destinations import git, package_index
from release_assets.destinations.git_changes import changed_files
from release_assets.destinations.package_index import IndexFile
from release_assets.destinations.registry import Manifest, Registry, index_of, lists_the_same
from release_assets.destinations.release_hosts import release_host
from release_assets.destinations.releases import PublishedRelease
from release_assets.errors import PermanentError, ReleaseError
from release_assets.nodes.approval import recorded_approval, subject_of
from release_assets.nodes.declared_version import check_declared_version
from release_assets.nodes.image_holders import REVISION, labels_of, observe_pointers
from release_assets.nodes.image_step import image_source, observing_registry
from release_assets.nodes.recorded_digests import recorded_digests
from release_assets.nodes.step import Step
from release_assets.notes.previous import previous_release
from release_assets.notes.source import release_notes
from release_assets.planning.changes import Change, change_between
from release_assets.planning.observed import Approvals, Hidden, Images, TaggedImage, World
from release_assets.project import Image, Project
from release_assets.rules.image_tags import (
    floating_tags,
    image_tag,
    platform_tag,
    published_versions,
)
from release_assets.rules.tags import Channel, Release
from release_assets.secrets import read_secret
from release_assets.text import printable

T = TypeVar("T")


class _QuietStep(Step):
    """A node's view of a release outside of any run: there is no event log to write to."""

    def say(self, line: str) -> None:
        """Say nothing."""

    def output(self, line: str) -> None:
        """Print nothing."""


def observe(
    project: Project, release: Release, remote_tags: Mapping[str, str], instance: dg.DagsterInstance
) -> World:
    """Look at everything that a release of the project touches.

    Raises a ReleaseError where the repository cannot be fetched: without it, nothing can be told.
    """
    step = step_of(project, release.tag, remote_tags, instance)
    step.mirror.fetch(release.commit)
    problem: ReleaseError | None = None
    declared_in = None
    try:
        declared_in = check_declared_version(step)
    except PermanentError as error:
        problem = error
    kept = {node: step.store.files(node) for node in project.package.distributions}
    name = step.declared_name or next((one.name for files in kept.values() for one in files), None)
    source = image_source(step) if project.image is not None else None
    previous = previous_release(release, remote_tags, project.tags.patterns)
    notes, notes_problem = _notes(step)
    places = project.image.places if project.image is not None else []
    with ThreadPoolExecutor(2 + max(1, len(places))) as threads:
        index = threads.submit(observe_index, project, release, name)
        hub = threads.submit(observe_github, project, release)
        images = {
            place.repository: threads.submit(
                observe_images, project, place, release, remote_tags, frozenset(recorded_digests(step, place))
            )
            for place in places
        }
        change = change_since(project, previous, release.tag, remote_tags, step.mirror)
        return World(
            release=release,
            name=name,
            declared_in=declared_in,
            problem=problem,
            built_from=source.commit.sha if source is not None else release.commit,
            rebuild_tag=source.description if source is not None and source.is_rebuild else None,
            kept=kept,
            index=index.result(),
            github=hub.result(),
            images=images.pop(places[0].repository).result() if places else None,
            mirrors={repository: look.result() for repository, look in images.items()},
            notes=notes,
            notes_problem=notes_problem,
            previous=previous,
            change=change,
            approvals=approvals_of(step),
        )


def approvals_of(step: Step) -> Approvals | None:
    """Return how the release's approval stands, or None where the project requires none."""
    if not step.project.needs_approval:
        return None
    return Approvals(subject_of(step), recorded_approval(step))


def _notes(step: Step) -> tuple[str | None, ReleaseError | None]:
    """Return the text of the GitHub release, as far as the repository tells it, or why it cannot be told."""
    if step.release.channel is Channel.TEST:
        return None, None
    with step.folder() as scratch:
        try:
            notes = release_notes(step.project, step.release, step.mirror, step.remote_tags, scratch)
        except ReleaseError as error:
            return None, error
    return (notes.text or None) if notes is not None else None, None


def step_of(project: Project, tag: str, remote_tags: Mapping[str, str], instance: dg.DagsterInstance) -> Step:
    """Return what a node of this release would work with: the same mirror, store and records."""
    step = _QuietStep(project, dg.build_asset_context(partition_key=tag, instance=instance))
    step.__dict__["remote_tags"] = dict(remote_tags)  # they were asked for already
    return step


def observe_index(project: Project, release: Release, name: str | None) -> Mapping[str, IndexFile] | Hidden:
    """Return the files of the release that the package index serves."""
    index = project.index_for(release.channel)
    if name is None:
        return Hidden("the package's name is known only when it is built")
    return seen(
        lambda: package_index.files_of(
            release.version,
            package_index.observe_index(index, name),
        ),
        index.token_env,
    )


def observe_github(project: Project, release: Release) -> PublishedRelease | Hidden | None:
    """Return the release on GitHub; drafts are seen with the token only."""
    if release.channel is Channel.TEST:
        return None
    page = project.page
    host = release_host(page, read_secret(page.token_env) or None)
    return seen(lambda: host.find_release(release.tag), page.token_env)


def observe_images(
    project: Project,
    image: Image,
    release: Release,
    remote_tags: Collection[str],
    earlier: frozenset[str] = frozenset(),
) -> Images | Hidden:
    """Return what the image's repository holds of the release, and where its floating tags point."""
    registry = observing_registry(image)

    def look() -> Images:
        published = published_versions(release, remote_tags, registry.tags(), project.tags.patterns)
        whole = registry.manifest(image_tag(release.version, release.channel))
        children = {
            platform: registry.manifest(platform_tag(release.version, release.channel, platform))
            for platform in image.platforms
        }
        return Images(
            whole=_tagged(registry, whole),
            platforms={platform: _tagged(registry, child) for platform, child in children.items()},
            is_joined=whole is not None and _is_joined(whole, children),
            floating=observe_pointers(
                registry,
                floating_tags(release.version, release.channel, image.floating_tags),
                published,
                release.channel,
            ),
            published=frozenset(published),
            earlier=earlier,
        )

    return seen(look, image.username_env, image.token_env)


def _tagged(registry: Registry, manifest: Manifest | None) -> TaggedImage | None:
    if manifest is None:
        return None
    revisions = frozenset(labels.get(REVISION, "none") for labels in labels_of(registry, manifest))
    return TaggedImage(manifest.digest, revisions)


def _is_joined(whole: Manifest, children: Mapping[str, Manifest | None]) -> bool:
    """Return whether a manifest list joins exactly the platforms' images."""
    there = {platform: child for platform, child in children.items() if child is not None}
    if len(there) < len(children):
        return False
    try:
        return lists_the_same(whole, index_of(there))
    except PermanentError:
        return False


def seen(look: Callable[[], T], *variables: str) -> T | Hidden:
    """Return what a look finds, or why it finds nothing; `variables` hold what opens the destination."""
    try:
        return look()
    except ReleaseError as error:
        return Hidden(printable(why_hidden(error, *variables)))


def why_hidden(error: ReleaseError, *variables: str) -> str:
    """Return why a destination shows nothing: a login that we do not have, or its own error."""
    unset = [name for name in variables if not read_secret(name)]
    if needs_login(error, *variables):
        return f"not visible without {' and '.join(unset)}"
    return error.problem


def needs_login(error: ReleaseError, *variables: str) -> bool:
    """Return True where a destination refused somebody who has no login, whose variables are these."""
    return isinstance(error, PermanentError) and not all(map(read_secret, variables))


def change_since(
    project: Project, previous: str | None, tag: str, remote_tags: Mapping[str, str], mirror: git.Mirror
) -> Change:
    """Return the kind of change between two tags; everything is new where there is no previous one."""
    if previous is None or project.image is None:
        return Change.DOCKERFILE
    before, after = remote_tags[previous], remote_tags[tag]
    files = changed_files(mirror, before, after)
    directory = project.package.directory.rstrip("/")
    pyproject = "pyproject.toml" if directory in {".", ""} else f"{directory}/pyproject.toml"
    return change_between(
        files,
        mirror.read(before, pyproject),
        mirror.read(after, pyproject),
        image=project.image,
        pyproject=pyproject,
    )
