"""No secret is in what Dagster keeps, whether a release succeeds or fails."""

from __future__ import annotations

import json
from collections.abc import Iterator

import dagster as dg
import pytest

from release_assets.sandbox.stack import Stack
from release_assets_tests.maintainer import Maintainer, NewMaintainer, Stands
from release_assets_tests.secret_forms import forms_of


@pytest.fixture(scope="module")
def recorded(new: NewMaintainer, package_stands: Stands) -> Iterator[Maintainer]:
    """A DAGSTER_HOME on disk, with a release that succeeded and one that was refused for its token."""
    maintainer = new(package_stands)
    stack = Stack.at(maintainer.home, definitions={}, variables={})
    with stack.instance() as instance:
        maintainer.instances.append(instance)
        maintainer.tag("v1.2.3", "1.2.3")
        assert maintainer.materialize("v1.2.3").success
        maintainer.tag("v1.2.4", "1.2.4")
        maintainer.variables["PYPI_TOKEN"] = "pypi-that-nobody-ever-issued"
        assert maintainer.materialize("v1.2.4").failed == ["pypi_publication"]
        yield maintainer
        maintainer.instances.clear()


def secrets(maintainer: Maintainer) -> set[str]:
    values = {*maintainer.stands.variables.values(), maintainer.variables["PYPI_TOKEN"]}
    return {form for value in values for form in forms_of(value)}


def test_the_event_log_holds_none(recorded: Maintainer) -> None:
    runs = recorded.instance.get_runs()
    assert len(runs) == 2
    text = "\n".join(
        dg.serialize_value(record) for run in runs for record in recorded.instance.all_logs(run.run_id)
    ) + "".join(json.dumps(run.run_config) + json.dumps(dict(run.tags)) for run in runs)
    assert "STEP_FAILURE" in text
    assert "sha256" in text
    assert {form for form in secrets(recorded) if form in text} == set()


def test_no_file_below_dagster_home_holds_one(recorded: Maintainer) -> None:
    files = [file for file in recorded.home.rglob("*") if file.is_file()]
    text = b"".join(file.read_bytes() for file in files)
    assert b"twine: Uploading" in text  # compute logs are among them
    assert {form for form in secrets(recorded) if form.encode() in text} == set()
