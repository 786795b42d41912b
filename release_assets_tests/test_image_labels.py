"""An image's labels, and the licence among them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from release_assets.image_labels import image_labels, license_in_pyproject


def test_labels_have_ocis_names_and_what_is_not_known_is_left_out() -> None:
    assert image_labels(
        version="1.2.3",
        revision="c" * 40,
        source="https://github.com/owner/sample.git",
        created=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        licenses=None,
    ) == {
        "org.opencontainers.image.version": "1.2.3",
        "org.opencontainers.image.revision": "c" * 40,
        "org.opencontainers.image.source": "https://github.com/owner/sample.git",
        "org.opencontainers.image.created": "2026-01-02T03:04:05+00:00",
    }


@pytest.mark.parametrize(
    ("pyproject", "licence"),
    [
        ('[project]\nlicense = "Apache-2.0"\n', "Apache-2.0"),
        ('[project]\nlicense = {text = "MIT"}\n', "MIT"),
        ('[project]\nlicense = {file = "LICENSE"}\n', None),
        ('[project]\nlicense = {text = """Permission is\ngranted"""}\n', None),
        ("[project]\n", None),
        ("no toml", None),
        (None, None),
    ],
    ids=["expression", "text", "file", "whole-text", "none", "broken", "no-file"],
)
def test_the_licence_as_pyproject_declares_it(pyproject: str | None, licence: str | None) -> None:
    assert license_in_pyproject(pyproject) == licence
