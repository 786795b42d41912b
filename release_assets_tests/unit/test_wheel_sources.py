"""package.wheels: which nodes a project has, which files each makes, and which declarations are refused."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from release_assets.graph import build_release_graph
from release_assets.project import Package, Project

ZIG: dict[str, Any] = {"zig": {}}
ADOPTED: dict[str, Any] = {"adopted": {"files": ["*-macosx_*.whl", "*-win_amd64.whl"]}}


def package(*wheels: dict[str, Any]) -> Package:
    return Package.model_validate({"wheels": list(wheels)})


@pytest.mark.parametrize(
    ("declared", "nodes"),
    [
        (Package(), ["sdist", "wheel"]),
        (package(), ["sdist"]),
        (package({"pure": {}}, ADOPTED), ["sdist", "wheel", "adopted_wheels"]),
        (
            package(ZIG, {"cibuildwheel": {"platforms": ["linux/arm64", "linux/s390x"]}}),
            ["sdist", "wheel_linux_amd64", "wheel_linux_arm64", "wheel_linux_s390x"],
        ),
    ],
    ids=["default", "sdist only", "pure and adopted", "one node a platform"],
)
def test_the_nodes_that_make_the_files(declared: Package, nodes: list[str]) -> None:
    assert declared.distributions == nodes
    project = Project.model_validate(
        {"project": "sample", "repository": "https://github.com/me/sample.git", "package": declared}
    )
    graph = build_release_graph(project).resolve_asset_graph()
    names = {key.path[-1]: key for key in graph.get_all_asset_keys()}
    assert {name for name in names if name == "sdist" or "wheel" in name} == set(nodes)
    before = {key.path[-1] for key in graph.get(names["pypi_publication"]).parent_keys}
    assert before == set(nodes[1:] or nodes)


@pytest.mark.parametrize(
    ("filename", "node"),
    [
        ("a-1.0.tar.gz", "sdist"),
        ("a-1.0-py3-none-any.whl", "wheel"),
        ("a-1.0-cp311-abi3-manylinux_2_17_x86_64.whl", "wheel_linux_amd64"),
        ("a-1.0-cp311-abi3-win_amd64.whl", "adopted_wheels"),
    ],
)
def test_each_file_belongs_to_one_node(filename: str, node: str) -> None:
    declared = package({"pure": {}}, ZIG, ADOPTED)
    assert [name for name in declared.distributions if declared.is_made_by(name, filename, "1.0")] == [node]
    # Without the key, the one wheel is whatever the backend makes.
    assert Package().is_made_by("wheel", filename, "1.0") is filename.endswith(".whl")


@pytest.mark.parametrize(
    ("wheels", "words"),
    [
        ([{}], "expected exactly one of pure, zig, cibuildwheel, adopted, got none"),
        ([{**ZIG, **ADOPTED}], "expected exactly one of pure, zig, cibuildwheel, adopted, got zig, adopted"),
        ([{"zigg": {}}], "did you mean 'zig'?"),
        ([{"zig": {"platforms": ["linux/s390x"]}}], "zig compiles for linux/amd64 and linux/arm64 here"),
        ([{"cibuildwheel": {"platforms": ["windows/amd64"]}}], "declare them under adopted"),
        ([{"cibuildwheel": {"identifiers": ["cp312-*; rm"]}}], "String should match pattern"),
        ([ADOPTED, ADOPTED], "wheels names adopted twice"),
        ([{"adopted": {"files": ["../*.whl"]}}], "is not a pattern of a wheel's file name"),
        ([{"adopted": {"files": []}}], "at least 1 item"),
        ([{"adopted": {"files": ["*.whl"], "location": "wheels"}}], "expected draft, an absolute folder"),
        (
            [{"adopted": {"files": ["*.whl"], "location": "http://ci.example/"}}],
            "expected draft, an absolute",
        ),
        ([{"adopted": {"files": ["*.whl"], "location": "https://a:b@ci.example/"}}], "must not hold a user"),
    ],
)
def test_a_wrong_source_of_wheels_is_refused(wheels: list[dict[str, Any]], words: str) -> None:
    with pytest.raises(ValidationError, match="wheels") as caught:
        package(*wheels)
    assert words in str(caught.value)
