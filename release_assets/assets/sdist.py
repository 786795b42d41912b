"""sdist: built from a clean checkout of the tag's commit, checked, and kept."""

from __future__ import annotations

from release_assets.nodes.distribution import built_before, check_and_keep, recorded_distribution
from release_assets.nodes.metadata import described, package_file
from release_assets.nodes.node import Node, Recorded
from release_assets.nodes.package_build import build_sdist
from release_assets.nodes.step import Step
from release_assets.nodes.trial import INSTALLS
from release_assets.nodes.twine_check import TWINE_CHECK
from release_assets.project import Project


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
        checks=[TWINE_CHECK, *([INSTALLS] if "sdist" in project.package.trial.distributions else [])],
    )


def sdist(step: Step) -> Recorded:
    """Build the sdist from a checkout of the tag's commit, or keep the one that was built before."""
    if kept := built_before(step, "sdist"):
        return recorded_distribution(step, kept[0], "kept")
    with step.folder() as scratch:
        return check_and_keep(step, "sdist", *build_sdist(step, scratch))
