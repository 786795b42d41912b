"""Compare a release at its destinations with what was recorded of it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from release_assets.checks.audit import AS_RECORDED
from release_assets.nodes.image_step import image_name
from release_assets.nodes.metadata import rows_of
from release_assets.nodes.release_check import Found
from release_assets.planning.comparison import NOT_THERE, Place, State, compare
from release_assets.planning.observed import Hidden, Seen
from release_assets.project import Project
from release_assets.rules.image_tags import platform_tag

YANKED = " (yanked)"

Difference = tuple[Literal["warning", "error"], str]


def drift(
    project: Project,
    seen: Seen,
    recorded: Mapping[str, Mapping[str, Any]],
    *,
    tag_now: str | None,
    is_signed: bool | None,
    mirrors_signed: Mapping[str, bool | None] | None = None,
) -> dict[str, Found]:
    """Return what became of each recorded node of a release; `recorded` is each node's metadata.

    A node without a record is left out, and so is one whose destination shows nothing now: an outage is not
    a drift.
    `tag_now` is the commit that the tag points to, None where it is gone. `is_signed` is None where nobody
    can tell; those of mirrors are by the node of their manifest list.
    """
    index, github, *registries = compare(project, seen, recorded)
    found: dict[str, list[Difference]] = {}
    commit = _commit(recorded)
    if commit is not None:
        found["version"] = list(_tag(seen.release.tag, commit, tag_now))
    if recorded.get("pypi_publication") and index.hidden is None:
        found["pypi_publication"] = list(_rows(index))
    if recorded.get("github_release", {}).get("title") is not None and github.hidden is None:
        found["github_release"] = (
            [("error", f"the release is {NOT_THERE}")]
            if seen.github is None
            else [*_rows(github), *_edited(seen, recorded)]
        )
    images = project.image.places if project.image is not None else []
    for image, registry in zip(images, registries, strict=True):
        if registry.hidden is not None:
            continue
        release, own = seen.release, image.manifest_list_node
        nodes = {
            platform_tag(release.version, release.channel, platform): image_name(platform)
            for platform in image.platforms
        }
        for row in registry.rows:
            # The copies in a mirror are the concern of its manifest list.
            node = nodes.get(row.what, own) if image is images[0] else own
            if recorded.get(node):
                found.setdefault(node, []).extend(_rows(Place("registry", registry.address, (row,))))
        signed = recorded.get(own, {}).get("signed", "no")
        if {**(mirrors_signed or {}), "manifest_list": is_signed}.get(own) is False and signed != "no":
            found.setdefault(own, []).append(
                ("error", f"the signature is gone; it was recorded as {signed!r}")
            )
    return {node: judged(differences) for node, differences in found.items()}


def judged(differences: Sequence[Difference]) -> Found:
    """Return what a check shows of these differences: the worst decides."""
    if not differences:
        return AS_RECORDED
    is_error = any(severity == "error" for severity, _ in differences)
    return Found(
        "error" if is_error else "warning",
        "; ".join(words for _, words in differences),
        "Find out who changed it. Nothing was repaired: `release-assets status TAG` shows both sides, and "
        "materializing the node restores what can be restored.",
    )


def _commit(recorded: Mapping[str, Mapping[str, Any]]) -> str | None:
    """Return the commit that was released; None where nothing tells."""
    for node in ("pypi_publication", "github_release"):
        if (commit := recorded.get(node, {}).get("commit")) is not None:
            return str(commit)
    return None


def _tag(tag: str, commit: str, now: str | None) -> Iterator[Difference]:
    if now is None:
        yield "error", f"the tag {tag} is gone; it pointed to {commit}"
    elif now != commit:
        yield "error", f"the tag {tag} points to {now}, and {commit} was released"


def _rows(place: Place) -> Iterator[Difference]:
    """Yield how a destination's files or images differ from the record."""
    for row in place.rows:
        if row.state is State.GONE:
            yield "error", f"{row.what} is gone, and {row.recorded} was recorded"
        elif row.state is State.DIFFERS and row.now == f"{row.recorded}{YANKED}":
            yield "warning", f"{row.what} is yanked"
        elif row.state is State.DIFFERS:
            yield "error", f"{row.what} is {row.now}, and {row.recorded} was recorded"
        elif row.state is State.UNRECORDED:
            yield "warning", f"{row.what} was added: it is {row.now}, and nothing was recorded"


def _edited(seen: Seen, recorded: Mapping[str, Mapping[str, Any]]) -> Iterator[Difference]:
    """Yield what was edited on GitHub's page; the files' bytes where GitHub returns their digest."""
    release, record = seen.github, recorded["github_release"]
    if release is None or isinstance(release, Hidden):
        return
    if release.draft:
        yield "error", "the release is a draft again"
    if release.prerelease != record.get("prerelease"):
        yield "warning", f"prerelease is {release.prerelease}, and {record.get('prerelease')} was recorded"
    for what, now in {"title": release.name, "notes": release.body}.items():
        before = record.get(what)
        if before is not None and _text(before) != _text(now):
            yield "warning", f"the {what} {'were' if what == 'notes' else 'was'} edited"
    digests = {
        str(row["file"]): str(row["sha256"]) for row in rows_of(recorded.get("pypi_publication", {}), "files")
    }
    for asset in release.assets:
        before = digests.get(asset.name)
        if before is not None and asset.digest is not None and asset.digest != f"sha256:{before}":
            yield "error", f"{asset.name} is {asset.digest}, and sha256:{before} was recorded"


def _text(value: Any) -> str:
    """Return a text as GitHub keeps it: with other line ends, or without the last."""
    return str(value or "").replace("\r\n", "\n").strip()
