"""summary: one page that is the release: what is public, what it holds, how long it took, what warned."""

from __future__ import annotations

import hashlib

import dagster as dg

from release_assets.nodes.metadata import described
from release_assets.nodes.node import Node, Recorded
from release_assets.nodes.step import Step
from release_assets.nodes.summary import Summary, summarize, summary_sections, summary_text
from release_assets.nodes.trial import INDEX_INSTALLS, INSTALLED, index_trial
from release_assets.project import Project
from release_assets.rules.tags import channel_of


def summary_node(project: Project) -> Node:
    """Declare `<project>/summary`."""
    return Node(
        work=summary,
        name="summary",
        deps=[place.floating_tags_node for place in project.image.places]
        if project.image is not None
        else ["github_release"],
        half="images" if project.image is not None else "package",
        kinds={"markdown"},
        description=described(
            "Shows the whole release on one page: where it is published, the tags that it holds now, the "
            "seconds of each part, both runs, and everything that warned. It publishes nothing, and what it "
            "cannot learn it names.",
            needs=[],
            again="it shows the release as it is at that moment.",
        ),
        checks=[INDEX_INSTALLS] if project.package.trial.from_index else [],
    )


def summary(step: Step) -> Recorded:
    """Collect what Dagster and the registry have of the release, and show it on one page.

    The release is whole by now: nobody waits while it is installed from its index.
    """
    installed = index_trial(step) if step.project.package.trial.from_index else None
    channel = channel_of(step.tag.kind, step.tag.version)
    found = summarize(step.project, step.tag.name, step.tag.version, channel, step.context.instance)
    sections = summary_sections(found)
    links = {
        "package": found.value("pypi_publication", "package"),
        "release": found.value("github_release", "release"),
        "registry": found.registry_page,
    }
    runs = {"release_run": found.release_run, "docker_run": found.docker_run}
    return Recorded(
        data_version=hashlib.sha256(summary_text(found).encode()).hexdigest(),
        metadata={
            **{name: dg.MetadataValue.md(text) for name, text in sections.items()},
            **{name: dg.MetadataValue.url(url) for name, url in links.items() if url is not None},
            **{name: dg.MetadataValue.dagster_run(run) for name, run in runs.items() if run is not None},
            "version": str(step.tag.version),
            **({"holds": _holds(found)} if step.project.image is not None else {}),
            "warnings": len(found.warnings),
            **({INSTALLED: installed.words} if installed is not None and installed.state == "ok" else {}),
        },
        checks={INDEX_INSTALLS.name: installed} if installed is not None else {},
    )


def _holds(found: Summary) -> str:
    return found.holds if isinstance(found.holds, str) else ", ".join(found.holds or ()) or "none"
