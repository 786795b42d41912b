"""Plan a release node by node, and estimate how long it takes. Pure: what was observed goes in."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from release_assets.destinations.package_index import IndexFile, refuse_closed_release
from release_assets.errors import PermanentError
from release_assets.nodes.image_step import image_name
from release_assets.planning.changes import Change
from release_assets.planning.observed import Approvals, Hidden, Images, TaggedImage, World
from release_assets.project import Project
from release_assets.rules.tag_moves import TagMove, moves_forward
from release_assets.rules.tags import Channel

# Of the images, without records: from the change that costs the most to none.
IMAGE_MINUTES = {Change.DOCKERFILE: 11, Change.REQUIREMENTS: 4, Change.CODE: 2, Change.NOTHING: 1}
# Of the other nodes, without records: seconds of a small package.
NODE_SECONDS = {
    "version": 2.0,
    "sdist": 5.0,
    "wheel": 3.0,
    "pypi_publication": 10.0,
    "github_release": 5.0,
    "manifest_list": 3.0,
    "floating_tags": 3.0,
}
PLATFORM_WHEEL_SECONDS = 25.0  # of a small package compiled by zig
PENDING = "the digest of the image that is built"


class Action(StrEnum):
    """The kinds of work that a node can have."""

    DO = "do"
    NOTHING = "nothing"
    WAITS = "waits"  # for a person
    BLOCKED = "blocked"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class NodePlan:
    """The work of one node in words, or why it cannot be done."""

    node: str
    action: Action
    what: str


@dataclass(frozen=True)
class Plan:
    """The work of all nodes, and the moves of the floating tags."""

    nodes: tuple[NodePlan, ...]
    moves: tuple[TagMove, ...]

    @property
    def is_blocked(self) -> bool:
        """True where a node cannot do its work."""
        return any(node.action is Action.BLOCKED for node in self.nodes)

    def needs(self, nodes: Iterable[str]) -> bool:
        """Return True where one of these nodes has something to do, or may have."""
        wanted = set(nodes)
        return any(plan.node in wanted and plan.action is not Action.NOTHING for plan in self.nodes)


def plan_release(project: Project, world: World, now: datetime) -> Plan:
    """Return what a release would do, each node after those that it depends on."""
    nodes = [
        _version(world),
        *(_distribution(project, world, node, now) for node in project.package.distributions),
        _publication(project, world),
        _github(project, world),
    ]
    images, moves = _images(project, world) if project.image is not None else ([], [])
    nodes += images
    if world.approvals is not None:
        built = 1 + len(project.package.distributions)
        nodes.insert(built, _approval(world, world.approvals, nodes, built))
    return Plan(_waiting(nodes), tuple(moves))


def _approval(world: World, approvals: Approvals, nodes: Sequence[NodePlan], built: int) -> NodePlan:
    missing, recorded = approvals.missing, approvals.recorded
    if missing is None and recorded is not None:
        return NodePlan("approval", Action.NOTHING, f"approved by {recorded.approved_by}: {recorded.reason}")
    if all(node.action is Action.NOTHING for node in nodes):
        return NodePlan("approval", Action.NOTHING, "nothing is left to publish")
    if any(node.action is Action.DO for node in nodes[:built]):
        return NodePlan("approval", Action.WAITS, "waits for a person when everything is built")
    return NodePlan(
        "approval",
        Action.WAITS,
        f"waits for a person: {missing}. Run `release-assets approve {world.release.tag}`",
    )


def _waiting(nodes: Sequence[NodePlan]) -> tuple[NodePlan, ...]:
    """Return the plans, those blocked that come after one that is; what is there already is there."""
    blocker: str | None = None
    plans = []
    for plan in nodes:
        if blocker is not None and plan.action is Action.DO:
            plans.append(NodePlan(plan.node, Action.BLOCKED, f"waits for {blocker}"))
            continue
        plans.append(plan)
        if blocker is None and plan.action is Action.BLOCKED:
            blocker = plan.node
    return tuple(plans)


def _version(world: World) -> NodePlan:
    if world.problem is not None:
        return NodePlan("version", Action.BLOCKED, f"{world.problem.problem} {world.problem.remedy}")
    where = world.declared_in or "the built metadata"
    return NodePlan("version", Action.NOTHING, f"{world.release.version} is declared in {where}")


def _distribution(project: Project, world: World, node: str, now: datetime) -> NodePlan:
    kept = world.kept[node]
    commit = kept[0].commit if kept else None
    names = [one.filename for one in kept]
    is_ours = commit == world.release.commit
    if isinstance(world.index, Hidden):
        return _built(node, names if is_ours else [])
    served = _served(project, world, node, world.index)
    if not is_ours and (published := [name for name in names if name in world.index]):
        return NodePlan(
            node,
            Action.BLOCKED,
            f"{', '.join(published)} was published from commit {commit}, and {world.release.tag} is "
            f"{world.release.commit} now. Move the tag back, or release a new version.",
        )
    if is_ours:
        return _built(node, names)
    if served:
        return NodePlan(node, Action.NOTHING, f"published: {', '.join(sorted(served))}")
    try:
        refuse_closed_release(
            world.release.version,
            {f"the {node}"},
            world.index,
            window_days=project.index_for(world.release.channel).window_days,
            now=now,
        )
    except PermanentError as error:
        return NodePlan(node, Action.BLOCKED, f"{error.problem} {error.remedy}")
    return _built(node, [])


def _served(project: Project, world: World, node: str, index: Mapping[str, IndexFile]) -> list[str]:
    """Return the files that the index serves of those that a node makes."""
    version = str(world.release.version)
    return [name for name in index if project.package.is_made_by(node, name, version)]


def _built(node: str, names: Sequence[str]) -> NodePlan:
    if names:
        return NodePlan(node, Action.NOTHING, f"built before: {', '.join(names)}")
    if node == "adopted_wheels":
        return NodePlan(node, Action.DO, "wait for the wheels of another machine")
    return NodePlan(node, Action.DO, f"build the {node.replace('_', ' ', 1).replace('_', '/')}")


def _publication(project: Project, world: World) -> NodePlan:
    node = "pypi_publication"
    index = project.index_for(world.release.channel).simple_url
    if isinstance(world.index, Hidden):
        return NodePlan(node, Action.UNKNOWN, f"{index}: {world.index.why}")
    ours = {kept.filename: kept.sha256 for files in world.kept.values() for kept in files}
    other = sorted(
        name
        for name, served in world.index.items()
        if name in ours and served.sha256 not in {None, ours[name]}
    )
    if other:
        return NodePlan(node, Action.DO, f"compare {' and '.join(other)} with the files that {index} serves")
    # Wheels first, as they are uploaded. Of wheels that are kept, the index may have some.
    nodes = [*project.package.distributions[1:], "sdist"]
    missing = [
        made
        for made in nodes
        if not _served(project, world, made, world.index)
        or (len(world.kept[made]) > 1 and any(one.filename not in world.index for one in world.kept[made]))
    ]
    if missing:
        return NodePlan(node, Action.DO, f"upload the {' and the '.join(missing)} to {index}")
    yanked = [name for name, served in world.index.items() if served.yanked]
    there = f"published: {', '.join(sorted(world.index))}"
    return NodePlan(node, Action.NOTHING, f"{there} (yanked)" if yanked else there)


def _github(project: Project, world: World) -> NodePlan:
    node = "github_release"
    if world.release.channel is Channel.TEST:
        return NodePlan(node, Action.NOTHING, "a test release has no GitHub release")
    found = world.github
    if isinstance(found, Hidden):
        return NodePlan(node, Action.UNKNOWN, f"{project.github.repository}: {found.why}")
    if found is None and world.notes_problem is not None:
        return NodePlan(node, Action.BLOCKED, f"{world.notes_problem.problem} {world.notes_problem.remedy}")
    if found is None:
        return NodePlan(node, Action.DO, f"publish the release {world.release.tag} with its files")
    if found.draft:
        return NodePlan(node, Action.DO, f"complete and publish the draft {found.url}")
    names = {asset.name for asset in found.assets if asset.state == "uploaded"}
    expected = {"an sdist": ".tar.gz", "SHA256SUMS": "SHA256SUMS"}
    if len(project.package.distributions) > 1:
        expected["a wheel"] = ".whl"
    missing = [what for what, end in expected.items() if not any(name.endswith(end) for name in names)]
    missing += [
        one.filename
        for files in world.kept.values()
        if len(files) > 1
        for one in files
        if one.commit == world.release.commit and one.filename not in names
    ]
    if missing:
        return NodePlan(node, Action.DO, f"add {', '.join(missing)} to {found.url}")
    return NodePlan(node, Action.NOTHING, f"published: {found.url}")


def _images(project: Project, world: World) -> tuple[list[NodePlan], list[TagMove]]:
    """Return the plans of the docker half, and what happens to the floating tags."""
    assert project.image is not None  # noqa: S101  (see plan_release)
    names = {platform: image_name(platform) for platform in project.image.platforms}
    images = world.images
    if not isinstance(images, Images):
        why = images.why if isinstance(images, Hidden) else "not declared"
        words = f"{project.image.repository}: {why}"
        hidden = [*names.values(), "manifest_list", "floating_tags"]
        first = hidden[0]
        same = (NodePlan(name, Action.UNKNOWN, f"as {first}") for name in hidden[1:])
        return [NodePlan(first, Action.UNKNOWN, words), *same], []
    foreign = _foreign(project, world, images.whole)
    plans = []
    for platform, name in names.items():
        there = images.platforms.get(platform)
        if (words_of := _foreign(project, world, there) or foreign) is not None:
            plans.append(NodePlan(name, Action.BLOCKED, words_of))
        elif there is None:
            plans.append(NodePlan(name, Action.DO, f"build the image for {platform}"))
        elif there.revisions != {world.built_from}:
            plans.append(NodePlan(name, Action.DO, f"build it again from {world.rebuild_tag}"))
        else:
            plans.append(NodePlan(name, Action.NOTHING, there.digest))
    if any(plan.action is Action.BLOCKED for plan in plans):
        rest = ("manifest_list", "floating_tags")
        return [*plans, *(NodePlan(name, Action.BLOCKED, "waits for the images") for name in rest)], []
    if images.whole is not None and images.is_joined and not any(plan.action is Action.DO for plan in plans):
        own = images.whole.digest
        plans.append(NodePlan("manifest_list", Action.NOTHING, own))
    else:
        own = PENDING
        plans.append(NodePlan("manifest_list", Action.DO, f"join the images of {', '.join(names)}"))
    moves = moves_forward(world.release, own, images.floating, images.published, images.earlier)
    moved = [move.tag for move in moves if move.is_needed]
    if moved:
        plans.append(NodePlan("floating_tags", Action.DO, f"move {', '.join(moved)}"))
    else:
        words = "every tag is where it belongs" if moves else "a prerelease moves no tag"
        plans.append(NodePlan("floating_tags", Action.NOTHING, words))
    return plans, moves


def _foreign(project: Project, world: World, there: TaggedImage | None) -> str | None:
    """Return why an image tag must not be overwritten, None where it may be."""
    release = world.release
    if there is None or world.rebuild_tag is not None or there.revisions <= {release.commit}:
        return None
    rebuild = project.tags.rebuild.replace("{version}", str(release.version))
    return (
        f"{there.digest} was built from commit {', '.join(sorted(there.revisions))}, and {release.tag} is "
        f"{release.commit}. Push the commit to build from as the rebuild tag {rebuild}."
    )


@dataclass(frozen=True)
class Records:
    """Recorded seconds of releases before: of each node, and of images by the kind of change."""

    nodes: Mapping[str, Sequence[float]]
    images: Mapping[Change, Sequence[float]]  # of the slowest platform of each release


@dataclass(frozen=True)
class Estimate:
    """Seconds of a release's two halves, and of how many records those of the images are the median."""

    package: float
    images: float
    recorded: int

    @property
    def total(self) -> float:
        """Both halves, in seconds."""
        return self.package + self.images


def estimate(plan: Plan, change: Change, records: Records) -> Estimate:
    """Return how long the nodes take that have something to do.

    The images of all platforms are built at the same time: they take as long as the slowest.
    """
    work = [node.node for node in plan.nodes if node.action in {Action.DO, Action.UNKNOWN}]
    package = sum(
        statistics.median(records.nodes.get(node) or [_usual_seconds(node)])
        for node in work
        if _usual_seconds(node)
    )
    recorded = records.images.get(change) or []
    images = 0.0
    if any(not _usual_seconds(node) for node in work):
        images = statistics.median(recorded) if recorded else IMAGE_MINUTES[change] * 60.0
    return Estimate(package, images, len(recorded))


def _usual_seconds(node: str) -> float:
    """Return the seconds of a node without records; 0 for an image."""
    return NODE_SECONDS.get(node, PLATFORM_WHEEL_SECONDS if "wheel" in node else 0.0)
