"""sdist: built from a clean checkout of the tag's commit, checked, and kept."""

from __future__ import annotations

from pathlib import Path

import dagster as dg

from release_assets.checks.distribution import TWINE_CHECK
from release_assets.distributions.files import build
from release_assets.nodes.distribution import kept_distribution
from release_assets.nodes.metadata import described, package_file
from release_assets.nodes.node import Recorded, release_node
from release_assets.nodes.step import Step
from release_assets.project import Project
from release_assets.rules.tags import shown_tags


def sdist(project: Project, partitions: dg.DynamicPartitionsDefinition) -> dg.AssetsDefinition:
    """Return the asset `<project>/sdist`."""

    @release_node(
        project,
        partitions,
        name="sdist",
        deps=["version"],
        kinds={"python", "sdist"},
        description=described(
            "Builds the source distribution from a clean checkout of the tag's commit, checks its name, "
            "version and contents, and keeps the file.",
            needs=["git's access to the repository"],
            again="a file that was built from this commit is kept, and never built twice.",
        ),
        source=package_file(project, "pyproject.toml"),
        checks=[TWINE_CHECK],
    )
    def work(step: Step) -> Recorded:
        def from_checkout(scratch: Path) -> Path:
            commit = step.mirror.fetch(step.release.commit)
            with step.stage("checkout"):
                tags = shown_tags(step.tag, step.remote_tags, project.tags.patterns)
                step.mirror.checkout(commit.sha, scratch / "source", step.output, tags=tags)
            return build(
                "sdist",
                scratch / "source" / project.package.directory,
                scratch=scratch,
                readable=[step.mirror.path],
                cache=step.build_cache,
                epoch=commit.epoch,
                log=step.output,
                seconds=step.seconds,
            )

        return kept_distribution(step, "sdist", from_checkout)

    return work
