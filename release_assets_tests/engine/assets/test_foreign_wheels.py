"""Wheels for another processor are imported under QEMU before any upload, and images see their own."""

from __future__ import annotations

import os

import pytest

from release_assets.destinations.buildx import docker_environment
from release_assets.destinations.registry import parse_repository
from release_assets.nodes.metadata import rows_of
from release_assets.process import run
from release_assets_tests.compiled_package import compiled_source
from release_assets_tests.maintainer import NewMaintainer, Stands

FOREIGN = "linux/amd64" if os.uname().machine == "aarch64" else "linux/arm64"
MACHINE = {"linux/amd64": "x86_64", "linux/arm64": "aarch64"}[FOREIGN]

DOCKERFILE = """\
FROM python:3.12-slim
COPY --from=dist . /dist/
RUN python3 -m pip install --no-deps --no-index --root-user-action=ignore /dist/*.whl
RUN python3 -c "from compiled_sum import add; assert add(2, 3) == 5"
CMD ["ls", "/dist"]
"""


@pytest.mark.usefixtures("bubblewrap")
def test_a_foreign_wheel_is_imported_and_in_its_image(new: NewMaintainer, image_stands: Stands) -> None:
    sandbox = image_stands.sandbox
    assert sandbox is not None
    image = f"{sandbox.registry}/python:3.12-slim"
    maintainer = new(
        image_stands,
        dockerfile=DOCKERFILE,
        package={"wheels": [{"zig": {"platforms": [FOREIGN], "trial_image": image}}]},
    )
    maintainer.attributes["image"]["platforms"] = [FOREIGN]
    maintainer.repository.commit(compiled_source(maintainer.name, "1.2.3"))
    maintainer.repository.tag("v1.2.3", annotated=True)
    outcome = maintainer.materialize("v1.2.3")
    assert outcome.success, outcome.said
    (wheel,) = rows_of(outcome.metadata(f"wheel_{FOREIGN.replace('/', '_')}"), "files")
    assert str(wheel["import"]).startswith("imported compiled_sum compiled_sum._sum on Python 3.")
    assert str(wheel["import"]).endswith(MACHINE)
    built = outcome.metadata(f"image_{FOREIGN.replace('/', '_')}")
    assert built["distributions"] == f"{wheel['file']}, {maintainer.name}-1.2.3.tar.gz"
    login = sandbox.environment["DOCKER_USERNAME"], sandbox.environment["DOCKER_TOKEN"]
    with docker_environment(parse_repository(sandbox.image_repository), *login) as env:
        left = run(["docker", "ps", "--all", "--format", "{{.Image}}"], env=env, timeout=60)
    assert image not in left
