"""The build of a step's distributions: in the environment that the project declares."""

from __future__ import annotations

from pathlib import Path

from release_assets.destinations import git
from release_assets.distributions.build_environment import BuildEnvironment, build_environment, find_python
from release_assets.nodes.step import Step


def declared_environment(step: Step, commit: git.Commit, folder: Path) -> BuildEnvironment:
    """Return the environment that the project declares, for one build of the commit.

    `folder` is one that build code cannot write. Raises PermanentError where the commit lacks the declared
    constraints or the machine the declared Python, TransientError where Python could not be downloaded.
    """
    declared = step.project.package.build
    constraints = step.mirror.read(commit.sha, declared.constraints) if declared.constraints else None
    return build_environment(
        declared, commit=commit.epoch, constraints=constraints, python=declared_python(step), folder=folder
    )


def declared_python(step: Step) -> Path | None:
    """Return the interpreter of the declared Python, or None for our own."""
    version = step.project.package.build.python
    return find_python(version, step.pythons) if version is not None else None
