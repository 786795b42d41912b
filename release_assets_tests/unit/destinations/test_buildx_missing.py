"""A docker or a buildx that is missing or too old is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from release_assets.destinations.buildx import observe_engine
from release_assets.errors import PermanentError


def test_a_missing_docker_says_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(PermanentError) as raised:
        observe_engine(None, {"PATH": str(tmp_path), "HOME": str(tmp_path)})
    assert "docker's client or its buildx plugin does not work: was not found" in raised.value.problem
    assert raised.value.remedy.startswith("Install docker's client and its buildx plugin")


@pytest.mark.parametrize(
    "said", ["github.com/docker/buildx 0.12.1 abc", "github.com/docker/buildx v0.9.0 abc"]
)
def test_a_buildx_that_is_too_old_is_named(tmp_path: Path, said: str) -> None:
    docker = tmp_path / "docker"
    docker.write_text(f"#!/bin/sh\necho '{said}'\n")
    docker.chmod(0o755)
    with pytest.raises(PermanentError) as raised:
        observe_engine(None, {"PATH": f"{tmp_path}:/usr/bin:/bin"})
    assert raised.value.problem == f"buildx is too old: {said}"
    assert raised.value.remedy == "Install buildx 0.13 or newer."
