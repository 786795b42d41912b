"""Compare what was recorded of a release with what the world has now. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from release_assets.nodes.image_step import image_name
from release_assets.nodes.metadata import rows_of
from release_assets.planning.observed import Hidden, Images, Seen
from release_assets.project import Image, Project
from release_assets.rules.image_tags import image_tag, platform_tag
from release_assets.rules.warehouse import title

NOT_THERE = "not there"


class State(StrEnum):
    """The relation of a recorded value to the one that is there."""

    SAME = "same"
    DIFFERS = "differs"
    GONE = "gone"
    UNRECORDED = "not recorded"  # made elsewhere, or before this Dagster
    ABSENT = "absent"
    HIDDEN = "hidden"


@dataclass(frozen=True)
class Row:
    """One thing: its recorded value and the one now, None where there is none."""

    what: str
    recorded: str | None
    now: str | None
    state: State


@dataclass(frozen=True)
class Place:
    """A destination, its address, and what it holds of the release; `hidden` is why it shows nothing."""

    name: str
    address: str
    rows: tuple[Row, ...]
    hidden: str | None = None

    @property
    def differs(self) -> bool:
        """True where something is not what was recorded."""
        return any(row.state in {State.DIFFERS, State.GONE} for row in self.rows)


def state_of(recorded: str | None, now: str | None) -> State:
    """Return how a recorded value stands to the one now."""
    if recorded is None:
        return State.ABSENT if now is None else State.UNRECORDED
    if now is None:
        return State.GONE
    return State.SAME if recorded == now else State.DIFFERS


def compare(project: Project, world: Seen, recorded: Mapping[str, Mapping[str, Any]]) -> list[Place]:
    """Return what each destination holds next to what was recorded; `recorded` is each node's metadata."""
    release = world.release
    index = project.index_for(release.channel)
    files = {
        str(row["file"]): f"sha256:{row['sha256']}"
        for row in rows_of(recorded.get("pypi_publication", {}), "files")
    }
    served = world.index
    places = [
        Place(title(index.upload_url), index.simple_url, tuple(_hidden(files)), served.why)
        if isinstance(served, Hidden)
        else Place(
            title(index.upload_url),
            index.simple_url,
            tuple(
                _compared(
                    files,
                    {
                        name: (f"sha256:{file.sha256}" if file.sha256 else "no sha256")
                        + (" (yanked)" if file.yanked else "")
                        for name, file in served.items()
                    },
                )
            ),
        ),
    ]
    assets = {
        str(row["file"]): f"{row['size_bytes']} bytes"
        for row in rows_of(recorded.get("github_release", {}), "assets")
    }
    hub = world.github
    if isinstance(hub, Hidden):
        places.append(Place(project.page.host, project.page.repository, tuple(_hidden(assets)), hub.why))
    elif hub is not None or assets:
        there = {asset.name: f"{asset.size} bytes" for asset in hub.assets} if hub is not None else {}
        address = hub.url if hub is not None else project.page.repository
        places.append(Place(project.page.host, address, tuple(_compared(assets, there))))
    else:
        places.append(Place(project.page.host, project.page.repository, ()))
    for image in project.image.places if project.image is not None else ():
        places.append(_registry(image, world, recorded))
    return places


def _registry(image: Image, world: Seen, recorded: Mapping[str, Mapping[str, Any]]) -> Place:
    """Return what one repository of the image holds.

    The images of the platforms are recorded once, and each repository has a copy.
    """
    release, images = world.release, world.images_in(image.repository)
    nodes = {image_tag(release.version, release.channel): image.manifest_list_node}
    there = {image.manifest_list_node: images.whole if isinstance(images, Images) else None}
    for platform in image.platforms:
        nodes[platform_tag(release.version, release.channel, platform)] = image_name(platform)
        if isinstance(images, Images):
            there[image_name(platform)] = images.platforms.get(platform)
    digests = {
        tag: str(digest)
        for tag, node in nodes.items()
        if (digest := recorded.get(node, {}).get("digest")) is not None
    }
    if isinstance(images, Hidden):
        return Place("registry", image.repository, tuple(_hidden(digests)), images.why)
    now = {tag: found.digest for tag, node in nodes.items() if (found := there.get(node)) is not None}
    return Place("registry", image.repository, tuple(_compared(digests, now)))


def _compared(recorded: Mapping[str, str], now: Mapping[str, str]) -> Iterator[Row]:
    for what in dict.fromkeys([*recorded, *now]):
        before, after = recorded.get(what), now.get(what)
        yield Row(what, before, after, state_of(before, after))


def _hidden(recorded: Mapping[str, str]) -> Iterator[Row]:
    for what, value in recorded.items():
        yield Row(what, value, None, State.HIDDEN)


class Cell(StrEnum):
    """The state of a release at one destination."""

    YES = "yes"
    ELSEWHERE = "elsewhere"  # there, and not recorded here
    PART = "part"
    GONE = "gone"
    NO = "-"
    HIDDEN = "?"


def cell(*, is_there: Sequence[bool] | None, is_recorded: bool) -> Cell:
    """Return how far a release is, by which of its parts are there (None: hidden), and its record."""
    if is_there is None:
        return Cell.HIDDEN
    if is_there and all(is_there):
        return Cell.YES if is_recorded else Cell.ELSEWHERE
    if any(is_there):
        return Cell.PART
    return Cell.GONE if is_recorded else Cell.NO
