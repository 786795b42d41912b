"""ReleaseGraph: what a `defs.yaml` declares, as a Dagster component."""

from __future__ import annotations

import dagster as dg
from pydantic import BaseModel

from release_assets.graph import build_release_graph
from release_assets.project import Project


class ReleaseGraph(dg.Component):
    """Releases one Python package: package index, GitHub release, images for several platforms.

    Example:
        ```yaml
        type: release_assets.ReleaseGraph
        attributes:
          project: crawl4ai
          repository: https://github.com/unclecode/crawl4ai.git
          package:
            version_file: crawl4ai/__version__.py
          image:
            repository: docker.io/unclecode/crawl4ai
        ```
    """

    def __init__(self, project: Project) -> None:
        self.project = project

    @classmethod
    def get_model_cls(cls) -> type[BaseModel]:
        """What `attributes` may hold: see project.py."""
        return Project

    @classmethod
    def load(cls, attributes: BaseModel | None, context: dg.ComponentLoadContext) -> ReleaseGraph:  # noqa: ARG003
        """The component for validated attributes; nothing of the context is needed."""
        return cls(Project.model_validate(attributes))

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:  # noqa: ARG002
        """The project's assets, jobs and sensors."""
        return build_release_graph(self.project)
