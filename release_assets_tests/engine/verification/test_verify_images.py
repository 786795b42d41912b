"""`release-assets verify` on reproducible, signed images: the same digest again, and what differs if not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from release_assets_tests.maintainer import NewMaintainer, Stands
from release_assets_tests.terminal import Terminal, open_terminal

pytestmark = [pytest.mark.engine, pytest.mark.timeout(300)]

DOCKERFILE = "FROM python:3.12-slim\nCOPY README.md /readme\nRUN echo {what} > /made\n"


@pytest.fixture(scope="module")
def imaged(
    new: NewMaintainer, image_stands: Stands, keys: Path, tmp_path_factory: pytest.TempPathFactory
) -> Terminal:
    """A stranger's terminal, and a release with a reproducible image that is signed."""
    maintainer = new(image_stands, dockerfile=DOCKERFILE.format(what="one"))
    maintainer.attributes["image"] |= {
        "platforms": ["linux/amd64"],
        "reproducible": True,
        "version_command": ["cat", "/readme"],
        "sign": {
            "key_env": "SIGNING_KEY",
            "password_env": "SIGNING_PASSWORD",
            "public_key": (keys / "cosign.pub").read_text(),
        },
    }
    maintainer.variables |= {
        "SIGNING_KEY": (keys / "cosign.key").read_text(), "SIGNING_PASSWORD": "the-password"
    }  # fmt: skip
    maintainer.tag("v1.0.0", "1.0.0", **{"README.md": "1.0.0"})
    outcome = maintainer.materialize("v1.0.0")
    assert outcome.success, outcome.said
    return open_terminal(maintainer, tmp_path_factory.mktemp("stranger"))


def verify(terminal: Terminal) -> tuple[int, dict[str, dict[str, Any]]]:
    # The registry of the stand-ins lets nobody read without a login; a key and an index's token are unset.
    unset = dict.fromkeys(["PYPI_TOKEN", "SIGNING_KEY", "SIGNING_PASSWORD", "DAGSTER_HOME"], "")
    done = terminal.run("verify", "v1.0.0", "--json", **unset)
    assert done.stdout, done.stderr
    return done.returncode, {found["what"]: found for found in json.loads(done.stdout)["findings"]}


def test_a_reproducible_image_is_the_same_on_a_strangers_machine(imaged: Terminal) -> None:
    status, found = verify(imaged)
    assert {name: found[name]["verdict"] for name in (
        "1.0.0", "1.0.0-amd64", "provenance of linux/amd64", "signature of the manifest list",
        "image 1.0.0-amd64",
    )} == {
        "1.0.0": "ok", "1.0.0-amd64": "ok", "provenance of linux/amd64": "ok",
        "signature of the manifest list": "ok", "image 1.0.0-amd64": "ok",
    }, found  # fmt: skip
    assert status == 0


def test_an_image_of_another_commit_is_told_by_layer_and_member(imaged: Terminal) -> None:
    maintainer = imaged.maintainer
    maintainer.commit("1.0.0", Dockerfile=DOCKERFILE.format(what="two"))
    maintainer.repository.tag("v1.0.0")
    status, found = verify(imaged)
    assert status == 1
    assert found["1.0.0-amd64"]["verdict"] == "failed"
    image = found["image 1.0.0-amd64"]
    assert image["verdict"] == "failed"
    assert "contents of made: line 1 is 'one', rebuilt 'two'" in "\n".join(image["details"])
