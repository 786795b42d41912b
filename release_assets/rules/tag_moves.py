"""Decide where floating tags go: forward with a release, along with a rebuild, back in a rollback.

Pure: what the registry holds goes in, and what is to be done comes out. The nodes act on it, and `plan`,
`status` and `rollback --dry-run` show it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from packaging.version import Version

from release_assets.rules.image_tags import floating_tags, holders, is_in_series
from release_assets.rules.tags import Release


@dataclass(frozen=True)
class Pointer:
    """The target of a tag: a digest, and the version of the release it belongs to, where that is known."""

    digest: str
    version: Version | None = None

    def __str__(self) -> str:
        return f"{self.version or 'an unknown image'} ({self.digest})"


@dataclass(frozen=True)
class TagMove:
    """The fate of one floating tag, and the reason; `before` is None where the tag does not exist."""

    tag: str
    before: Pointer | None
    after: Pointer | None
    why: str

    @property
    def is_needed(self) -> bool:
        """True where the tag has to be pointed to another digest."""
        return self.after is not None and (self.before is None or self.before.digest != self.after.digest)


@dataclass(frozen=True)
class RecordedMove:
    """A move on record: the digests before (None where the tag did not exist) and after."""

    tag: str
    before: str | None
    after: str


def moves_forward(
    release: Release,
    own: str,
    found: Mapping[str, Pointer | None],
    published: Collection[Version],
    earlier: Collection[str] = (),
) -> list[TagMove]:
    """Return what happens to each floating tag when the release's image has the digest `own`.

    `found` is where the declared tags point now, `published` the versions whose images are in the registry,
    `earlier` the digests that the release's own tag had before. A tag moves to the highest version of its
    series. A tag that a rollback left at this release follows the release's rebuild, or it would stay at an
    image that no version tag has anymore.
    """
    mine = Pointer(own, release.version)
    moves = []
    for tag, holder in holders(release, published).items():
        if tag not in found:
            continue
        there = found[tag]
        if there is not None and there.digest == own:
            moves.append(TagMove(tag, mine, mine, "was there"))
        elif holder == release.version:
            moves.append(TagMove(tag, there, mine, f"highest is {holder}"))
        elif there is not None and is_own(release, there, earlier):
            moves.append(TagMove(tag, there, mine, f"follows the rebuild of {release.version}"))
        else:
            moves.append(TagMove(tag, there, there, _why_it_stays(there, holder)))
    return moves


def _why_it_stays(there: Pointer | None, holder: Version) -> str:
    if there is None:
        return f"does not exist; it belongs to {holder}"
    if there.version == holder:
        return f"held by {holder}"
    if there.version is not None:
        return f"held by {there.version}; the highest is {holder}"
    return f"points to an unknown image; it belongs to {holder}"


def as_rows(moves: Iterable[TagMove]) -> list[dict[str, str]]:
    """Return the moves as rows of a table: the reason and versions first, the digests last."""
    return [
        {
            "tag": move.tag,
            "why": move.why,
            "from_version": _version(move.before),
            "to_version": _version(move.after),
            "from": move.before.digest if move.before else "none",
            "to": move.after.digest if move.after else "none",
        }
        for move in moves
    ]


def _version(pointer: Pointer | None) -> str:
    if pointer is None:
        return "none"
    return str(pointer.version) if pointer.version is not None else "unknown"


def is_own(release: Release, there: Pointer, digests: Collection[str]) -> bool:
    """Return True where a tag points to an image of this release, by its digest or by its version."""
    return there.digest in digests or there.version == release.version


def overtaken_by(
    release: Release, tag: str, before: Collection[Version], now: Collection[Version]
) -> Version | None:
    """Return the higher version of the tag's series that was published between two looks, or None.

    Two daemons can publish two releases at the same time: the higher one must not lose the tag to us.
    """
    series = floating_tags(release.version, release.channel)[tag]
    appeared = set(now) - set(before)
    return max(
        (version for version in appeared if is_in_series(version, series) and version > release.version),
        default=None,
    )


def moves_back(
    release: Release,
    found: Mapping[str, Pointer | None],
    images: Mapping[Version, str],
    *,
    tagged: Collection[Version],
    recorded: Mapping[str, Pointer],
    own: Collection[str] = (),
    to: Version | None = None,
) -> list[TagMove]:
    """Return what a rollback of the release does to each of its floating tags.

    `found` is where the declared tags point now.
    A tag that points to the release goes to the highest lower version of its series, or to the version `to`.
    `images` are the digests of the versions in the registry, `tagged` the versions in git, `own` the digests
    that are known to be the release's. `recorded` is where a tag pointed before the release moved it, for
    digests that the registry still has: it decides where the highest lower version has no image anymore.
    """
    moves = []
    for tag, series in floating_tags(release.version, release.channel).items():
        if tag not in found:
            continue
        there = found[tag]
        if there is None:
            moves.append(TagMove(tag, None, None, "does not exist"))
            continue
        if not is_own(release, there, own):
            held = (
                f"held by {there.version}, not by {release.version}"
                if there.version is not None
                else f"points to an unknown image, not to {release.version}"
            )
            moves.append(TagMove(tag, there, there, held))
            continue
        after, why = _target(release, series, images, tagged=tagged, recorded=recorded.get(tag), to=to)
        moves.append(TagMove(tag, there, after or there, why))
    return moves


def _target(
    release: Release,
    series: tuple[int, ...],
    images: Mapping[Version, str],
    *,
    tagged: Collection[Version],
    recorded: Pointer | None,
    to: Version | None,
) -> tuple[Pointer | None, str]:
    """Return where a tag of this series goes back to and why; None with the reason where it has to stay."""
    if to is not None:
        if not is_in_series(to, series):
            return None, f"{to} is not in its series"
        if to not in images:
            return None, f"{to} has no image in the registry"
        return Pointer(images[to], to), "as asked for"
    wanted = lower_version(release, series, tagged)
    if wanted is not None and wanted in images:
        return Pointer(images[wanted], wanted), f"{wanted} is the highest release before {release.version}"
    gone = f"{wanted} has no image in the registry" if wanted else "no release before this one in its series"
    if recorded is not None:
        return recorded, f"{gone}: where it pointed before"
    if (lower := lower_version(release, series, images)) is not None:
        return Pointer(images[lower], lower), f"{gone}: {lower} is the highest that has"
    return None, f"{gone}, and no tag can point to nothing"


def lower_version(release: Release, series: tuple[int, ...], versions: Collection[Version]) -> Version | None:
    """Return the highest of the versions in a series that is lower than the release, or None."""
    return max(
        (version for version in versions if is_in_series(version, series) and version < release.version),
        default=None,
    )


def before_release(tag: str, now: str, moves: Iterable[RecordedMove]) -> str | None:
    """Return where `tag` pointed before its release moved it, from the release's own moves, newest first.

    None where the release did not put it where it is `now`, or where the tag did not exist. A release that
    was rebuilt has moved it several times: what counts is the digest before the first of them.
    """
    here: str | None = now
    for move in moves:
        if move.tag == tag and move.after == here:
            here = move.before
    return here if here != now else None
