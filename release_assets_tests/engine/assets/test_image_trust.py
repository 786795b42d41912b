"""The contents of an image: an SBOM and provenance where they are wished, and no secret of ours anywhere."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest
import requests

from release_assets.destinations.attestations import PROVENANCE, SBOM, attestations
from release_assets.destinations.buildx import docker_environment
from release_assets.nodes.metadata import rows_of
from release_assets.process import run
from release_assets_tests.maintainer import Maintainer, NewMaintainer, Outcome, Stands
from release_assets_tests.secret_forms import forms_of

pytestmark = pytest.mark.timeout(300)

# All that a hostile build could reach; what it finds is kept in the image, layer and cache.
SEARCHES = """\
FROM python:3.12-slim
RUN --mount=from=dist,target=/dist mkdir /found && env > /found/env; cat /proc/*/environ > /found/environ; \\
    cat /proc/*/cmdline > /found/cmdline; cat /proc/mounts > /found/mounts; \\
    cat /run/secrets/* /run/*/* /root/.docker/* /root/.netrc /tmp/* /dist/* > /found/files; \\
    ls -lR /run /root /tmp /home /dist > /found/list; true
COPY . /source
"""

# BuildKit's SBOM generator protocol: where to look and where to write come as variables.
GENERATOR = """\
import json, os, pathlib
source = pathlib.Path(os.environ["BUILDKIT_SCAN_SOURCE"])
packages = [{"name": file.name, "SPDXID": f"SPDXRef-{n}"} for n, file in enumerate(sorted(source.iterdir()))]
document = {"spdxVersion": "SPDX-2.3", "SPDXID": "SPDXRef-DOCUMENT", "packages": packages}
statement = {
    "_type": "https://in-toto.io/Statement/v0.1",
    "predicateType": "https://spdx.dev/Document",
    "predicate": document,
}
folder = pathlib.Path(os.environ["BUILDKIT_SCAN_DESTINATION"])
(folder / "sbom.spdx.json").write_text(json.dumps(statement))
"""


@pytest.fixture(scope="module")
def released(new: NewMaintainer, image_stands: Stands) -> tuple[Maintainer, Outcome]:
    """An image of a build that searched for secrets, with SBOM, provenance and registry cache."""
    maintainer = new(image_stands, dockerfile=SEARCHES)
    image = maintainer.attributes["image"]
    image |= {"platforms": ["linux/amd64"], "cache": "registry", "build_args": {"CHANNEL": "an-argument"}}
    image["sbom_generator"] = push_generator(maintainer)
    image["version_command"] = ["echo", "1.0.0"]
    maintainer.tag("v1.0.0", "1.0.0", **{"README.md": maintainer.name})
    outcome = maintainer.materialize("v1.0.0", "image_linux_amd64", "manifest_list")
    assert outcome.success, outcome.said
    return maintainer, outcome


def push_generator(maintainer: Maintainer) -> str:
    """Build an SBOM generator and push it next to the project's images; return its reference."""
    image = maintainer.attributes["image"]
    reference = f"{image['repository']}:generator"
    folder = maintainer.repository.path.with_name(f"{maintainer.name}-generator")
    folder.mkdir()
    (folder / "generate.py").write_text(GENERATOR)
    (folder / "Dockerfile").write_text(
        'FROM python:3.12-slim\nCOPY generate.py /\nENTRYPOINT ["python3", "/generate.py"]\n'
    )
    contexts = [f"--build-context={name}={where}" for name, where in image["build_contexts"].items()]
    credentials = maintainer.variables["DOCKER_USERNAME"], maintainer.variables["DOCKER_TOKEN"]
    with docker_environment(maintainer.registry.repository, *credentials) as env:
        build = ["docker", "buildx", "build", "--push", "--provenance=false", *contexts, "--tag", reference]
        run([*build, str(folder)], env=env, timeout=120)
    return reference


def answer(maintainer: Maintainer, path: str) -> requests.Response:
    """Return what the registry has in the project's repository."""
    repository = maintainer.registry.repository
    found = requests.get(
        f"{repository.api_url}/v2/{repository.name}/{path}",
        auth=(maintainer.variables["DOCKER_USERNAME"], maintainer.variables["DOCKER_TOKEN"]),
        headers={
            "Accept": "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json"
        },
        timeout=30,
    )
    found.raise_for_status()
    return found


def everything_under(maintainer: Maintainer, tag: str) -> dict[str, bytes]:
    """Every manifest, config, layer and attestation that a tag leads to, unpacked, by digest."""
    found: dict[str, bytes] = {}

    def follow(path: str) -> None:
        content = answer(maintainer, path).content
        found[path] = gzip.decompress(content) if content.startswith(b"\x1f\x8b") else content
        if not path.startswith("manifests/"):
            return
        manifest = json.loads(content)
        for child in manifest.get("manifests", []):
            follow(f"manifests/{child['digest']}")
        for blob in [*manifest.get("layers", []), *([manifest["config"]] if "config" in manifest else [])]:
            follow(f"blobs/{blob['digest']}")

    follow(f"manifests/{tag}")
    return found


def statements(maintainer: Maintainer, tag: str) -> dict[str, dict[str, Any]]:
    """The attestations of an image tag, by predicate type."""
    manifest = maintainer.registry.manifest(tag)
    assert manifest is not None
    found = attestations(maintainer.registry, manifest)
    return {name: answer(maintainer, f"blobs/{digest}").json() for name, digest in found.items()}


@pytest.mark.parametrize("tag", ["1.0.0-amd64", "1.0.0"])
def test_the_sbom_is_in_the_index_and_in_the_manifest_list(
    released: tuple[Maintainer, Outcome], tag: str
) -> None:
    maintainer, outcome = released
    found = statements(maintainer, tag)
    assert {"found", "source", "etc"} <= {package["name"] for package in found[SBOM]["predicate"]["packages"]}
    runnable = outcome.metadata("image_linux_amd64")["runnable_digest"]
    assert found[SBOM]["subject"][0]["digest"]["sha256"] == runnable.removeprefix("sha256:")
    assert SBOM in outcome.metadata("image_linux_amd64")["attestations"]


def test_the_provenance_names_the_base_and_no_build_argument(released: tuple[Maintainer, Outcome]) -> None:
    maintainer, outcome = released
    (provenance,) = (
        statement
        for name, statement in statements(maintainer, "1.0.0").items()
        if name.startswith(PROVENANCE)
    )
    assert "an-argument" not in json.dumps(provenance)
    rows = rows_of(outcome.metadata("image_linux_amd64"), "base_images")
    assert len(rows) == 1, rows  # not the SBOM's generator
    assert "python:3.12-slim" in rows[0]["image"]


def test_a_build_that_searches_for_secrets_finds_none(released: tuple[Maintainer, Outcome]) -> None:
    maintainer, outcome = released
    variables = maintainer.variables
    names = ("PYPI_TOKEN", "TEST_PYPI_TOKEN", "GITHUB_TOKEN", "DOCKER_TOKEN")
    secrets = {variables[name] for name in names}
    secrets.add(f"{variables['DOCKER_USERNAME']}:{variables['DOCKER_TOKEN']}")
    forms = {form.encode() for secret in secrets for form in forms_of(secret)}
    content: dict[str, bytes] = {}
    for tag in ("1.0.0", "buildcache-amd64"):
        content |= everything_under(maintainer, tag)
    # It did look: the mounts and the source are there.
    assert any(b"found/environ" in blob for blob in content.values())
    assert any(maintainer.name.encode() in blob for blob in content.values())
    assert {(where, form) for where, blob in content.items() for form in forms if form in blob} == set()
    assert not any(form.decode() in outcome.said for form in forms)


def test_a_registry_that_refuses_attestations_gets_a_bare_image(released: tuple[Maintainer, Outcome]) -> None:
    maintainer, _ = released
    image = maintainer.attributes["image"]
    kept = dict(image)
    image |= {"provenance": False, "sbom_generator": None}
    try:
        outcome = maintainer.materialize("v1.0.0", "image_linux_amd64")
    finally:
        image |= kept
    assert outcome.success, outcome.said
    metadata = outcome.metadata("image_linux_amd64")
    assert metadata["attestations"] == "none"
    assert metadata["digest"] == metadata["runnable_digest"] == maintainer.digest("1.0.0-amd64")
