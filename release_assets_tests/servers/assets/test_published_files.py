"""An image is built with the files of its release, or not at all where the release is ours."""

from __future__ import annotations

import dagster as dg
import pytest

from release_assets.errors import PermanentError, ReleaseError, TransientError
from release_assets.nodes.image_step import published_files
from release_assets.nodes.node import Node, Recorded, asset_of
from release_assets.nodes.step import Step
from release_assets_tests.maintainer import BUILD, Maintainer


def files_for(maintainer: Maintainer, tag: str) -> list[str] | ReleaseError:
    """Return the names of the files that an image of the tag gets, or why there are none."""
    found: list[list[str] | ReleaseError] = []

    def work(step: Step) -> Recorded:
        with step.folder() as scratch:
            try:
                folder = published_files(step, scratch, "linux/amd64")
            except ReleaseError as error:
                found.append(error)
            else:
                found.append(sorted(file.name for file in folder.iterdir()))
        return Recorded(data_version="none", metadata={})

    project = maintainer.project
    partitions = dg.DynamicPartitionsDefinition(name=f"{project.project}_releases")
    node = asset_of(Node("files", work, "Fetched."), project, partitions)
    maintainer.instance.add_dynamic_partitions(str(partitions.name), [tag])
    with maintainer.environment():
        assert dg.materialize([node], partition_key=tag, instance=maintainer.instance).success
    return found[0]


def test_a_published_release_brings_its_files(maintainer: Maintainer) -> None:
    maintainer.tag("v1.0.0", "1.0.0")
    assert maintainer.materialize("v1.0.0").success
    name = maintainer.name
    assert files_for(maintainer, "v1.0.0") == [f"{name}-1.0.0-py3-none-any.whl", f"{name}-1.0.0.tar.gz"]


def test_a_release_of_ours_that_is_not_published_is_an_error(maintainer: Maintainer) -> None:
    maintainer.tag("v1.0.0", "1.0.0")
    assert maintainer.materialize("v1.0.0", *BUILD).success
    error = files_for(maintainer, "v1.0.0")
    assert isinstance(error, PermanentError)
    assert f"does not serve {maintainer.name}-1.0.0-py3-none-any.whl, {maintainer.name}-1.0.0.tar.gz" in (
        error.problem
    )
    assert error.remedy == (f"Materialize {maintainer.name}/pypi_publication for this partition first.")


@pytest.mark.parametrize("store", ["kept", "lost"])
def test_a_published_release_that_the_index_lacks_is_waited_for(
    maintainer: Maintainer, store: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    maintainer.tag("v1.0.0", "1.0.0")
    assert maintainer.materialize("v1.0.0").success
    if store == "lost":
        maintainer.variables["RELEASE_ASSETS_STORE"] = str(tmp_path_factory.mktemp("store"))
    index = maintainer.attributes["index"]
    index["simple_url"] = maintainer.attributes["test_index"]["simple_url"]  # which does not have it
    error = files_for(maintainer, "v1.0.0")
    assert isinstance(error, TransientError)
    assert "the index may be late" in error.remedy


def test_a_release_of_somebody_else_may_have_no_files(maintainer: Maintainer) -> None:
    maintainer.tag("v1.0.0", "1.0.0")
    assert files_for(maintainer, "v1.0.0") == []
