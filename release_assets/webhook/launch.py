"""Launch what an event made due, as the project's sensor would, or leave it to the sensor.

The payload decides nothing: the remote is looked at, with the sensor's own decision. What cannot be decided
at once (a moved tag, a rebuild tag, a release that still runs) is left to the sensor's next tick.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

import dagster as dg
import requests
from dagster_graphql import DagsterGraphQLClient, DagsterGraphQLClientError

from release_assets.destinations import git
from release_assets.errors import ReleaseError
from release_assets.project import Project
from release_assets.rules.tags import ParsedTag, TagKind, parse_tag
from release_assets.sensors import github_releases as images
from release_assets.sensors.claims import claim, withdraw
from release_assets.sensors.record import read_both
from release_assets.sensors.release_half import UNFINISHED, ReleaseHalf, unfinished_partitions
from release_assets.sensors.release_tags import release_request, tag_changes
from release_assets.sensors.seen_tags import SeenTags, read_seen
from release_assets.text import one_line
from release_assets.webhook.deliveries import Event

ALIVE_SECONDS = 2.0
GRAPHQL_SECONDS = 20.0  # less than `sensors.claims.CLAIM_SECONDS`


@dataclass(frozen=True)
class GraphQL:
    """Dagster's webserver; `location_of` names a project's code location and its repository."""

    url: str
    location_of: Callable[[str], tuple[str, str]]

    def check(self) -> None:
        """Raise ReleaseError where the webserver does not answer."""
        try:
            requests.get(f"{self.url}/server_info", timeout=ALIVE_SECONDS).raise_for_status()
        except requests.RequestException as error:
            raise ReleaseError(
                f"Dagster's webserver at {self.url} does not answer: {type(error).__name__}",
                "Start dagster-webserver there, or name another one with --dagster-url.",
            ) from None

    def launch(self, project: str, request: dg.RunRequest, tags: dict[str, str]) -> str:
        """Launch a run and return its id. Raises ReleaseError where that fails."""
        parts = urlsplit(self.url)
        client = DagsterGraphQLClient(
            parts.hostname or "",
            port_number=parts.port,
            use_https=parts.scheme == "https",
            timeout=int(GRAPHQL_SECONDS),
            path_prefix=parts.path.rstrip("/"),
        )
        location, repository = self.location_of(project)
        try:
            return client.submit_job_execution(
                str(request.job_name),
                repository_location_name=location,
                repository_name=repository,
                tags={**request.tags, **tags},
            )
        except DagsterGraphQLClientError as error:
            raise ReleaseError(
                f"{self.url} did not launch {request.job_name}: {one_line(str(error.__cause__ or error))}",
                "The sensor launches it within a minute. Reload the code location where this happens again.",
            ) from None


@dataclass(frozen=True)
class ProjectLauncher:
    """Launches what is due of one project. Use one at a time: a claim is the only one of its sensor."""

    project: Project
    instance: dg.DagsterInstance
    graphql: GraphQL

    def handle(self, event: Event) -> str:
        """Launch what the event made due and return what was done, in words.

        Raises ReleaseError where something cannot be reached: the sensor's next tick does it then.
        """
        name = self.project.project
        sensor = f"{name}_release_tags" if event.kind == "tag" else f"{name}_github_releases"
        if self._is_stopped(sensor):
            return f"nothing: the sensor {sensor} is switched off"
        due = self._releases() if event.kind == "tag" else self._images(event.tag)
        if isinstance(due, str):
            return f"left to the sensor {sensor}: {due}"
        due = [request for request in due if not self._has_run(sensor, request)]
        if not due:
            return "nothing is new"
        self.graphql.check()
        claim(self.instance, sensor, [str(request.run_key) for request in due])
        if any(self._is_handled(event.kind, str(request.partition_key)) for request in due):
            withdraw(self.instance, sensor)
            return f"left to the sensor {sensor}, which has seen it"
        tags = [str(request.partition_key) for request in due]
        self.instance.add_dynamic_partitions(f"{name}_releases", tags)
        runs = [
            self.graphql.launch(
                name,
                request,
                {
                    "dagster/partition": str(request.partition_key),
                    "dagster/run_key": str(request.run_key),
                    "dagster/sensor_name": sensor,
                },
            )
            for request in due
        ]
        # Not where a launch failed: the request may still be under way, and the claim ends by itself.
        withdraw(self.instance, sensor)
        return f"launched {', '.join(f'{tag} (run {run})' for tag, run in zip(tags, runs, strict=True))}"

    def _releases(self) -> list[dg.RunRequest] | str:
        """Return the requests for the tags that are new to the sensor, or why it must decide."""
        records = read_seen(self.instance, self.project.project)
        if not records:
            return "it has not looked yet, and its first look launches nothing"
        if self.project.after:
            return "it comes after other projects"
        known = _known_tags(records)
        changes = tag_changes(git.observe_tags(self.project.repository), known, self.project.tags.patterns)
        if changes.moves or changes.rebuilds:
            return "a tag moved, or images are to be built again"
        attempts = {tag: attempt for record in records for tag, attempt in record.attempts.items()}
        job = f"{self.project.project}_release"
        return [release_request(tag, job, attempts.get(tag, 1)) for tag in changes.releases]

    def _images(self, tag: str) -> list[dg.RunRequest] | str:
        """Return the request for the images of a published release, or why the sensor must decide."""
        name = self.project.project
        parsed = parse_tag(tag, self.project.tags.patterns)
        if self.project.image is None or not isinstance(parsed, ParsedTag) or parsed.kind is TagKind.REBUILD:
            return []
        if not read_both(self.instance, images.record_name(name)):
            return "it has not looked yet, and its first look launches nothing"
        if self._is_handled("release", tag):
            return []
        made = dg.AssetKey([name, "manifest_list"])
        runs = self.instance.get_runs(dg.RunsFilter(statuses=UNFINISHED))
        waits, points_to = ReleaseHalf(self.project, f"{name}_release").waits(self.instance, {tag}, runs)
        if tag in points_to or tag in self.instance.get_materialized_partitions(made):
            return []
        if tag in waits or tag in unfinished_partitions(runs, f"{name}_docker", made):
            return waits.get(tag, "a run builds its images")
        request = images.images_request(tag)
        return [
            dg.RunRequest(request.run_key, job_name=f"{name}_docker", partition_key=tag, tags=request.tags)
        ]

    def _is_handled(self, kind: str, tag: str) -> bool:
        """Return whether the sensor's records, also that of a tick under way, hold the tag."""
        if kind == "tag":
            return tag in _known_tags(read_seen(self.instance, self.project.project))
        records = read_both(self.instance, images.record_name(self.project.project))
        return any(tag in images.SeenReleases.model_validate_json(text).done for text in records)

    def _has_run(self, sensor: str, request: dg.RunRequest) -> bool:
        tags = {"dagster/run_key": str(request.run_key), "dagster/sensor_name": sensor}
        return bool(self.instance.get_runs(dg.RunsFilter(tags=tags), limit=1))

    def _is_stopped(self, sensor: str) -> bool:
        if self.instance.schedule_storage is None:
            return False
        states = self.instance.all_instigator_state()
        return any(state.instigator_name == sensor and not state.is_running for state in states)


def _known_tags(records: Sequence[SeenTags]) -> dict[str, str]:
    return {tag: commit for record in records for tag, commit in record.tags.items()}
