"""sdist: built from a clean checkout of the tag's commit, checked, and kept."""

from __future__ import annotations

from release_assets.checks.distribution import TWINE_CHECK
from release_assets.distributions.files import build
from release_assets.nodes.distribution import built_before, check_and_keep, recorded_distribution
from release_assets.nodes.metadata import described, package_file
from release_assets.nodes.node import Node, Recorded
from release_assets.nodes.step import Step
from release_assets.project import Project
from release_assets.rules.tags import shown_tags


def sdist_node(project: Project) -> Node:
    """Declare `<project>/sdist`."""
    return Node(
        work=sdist,
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


def sdist(step: Step) -> Recorded:
    """Build the sdist from a checkout of the tag's commit, or keep the one that was built before."""
    if kept := built_before(step, "sdist"):
        return recorded_distribution(kept[0], "kept")
    commit = step.mirror.fetch(step.release.commit)
    with step.folder() as scratch:
        with step.stage("checkout"):
            tags = shown_tags(step.tag, step.remote_tags, step.project.tags.patterns)
            step.mirror.checkout(commit.sha, scratch / "source", step.output, tags=tags)
        file = build(
            "sdist",
            scratch / "source" / step.project.package.directory,
            scratch=scratch,
            readable=[step.mirror.path],
            cache=step.build_cache,
            epoch=commit.epoch,
            log=step.output,
            seconds=step.seconds,
        )
        return check_and_keep(step, "sdist", file)
