"""An image's labels."""

from __future__ import annotations

from datetime import UTC, datetime

from release_assets.rules.image_labels import image_labels


def test_labels_have_ocis_names_and_what_is_not_known_is_left_out() -> None:
    assert image_labels(
        version="1.2.3",
        revision="c" * 40,
        source="https://github.com/owner/sample",
        created=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        licenses=None,
    ) == {
        "org.opencontainers.image.version": "1.2.3",
        "org.opencontainers.image.revision": "c" * 40,
        "org.opencontainers.image.source": "https://github.com/owner/sample",
        "org.opencontainers.image.created": "2026-01-02T03:04:05+00:00",
    }


def test_a_repository_without_a_web_address_is_left_out() -> None:
    created = datetime(2026, 1, 2, tzinfo=UTC)
    labels = image_labels(version="1", revision="c" * 40, source=None, created=created, licenses="MIT")
    assert "org.opencontainers.image.source" not in labels
