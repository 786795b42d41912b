"""`check` warns of a cloud's metadata server where Dockerfiles would reach it."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

import pytest

from release_assets.project import Project
from release_assets.readiness import machine
from release_assets_tests.scripted_server import ScriptedServer
from tools.sandbox.servers import free_port

PACKAGE = {"project": "sample", "repository": "https://github.com/me/sample.git", "package": {}}
IMAGES = {**PACKAGE, "image": {"repository": "docker.io/me/sample"}}


def warnings(attributes: Mapping[str, object]) -> list[str]:
    looks = machine.looks([Project.model_validate(attributes)])
    return [row.words for look in looks if look.key == "metadata" for row in look.answer()]


def test_a_metadata_server_is_told_where_images_are_built(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = urlsplit(server.url)
    monkeypatch.setattr(machine, "METADATA", (parts.hostname, parts.port))
    assert warnings(IMAGES) == [
        "a cloud's metadata server answers at 127.0.0.1: RUN steps of Dockerfiles get an identity there"
    ]
    assert warnings(PACKAGE) == []


def test_a_machine_without_a_metadata_server_is_not_warned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "METADATA", ("127.0.0.1", free_port()))
    assert warnings(IMAGES) == []
