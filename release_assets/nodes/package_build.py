"""Builds of a release's sdist and wheel in the environment that the project declares.

They are the same for the nodes and for a verification.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from release_assets.destinations import git
from release_assets.distributions.archives import unpack_sdist
from release_assets.distributions.build import build
from release_assets.distributions.build_environment import BuildEnvironment, build_environment, find_python
from release_assets.nodes.step import Step
from release_assets.rules.tags import shown_tags


def build_sdist(step: Step, scratch: Path) -> tuple[Path, Mapping[str, str]]:
    """Build the sdist from a clean checkout of the tag's commit.

    Return it and the versions of what was installed for its build, by name. Raises as `build` does.
    """
    commit = step.mirror.fetch(step.release.commit)
    with step.stage("checkout"):
        tags = shown_tags(step.tag, step.remote_tags, step.project.tags.patterns)
        step.mirror.checkout(commit.sha, scratch / "source", step.output, tags=tags)
    with step.folder() as settings:
        environment = declared_environment(step, commit, settings)
        file = build(
            "sdist",
            scratch / "source" / step.project.package.directory,
            scratch=scratch,
            readable=[step.mirror.path],
            cache=step.build_cache,
            epoch=commit.epoch,
            log=step.output,
            seconds=step.seconds,
            within=environment,
        )
    return file, environment.installed


def build_wheel(step: Step, sdist: Path, scratch: Path) -> tuple[Path, Mapping[str, str]]:
    """Build the wheel from an sdist of the release.

    Return it and the versions of what was installed for its build, by name. Raises as `build` does.
    """
    commit = step.mirror.fetch(step.release.commit)
    unpacked = scratch / "source"
    unpacked.mkdir()
    with step.stage("unpack"):
        tree = unpack_sdist(sdist, unpacked)
    with step.folder() as settings:
        environment = declared_environment(step, commit, settings)
        file = build(
            "wheel",
            tree,
            scratch=scratch,
            readable=[],
            cache=step.build_cache,
            epoch=commit.epoch,
            log=step.output,
            seconds=step.seconds,
            within=environment,
        )
    return file, environment.installed


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
