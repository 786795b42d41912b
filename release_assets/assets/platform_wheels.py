"""wheel_<platform>: the wheels with compiled code for one platform, built from the sdist."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from release_assets.distributions.archives import unpack_sdist
from release_assets.distributions.wheels import containers, zig
from release_assets.nodes.distribution import built_before
from release_assets.nodes.metadata import described, package_file
from release_assets.nodes.node import Node, Recorded
from release_assets.nodes.platform_wheels import keep_wheels, recorded_wheels
from release_assets.nodes.step import Step
from release_assets.nodes.twine_check import TWINE_CHECK
from release_assets.project import CibuildwheelWheels, Project, TriedWheels, ZigWheels
from release_assets.rules.wheel_tags import wheel_node_name


def platform_wheels_node(project: Project, platform: str) -> Node:
    """Declare `<project>/wheel_<platform>`."""
    return Node(
        work=partial(platform_wheels, platform=platform),
        name=wheel_node_name(platform),
        deps=["sdist"],
        kinds={"python", "wheel"},
        description=described(
            f"Builds the wheels for {platform} from the sdist that is published with them, checks their "
            "names, tags, RECORD, libraries and stable ABI, then installs and imports each on its platform.",
            needs=["the sdist of this release", "the extra `release-assets[wheels]`"],
            again="files that were built from this commit are kept, and never built twice.",
        ),
        source=package_file(project, "pyproject.toml"),
        checks=[TWINE_CHECK],
    )


def platform_wheels(step: Step, platform: str) -> Recorded:
    """Build a platform's wheels from the kept sdist, or keep those that were built before."""
    node = wheel_node_name(platform)
    if kept := built_before(step, node):
        return recorded_wheels(kept, "kept")
    declared = [source.built for source in step.project.package.wheels or ()]
    sources = [source for source in declared if source is not None and platform in source.platforms]
    with step.folder() as scratch:
        made: list[tuple[Path, TriedWheels]] = []
        for number, source in enumerate(sources):
            folder = scratch / str(number)
            folder.mkdir()
            made += [(file, source) for file in _made(step, source, platform, folder)]
        return keep_wheels(step, node, made, platform=platform)


def _made(step: Step, source: ZigWheels | CibuildwheelWheels, platform: str, folder: Path) -> list[Path]:
    """Return the wheels of one source, built in an empty folder. Raises a ReleaseError."""
    commit = step.mirror.fetch(step.release.commit)
    unpacked, scratch = folder / "source", folder / "build"
    unpacked.mkdir()
    scratch.mkdir()
    with step.stage("unpack"):
        tree = unpack_sdist(step.store.fetch(step.kept("sdist"), folder), unpacked)
    if isinstance(source, ZigWheels):
        return zig.build_wheels(
            source,
            platform,
            tree,
            scratch=scratch,
            cache=step.build_cache,
            epoch=commit.epoch,
            log=step.output,
            seconds=step.seconds,
        )
    return containers.build_wheels(
        source,
        platform,
        tree,
        scratch=scratch,
        epoch=commit.epoch,
        log=step.output,
        seconds=step.seconds,
    )
