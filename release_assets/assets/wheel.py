"""wheel: built from the sdist and not from the checkout, so that what people get is enough to build it."""

from __future__ import annotations

from release_assets.nodes.distribution import built_before, check_and_keep, recorded_distribution
from release_assets.nodes.metadata import described, package_file
from release_assets.nodes.node import Node, Recorded
from release_assets.nodes.package_build import build_wheel
from release_assets.nodes.step import Step
from release_assets.nodes.trial import INSTALLS
from release_assets.nodes.twine_check import TWINE_CHECK
from release_assets.project import Project


def wheel_node(project: Project) -> Node:
    """Declare `<project>/wheel`."""
    return Node(
        work=wheel,
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
        checks=[TWINE_CHECK, *([INSTALLS] if "wheel" in project.package.trial.distributions else [])],
    )


def wheel(step: Step) -> Recorded:
    """Build the wheel from the kept sdist, or keep the one that was built before."""
    if kept := built_before(step, "wheel"):
        return recorded_distribution(step, kept[0], "kept")
    source = step.kept("sdist")
    with step.folder() as scratch:
        return check_and_keep(step, "wheel", *build_wheel(step, step.store.fetch(source, scratch), scratch))
