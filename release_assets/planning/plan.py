"""Plan a release node by node. Pure: what was observed goes in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from release_assets.destinations.package_index import IndexFile, refuse_closed_release
from release_assets.errors import PermanentError
from release_assets.nodes.image_step import image_name
from release_assets.planning.observed import Approvals, Hidden, Images, TaggedImage, World
from release_assets.project import Image, Project
from release_assets.rules.image_tags import why_none
from release_assets.rules.tag_moves import TagMove, moves_forward
from release_assets.rules.tags import Channel

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
    """The work of all nodes, and the moves of the floating tags; those in mirrors by repository."""

    nodes: tuple[NodePlan, ...]
    moves: tuple[TagMove, ...]
    mirror_moves: Mapping[str, tuple[TagMove, ...]] = field(default_factory=dict)

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
    images, moves = _images(project, world) if project.image is not None else ([], {})
    nodes += images
    if world.approvals is not None:
        built = 1 + len(project.package.distributions)
        nodes.insert(built, _approval(world, world.approvals, nodes, built))
    own = project.image.repository if project.image is not None else ""
    mirrored = {name: tuple(found) for name, found in moves.items() if name != own}
    return Plan(_waiting(nodes), tuple(moves.get(own, ())), mirrored)


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
        # The repositories of an image do not wait for each other.
        is_in_place = plan.node.startswith(("manifest_list", "floating_tags"))
        if blocker is None and plan.action is Action.BLOCKED and not is_in_place:
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
        return NodePlan(node, Action.NOTHING, f"a test release has no {project.page.host} release")
    found = world.github
    if isinstance(found, Hidden):
        return NodePlan(node, Action.UNKNOWN, f"{project.page.repository}: {found.why}")
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


def _images(project: Project, world: World) -> tuple[list[NodePlan], dict[str, list[TagMove]]]:
    """Return the plans of the docker half, and what happens to the floating tags, by repository."""
    assert project.image is not None  # noqa: S101  (see plan_release)
    places = project.image.places
    names = {platform: image_name(platform) for platform in project.image.platforms}
    there = {place.repository: world.images_in(place.repository) for place in places}
    seen = {name: found for name, found in there.items() if isinstance(found, Images)}
    plans = []
    if not seen:
        first, *others = names.values()
        plans.append(NodePlan(first, Action.UNKNOWN, _why_unknown(places[0], there[places[0].repository])))
        plans += [NodePlan(name, Action.UNKNOWN, f"as {first}") for name in others]
    else:
        plans += [_platform(project, world, list(seen.values()), name, names[name]) for name in names]
    moves: dict[str, list[TagMove]] = {}
    is_built = all(plan.action is Action.NOTHING for plan in plans)
    for place in places:
        found = there[place.repository]
        lists, floating = place.manifest_list_node, place.floating_tags_node
        if any(plan.action is Action.BLOCKED for plan in plans[: len(names)]):
            plans += [NodePlan(node, Action.BLOCKED, "waits for the images") for node in (lists, floating)]
            continue
        if not isinstance(found, Images):
            is_told = place is places[0] and not seen
            words = f"as {plans[0].node}" if is_told else _why_unknown(place, found)
            plans.append(NodePlan(lists, Action.UNKNOWN, words))
            plans.append(
                NodePlan(floating, Action.UNKNOWN, f"as {lists if len(places) > 1 else plans[0].node}")
            )
            continue
        if len(places) > 1 and (foreign := _foreign_in(project, world, found)) is not None:
            plans.append(NodePlan(lists, Action.BLOCKED, foreign))
            plans.append(NodePlan(floating, Action.BLOCKED, f"waits for {lists}"))
            continue
        if found.whole is not None and found.is_joined and is_built:
            own = found.whole.digest
            plans.append(NodePlan(lists, Action.NOTHING, own))
        else:
            own = PENDING
            plans.append(NodePlan(lists, Action.DO, f"join the images of {', '.join(names)}"))
        moves[place.repository] = moves_forward(
            world.release, own, found.floating, found.published, found.earlier
        )
        moved = [move.tag for move in moves[place.repository] if move.is_needed]
        if moved:
            plans.append(NodePlan(floating, Action.DO, f"move {', '.join(moved)}"))
        else:
            is_any = bool(moves[place.repository])
            words = "every tag is where it belongs" if is_any else why_none(world.release.channel)
            plans.append(NodePlan(floating, Action.NOTHING, words))
    return plans, moves


def _why_unknown(image: Image, found: Images | Hidden | None) -> str:
    why = found.why if isinstance(found, Hidden) else "not declared"
    return f"{image.repository}: {why}"


def _platform(project: Project, world: World, seen: Sequence[Images], platform: str, name: str) -> NodePlan:
    """Return the plan of one platform's image, by what its repositories hold of it."""
    foreign = [_foreign_in(project, world, images, platform) for images in seen]
    there = [images.platforms.get(platform) for images in seen]
    if (words := foreign[0]) is not None and all(foreign):
        return NodePlan(name, Action.BLOCKED, words)
    # One repository is enough: the others get a copy.
    for image in there:
        if image is not None and image.revisions == {world.built_from}:
            return NodePlan(name, Action.NOTHING, image.digest)
    if not any(there):
        return NodePlan(name, Action.DO, f"build the image for {platform}")
    return NodePlan(name, Action.DO, f"build it again from {world.rebuild_tag}")


def _foreign_in(project: Project, world: World, images: Images, platform: str | None = None) -> str | None:
    """Return why a tag of the release in a repository must not be overwritten, None where all may be."""
    of_platforms = [images.platforms.get(platform)] if platform is not None else [*images.platforms.values()]
    words = (_foreign(project, world, there) for there in (*of_platforms, images.whole))
    return next(filter(None, words), None)


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
