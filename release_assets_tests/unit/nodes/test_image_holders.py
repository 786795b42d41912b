"""Find the version of an image."""

from __future__ import annotations

import json

import pytest

from release_assets.nodes.image_holders import labels_in


@pytest.mark.parametrize(
    ("config", "labels"),
    [
        (json.dumps({"config": {"Labels": {"a": "b"}}}).encode(), {"a": "b"}),
        (json.dumps({"config": {"Labels": {"a": 1}}}).encode(), {"a": "1"}),
        (json.dumps({"config": {"Labels": None}}).encode(), {}),
        (json.dumps({"config": {"Labels": "text"}}).encode(), {}),
        (b"[]", {}),
        (b"\xff not JSON", {}),
    ],
    ids=["labels", "number", "no-labels", "text", "no-config", "garbage"],
)
def test_the_labels_in_an_images_config(config: bytes, labels: dict[str, str]) -> None:
    assert labels_in(config) == labels
