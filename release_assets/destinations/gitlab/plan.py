"""The plan for a GitLab release: its difference from what it should be. Pure.

GitLab has no drafts. So the files come first, into the generic package registry, and then one request makes
the release with links to all of them: it is never half public.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from release_assets.destinations.releases import PublishedRelease, WantedAsset, WantedRelease
from release_assets.errors import ConflictError
from release_assets.text import one_line

BODY_LIMIT = 1_000_000  # characters of a release's text, GitLab's limit
CUT = "\n\n… (cut here: GitLab accepts no more than 1,000,000 characters)\n"


@dataclass(frozen=True)
class PackageFile:
    """A file in the project's generic package registry; `sha256` is in hex."""

    package: int
    id: int
    name: str
    size: int
    sha256: str


@dataclass(frozen=True)
class GitLabPlan:
    """The steps that are left, in this order."""

    delete: tuple[PackageFile, ...]
    upload: tuple[WantedAsset, ...]
    create: bool  # with links to all files
    link: tuple[WantedAsset, ...]  # to a release that a person made

    @property
    def is_done(self) -> bool:
        """Nothing is left."""
        return not (self.delete or self.upload or self.create or self.link)


def release_plan(
    release: PublishedRelease | None, files: Sequence[PackageFile], wanted: WantedRelease
) -> GitLabPlan:
    """Return the steps to the wanted release. Its title and text are kept where it is there.

    A file with other bytes is replaced while no release links to it: nobody relies on it. Raises
    ConflictError where one does.
    """
    linked = {asset.name: asset for asset in release.assets} if release is not None else {}
    delete: list[PackageFile] = []
    upload: list[WantedAsset] = []
    link: list[WantedAsset] = []
    for asset in wanted.assets:
        theirs = [file for file in files if file.name == uploaded_name(asset.name)]
        same = [file for file in theirs if (file.size, file.sha256) == (asset.size, asset.sha256)]
        wrong = [file for file in theirs if file not in same]
        link_there = linked.get(uploaded_name(asset.name))
        if release is not None and link_there is not None:
            if link_there.digest is None:
                raise ConflictError(
                    f"The release {release.url} links {one_line(link_there.name)} to {link_there.url}, which "
                    "is not a file of this project's package registry.",
                    "Delete the link on GitLab and materialize again, or release a new version.",
                )
            if link_there.digest != f"sha256:{asset.sha256}":
                raise ConflictError(
                    f"The release {release.url} has {one_line(link_there.name)} with other bytes: "
                    f"{link_there.digest}, ours is sha256:{asset.sha256}.",
                    "It may have been downloaded, so it is not replaced. If it is wrong, delete the link and "
                    "the file on GitLab and materialize again; else release a new version.",
                )
            continue
        delete += wrong
        if not same:
            upload.append(asset)
        if release is not None:
            link.append(asset)
    return GitLabPlan(tuple(delete), tuple(upload), release is None, tuple(link))


def fitting_body(body: str) -> str:
    """Return `body`, cut with a line that says so where it is longer than GitLab accepts."""
    return body if len(body) <= BODY_LIMIT else body[: BODY_LIMIT - len(CUT)] + CUT


def uploaded_name(name: str) -> str:
    """Return the name under which a file is uploaded: GitLab rejects the `!` of an epoch."""
    return name.replace("!", ".")


def linked_file(url: str, package_path: str, files: Sequence[PackageFile]) -> PackageFile | None:
    """Return the file of our package that a link leads to, the newest of its name; None for other links."""
    path = unquote(urlsplit(url).path)
    named = [file for file in files if path == f"{package_path}/{file.name}"]
    return max(named, key=lambda file: file.id, default=None)
