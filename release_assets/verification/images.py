"""Look at a release's images in the registry: the platforms, the sources, provenance and the signature."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from release_assets.destinations import cosign
from release_assets.destinations.attestations import attestations, provenance_statement
from release_assets.destinations.registry import Manifest, Registry, platform_images, platforms_differ
from release_assets.errors import PermanentError, ReleaseError
from release_assets.planning.observed import Images
from release_assets.project import Image
from release_assets.rules.image_tags import image_tag, platform_tag
from release_assets.rules.tags import Release
from release_assets.secrets import read_secret
from release_assets.text import one_line
from release_assets.verification.finding import Finding, Verdict

IMAGES = "images"
SIGNATURES = "signatures"


def joined_images(
    image: Image, release: Release, images: Images, commits: frozenset[str]
) -> Iterator[Finding]:
    """Yield whether the release's tag joins its platforms' images, and each was built from one of `commits`.

    Pure.
    """
    tag = image_tag(release.version, release.channel)
    if images.whole is None:
        yield Finding(IMAGES, tag, Verdict.FAILED, f"{image.repository} has no tag {tag}")
        return
    if images.is_joined:
        yield Finding(IMAGES, tag, Verdict.OK, f"{images.whole.digest} joins the images of all platforms")
    else:
        words = f"{images.whole.digest} is not the list of the images under the platforms' tags"
        yield Finding(IMAGES, tag, Verdict.FAILED, words)
    for platform, tagged in images.platforms.items():
        name = platform_tag(release.version, release.channel, platform)
        if tagged is None:
            yield Finding(IMAGES, name, Verdict.FAILED, f"{image.repository} has no tag {name}")
        elif tagged.revisions <= commits:
            yield Finding(
                IMAGES, name, Verdict.OK, f"{tagged.digest} states commit {', '.join(tagged.revisions)}"
            )
        else:
            words = (
                f"{tagged.digest} states commit {', '.join(sorted(tagged.revisions))}; expected "
                f"{' or '.join(sorted(commits))}"
            )
            yield Finding(IMAGES, name, Verdict.FAILED, words)


def look_at_platforms(
    image: Image, release: Release, registry: Registry, whole: Manifest
) -> Iterator[Finding]:
    """Yield whether the list has the declared platforms, and what each image's provenance states."""
    reference = registry.repository.reference(whole.digest)
    if (words := platforms_differ(whole, image.platforms)) is not None:
        yield Finding(IMAGES, reference, Verdict.FAILED, f"platforms: {words}")
    listed = set(platform_images(whole).values())
    for platform in image.platforms:
        child = registry.manifest(platform_tag(release.version, release.channel, platform))
        if child is None:
            continue  # that it is missing was said
        statement = provenance_statement(registry, attestations(registry, child)) if child.is_index else None
        yield provenance_finding(statement, listed, platform, is_wanted=image.provenance)


def provenance_finding(
    statement: Mapping[str, Any] | None, listed: Collection[str], platform: str, *, is_wanted: bool
) -> Finding:
    """Return whether an image's provenance statement is about an image of the list. Pure."""
    what = f"provenance of {platform}"
    if statement is None:
        verdict = Verdict.FAILED if is_wanted else Verdict.UNCHECKED
        return Finding(SIGNATURES, what, verdict, "no SLSA provenance is attached")
    subjects = {
        f"sha256:{(subject.get('digest') or {}).get('sha256')}"
        for subject in statement.get("subject") or []
        if isinstance(subject, dict)
    }
    if not subjects & set(listed):
        words = f"it is about {', '.join(sorted(subjects)) or 'nothing'}, not about an image of the list"
        return Finding(SIGNATURES, what, Verdict.FAILED, words)
    kind = one_line(str(statement.get("predicateType")))
    return Finding(SIGNATURES, what, Verdict.OK, f"{kind}, as BuildKit wrote it; not signed by itself")


def signature(
    image: Image, tag: str, reference: str, env: Mapping[str, str], *, secrets: list[str]
) -> Finding:
    """Return whether the image `name@sha256:…` has a valid signature by the project's declaration."""
    what = "signature of the manifest list"
    how = image.sign
    if how is None:
        return Finding(SIGNATURES, what, Verdict.UNCHECKED, "the project signs no images")
    try:
        if how.identity is not None and how.issuer is not None:
            signer: cosign.Signer = cosign.Identity(how.identity.replace("{tag}", tag), how.issuer)
        elif how.public_pem is not None:
            signer = cosign.PublicKey(how.public_pem)
        elif how.key_env is not None and (private := read_secret(how.key_env)):
            key = cosign.Key(private, read_secret(how.password_env) or "", how.key_env)
            signer = cosign.PublicKey(cosign.public_key(key, env, secrets=secrets))
        else:
            needs = "image.sign.public_key" if how.key_env else "image.sign.identity and image.sign.issuer"
            words = f"nothing tells who must have signed it. Set {needs} in defs.yaml"
            return Finding(SIGNATURES, what, Verdict.UNCHECKED, words)
        refusal = cosign.refusal_of(reference, signer, env, secrets=secrets, allow_http=image.allow_http)
    except PermanentError as error:
        return Finding(SIGNATURES, what, Verdict.FAILED, error.problem, (error.remedy,))
    except ReleaseError as error:
        return Finding(SIGNATURES, what, Verdict.UNCHECKED, error.problem)
    if refusal is not None:
        return Finding(SIGNATURES, what, Verdict.FAILED, f"{reference}: {refusal}")
    return Finding(SIGNATURES, what, Verdict.OK, f"{reference} is signed by {signer.name}")
