"""wheel: built from the sdist and not from the checkout, so that what people get is enough to build it."""

from __future__ import annotations

from pathlib import Path

import dagster as dg

from release_assets.checks.distribution import TWINE_CHECK
from release_assets.distributions.files import build, unpack_sdist
from release_assets.nodes.distribution import kept_distribution
from release_assets.nodes.metadata import described, package_file
from release_assets.nodes.node import Recorded, release_node
from release_assets.nodes.step import Step
from release_assets.project import Project


def wheel(project: Project, partitions: dg.DynamicPartitionsDefinition) -> dg.AssetsDefinition:
    """Return the asset `<project>/wheel`."""

    @release_node(
        project,
        partitions,
        name="wheel",
        deps=["sdist"],
        kinds={"python", "wheel"},
        description=described(
            "Builds the wheel from the sdist that is published with it, checks its name, version and "
            "contents, and keeps the file.",
            needs=["the sdist of this release"],
            again="a file that was built from this commit is kept, and never built twice.",
        ),
        source=package_file(project, "pyproject.toml"),
        checks=[TWINE_CHECK],
    )
    def work(step: Step) -> Recorded:
        def from_sdist(scratch: Path) -> Path:
            source = step.kept("sdist")
            commit = step.mirror.fetch(step.release.commit)
            unpacked = scratch / "source"
            unpacked.mkdir()
            with step.stage("unpack"):
                tree = unpack_sdist(step.store.fetch(source, scratch), unpacked)
            return build(
                "wheel",
                tree,
                scratch=scratch,
                readable=[],
                cache=step.build_cache,
                epoch=commit.epoch,
                log=step.output,
                seconds=step.seconds,
            )

        return kept_distribution(step, "wheel", from_sdist)

    return work
