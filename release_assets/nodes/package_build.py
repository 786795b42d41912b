"""Builds of a release's sdist and wheel: the same for the nodes and for a verification."""

from __future__ import annotations

from pathlib import Path

from release_assets.distributions.files import build, unpack_sdist
from release_assets.nodes.step import Step
from release_assets.rules.tags import shown_tags


def build_sdist(step: Step, scratch: Path) -> Path:
    """Build the sdist from a clean checkout of the tag's commit and return it. Raises as `build` does."""
    commit = step.mirror.fetch(step.release.commit)
    with step.stage("checkout"):
        tags = shown_tags(step.tag, step.remote_tags, step.project.tags.patterns)
        step.mirror.checkout(commit.sha, scratch / "source", step.output, tags=tags)
    return build(
        "sdist",
        scratch / "source" / step.project.package.directory,
        scratch=scratch,
        readable=[step.mirror.path],
        cache=step.build_cache,
        epoch=commit.epoch,
        log=step.output,
        seconds=step.seconds,
    )


def build_wheel(step: Step, sdist: Path, scratch: Path) -> Path:
    """Build the wheel from an sdist of the release and return it. Raises as `build` does."""
    commit = step.mirror.fetch(step.release.commit)
    unpacked = scratch / "source"
    unpacked.mkdir()
    with step.stage("unpack"):
        tree = unpack_sdist(sdist, unpacked)
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
