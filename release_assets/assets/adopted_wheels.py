"""adopted_wheels: wheels that another machine builds, such as for macOS and Windows, awaited by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from release_assets.distributions.wheels.adopted import (
    Copy,
    wait_for_wheels,
    wheels_in_draft,
    wheels_in_folder,
    wheels_on_page,
)
from release_assets.distributions.wheels.tools import check_installed
from release_assets.nodes.distribution import built_before
from release_assets.nodes.metadata import described
from release_assets.nodes.node import Node, Recorded
from release_assets.nodes.platform_wheels import keep_wheels, recorded_wheels
from release_assets.nodes.step import Step
from release_assets.nodes.twine_check import TWINE_CHECK
from release_assets.project import AdoptedWheels, Project

NODE = "adopted_wheels"


def adopted_wheels_node(project: Project, adopted: AdoptedWheels) -> Node:
    """Declare `<project>/adopted_wheels`."""
    needs = ["the other machine's wheels, one for each pattern"]
    if adopted.location == "draft":
        needs.append(project.page.token_env)
    return Node(
        work=adopt_wheels,
        name=NODE,
        deps=["sdist"],
        kinds={"python", "wheel"},
        description=described(
            f"Waits for {len(adopted.files)} wheels that another machine builds, for "
            f"{adopted.wait_minutes:g} minutes at most, and checks their names, tags and RECORD.",
            needs=needs,
            again="files that were adopted for this commit are kept.",
        ),
        checks=[TWINE_CHECK],
    )


def adopt_wheels(step: Step) -> Recorded:
    """Wait for all declared wheels, check and keep them, or keep those that were adopted before."""
    if kept := built_before(step, NODE):
        return recorded_wheels(kept, "kept")
    check_installed("adopted")
    adopted = step.project.package.adopted_wheels
    assert adopted is not None  # noqa: S101  (else there is no such node)
    look, where = _place(step, adopted)
    with step.stage("wait"):
        copies = wait_for_wheels(
            adopted.files,
            step.release.version,
            look,
            where=where,
            seconds=adopted.wait_minutes * 60,
            say=step.say,
        )
    with step.folder() as folder:
        with step.stage("copy"):
            files = [(copy(folder), adopted) for copy in copies]
        return keep_wheels(step, NODE, files, platform=None)


def _place(step: Step, adopted: AdoptedWheels) -> tuple[Callable[[], Mapping[str, Copy]], str]:
    """Return how to look for the wheels, and the place in words."""
    release, hub = step.release, step.project.github
    if adopted.location == "draft":
        assert hub is not None  # noqa: S101  (only GitHub has drafts: see Project)
        token = step.secret(hub.token_env, f"the draft of {release.tag} in {hub.repository}")
        return (
            lambda: wheels_in_draft(
                hub.api_url, hub.repository, release.tag, token=token, token_env=hub.token_env
            ),
            f"the draft of {release.tag} in {hub.repository}",
        )
    # git accepts slashes in a tag, which would be folders here.
    named = adopted.location.replace("{tag}", release.tag.replace("/", "%2F"))
    named = named.replace("{version}", str(release.version))
    if named.startswith("/"):
        return lambda: wheels_in_folder(Path(named)), named
    return lambda: wheels_on_page(named), named
