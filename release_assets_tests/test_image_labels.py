"""An image's labels."""

from __future__ import annotations

from datetime import UTC, datetime

from release_assets.image_labels import image_labels


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
