"""Look at a clone of a repository: its packages, remote, tags, workflows and Dockerfiles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from release_assets.init.clone import find_remote, find_tags, top_of
from release_assets.init.draft import Seen
from release_assets.init.image import version_arguments
from release_assets.init.package import Package, find_packages
from release_assets.init.publishing import Published, read_publishing
from release_assets.init.remote import Remote
from release_assets.init.tree import Tree, UnreadableError
from release_assets.init.workflow import WorkflowError, read_workflow

DOCKERFILES = ("Dockerfile", "*.Dockerfile", "Dockerfile.*", "Containerfile")


@dataclass(frozen=True)
class Repository:
    """The contents of a clone; `directory` is the one looked at, and `said` lists what could not be read."""

    tree: Tree
    directory: str
    packages: tuple[Package, ...]
    remote: Remote
    tags: tuple[str, ...]
    published: tuple[Published, ...]
    dockerfiles: tuple[str, ...]
    attached: frozenset[str]
    said: tuple[str, ...]

    def seen(self, package: Package) -> Seen:
        """Return what was found for one of the packages."""
        return Seen(
            package=package,
            alone=len(self.packages) == 1,
            remote=self.remote,
            tags=self.tags,
            published=self.published,
            dockerfiles=self.dockerfiles,
            attached=self.attached,
            version_args={path: self._arguments(path, package) for path in self.dockerfiles[:20]},
        )

    def _arguments(self, dockerfile: str, package: Package) -> Mapping[str, str]:
        try:
            return version_arguments(self.tree.read(dockerfile) or "", package.version)
        except UnreadableError:
            return {}


def look_at(path: Path) -> Repository:
    """Return what the clone holds that `path` is in. Runs nothing of it; asks the remote for its tags."""
    root = top_of(path)
    tree = Tree(root)
    packages, unreadable = find_packages(tree)
    remote, about_remote = find_remote(root, has_workflows=bool(tree.workflows()))
    remote, tags, about_tags = find_tags(root, remote)
    published, unread = _published(tree, remote)
    return Repository(
        tree=tree,
        directory=PurePosixPath(path.resolve().relative_to(root)).as_posix(),
        packages=tuple(packages),
        remote=remote,
        tags=tuple(tags),
        published=tuple(published),
        dockerfiles=tuple(tree.named(*DOCKERFILES)),
        attached=frozenset(
            file for one in published for release in one.releases for file in release.files if tree.has(file)
        ),
        said=(*unreadable, *about_remote, *about_tags, *unread),
    )


def _published(tree: Tree, remote: Remote) -> tuple[list[Published], list[str]]:
    """Return what the workflows publish, and which of them could not be read."""
    known = {}
    if remote.github is not None:
        owner, _, name = remote.github.partition("/")
        known = {
            "github.repository": remote.github,
            "github.repository_owner": owner,
            "github.event.repository.name": name,
        }
    published: list[Published] = []
    unread: list[str] = []
    for path in tree.workflows():
        try:
            found = read_publishing(read_workflow(path, tree.read(path) or "", known))
        except UnreadableError as error:
            unread.append(f"{error}: it was not looked into")
        except WorkflowError as error:
            unread.append(f"{path} was not looked into: {error}")
        else:
            published += [found] if found is not None else []
    return published, unread
