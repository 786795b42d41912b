"""An image for two repositories on a real engine, with a build secret and annotations, and an outage."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from release_assets.destinations.registry import Registry, parse_repository, platform_images
from release_assets_tests.engine.assets.test_image_trust import everything_under
from release_assets_tests.maintainer import Maintainer, NewMaintainer, Stands
from release_assets_tests.registry_proxy import Refusal, registry_proxy
from release_assets_tests.secret_forms import forms_of

pytestmark = [pytest.mark.engine, pytest.mark.timeout(300)]

SECRET = "a-build-s3cret-of-some-length"
NODES = (
    "image_linux_amd64",
    "manifest_list",
    "manifest_list_mirror",
    "floating_tags",
    "floating_tags_mirror",
)
SHA256 = hashlib.sha256(SECRET.encode()).hexdigest()
# The stage after it is not built: `target` names this one.
DOCKERFILE = f"""\
FROM python:3.12-slim AS wanted
ARG UNIQUE
RUN --mount=type=secret,id=pip_token,required \\
    cat /run/secrets/pip_token; test "$(sha256sum < /run/secrets/pip_token)" = "{SHA256}  -" && \\
    echo $UNIQUE > /built
FROM wanted
RUN false
"""


@dataclass
class Door:
    """The way to the first repository, which a test can close to uploads."""

    host: str
    refuses_uploads: bool = False
    refuses_manifests: bool = False


@pytest.fixture
def door(image_stands: Stands) -> Iterator[Door]:
    found: list[Door] = []

    def rule(method: str, path: str) -> Refusal | None:
        if not found:
            return None
        if found[0].refuses_uploads and "/blobs/uploads/" in path and method == "POST":
            return Refusal(403, b"closed")
        if found[0].refuses_manifests and "/manifests/" in path and method == "PUT":
            return Refusal(403, b"closed")
        return None

    assert image_stands.sandbox is not None
    with registry_proxy(image_stands.sandbox.registry, rule) as host:
        found.append(Door(host))
        yield found[0]


@pytest.fixture
def maintainer(new: NewMaintainer, image_stands: Stands, door: Door) -> Maintainer:
    """Return a maintainer whose first repository is behind the door, and whose mirror is not."""
    made = new(image_stands, dockerfile=DOCKERFILE)
    image = made.attributes["image"]
    made.variables |= {
        "FIRST_USERNAME": made.variables["DOCKER_USERNAME"],
        "FIRST_TOKEN": made.variables["DOCKER_TOKEN"],
        "PRIVATE_TOKEN": SECRET,
    }
    image["mirrors"] = [
        {
            "repository": image["repository"],
            "name": "mirror",
            "username_env": "DOCKER_USERNAME",
            "token_env": "DOCKER_TOKEN",
        }
    ]
    image |= {
        "repository": f"{door.host}/first/{made.name}",
        "username_env": "FIRST_USERNAME",
        "token_env": "FIRST_TOKEN",
        "platforms": ["linux/amd64"],
        "cache": "registry",
        "cache_ref": f"{door.host}/caches/{made.name}:{{platform}}",
        "secrets": {"pip_token": "PRIVATE_TOKEN"},
        "target": "wanted",
        "build_args": {"UNIQUE": made.name},
        "version_command": ["echo", "1.0.0"],
        "annotations": {"org.opencontainers.image.vendor": "Example"},
    }
    made.tag("v1.0.0", "1.0.0")
    return made


def mirror_of(maintainer: Maintainer) -> Registry:
    return Registry(
        parse_repository(maintainer.attributes["image"]["mirrors"][0]["repository"]),
        username=maintainer.variables["DOCKER_USERNAME"],
        token=maintainer.variables["DOCKER_TOKEN"],
        username_env="DOCKER_USERNAME",
        token_env="DOCKER_TOKEN",
    )


def test_an_image_is_built_once_and_pushed_to_all(maintainer: Maintainer) -> None:
    outcome = maintainer.materialize("v1.0.0", *NODES)
    assert outcome.success, outcome.said
    assert "is copied from" not in outcome.said
    assert "not_pushed" not in outcome.metadata("image_linux_amd64")
    mirror = mirror_of(maintainer)
    for tag in ("1.0.0-amd64", "1.0.0", "1.0", "1", "latest"):
        there = mirror.manifest(tag)
        assert there is not None
        assert there.digest == maintainer.digest(tag)
    assert outcome.metadata("image_linux_amd64")["cache"] == "registry"

    # GHCR shows what the list says of itself.
    whole = mirror.manifest("1.0.0")
    assert whole is not None
    image = mirror.manifest(platform_images(whole)["linux/amd64"])
    assert image is not None
    for manifest in (whole, image):
        annotations = manifest.parsed()["annotations"]
        assert annotations["org.opencontainers.image.description"] == "A sample."
        assert annotations["org.opencontainers.image.title"] == maintainer.name
        assert annotations["org.opencontainers.image.version"] == "1.0.0"
        assert annotations["org.opencontainers.image.vendor"] == "Example"

    # The secret was there, and is in no image, provenance, cache, log or metadata.
    seen = everything_under(maintainer, "1.0.0")
    for form in forms_of(SECRET):
        assert not any(form.encode() in content for content in seen.values())
        assert form not in outcome.said
        assert form not in str(outcome.metadata("image_linux_amd64"))


@pytest.mark.parametrize("breaks", ["refuses_uploads", "refuses_manifests"])
def test_a_first_registry_that_fails_holds_up_none(maintainer: Maintainer, door: Door, breaks: str) -> None:
    """Before the build, or at the end of the push: then the mirror alone gets the image."""
    setattr(door, breaks, True)
    outcome = maintainer.materialize("v1.0.0", *NODES)
    assert outcome.failed == ["manifest_list"], outcome.said
    assert "403" in outcome.words("manifest_list")
    assert "403" in outcome.metadata("image_linux_amd64")["not_pushed"]
    mirror = mirror_of(maintainer)
    latest, image = mirror.manifest("latest"), mirror.manifest("1.0.0-amd64")
    assert latest is not None
    assert image is not None

    setattr(door, breaks, False)
    resumed = maintainer.materialize("v1.0.0", "manifest_list", "floating_tags")
    assert resumed.success, resumed.said
    assert maintainer.digest("latest") == latest.digest
    assert maintainer.digest("1.0.0-amd64") == image.digest
