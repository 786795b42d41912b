"""An image in two repositories, on a real registry: copies, an outage of either, and a rollback of both."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from release_assets.destinations.registry import Registry, parse_repository
from release_assets.nodes.metadata import rows_of
from release_assets.nodes.rollback import ROLLBACK
from release_assets_tests.maintainer import Maintainer, NewMaintainer, Stands
from release_assets_tests.pushed_images import PLATFORM, push_image
from release_assets_tests.registry_proxy import Refusal, registry_proxy
from tools.sandbox.registry import Registry as RealRegistry

LISTS = ("manifest_list", "manifest_list_mirror")
NODES = (*LISTS, "floating_tags", "floating_tags_mirror")


@dataclass
class Mirrored:
    """A maintainer whose image has a mirror, behind a door that a test can close."""

    maintainer: Maintainer
    repository: str
    is_down: bool = False

    @property
    def mirror(self) -> Registry:
        return Registry(
            parse_repository(self.repository),
            username=self.maintainer.variables["MIRROR_USERNAME"],
            token=self.maintainer.variables["MIRROR_TOKEN"],
            username_env="MIRROR_USERNAME",
            token_env="MIRROR_TOKEN",
        )

    def digests(self, tag: str) -> tuple[str | None, str | None]:
        """Return the digest of a tag in the image's own repository and in the mirror."""
        there = self.mirror.manifest(tag)
        return self.maintainer.digest(tag), there.digest if there is not None else None

    def push(self, version: str) -> str:
        """Tag a version and push its image to the first repository alone; return the image's digest."""
        commit = self.maintainer.tag(f"v{version}", version)
        push_image(self.maintainer, version, commit, layers=[f"{version} layer".encode() * 1000])
        return str(self.maintainer.digest(f"{version}-amd64"))


@pytest.fixture
def mirrored(new: NewMaintainer, package_stands: Stands, registry: RealRegistry) -> Iterator[Mirrored]:
    """Return a maintainer of an image in two repositories, each with a login of its own."""
    variables = {
        **package_stands.variables,
        "DOCKER_USERNAME": registry.username,
        "DOCKER_TOKEN": registry.token,
        "MIRROR_USERNAME": registry.username,
        "MIRROR_TOKEN": registry.token,
    }
    made = new(replace(package_stands, variables=variables))
    found: list[Mirrored] = []

    def rule(_method: str, _path: str) -> Refusal | None:
        return Refusal(403, b"the mirror is closed") if found and found[0].is_down else None

    with registry_proxy(registry.host, rule) as host:
        found.append(Mirrored(made, f"{host}/mirrors/{made.name}"))
        made.attributes["image"] = {
            "repository": f"{registry.host}/tests/{made.name}",
            "mirrors": [
                {
                    "repository": found[0].repository,
                    "name": "mirror",
                    "username_env": "MIRROR_USERNAME",
                    "token_env": "MIRROR_TOKEN",
                }
            ],
            "platforms": [PLATFORM],
            "cache": "none",
        }
        yield found[0]


def rows(metadata: dict[str, Any]) -> dict[str, str]:
    return {row["tag"]: row["to_version"] for row in rows_of(metadata, "tags")}


def test_a_mirror_gets_the_same_bytes_and_tags(mirrored: Mirrored) -> None:
    image = mirrored.push("1.2.3")
    outcome = mirrored.maintainer.materialize("v1.2.3", *NODES)
    assert outcome.success, outcome.said
    for tag in ("1.2.3-amd64", "1.2.3", "1.2", "1", "latest"):
        own, mirror = mirrored.digests(tag)
        assert own == mirror is not None, tag
    assert mirrored.digests("1.2.3-amd64")[1] == image
    assert "is copied from" in outcome.said

    # The layer is there as well, with the bytes that its digest names.
    manifest = mirrored.mirror.manifest(image)
    assert manifest is not None
    (layer,) = manifest.parsed()["layers"]
    assert mirrored.mirror.blob(layer["digest"]) == b"1.2.3 layer" * 1000

    again = mirrored.maintainer.materialize("v1.2.3", *NODES)
    assert again.success
    assert "is copied from" not in again.said
    assert "moved" not in again.said


def test_one_registry_that_fails_holds_up_none(mirrored: Mirrored) -> None:
    mirrored.push("1.2.3")
    mirrored.is_down = True
    outcome = mirrored.maintainer.materialize("v1.2.3", *NODES)
    assert outcome.failed == ["manifest_list_mirror"]
    words = outcome.words("manifest_list_mirror")
    assert mirrored.repository.partition("/")[0] in words
    assert "403" in words
    assert "the mirror is closed" in words
    assert mirrored.maintainer.digest("latest") == mirrored.maintainer.digest("1.2.3") is not None

    mirrored.is_down = False
    assert mirrored.digests("1.2.3")[1] is None
    resumed = mirrored.maintainer.materialize("v1.2.3", "manifest_list_mirror", "floating_tags_mirror")
    assert resumed.success, resumed.said
    assert mirrored.digests("latest")[0] == mirrored.digests("latest")[1]


def test_the_first_repository_gets_what_only_a_mirror_has(mirrored: Mirrored) -> None:
    """The image was built while the first registry was unavailable."""
    mirrored.push("1.2.3")
    assert mirrored.maintainer.materialize("v1.2.3", *LISTS).success
    declared = mirrored.maintainer.attributes["image"]
    declared["repository"] = declared["repository"].replace("/tests/", "/second/")
    outcome = mirrored.maintainer.materialize("v1.2.3", *NODES)
    assert outcome.success, outcome.said
    assert mirrored.digests("1.2.3")[0] == mirrored.digests("1.2.3")[1] is not None
    assert rows(outcome.metadata("floating_tags")) == {"1.2": "1.2.3", "1": "1.2.3", "latest": "1.2.3"}


def test_a_rollback_goes_back_in_every_repository(mirrored: Mirrored) -> None:
    for version in ("1.0.0", "1.1.0"):
        mirrored.push(version)
        assert mirrored.maintainer.materialize(f"v{version}", *NODES).success
    before = mirrored.digests("1.0.0")
    floating = ("floating_tags", "floating_tags_mirror")
    outcome = mirrored.maintainer.materialize("v1.1.0", *floating, run_tags={ROLLBACK: "true"})
    assert outcome.success, outcome.said
    assert mirrored.digests("latest") == mirrored.digests("1") == before
    assert outcome.metadata("floating_tags_mirror")["moved"] == "1, latest"


def test_a_foreign_image_in_a_mirror_stays(mirrored: Mirrored) -> None:
    mirrored.push("1.2.3")
    foreign = replace(mirrored.maintainer, attributes={**mirrored.maintainer.attributes})
    foreign.attributes["image"] = {"repository": mirrored.repository}
    push_image(foreign, "1.2.3", "f" * 40)
    outcome = mirrored.maintainer.materialize("v1.2.3", *NODES)
    assert outcome.failed == ["manifest_list_mirror"]
    assert f"built from commit {'f' * 40}" in outcome.words("manifest_list_mirror")
    assert mirrored.maintainer.digest("latest") == mirrored.maintainer.digest("1.2.3")
