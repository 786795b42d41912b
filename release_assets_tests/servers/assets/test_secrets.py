"""No secret is in what Dagster keeps or tells, whether a release succeeds, fails, or is spoilt on purpose."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import dagster as dg
import pytest

from release_assets.destinations import github
from release_assets.destinations.registry import Registry, parse_repository
from release_assets.nodes.node import Node, Recorded, asset_of
from release_assets.nodes.step import Step
from release_assets_tests.maintainer import Maintainer, NewMaintainer, Stands
from release_assets_tests.secret_forms import forms_of
from tools.chaos.judge import leaks, leaks_in_graphql
from tools.chaos.proxy import Fault, proxy_before
from tools.sandbox.servers import free_port
from tools.sandbox.stack import Stack

REFUSED = "pypi-that-nobody-ever-issued"


@dataclass(frozen=True)
class Home:
    """A DAGSTER_HOME on disk with all kinds of runs, and the secrets that those were given."""

    project: str
    stack: Stack
    instance: dg.DagsterInstance
    secrets: list[str]

    @property
    def events(self) -> str:
        """Event log, run configuration and run tags, as they are stored."""
        runs = self.instance.get_runs()
        stored = [dg.serialize_value(record) for run in runs for record in self.instance.all_logs(run.run_id)]
        return "\n".join([*stored, *(json.dumps([run.run_config, dict(run.tags)]) for run in runs)])

    @property
    def printed(self) -> str:
        """Return what the steps have written to their standard output and standard error."""
        logs = self.stack.home / "storage"
        return "".join(file.read_text() for kind in ("*.out", "*.err") for file in sorted(logs.rglob(kind)))


@pytest.fixture(scope="module")
def home(new: NewMaintainer, package_stands: Stands) -> Iterator[Home]:
    """A release that succeeded, one whose token was refused, two whose server repeats what it was sent, one
    whose code is careless."""
    maintainer = new(package_stands)
    definition = json.dumps({"type": "release_assets.ReleaseGraph", "attributes": maintainer.attributes})
    stack = Stack.at(
        maintainer.home, definitions={maintainer.name: definition}, variables=maintainer.variables
    )
    with stack.instance() as instance:
        maintainer.instances.append(instance)
        maintainer.tag("v1.0.0", "1.0.0")
        assert maintainer.materialize("v1.0.0").success
        _is_refused(maintainer)
        _is_repeated_by_the_index(maintainer)
        _is_repeated_by_github(maintainer)
        _is_careless(maintainer)
        yield Home(maintainer.name, stack, instance, [*package_stands.secrets, REFUSED])
        maintainer.instances.clear()


def _is_refused(maintainer: Maintainer) -> None:
    maintainer.tag("v1.0.1", "1.0.1")
    right = maintainer.variables["PYPI_TOKEN"]
    maintainer.variables["PYPI_TOKEN"] = REFUSED
    assert maintainer.materialize("v1.0.1").failed == ["version"]
    maintainer.variables["PYPI_TOKEN"] = right


def _is_repeated_by_the_index(maintainer: Maintainer) -> None:
    index = maintainer.attributes["index"]
    kept = dict(index)
    maintainer.tag("v1.0.2", "1.0.2")
    posts: list[str] = []

    def upload(method: str, path: str) -> bool:  # twice it is only asked whether the token is taken
        posts.extend([path] if method == "POST" else [])
        return len(posts) > 2

    port = urlsplit(index["upload_url"]).port
    with proxy_before(port or 0) as proxy:
        proxy.fault = Fault("echo-403", upload)
        index |= {
            name: url.replace(f":{port}/", f":{proxy.port}/") for name, url in kept.items() if "url" in name
        }
        outcome = maintainer.materialize("v1.0.2")
        assert outcome.failed == ["pypi_publication"]
        assert "cannot serve Basic " in outcome.words("pypi_publication")
    index |= kept


def _is_repeated_by_github(maintainer: Maintainer) -> None:
    there = maintainer.attributes["github"]
    kept = dict(there)
    maintainer.tag("v1.0.3", "1.0.3")
    port = urlsplit(there["api_url"]).port
    with proxy_before(port or 0, rewrite=True) as proxy:
        proxy.fault = Fault("echo-403", lambda method, path: method == "POST" and path.endswith("/releases"))
        there["api_url"] = f"http://localhost:{proxy.port}"
        outcome = maintainer.materialize("v1.0.3")
        assert outcome.failed == ["github_release"]
        assert "cannot serve token ***" in outcome.words("github_release")
    there |= kept


def _is_careless(maintainer: Maintainer) -> None:
    """Prints all that holds a secret, records it, and fails with it as a library's error would."""

    def work(step: Step) -> Recorded:
        token = step.secret("PYPI_TOKEN", "this test")
        for thing in holders_of_secrets(step, token):
            print(thing, repr(thing))
            step.context.log.info(f"{thing} {thing!r}")
        step.say(f"the token is {token}")
        step.output(f"the token is {token}")
        if step.tag.name == "v1.0.0":
            words = f"{token} {base64.b64encode(token.encode()).decode()}"
            rows = [dg.TableRecord({"column": words})]
            return Recorded(
                data_version="none",
                metadata={
                    "text": words,
                    "url": dg.MetadataValue.url(f"https://example.invalid/?token={token}"),
                    "markdown": dg.MetadataValue.md(f"**{words}**"),
                    "table": dg.MetadataValue.table(rows),
                },
            )
        try:
            raise KeyError(f"https://__token__:{token}@example.invalid/")
        except KeyError as error:
            raise RuntimeError(f"no connection with {token}") from error

    project = maintainer.project
    partitions = dg.DynamicPartitionsDefinition(name=f"{project.project}_releases")
    node = asset_of(Node("careless", work, "Leaks."), project, partitions)
    with maintainer.environment():
        for tag, succeeds in (("v1.0.0", True), ("v1.0.1", False)):
            result = dg.materialize(
                [node], partition_key=tag, instance=maintainer.instance, raise_on_error=False
            )
            assert result.success is succeeds


