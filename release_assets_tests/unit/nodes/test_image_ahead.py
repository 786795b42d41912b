"""Tests of images that begin early: the record of what was built while the package was being published."""

from __future__ import annotations

import pytest

from release_assets.destinations.buildx import BuiltStep
from release_assets.nodes.image_ahead import TAKES_DIST, as_built

BASE = BuiltStep("[1/3] FROM python:3.12-slim", 0.0, cached=True)
COPY = BuiltStep("[2/3] COPY --from=dist *.whl /dist/", 0.0, cached=True)
INSTALL = BuiltStep("[3/3] RUN pip install /dist/*.whl", 11.5, cached=False)
BEGUN = {
    "commit": "c0ffee",
    "steps": [
        {"name": BASE.name, "seconds": 0.0, "cached": True},
        {"name": COPY.name, "seconds": 0.2, "cached": False},
        {"name": INSTALL.name, "seconds": 11.5, "cached": False},
    ],
}


def test_a_step_that_was_built_ahead_did_not_come_from_a_cache() -> None:
    built = as_built([BASE, COPY, INSTALL], BEGUN, "c0ffee")
    assert [step.cached for step in built] == [True, False, False]
    assert built[1].seconds == 0.2


def test_what_was_built_ahead_of_another_commit_does_not_count() -> None:
    assert as_built([BASE, COPY, INSTALL], BEGUN, "decaf") == (BASE, COPY, INSTALL)


@pytest.mark.parametrize(
    ("dockerfile", "takes"),
    [
        ("FROM scratch\nCOPY --from=dist *.whl /\n", True),
        ("RUN --mount=type=bind,from=dist,target=/dist pip install /dist/*.whl\n", True),
        ("COPY --from=distroless /bin/sh /bin/\n", False),
        ("RUN pip install mypackage==1.2.3\n", False),
    ],
)
def test_only_a_dockerfile_that_takes_dist_is_built_ahead(dockerfile: str, takes: bool) -> None:
    assert bool(TAKES_DIST.search(dockerfile)) is takes
