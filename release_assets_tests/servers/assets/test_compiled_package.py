"""A package with compiled code: its platform wheels are built, tried, adopted and published, wheels first."""

from __future__ import annotations

from pathlib import Path

import pytest

from release_assets.nodes.metadata import rows_of
from release_assets_tests.compiled_package import compiled_source, wheel
from release_assets_tests.maintainer import Maintainer, NewMaintainer, Stands

pytestmark = pytest.mark.usefixtures("bubblewrap")


def compiled(new: NewMaintainer, stands: Stands, *wheels: object) -> Maintainer:
    """The maintainer of v1.2.3 of a compiled package with these sources of wheels."""
    maintainer = new(stands, package={"wheels": list(wheels)})
    maintainer.repository.commit(compiled_source(maintainer.name, "1.2.3"))
    maintainer.repository.tag("v1.2.3", annotated=True)
    return maintainer


def test_wheels_of_zig_and_of_another_machine_are_released(
    new: NewMaintainer, package_stands: Stands, tmp_path: Path
) -> None:
    others = tmp_path / "v1.2.3"
    maintainer = compiled(
        new,
        package_stands,
        {"zig": {"platforms": ["linux/amd64"]}},
        {
            "adopted": {
                "files": ["*-macosx_*_arm64.whl"],
                "location": f"{tmp_path}/{{tag}}",
                "wait_minutes": 0,
            }
        },
    )
    name = maintainer.name
    lacking = maintainer.materialize("v1.2.3")
    assert lacking.failed == ["adopted_wheels"]
    assert f"1 of 1 wheels are not in {others}: *-macosx_*_arm64.whl" in lacking.words("adopted_wheels")
    assert not maintainer.served()
    assert (
        "what makes and checks wheels is installed (zig, adopted)" in lacking.checked["version/preflight"][1]
    )

    others.mkdir()
    mac = wheel(others, name, "1.2.3", "cp311-cp311-macosx_11_0_arm64").name
    outcome = maintainer.materialize("v1.2.3")
    assert outcome.success, outcome.said
    assert "was built before, and is kept" in outcome.said  # what zig has compiled is not compiled twice
    (linux,) = rows_of(outcome.metadata("wheel_linux_amd64"), "files")
    assert str(linux["file"]).startswith(f"{name}-1.2.3-cp311-abi3-manylinux")
    assert str(linux["import"]).startswith("imported compiled_sum compiled_sum._sum on Python 3.")
    # It refers to no symbol of glibc at all: any version is enough.
    assert (linux["auditwheel"], linux["abi3audit"]) == ("manylinux_2_5_x86_64", "the stable ABI is kept")
    (adopted,) = rows_of(outcome.metadata("adopted_wheels"), "files")
    assert adopted["import"] == "not tried: this machine does not run its platform"

    files = {str(linux["file"]), mac, f"{name}-1.2.3.tar.gz"}
    assert set(maintainer.served()) == files
    release = maintainer.github_releases()["v1.2.3"]
    assert {asset["name"] for asset in release["assets"]} == {*files, "SHA256SUMS"}
    lacked = next(line for line in outcome.said.splitlines() if " lacks " in line)
    assert lacked.endswith(f"{name}-1.2.3.tar.gz")  # uploaded last


def test_an_empty_list_of_wheels_releases_the_sdist_alone(new: NewMaintainer, package_stands: Stands) -> None:
    maintainer = compiled(new, package_stands)
    outcome = maintainer.materialize("v1.2.3")
    assert outcome.success, outcome.said
    assert set(maintainer.served()) == {f"{maintainer.name}-1.2.3.tar.gz"}
    assert "wheel" not in outcome.materialized
