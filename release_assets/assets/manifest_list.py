"""manifest_list: the release's image tag, which joins the images of exactly the declared platforms."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from release_assets.checks import manifest_list as checks
from release_assets.checks.audit import AS_RECORDED, DRIFT
from release_assets.checks.scan import scanned
from release_assets.destinations import cosign
from release_assets.destinations.registry import (
    Registry,
    index_of,
    lists_the_same,
    platform_images,
    platforms_differ,
)
from release_assets.errors import PermanentError, TransientError
from release_assets.nodes.alongside import alongside
from release_assets.nodes.approval import require_approval_of_images
from release_assets.nodes.image_owner import observe_owner, refuse_foreign
from release_assets.nodes.image_places import completed, list_elsewhere
from release_assets.nodes.image_step import (
    docker_environment,
    image_name,
    image_registry,
    image_source,
    point_tag,
    registry_link,
    wanted_annotations,
    wanted_labels,
)
from release_assets.nodes.metadata import described, table
from release_assets.nodes.node import Node, Recorded
from release_assets.nodes.step import Step
from release_assets.project import Image, Project, Sign
from release_assets.rules.image_tags import image_tag, platform_tag


def manifest_list_node(project: Project, image: Image, places: Sequence[Image]) -> Node:
    """Declare `<project>/manifest_list`, of the image in one of its `places`, which are its repositories."""
    return Node(
        work=partial(manifest_list, image=image, places=places),
        name=image.manifest_list_node,
        deps=[image_name(platform) for platform in image.platforms],
        half="images",
        kinds={"docker"},
        description=described(
            f"Joins the images of {', '.join(image.platforms)} under the release's own image tag in "
            f"{image.repository}. Images that it lacks are copied from the other repositories.",
            needs=[
                f"{image.username_env} and {image.token_env}",
                *(["cosign"] if image.sign is not None else []),
                *([image.sign.key_env] if image.sign is not None and image.sign.key_env else []),
            ],
            again="a tag that is right is left as it is, and one of another commit is never overwritten.",
        ),
        source=image.dockerfile,
        pool=project.pool,
        checks=[*checks.manifest_list_checks(image), DRIFT],
    )


def manifest_list(step: Step, image: Image, places: Sequence[Image]) -> Recorded:
    """Join the platforms' images, sign the list, point the release's image tag to it, and check it."""
    require_approval_of_images(step)
    release = step.release
    registry = image_registry(step, image)
    tag = image_tag(release.version, release.channel)
    sources = {
        platform: platform_tag(release.version, release.channel, platform) for platform in image.platforms
    }
    with step.stage("observe"):
        owner_look = alongside(observe_owner, registry, tag)
        looks = {platform: alongside(registry.manifest, source) for platform, source in sources.items()}
        found = {platform: look.result() for platform, look in looks.items()}
        owner = owner_look.result()
    if len(places) > 1:
        found = completed(step, image, registry, places, sources, found)
    children = {platform: child for platform, child in found.items() if child is not None}
    for platform, source in sources.items():
        if platform not in children:
            raise PermanentError(
                f"{registry.repository.reference(source)} is not in the registry",
                f"Materialize {step.project.project}/{image_name(platform)} for this partition first.",
            )
    built_from = image_source(step)
    labels = wanted_labels(step, built_from.commit)
    annotations = wanted_annotations(step, image, labels, built_from.commit.sha)
    whole = index_of(children, annotations)
    # One that is right keeps its digest, also where other annotations are declared by now.
    if owner is not None and lists_the_same(owner.manifest, whole):
        whole = owner.manifest
    elif there := list_elsewhere(step, image, places, tag, whole):
        whole = there
    difference = platforms_differ(whole, image.platforms)
    if difference is not None:
        raise PermanentError(
            f"{registry.repository.reference(tag)} would not have the declared platforms: {difference}",
            "Materialize the images of this partition again.",
        )
    signed = "no"
    if image.sign is not None:
        registry.put_manifest(whole.digest, whole)  # nobody may see a tag before its signature
        signed = _signed(step, image, image.sign, registry, whole.digest)
    reference = registry.repository.reference(tag)
    if owner is not None and owner.manifest.digest == whole.digest:
        step.say(f"{reference} is {whole.digest} already")
    else:
        refuse_foreign(step, reference, owner, built_from)
        point_tag(step, registry, tag, whole)
    with step.stage("check"):
        in_registry = {
            digest: alongside(registry.manifest, digest) for digest in platform_images(whole).values()
        }
        found_by_checks = {
            "platforms": checks.platforms(
                reference,
                whole,
                image.platforms,
                {digest: look.result() for digest, look in in_registry.items()},
            )
        }
        if image.scan is not None:
            found_by_checks["scan"] = scanned(step, image, image.scan, registry, platform_images(whole))
    step.say(f"{reference} is {whole.digest}")
    return Recorded(
        data_version=whole.digest,
        metadata={
            **registry_link(image, step.project, tag),
            "image": reference,
            "pull": f"docker pull {reference}",
            "digest": whole.digest,
            "previous_digest": owner.manifest.digest if owner else "none",
            "signed": signed,
            "platforms": table(
                {"platform": platform, "runnable_digest": child}
                for platform, child in platform_images(whole).items()
            ),
        },
        checks={**found_by_checks, DRIFT.name: AS_RECORDED},
    )


def _signed(step: Step, image: Image, how: Sign, registry: Registry, digest: str) -> str:
    """Make sure that the manifest list is signed, and say how; a signature that is there is kept."""
    reference = registry.repository.reference(digest)
    key = None
    if how.key_env is not None:
        password = step.secret(how.password_env, "the key") if step.has_secret(how.password_env) else ""
        key = cosign.Key(step.secret(how.key_env, f"signing {reference}"), password, how.key_env)
    with step.stage("sign"), docker_environment(step, image) as env:

        def is_signed() -> bool:
            if key is not None:
                return cosign.is_signed(
                    reference, key, env, secrets=step.secrets, allow_http=image.allow_http
                )
            return registry.manifest(f"{digest.replace(':', '-')}.sig") is not None

        if not is_signed():
            cosign.sign(
                reference, key, env, secrets=step.secrets, allow_http=image.allow_http, log=step.output
            )
            if not is_signed():
                raise TransientError(
                    f"cosign signed {reference}, but the registry shows no valid signature",
                    "Materialize again; if it stays so, run `cosign verify` by hand.",
                )
    step.say(f"{reference} is signed")
    return f"with the key in {how.key_env}" if how.key_env else "keyless"
