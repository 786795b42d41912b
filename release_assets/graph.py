"""build_release_graph: the assets, jobs and sensors of one project."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import dagster as dg

from release_assets.assets.adopted_wheels import adopted_wheels_node
from release_assets.assets.approval import approval_node
from release_assets.assets.floating_tags import floating_tags_node
from release_assets.assets.github_release import github_release_node
from release_assets.assets.image import image_node
from release_assets.assets.manifest_list import manifest_list_node
from release_assets.assets.platform_wheels import platform_wheels_node
from release_assets.assets.pypi_publication import pypi_publication_node
from release_assets.assets.sdist import sdist_node
from release_assets.assets.summary import summary_node
from release_assets.assets.version import version_node
from release_assets.assets.wheel import wheel_node
from release_assets.audit.job import audit
from release_assets.executor import parallel_executor
from release_assets.nodes.node import Node, asset_of
from release_assets.project import Project
from release_assets.retention.job import cleanup
from release_assets.sensors.github_releases import github_releases
from release_assets.sensors.lost_retries import lost_retries
from release_assets.sensors.order import Order
from release_assets.sensors.release_tags import release_tags


def build_release_graph(project: Project, projects: Mapping[str, Project] | None = None) -> dg.Definitions:
    """Everything that Dagster needs to release one project; `projects` are those that it may come after."""
    order = Order(project, projects or {})
    partitions = dg.DynamicPartitionsDefinition(name=f"{project.project}_releases")
    asset = partial(asset_of, project=project, partitions=partitions)

    wheels = wheels_nodes(project)
    gates = [asset(approval_node(project))] if project.needs_approval else []
    # In the order of what cannot be undone.
    release_half = [
        asset(version_node(project)),
        asset(sdist_node(project)),
        *map(asset, wheels),
        *gates,
        asset(pypi_publication_node(project)),
        asset(github_release_node(project)),
        *([asset(summary_node(project))] if project.image is None else []),
    ]
    release_job = dg.define_asset_job(
        f"{project.project}_release",
        selection=dg.AssetSelection.assets(*release_half),
        # Where one step follows the other, a process for each would only cost seconds.
        executor_def=dg.in_process_executor if len(wheels) < 2 else parallel_executor,
        description="From a tag to the package index and the GitHub release.",
    )
    if project.image is None:
        return dg.Definitions.merge(
            dg.Definitions(
                assets=release_half,
                jobs=[release_job],
                sensors=[
                    release_tags(project, partitions, release_job, None, order),
                    lost_retries(project, [release_job]),
                ],
            ),
            audit(project, partitions, None),
            cleanup(project),
        )

    places = project.image.places
    docker_half = [
        *(asset(image_node(project, project.image, platform)) for platform in project.image.platforms),
        *(asset(manifest_list_node(project, place, places)) for place in places),
        *(asset(floating_tags_node(project, place)) for place in places),
        asset(summary_node(project)),
    ]
    docker_job = dg.define_asset_job(
        f"{project.project}_docker",
        selection=dg.AssetSelection.assets(release_half[0], *gates, *docker_half),
        executor_def=parallel_executor,
        description="From a published release to its images, its manifest list and the floating tags.",
    )
    graph = dg.Definitions(
        assets=[*release_half, *docker_half],
        jobs=[release_job, docker_job],
        sensors=[
            release_tags(project, partitions, release_job, docker_job, order),
            github_releases(project, partitions, release_job, docker_job),
            lost_retries(project, [release_job, docker_job]),
        ],
    )
    return dg.Definitions.merge(graph, audit(project, partitions, docker_job), cleanup(project))


def wheels_nodes(project: Project) -> list[Node]:
    """Return the nodes that make the project's wheels; none where it releases the sdist alone."""
    package = project.package
    nodes = [wheel_node(project)] if "wheel" in package.distributions else []
    nodes += [platform_wheels_node(project, platform) for platform in package.wheel_platforms]
    if (adopted := package.adopted_wheels) is not None:
        nodes.append(adopted_wheels_node(project, adopted))
    return nodes
