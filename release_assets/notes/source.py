"""Find what changed in a release, where the project says it is told: commits, changelog, or GitHub."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import quote

from release_assets.destinations.git import Mirror
from release_assets.destinations.links import web_url
from release_assets.errors import PermanentError
from release_assets.notes.changelog import NAMES, section, without_heading
from release_assets.notes.cliff import notes_from_commits
from release_assets.notes.previous import previous_release
from release_assets.project import Project
from release_assets.rules.tags import Release

# Where git-cliff looks for its configuration itself.
CONFIGURATIONS = ("cliff.toml", ".cliff.toml", ".config/cliff.toml")


@dataclass(frozen=True)
class Notes:
    """The changes in Markdown, and the address of all of them; "" for what there is none of."""

    text: str = ""
    more: str = ""


def release_notes(
    project: Project, release: Release, mirror: Mirror, tags: Mapping[str, str], scratch: Path
) -> Notes | None:
    """Return the notes of a release, or None where GitHub generates them when the release is drafted.

    `tags` are the remote's, each with its commit; `scratch` is an empty folder.
    Raises PermanentError where the project's source has none.
    """
    previous = previous_release(release, tags, project.tags.patterns)
    match project.page.notes:
        case "commits":
            mirror.fetch(release.commit)
            if previous is not None:
                mirror.fetch(tags[previous])
            text = notes_from_commits(
                mirror.path / "objects",
                tags=tags,
                tag=release.tag,
                previous=previous,
                configuration=_configuration(project, release, mirror),
                directory=project.package.directory,
                scratch=scratch,
            )
            return Notes(without_heading(text, release.version), compare_page(project, previous, release.tag))
        case "changelog":
            path, text = _changelog(project, release, mirror)
            return Notes(text, _page(project, f"blob/{quote(release.tag)}/{quote(path)}"))
        case "github":
            return None
        case "none":
            return Notes()


def template_of(project: Project, release: Release, mirror: Mirror) -> str | None:
    """Return the project's template at the release's commit, None where it has none of its own.

    Raises PermanentError where the file that defs.yaml names is not there.
    """
    path = project.page.template
    if path is None:
        return None
    mirror.fetch(release.commit)
    text = mirror.read(release.commit, path)
    if text is None:
        raise PermanentError(
            f"{path}, the `github: template:` of {project.project}, is not in commit {release.commit}",
            "Correct it in defs.yaml, or add the file and tag that commit.",
        )
    return text


def compare_page(project: Project, previous: str | None, tag: str) -> str:
    """Return the page of all commits since the release before; "" where the project has no such page."""
    if previous is None:
        return _page(project, f"commits/{quote(tag)}")
    return _page(project, f"compare/{quote(previous, safe='')}...{quote(tag, safe='')}")


def _page(project: Project, path: str) -> str:
    base = web_url(project)
    return "" if base is None else f"{base}/{path}"


def _configuration(project: Project, release: Release, mirror: Mirror) -> str | None:
    """Return git-cliff's configuration in the package's directory or at the top, None where there is none."""
    for folder in dict.fromkeys((project.package.directory, ".")):
        for name in CONFIGURATIONS:
            if (text := mirror.read(release.commit, str(PurePosixPath(folder, name)))) is not None:
                return text
    return None


def _changelog(project: Project, release: Release, mirror: Mirror) -> tuple[str, str]:
    """Return the path of the changelog and its section for the release. Raises PermanentError."""
    declared = project.page.changelog
    folders = dict.fromkeys((project.package.directory, "."))
    paths = (
        [declared] if declared else [str(PurePosixPath(folder, name)) for folder in folders for name in NAMES]
    )
    mirror.fetch(release.commit)
    for path in paths:
        text = mirror.read(release.commit, path)
        if text is None:
            continue
        found = section(text, release.version)
        if found is None:
            raise PermanentError(
                f"{path} has no section for {release.version} at {release.tag} (commit {release.commit})",
                f"Add the heading `## {release.version}` with what changed, commit, and tag that commit.",
            )
        return path, found
    raise PermanentError(
        f"no changelog was found at {release.tag} (commit {release.commit}): {declared or 'no CHANGELOG.md'}",
        "Add one, or set `github: changelog:` or another `github: notes:` in defs.yaml.",
    )
