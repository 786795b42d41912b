"""The manifest list is signed before any tag points to it, once, with a key that nobody finds anywhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from release_assets.destinations.buildx import docker_environment
from release_assets.destinations.registry import parse_repository
from release_assets.process import CommandFailedError, run
from release_assets_tests.maintainer import NewMaintainer, Stands

pytestmark = pytest.mark.timeout(300)


def test_a_manifest_list_is_signed_once_and_can_be_verified(
    new: NewMaintainer, image_stands: Stands, keys: Path
) -> None:
    maintainer = new(image_stands, dockerfile="FROM scratch\nCOPY README.md /\n")
    maintainer.attributes["image"] |= {
        "platforms": ["linux/amd64"], "sign": {"key_env": "SIGNING_KEY", "password_env": "SIGNING_PASSWORD"}
    }  # fmt: skip
    nodes = ("version", "image_linux_amd64", "manifest_list")
    private = (keys / "cosign.key").read_text()
    maintainer.variables |= {"SIGNING_KEY": private, "SIGNING_PASSWORD": "wrong"}
    maintainer.tag("v1.0.0", "1.0.0")
    refused = maintainer.materialize("v1.0.0", *nodes)
    assert refused.failed == ["version"]
    assert "cosign cannot use the key in SIGNING_KEY" in refused.words("version")
    assert maintainer.materialize("v1.0.0", "image_linux_amd64").success
    late = maintainer.materialize("v1.0.0", "manifest_list")
    assert "cosign cannot use the key in SIGNING_KEY" in late.words("manifest_list")
    assert maintainer.digest("1.0.0") is None  # no tag without a signature

    maintainer.variables["SIGNING_PASSWORD"] = "the-password"
    signed = maintainer.materialize("v1.0.0", "manifest_list")
    assert signed.success, signed.said
    assert signed.metadata("manifest_list")["signed"] == "with the key in SIGNING_KEY"
    repository = maintainer.attributes["image"]["repository"]
    credentials = maintainer.variables["DOCKER_USERNAME"], maintainer.variables["DOCKER_TOKEN"]
    verify = [
        "cosign", "verify", "--key", str(keys / "cosign.pub"), "--insecure-ignore-tlog=true",
        "--allow-http-registry", f"{repository}:1.0.0",
    ]  # fmt: skip
    with docker_environment(parse_repository(repository), *credentials) as env:
        assert str(maintainer.digest("1.0.0")) in run(verify, env=env, timeout=60)

    before = maintainer.registry.tags()
    signature = next(tag for tag in before if tag.endswith(".sig"))
    digest = maintainer.digest(signature)
    again = maintainer.materialize("v1.0.0", "manifest_list")
    assert again.success
    assert maintainer.digest(signature) == digest
    assert maintainer.registry.tags() == before

    text = "".join(record.user_message for record in signed.records)
    assert "the-password" not in text
    assert private.splitlines()[1] not in text


def test_another_key_is_no_signature(new: NewMaintainer, image_stands: Stands, keys: Path) -> None:
    maintainer = new(image_stands, dockerfile="FROM scratch\nCOPY README.md /\n")
    maintainer.attributes["image"] |= {"platforms": ["linux/amd64"]}
    maintainer.tag("v1.0.0", "1.0.0")
    outcome = maintainer.materialize("v1.0.0", "version", "image_linux_amd64", "manifest_list")
    assert outcome.metadata("manifest_list")["signed"] == "no"
    repository = maintainer.attributes["image"]["repository"]
    credentials = maintainer.variables["DOCKER_USERNAME"], maintainer.variables["DOCKER_TOKEN"]
    verify = ["cosign", "verify", "--key", str(keys / "cosign.pub"), "--insecure-ignore-tlog=true"]
    with (
        docker_environment(parse_repository(repository), *credentials) as env,
        pytest.raises(CommandFailedError),
    ):
        run([*verify, "--allow-http-registry", f"{repository}:1.0.0"], env=env, timeout=60)
