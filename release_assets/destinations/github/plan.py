"""The plan for a release: its difference from what it should be."""

from __future__ import annotations

import re
from dataclasses import dataclass

from release_assets.destinations.releases import (
    PublishedRelease,
    ReleaseAsset,
    WantedAsset,
    WantedRelease,
)
from release_assets.errors import ConflictError
from release_assets.text import one_line

BODY_LIMIT = 125_000  # characters of a release's text, GitHub's limit
CUT = "\n\n… (cut here: GitHub accepts no more than 125,000 characters)\n"


@dataclass(frozen=True)
class ReleasePlan:
    """The steps that are left, in this order, and what an immutable release can never get."""

    create: bool
    delete: tuple[ReleaseAsset, ...]
    upload: tuple[WantedAsset, ...]
    publish: bool
    lacking: tuple[str, ...] = ()  # names of files

    @property
    def is_done(self) -> bool:
        """Nothing is left."""
        return not (self.create or self.delete or self.upload or self.publish)


def fitting_body(body: str) -> str:
    """Return `body`, cut with a line that says so where it is longer than GitHub accepts."""
    return body if len(body) <= BODY_LIMIT else body[: BODY_LIMIT - len(CUT)] + CUT


def same_name(ours: str, theirs: str) -> bool:
    """Return whether an asset that GitHub calls `theirs` was uploaded as `ours`.

    GitHub puts one dot in place of a run of special characters, and does not say which those are: the `!` of
    an epoch is one, the `+` of a local version sometimes. So here all but letters, digits, - and _ are.
    """
    plain = [re.sub(r"[^A-Za-z0-9_-]+", ".", name).strip(".") for name in (ours, theirs)]
    return plain[0] == plain[1]


def release_plan(observed: PublishedRelease | None, wanted: WantedRelease) -> ReleasePlan:
    """Return the steps from `observed` to `wanted`. Text that is there is kept, no matter who wrote it.

    In a draft, which nobody relies on, wrong assets are replaced; in a published release only those that
    never arrived, and none in an immutable one, which is done as it is. Assets that we did not build stay.
    Raises ConflictError for other bytes in a published release.
    """
    if observed is None:
        return ReleasePlan(create=True, delete=(), upload=wanted.assets, publish=True)
    delete: list[ReleaseAsset] = []
    upload: list[WantedAsset] = []
    for asset in wanted.assets:
        theirs = [found for found in observed.assets if same_name(asset.name, found.name)]
        wrong = [found for found in theirs if _difference(asset, found)]
        delete += wrong
        if len(wrong) == len(theirs):
            upload.append(asset)
        for found in wrong:
            if not observed.draft and found.state == "uploaded":
                raise ConflictError(
                    f"The release {observed.url} has {one_line(found.name)} with other bytes: "
                    f"{_difference(asset, found)}.",
                    "The release is immutable: its files stay as they are. Release a new version."
                    if observed.immutable
                    else "It may have been downloaded, so it is not replaced. If it is wrong, delete it on "
                    "GitHub and materialize again; else release a new version.",
                )
    if observed.immutable and not observed.draft:
        lacking = tuple(asset.name for asset in upload)
        return ReleasePlan(create=False, delete=(), upload=(), publish=False, lacking=lacking)
    return ReleasePlan(create=False, delete=tuple(delete), upload=tuple(upload), publish=observed.draft)


def _difference(ours: WantedAsset, theirs: ReleaseAsset) -> str:
    """Return how an asset differs from our file, in words; "" where GitHub shows no difference."""
    if theirs.state != "uploaded":
        return f"it is only in state {theirs.state}"
    if theirs.size != ours.size:
        return f"{theirs.size} bytes, ours has {ours.size}"
    if theirs.digest is not None and theirs.digest != f"sha256:{ours.sha256}":
        return f"{theirs.digest}, ours is sha256:{ours.sha256}"
    return ""
