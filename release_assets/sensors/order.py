"""Hold a new release back while a release that comes before it is not on its package index."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import dagster as dg

from release_assets.project import Project
from release_assets.rules.order import earlier_tags
from release_assets.sensors.attempts import Attempts

ANY = "*"  # in the place of a tag: the project is not declared


def waits_words(waits: Sequence[tuple[str, str]]) -> str:
    """Return what a release waits for, in words."""
    return "; ".join(
        f"no valid project is named {name}, which `after` names"
        if tag == ANY
        else f"{tag} of {name} is not on its package index yet"
        for name, tag in waits
    )


class Order:
    """The projects that a project comes `after`, as far as they are declared."""

    def __init__(self, project: Project, projects: Mapping[str, Project]) -> None:
        """`projects` are all that are declared. A name in `after` that is not among them holds releases."""
        self.project = project
        self._before = {name: projects[name] for name in project.after if name in projects}
        self._undeclared = [name for name in project.after if name not in projects]

    def earlier(
        self, tag: str, observed: Mapping[str, str], seen: Mapping[str, str]
    ) -> list[tuple[str, str]]:
        """Return what a tag that is new in this look waits for, as pairs of project and tag.

        A project that is not declared holds every release: its tags are unknown.
        """
        return [(name, ANY) for name in self._undeclared] + [
            (name, other)
            for name, project in self._before.items()
            if project.repository == self.project.repository
            for other in earlier_tags(
                tag, observed, seen, patterns=self.project.tags.patterns, theirs=project.tags.patterns
            )
        ]

    def unpublished(
        self,
        instance: dg.DagsterInstance,
        earlier: Sequence[tuple[str, str]],
        observed: Mapping[str, str],
    ) -> list[tuple[str, str]]:
        """Return those that are not on their package index yet. A tag that was deleted is not waited for."""
        return [
            (name, tag)
            for name, tag in earlier
            if name in self._undeclared
            or (
                tag in observed
                and name in self._before
                and not self._is_published(instance, self._before[name], tag, observed[tag])
            )
        ]

    def _is_published(self, instance: dg.DagsterInstance, project: Project, tag: str, commit: str) -> bool:
        key = dg.AssetKey([project.project, "pypi_publication"])
        if tag in instance.get_materialized_partitions(key):
            return True
        # Released elsewhere, or before this Dagster. A run of ours uploads one file after the other,
        # and counts when it is recorded.
        attempts = Attempts(project, f"{project.project}_release")
        return attempts.newest(instance, tag) is None and bool(attempts.on_index(instance, tag, commit))
