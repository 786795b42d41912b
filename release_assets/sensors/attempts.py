"""Decide whether a moved release tag is a new attempt: only while nothing of its version is published."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import dagster as dg

from release_assets.destinations import git, package_index
from release_assets.destinations.release_hosts import release_host
from release_assets.errors import ReleaseError
from release_assets.nodes.image_step import image_name
from release_assets.project import Project
from release_assets.rules.declared_version import name_in_pyproject
from release_assets.rules.tags import ParsedTag, channel_of, parse_tag
from release_assets.secrets import read_secret

ASK_SECONDS = 10.0
FAILED = {dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED}


@dataclass(frozen=True)
class Move:
    """A release tag that names another commit than before."""

    tag: str
    before: str
    after: str
    is_newest: bool  # no release tag has a higher version


def refusal(move: Move, published: Sequence[str], was_tried: bool) -> str | None:
    """Return why a moved tag is not released again, or None where it is.

    `published` says where something of the version is. A tag from before the first look, which was never
    tried here, is only released where it is the newest: who rewrites the history moves all tags at once.
    """
    moved = f"{move.tag} moved from commit {move.before} to {move.after} and is not released again"
    if published:
        return f"{moved}: {', '.join(published)}. Release the change as a new version"
    if not was_tried and not move.is_newest:
        return f"{moved}: it was there before the first look. Materialize its partition to release it"
    return None


class Attempts:
    """The fate of a project's tags so far, here and at the destinations."""

    def __init__(self, project: Project, release_job: str) -> None:
        self.project = project
        self.release_job = release_job

    def newest(self, instance: dg.DagsterInstance, tag: str) -> dg.DagsterRun | None:
        """Return the newest run of the tag's release, or None where it was never tried here."""
        tried = dg.RunsFilter(job_name=self.release_job, tags={"dagster/partition": tag})
        runs = instance.get_runs(tried, limit=1)
        return runs[0] if runs else None

    def is_abandoned(self, instance: dg.DagsterInstance, tag: str, commit: str) -> bool:
        """Return whether a tag that is gone from the remote has failed, with nothing published anywhere."""
        newest = self.newest(instance, tag)
        has_failed = newest is not None and newest.status in FAILED
        return has_failed and not self.published(instance, tag, commit)

    def is_at_work(self, instance: dg.DagsterInstance, tag: str) -> bool:
        """Return whether a tag's newest run has not ended: what becomes of its release is still open."""
        newest = self.newest(instance, tag)
        return newest is not None and not newest.is_finished

    def published(self, instance: dg.DagsterInstance, tag: str, commit: str) -> list[str]:
        """Return where something of the tag's version is published, in words.

        `commit` is what the tag was tried at, and tells the package's name. A destination that cannot be
        asked now is left out: a release observes it before it acts.
        """
        found = [f"{self.project.project}/{name} is recorded" for name in self._recorded(instance, tag)]
        return found or [*self._on_github(tag), *self.on_index(instance, tag, commit)]

    def _recorded(self, instance: dg.DagsterInstance, tag: str) -> list[str]:
        image = self.project.image
        images = [image_name(platform) for platform in image.platforms] if image else []
        for place in image.places[1:] if image else ():
            images += [place.manifest_list_node, place.floating_tags_node]
        return [
            name
            for name in ["pypi_publication", "github_release", *images, "manifest_list", "floating_tags"]
            if instance.fetch_materializations(
                dg.AssetRecordsFilter(
                    asset_key=dg.AssetKey([self.project.project, name]), asset_partitions=[tag]
                ),
                limit=1,
            ).records
        ]

    def _on_github(self, tag: str) -> list[str]:
        page = self.project.page
        try:
            is_there = release_host(page, read_secret(page.token_env) or None).is_published(tag)
        except ReleaseError:
            return []
        return [f"{page.repository} has a {page.host} release"] if is_there else []

    def on_index(self, instance: dg.DagsterInstance, tag: str, commit: str) -> list[str]:
        """Return which files of the tag's version the package index has, in words; [] where it fails."""
        parsed = parse_tag(tag, self.project.tags.patterns)
        assert isinstance(parsed, ParsedTag)  # noqa: S101  (nothing else is released)
        index = self.project.index_for(channel_of(parsed.kind, parsed.version))
        try:
            name = self._package_name(instance, commit)
            if name is None:
                return []
            observed = package_index.observe_index(index, name, seconds=ASK_SECONDS)
        except ReleaseError:
            return []
        files = package_index.files_of(parsed.version, observed)
        return [f"{index.simple_url} has {', '.join(sorted(files))}"] if files else []

    def _package_name(self, instance: dg.DagsterInstance, commit: str) -> str | None:
        """Return the distribution's name, as far as the YAML or the mirror tells it."""
        if self.project.package.name is not None:
            return self.project.package.name
        mirrors = Path(instance.storage_directory()) / "release_assets" / "mirrors"
        mirror = git.Mirror(self.project.repository, mirrors)
        if not mirror.path.is_dir():  # nothing was ever tried, and a first fetch takes too long for a tick
            return None
        mirror.fetch(commit)
        return name_in_pyproject(mirror.read(commit, f"{self.project.package.directory}/pyproject.toml"))