def holders_of_secrets(step: Step, token: str) -> list[object]:
    """Everything of ours that knows a secret."""
    registry = Registry(
        parse_repository("localhost:5000/somebody/something"),
        username="somebody",
        token=token,
        username_env="DOCKER_USERNAME",
        token_env="DOCKER_TOKEN",
    )
    assert step.secrets  # known from here on
    return [step, step.project, step.context, registry, github.connect("http://localhost:1", token)]


def test_the_event_log_holds_none(home: Home) -> None:
    assert "STEP_FAILURE" in home.events
    assert "sha256" in home.events
    assert "release-assets itself failed: RuntimeError('no connection with ***')" in home.events
    assert {form for secret in home.secrets for form in forms_of(secret) if form in home.events} == set()


def test_our_own_mistake_has_a_traceback_without_the_secret(home: Home) -> None:
    assert "KeyError: 'https://__token__:***@example.invalid/'" in home.events
    assert "The above exception was the direct cause of the following exception" in home.events


def test_what_is_printed_holds_none(home: Home) -> None:
    assert "twine: Uploading" in home.printed
    assert "Step(project=Project(" in home.printed
    assert "the token is ***" in home.printed
    assert {form for secret in home.secrets for form in forms_of(secret) if form in home.printed} == set()


def test_no_file_below_dagster_home_holds_one(home: Home) -> None:
    assert leaks((file for file in Path(home.stack.home).rglob("*") if file.is_file()), home.secrets) == []


def test_graphql_tells_none(home: Home) -> None:
    with home.stack.webserver(free_port()) as url:
        assert leaks_in_graphql(url, home.secrets) == []


def test_metadata_that_a_server_filled_is_recorded_without_them(home: Home) -> None:
    key = dg.AssetKey([home.project, "careless"])
    (record,) = home.instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=key, asset_partitions=["v1.0.0"]), limit=1
    ).records
    assert record.asset_materialization is not None
    metadata = record.asset_materialization.metadata
    assert metadata["text"].value == "*** ***"
    assert metadata["url"].value == "https://example.invalid/?token=***"
    assert metadata["markdown"].value == "**" + "*** ***" + "**"
    table = metadata["table"]
    assert isinstance(table, dg.TableMetadataValue)
    assert [row.data for row in table.records] == [{"column": "*** ***"}]
