"""Immutable releases are completed where they can be, and adopted where they cannot."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from release_assets.destinations.github import release_plan
from release_assets.errors import ConflictError, PermanentError
from release_assets_tests.scripted_server import Told
from release_assets_tests.unit.destinations.github_hub import WHEEL, Hub, file, observed, there, wanted

NO_UPLOAD = Told(422, body=b'{"message": "Cannot upload assets to an immutable release.", "request_id": "1"}')


def test_an_immutable_release_by_a_person_is_adopted(hub: Hub, tmp_path: Path) -> None:
    hub.made(draft=False, name="Spring!", immutable=True)
    lines: list[str] = []
    ours = wanted(file(tmp_path), file(tmp_path, "SHA256SUMS", b"sums"))
    published = hub.publish(ours, lines.append)
    assert (published.name, published.immutable, published.assets) == ("Spring!", True, ())
    assert {request.method for request in hub.seen} == {"GET"}
    assert lines == [
        f"warning: {hub.url}/r/1 is immutable and lacks {WHEEL}, SHA256SUMS for good. What is missing can be "
        "added to a new version only. Let release-assets publish the release, or turn off release "
        "immutability in the repository's settings."
    ]
    assert release_plan(published, ours).lacking == (WHEEL, "SHA256SUMS")


def test_immutability_is_learned_from_one_refusal(hub: Hub, tmp_path: Path) -> None:
    hub.made(draft=False)
    hub.faults["POST"] = [NO_UPLOAD] * 30
    lines: list[str] = []
    published = hub.publish(wanted(file(tmp_path)), lines.append)
    assert (published.draft, published.immutable) == (False, True)
    assert hub.count("POST", "/assets") == 1
    assert hub.pauses == []
    assert f"lacks {WHEEL} for good" in lines[-1]


def test_a_draft_that_a_person_publishes_meanwhile_is_adopted(hub: Hub, tmp_path: Path) -> None:
    def publish(release: dict[str, Any]) -> None:
        release |= {"draft": False, "immutable": True}

    hub.before_upload = publish
    hub.faults["POST"] = [None, NO_UPLOAD]
    assert hub.publish(wanted(file(tmp_path))).immutable
    assert hub.count("POST", "/assets") == 1


def test_a_complete_immutable_release_lacks_nothing(tmp_path: Path) -> None:
    asset = file(tmp_path)
    plan = release_plan(replace(observed(there(asset), draft=False), immutable=True), wanted(asset))
    assert (plan.is_done, plan.lacking) == (True, ())


@pytest.mark.parametrize("change", [{"state": "starter"}, {"state": "starter", "size": 0}])
def test_a_half_uploaded_file_of_an_immutable_release_stays_so(
    tmp_path: Path, change: dict[str, Any]
) -> None:
    asset = file(tmp_path)
    plan = release_plan(replace(observed(there(asset, **change), draft=False), immutable=True), wanted(asset))
    assert (plan.is_done, plan.delete, plan.lacking) == (True, (), (WHEEL,))


def test_other_bytes_in_an_immutable_release_cannot_be_deleted(tmp_path: Path) -> None:
    asset = file(tmp_path)
    immutable = replace(observed(there(asset, size=3), draft=False), immutable=True)
    with pytest.raises(ConflictError) as caught:
        release_plan(immutable, wanted(asset))
    assert "3 bytes, ours has 5" in caught.value.problem
    assert (
        caught.value.remedy == "The release is immutable: its files stay as they are. Release a new version."
    )


def test_a_tag_of_a_deleted_immutable_release_is_used_up(hub: Hub) -> None:
    said = {
        "message": "Validation Failed",
        "errors": [
            {
                "resource": "Release",
                "code": "custom",
                "field": "tag_name",
                "message": "tag_name was used by an immutable release",
            }
        ],
    }
    hub.faults["POST"] = [Told(422, body=json.dumps(said).encode())] * 10
    with pytest.raises(PermanentError) as caught:
        hub.publish(wanted())
    assert "tag_name was used by an immutable release" in caught.value.problem
    assert "release a new version" in caught.value.remedy
    assert hub.count("POST", "/releases") == 1


@pytest.mark.parametrize(
    "said",
    [
        {"message": "Sorry, your file contained invalid content. Please try again."},
        {"message": "Validation Failed", "errors": ["Release assets are limited to 1000 per release"]},
        {"message": "Validation Failed", "errors": "one"},
        {"message": "Validation Failed", "errors": []},
    ],
)
def test_a_422_that_stays_is_not_tried_over_and_over(hub: Hub, tmp_path: Path, said: object) -> None:
    hub.made()
    hub.faults["POST"] = [Told(422, body=json.dumps(said).encode())] * 30
    with pytest.raises(PermanentError) as caught:
        hub.publish(wanted(file(tmp_path)))
    assert str(said["message"]) in caught.value.problem  # type: ignore[index]
    assert "limited to 1000" not in str(said) or "limited to 1000" in caught.value.problem
    assert hub.count("POST", "/assets") == 2
