"""Check before anything is published that a release's page can be written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from release_assets.destinations.git import Mirror
from release_assets.notes.extra_assets import extra_assets
from release_assets.notes.page import check_template
from release_assets.notes.source import release_notes, template_of
from release_assets.project import Project
from release_assets.rules.tags import Release


def check_page(
    project: Project,
    release: Release,
    mirror: Mirror,
    tags: Mapping[str, str],
    scratch: Path,
    log: Callable[[str], None],
) -> None:
    """Raise PermanentError where notes, template or assets are not in the release's commit.

    `tags` are the remote's, each with its commit; `scratch` is an empty folder.
    """
    notes_folder = scratch / "notes"
    notes_folder.mkdir()
    release_notes(project, release, mirror, tags, notes_folder)
    if (template := template_of(project, release, mirror)) is not None:
        check_template(template, str(project.page.template))
    extra_assets(mirror, release.commit, project.page.assets, taken=(), folder=scratch, log=log)
