"""An image's labels."""

from __future__ import annotations

from datetime import UTC, datetime

from release_assets.rules.image_labels import image_annotations, image_labels


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


def test_annotations_are_the_labels_and_the_packages_page() -> None:
    labels = {"org.opencontainers.image.version": "1.2.3", "org.opencontainers.image.licenses": "MIT"}
    page = {"description": "A sample.", "url": "https://sample.example"}
    declared = {
        "org.opencontainers.image.description": "Crawls, {version}",
        "org.opencontainers.image.licenses": "",
        "org.example": "x",
    }
    assert image_annotations(labels, "sample", page, declared) == {
        "org.opencontainers.image.version": "1.2.3",
        "org.opencontainers.image.title": "sample",
        "org.opencontainers.image.description": "Crawls, 1.2.3",
        "org.opencontainers.image.url": "https://sample.example",
        "org.example": "x",
    }
