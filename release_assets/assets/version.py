"""version: the tag's commit exists, and what the source declares is the tag's version."""

from __future__ import annotations

import dagster as dg

from release_assets.checks.audit import AS_RECORDED, DRIFT
from release_assets.destinations.links import commit_link
from release_assets.nodes.declared_version import check_declared_version
from release_assets.nodes.disk import require_space
from release_assets.nodes.metadata import described, package_file
from release_assets.nodes.node import Node, Recorded
from release_assets.nodes.preflight import PREFLIGHT, preflight
from release_assets.nodes.step import Step
from release_assets.project import Project
from release_assets.text import one_line


def version_node(project: Project) -> Node:
    """Declare `<project>/version`."""
    return Node(
        work=version,
        name="version",
        kinds={"git", "python"},
        description=described(
            "Fetches the tag's commit and checks that its source declares the version that the tag names. "
            "It tries every token and key that the rest of the run needs. Where one fails, nothing is built.",
            needs=["git's access to the repository"],
            again="it reads the repository and changes nothing.",
        ),
        source=package_file(project, "pyproject.toml"),
        checks=(PREFLIGHT, DRIFT),
    )


def version(step: Step) -> Recorded:
    """Check the version that the tagged source declares, and every credential that the run needs."""
    require_space(step.written_folders)
    release = step.release
    with step.stage("fetch"):
        commit = step.mirror.fetch(release.commit)
        step.mirror.require_lfs(release.commit, step.output)
    place = check_declared_version(step)
    with step.stage("preflight"):
        found = preflight(step)
    step.say(f"{release.tag} is {step.project.project} {release.version}, commit {release.commit}")
    return Recorded(
        data_version=release.commit,
        metadata={
            "version": str(release.version),
            "channel": release.channel.value,
            "commit": commit_link(step.project, release.commit),
            # Text in the UI, which shows no Markdown in it; a terminal that prints it is not driven.
            "subject": dg.MetadataValue.text(one_line(commit.subject)),
            "author": dg.MetadataValue.text(one_line(commit.author)),
            "committed": dg.MetadataValue.timestamp(commit.committed_at),
            "declared_in": place or "the built metadata (the version is dynamic)",
        },
        checks={PREFLIGHT.name: found, DRIFT.name: AS_RECORDED},
    )
