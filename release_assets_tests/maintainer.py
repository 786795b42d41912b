"""A maintainer of projects of their own: tags, materializes, and reads what Dagster's UI would show."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import requests

from release_assets.destinations import package_index as index_destination
from release_assets.destinations.package_index import IndexFile
from release_assets.destinations.registry import Registry, parse_repository
from release_assets.graph import build_release_graph
from release_assets.project import Project
from release_assets_tests.repository import Repository
from tools.sandbox import Sandbox

RELEASE_HALF = ("version", "sdist", "wheel", "pypi_publication", "github_release")
BUILD = RELEASE_HALF[:3]

SECRETS = {"PYPI_TOKEN", "TEST_PYPI_TOKEN", "GITHUB_TOKEN", "DOCKER_USERNAME", "DOCKER_TOKEN"}

PYPROJECT = """\
[build-system]
requires = ["flit_core==3.12.0"]
build-backend = "flit_core.buildapi"

[project]
name = "{name}"
version = "{version}"
description = "A sample."
readme = "README.md"
requires-python = ">=3.11"
"""


SETUPTOOLS = (
    PYPROJECT.replace("flit_core==3.12.0", "setuptools==80.9.0").replace(
        "flit_core.buildapi", "setuptools.build_meta"
    )
    + """
[tool.setuptools]
py-modules = ["{name}"]
"""
)


@dataclass(frozen=True)
class Stands:
    """The addresses of the stand-ins of a test, and the variables that a user would set for them."""

    indexes: Mapping[str, Mapping[str, str]]  # index and test_index, as defs.yaml has them
    github_api_url: str
    github_token: str
    variables: Mapping[str, str]  # every one that a release may need
    sandbox: Sandbox | None = None  # only where images are built

    @property
    def secrets(self) -> list[str]:
        """Return the values that must be seen nowhere; a user name is not a secret."""
        return [value for name, value in self.variables.items() if name.endswith("TOKEN")]

    def github_delete(self, path: str) -> None:
        """Delete something on GitHub."""
        headers = {"Authorization": f"Bearer {self.github_token}"}
        requests.delete(f"{self.github_api_url}{path}", headers=headers, timeout=10).raise_for_status()

    @classmethod
    def of(cls, sandbox: Sandbox) -> Stands:
        """All of a sandbox's."""
        return cls(
            indexes={"index": vars(sandbox.index), "test_index": vars(sandbox.test_index)},
            github_api_url=sandbox.github_api_url,
            github_token=sandbox.environment["GITHUB_TOKEN"],
            variables=sandbox.environment,
            sandbox=sandbox,
        )

    def github(self, method: str, path: str, **body: Any) -> Any:
        """An answer of GitHub's API."""
        headers = {"Authorization": f"Bearer {self.github_token}"}
        url = f"{self.github_api_url}{path}"
        answer = requests.request(method, url, headers=headers, json=body or None, timeout=10)
        answer.raise_for_status()
        return answer.json()


@dataclass(frozen=True)
class Outcome:
    """A run that has ended, as a maintainer sees it."""

    events: Sequence[dg.DagsterEvent]
    records: list[dg.EventLogEntry]

    @property
    def success(self) -> bool:
        return any(event.event_type is dg.DagsterEventType.RUN_SUCCESS for event in self.events)

    @property
    def materialized(self) -> list[str]:
        """The nodes that succeeded, in their order."""
        return [event.asset_key.path[-1] for event in self._of("ASSET_MATERIALIZATION") if event.asset_key]

    @property
    def retried(self) -> list[str]:
        """The nodes that were tried again, once for each time."""
        return [(event.step_key or "").rpartition("__")[2] for event in self._of("STEP_UP_FOR_RETRY")]

    @property
    def failed(self) -> list[str]:
        """The nodes that failed for good; those that only waited for them are not among them."""
        return [(event.step_key or "").rpartition("__")[2] for event in self._of("STEP_FAILURE")]

    def failure(self, node: str) -> dg.Failure:
        """Return the failed node's error and its metadata."""
        for event in self._of("STEP_FAILURE"):
            if (event.step_key or "").endswith(f"__{node}"):
                data = event.step_failure_data.user_failure_data
                assert data is not None, event.step_failure_data.error
                return dg.Failure(data.description, data.metadata)
        raise AssertionError(f"{node} did not fail; these did: {self.failed}")

    def words(self, node: str) -> str:
        """The failed node's words."""
        return str(self.failure(node).description)

    def metadata(self, node: str) -> dict[str, Any]:
        """The node's metadata as plain values."""
        for event in self._of("ASSET_MATERIALIZATION"):
            if event.asset_key and event.asset_key.path[-1] == node:
                found = event.step_materialization_data.materialization.metadata
                return {name: value.value for name, value in found.items()}
        raise AssertionError(f"{node} was not materialized; these were: {self.materialized}")

    @property
    def checked(self) -> dict[str, tuple[bool, str]]:
        """Return the results of the checks, by node and check: whether it passed, and the words."""
        evaluated = [event.asset_check_evaluation_data for event in self._of("ASSET_CHECK_EVALUATION")]
        return {
            f"{found.asset_key.path[-1]}/{found.check_name}": (found.passed, found.description or "")
            for found in evaluated
        }

    @property
    def said(self) -> str:
        """The event log's lines."""
        return "\n".join(record.user_message for record in self.records)

    def _of(self, kind: str) -> Iterator[dg.DagsterEvent]:
        return (event for event in self.events if event.event_type_value == kind)


