"""Name what the steps of a workflow do that has no counterpart here, before anybody turns it off. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from release_assets.init.images import is_made, pushes, tag_of
from release_assets.init.script import entries
from release_assets.init.workflow import Step

# Actions that prepare, build or keep: their work is done here too, or is not needed.
PREPARING = frozenset({
    "abatilo/actions-poetry", "actions/cache", "actions/checkout", "actions/download-artifact",
    "actions/upload-artifact", "astral-sh/setup-uv", "docker/setup-buildx-action", "docker/setup-qemu-action",
    "easimon/maximize-build-space", "hynek/build-and-inspect-python-package", "jlumbroso/free-disk-space",
    "pdm-project/setup-pdm", "pypa/hatch", "sigstore/cosign-installer", "snok/install-poetry",
    "step-security/harden-runner",
})  # fmt: skip

TAGS_OF_OTHERS = "the tags that it pushes start a release here; it no longer publishes one itself"
INSTEAD = {
    "actions/attest-build-provenance": "`image: provenance: true` attaches provenance to each image",
    "anchore/sbom-action": "`image: sbom_generator:` attaches an SBOM to each image",
    "anchore/scan-action": "`image: scan:` runs a scanner before floating tags move",
    "aquasecurity/trivy-action": "`image: scan:` runs a scanner before floating tags move",
    "docker/bake-action": "write the image's platforms and build arguments into `image:`",
    "google-github-actions/release-please-action": TAGS_OF_OTHERS,
    "googleapis/release-please-action": TAGS_OF_OTHERS,
    "peter-evans/dockerhub-description": "nothing updates the description on Docker Hub",
    "pypa/cibuildwheel": "`package: wheels:` builds its Linux wheels and adopts those of other machines",
    "python-semantic-release/python-semantic-release": TAGS_OF_OTHERS,
    "release-drafter/release-drafter": "a draft of the tag's name is completed and published with its text",
    "sigstore/gh-action-sigstore-python": "distributions are not signed; `image: sign:` signs images",
}

BUILD_INPUTS = (
    "add-hosts", "allow", "annotations", "secret-envs", "secret-files", "secrets", "ssh", "target",
)  # fmt: skip
RUNS = re.compile(
    r"\b(?:git\s+push|gh\s+workflow|gh\s+pr|kubectl|helm|ssh|scp|rsync|aws|gcloud|mkdocs\s+gh-deploy|curl)\b"
)


def not_taken(step: Step) -> Iterator[str]:
    """Yield what a step that publishes says and defs.yaml cannot."""
    match step.uses:
        case "docker/build-push-action" if pushes(step):
            yield from _of_build(step)
        case "docker/metadata-action":
            yield from _of_metadata(step)
        case "pypa/gh-action-pypi-publish":
            if step.inputs.get("attestations") == "true":
                yield "attestations (PEP 740) are not made"
        case "softprops/action-gh-release":
            yield from _of_release(step)


def unknown(step: Step) -> Iterator[str]:
    """Yield what a step does that publishes nothing, unless it prepares, builds or only prints."""
    if step.uses in INSTEAD:
        yield INSTEAD[step.uses]
    elif step.uses.startswith("./"):
        yield f"the action {step.uses} was not looked into"
    elif step.uses and step.uses not in PREPARING and not step.uses.startswith("actions/setup-"):
        yield f"nothing here does what {step.uses} does"
    elif re.search(r"\bcosign\s+sign\b", step.run):
        yield "`image: sign:` signs images with cosign"
    elif match := RUNS.search(step.run):
        yield f"nothing here runs its `{' '.join(match[0].split())}`"


def _of_build(step: Step) -> Iterator[str]:
    for name in BUILD_INPUTS:
        if step.inputs.get(name):
            yield f"`{name}` has no counterpart"
    if step.inputs.get("sbom") == "true":
        yield "`sbom: true` needs a generator that you choose, as `image: sbom_generator:`"
    for reference in entries(step.inputs.get("tags", "").replace(",", "\n")):
        if (tag := tag_of(reference)) and not is_made(tag):
            yield f"the image tag {tag} is not made"


def _of_metadata(step: Step) -> Iterator[str]:
    for line in entries(step.inputs.get("tags", "")):
        if not re.match(r"type=(semver|pep440)\b", line) and not re.search(r"\blatest\b", line):
            yield f"the image tags of `{line}` are not made"
    flavor = step.inputs.get("flavor", "")
    if re.search(r"^\s*(prefix|suffix)\s*=\s*[^\s,]", flavor, flags=re.MULTILINE):
        yield "`flavor` gives image tags a prefix or suffix, which has no counterpart"


def _of_release(step: Step) -> Iterator[str]:
    for name in ("discussion_category_name", "append_body"):
        if step.inputs.get(name, "false") not in {"", "false"}:
            yield f"`{name}` has no counterpart"
    if step.inputs.get("draft") == "true":
        yield "`draft: true`: the release is published, not left as a draft"
    if step.inputs.get("body"):
        yield "its own text (`body`) is not taken over"
