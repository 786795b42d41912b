"""Put a release's page together: title, notes, how to install it, and what it holds. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from string import Template

from release_assets.distributions.store import Distribution
from release_assets.errors import PermanentError
from release_assets.notes.source import Notes
from release_assets.project import Project
from release_assets.rules.image_tags import image_tag
from release_assets.rules.tags import Release

PAGE = Path(__file__).with_suffix(".md").read_text(encoding="utf-8")
PLACEHOLDERS = ("notes", "name", "version", "tag", "commit", "docker", "files")


def release_title(project: Project, release: Release, name: str) -> str:
    """Return the title of a release of the package `name`."""
    values = {"tag": release.tag, "version": str(release.version), "name": name}
    return re.sub(r"\{(\w+)\}", lambda match: values[match[1]], project.page.title)


def check_template(template: str, path: str) -> None:
    """Raise PermanentError where a template of the repository names what nothing stands for."""
    try:
        unknown = [name for name in Template(template).get_identifiers() if name not in PLACEHOLDERS]
        Template(template).substitute(dict.fromkeys([*PLACEHOLDERS, *unknown], ""))
    except ValueError as error:
        raise PermanentError(
            f"{path} is not a template: {error}", "Write $$ for a dollar sign, then tag that commit."
        ) from None
    if unknown:
        known = ", ".join(f"${one}" for one in PLACEHOLDERS)
        raise PermanentError(
            f"{path} uses ${unknown[0]}, which nothing stands for",
            f"Use {known}, and $$ for a dollar sign, then tag that commit.",
        )


def release_body(
    project: Project,
    release: Release,
    distributions: Sequence[Distribution],
    notes: Notes,
    *,
    template: str | None,
    limit: int,
) -> str:
    """Return the release's text in Markdown, of at most `limit` characters.

    `template` is the repository's own, None for ours. Where all of it is too long, the notes are cut, with a
    link to the rest, so that what follows them stays.
    """
    docker = ""
    if project.image is not None:
        tag = image_tag(release.version, release.channel)
        platforms = ", ".join(project.image.platforms)
        docker = f"\n```\ndocker pull {project.image.repository}:{tag}\n```\n\nPlatforms: {platforms}\n"
    rows = (f"| {kept.filename} | {kept.size} | `{kept.sha256}` |" for kept in distributions)
    values = {
        "name": distributions[0].name,
        "version": str(release.version),
        "tag": release.tag,
        "commit": release.commit,
        "docker": docker,
        "files": "\n".join(rows),
    }

    def filled(text: str) -> str:
        if template is None:
            return (f"{text}\n\n" if text else "") + Template(PAGE).substitute(values)
        return Template(template).substitute(values, notes=text)

    body = filled(notes.text)
    if len(body) > limit:
        room = (limit - len(filled("")) - len("\n\n")) // _times_used(template)
        body = filled(shortened(notes.text, room, notes.more))
    return body


def _times_used(template: str | None) -> int:
    """Return how often a template repeats the notes, 1 where it does not."""
    found = Template.pattern.finditer(template or "")
    names = [match["named"] or match["braced"] for match in found]
    return max(1, names.count("notes"))


def shortened(text: str, limit: int, more: str) -> str:
    """Return a text of at most `limit` characters: cut after a line, with a link to all of it.

    A block of code that the cut leaves open is closed, so that what follows is not part of it.
    """
    if len(text) <= limit:
        return text
    link = f"\n\n… [the rest]({more})" if more else "\n\n… (cut here)"
    room = limit - len(link) - len("\n```")
    if room <= 0:
        return ""
    cut = text[:room]
    cut = cut[: cut.rfind("\n")] if "\n" in cut else cut
    fences = re.findall(r"^ {0,3}(`{3,}|~{3,})", cut, flags=re.MULTILINE)
    return f"{cut}\n{fences[-1][:3]}{link}" if len(fences) % 2 else cut + link