@dataclass
class Maintainer:
    """A project with a repository, destinations and a DAGSTER_HOME of its own."""

    stands: Stands
    repository: Repository
    home: Path
    name: str  # of the package
    attributes: dict[str, Any]
    variables: dict[str, str]  # what Dagster's process has; a test takes some away
    instances: list[dg.DagsterInstance] = field(default_factory=list)

    @property
    def project(self) -> Project:
        return Project.model_validate(self.attributes)

    @property
    def simple_url(self) -> str:
        return self.stands.indexes["index"]["simple_url"]

    @property
    def github_repository(self) -> str:
        return str(self.attributes["github"]["repository"])

    @property
    def registry(self) -> Registry:
        """The registry that the images go to."""
        return Registry(
            parse_repository(self.attributes["image"]["repository"]),
            username=self.stands.variables["DOCKER_USERNAME"],
            token=self.stands.variables["DOCKER_TOKEN"],
            username_env="DOCKER_USERNAME",
            token_env="DOCKER_TOKEN",
        )

    def commit(self, version: str, **files: str) -> str:
        """Commit the package at this version, and other files."""
        return self.repository.commit(
            {"pyproject.toml": PYPROJECT.format(name=self.name, version=version), **files}, version
        )

    def build_with_setuptools(self, version: str) -> None:
        """Commit the package at this version with setuptools, which packs no sdist as it did before."""
        self.repository.commit(
            {"pyproject.toml": SETUPTOOLS.format(name=self.name, version=version)}, version
        )

    def tag(self, tag: str, version: str, **files: str) -> str:
        """Commit the package at this version and tag it; the commit."""
        commit = self.commit(version, **files)
        self.repository.tag(tag, annotated=True)
        return commit

    @property
    def instance(self) -> dg.DagsterInstance:
        if not self.instances:
            self.home.mkdir(exist_ok=True)
            self.instances.append(dg.DagsterInstance.ephemeral(tempdir=str(self.home)))
        return self.instances[-1]

    def lose_dagster_home(self) -> None:
        """Dagster and the store start from nothing."""
        self.instances.pop().dispose()
        self.home = self.home.with_name(f"{self.home.name}-again")

    def materialize(self, tag: str, *nodes: str, run_tags: Mapping[str, str] | None = None) -> Outcome:
        """Materialize some nodes of a partition, or all, as the UI's button does; it may fail."""
        definitions = build_release_graph(self.project)
        assets = [*(definitions.assets or []), *(definitions.asset_checks or [])]
        partitions = f"{self.project.project}_releases"
        self.instance.add_dynamic_partitions(partitions, [tag])
        selection = [dg.AssetKey([self.project.project, node]) for node in nodes]
        with self.environment():
            result = dg.materialize(
                assets,  # type: ignore[arg-type]  # all of them are assets or checks
                selection=selection or None,
                partition_key=tag,
                instance=self.instance,
                raise_on_error=False,
                tags=dict(run_tags or {}),
            )
        return Outcome(result.all_events, list(self.instance.all_logs(result.run_id)))

    @contextlib.contextmanager
    def environment(self) -> Iterator[None]:
        """The environment of Dagster's process inside the block."""
        with pytest.MonkeyPatch.context() as patch:
            for variable in SECRETS - set(self.variables):
                patch.delenv(variable, raising=False)
            for variable, value in self.variables.items():
                patch.setenv(variable, value)
            yield

    def served(self, *, channel: str = "index") -> dict[str, IndexFile]:
        """Return the files that pip finds."""
        return index_destination.observe(self.stands.indexes[channel]["simple_url"], self.name)

    def github_releases(self) -> dict[str, dict[str, Any]]:
        """The releases on GitHub, by tag."""
        found = self.stands.github("GET", f"/repos/{self.github_repository}/releases")
        return {release["tag_name"]: release for release in found}

    def digest(self, tag: str) -> str | None:
        """The digest that an image tag points to."""
        manifest = self.registry.manifest(tag)
        return manifest.digest if manifest else None


class NewMaintainer:
    """Makes maintainers, each with a project that no other test has."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.made: list[Maintainer] = []

    def __call__(self, stands: Stands, *, dockerfile: str | None = None, **attributes: Any) -> Maintainer:
        """A maintainer whose project has these attributes, and an image if there is a Dockerfile."""
        name = f"sample_{uuid.uuid4().hex[:8]}"
        made = stands.github("POST", "/user/repos", name=name, private=True)
        repository = Repository(self._folder / name, {"sample/__init__.py": "", f"{name}.py": '"""A."""\n'})
        image = {}
        if dockerfile is not None:
            assert stands.sandbox is not None
            repository.commit({"Dockerfile": dockerfile})
            image["image"] = {
                "repository": f"{stands.sandbox.registry}/tests/{name}",
                "cache": "none",
                "build_contexts": stands.sandbox.build_contexts,
            }
        maintainer = Maintainer(
            stands=stands,
            repository=repository,
            home=self._folder / f"{name}-home",
            name=name,
            attributes={
                "project": name,
                "repository": repository.remote,
                # Each trial takes a second or two: test_trial.py and the releases end to end have them.
                "package": {"trial": {"distributions": [], "from_index": False}},
                **{channel: dict(index) for channel, index in stands.indexes.items()},
                "github": {"api_url": stands.github_api_url, "repository": made["full_name"]},
                **image,
                **attributes,
            },
            variables=dict(stands.variables),
        )
        self.made.append(maintainer)
        return maintainer
