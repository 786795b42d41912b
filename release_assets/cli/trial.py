"""Dry runs of images in the terminal: shown as nodes are, though no run of Dagster's builds them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from release_assets.cli.run_view import Node, Reason, RunView, State
from release_assets.cli.runs import RunFailedError, Runs
from release_assets.errors import ReleaseError
from release_assets.nodes.image_step import image_name
from release_assets.nodes.image_trial import try_image
from release_assets.planning.world import step_of
from release_assets.project import Image
from release_assets.rules.tags import Release


def try_images(
    runs: Runs,
    release: Release,
    remote_tags: Mapping[str, str],
    image: Image,
    platforms: Sequence[str],
    *,
    pull: bool = False,
) -> RunView:
    """Build the images one after the other and push nothing. Raises RunFailedError where one fails."""
    step = step_of(runs.project, release.tag, remote_tags, runs.instance)
    view = RunView("")
    for platform in platforms:
        name = image_name(platform)
        node = view.nodes.setdefault(name, Node(name))
        node.state, node.started = State.RUNNING, time.time()
        runs.display.update(view)
        try:
            try_image(step, image, platform, pull=pull, log=_shown(runs, view, name))
            node.state = State.DONE
        except ReleaseError as error:
            node.state, node.failure = State.FAILED, Reason(error.problem, error.remedy)
        node.ended = time.time()
        runs.display.update(view)
        if node.failure is not None:
            raise RunFailedError(view)
    return view


def _shown(runs: Runs, view: RunView, name: str) -> Callable[[str], None]:
    def show(line: str) -> None:
        view.take_output([name], line)
        runs.display.update(view)

    return show
