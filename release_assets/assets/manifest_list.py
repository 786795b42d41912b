"""manifest_list: the release's image tag, which joins the images of exactly the declared platforms."""

from __future__ import annotations

import dagster as dg

from release_assets.assets.image import image_name
from release_assets.assets.image_owner import refuse_foreign
from release_assets.assets.image_step import image_registry, image_source, point_tag
from release_assets.assets.step import Recorded, Step, release_node, table
from release_assets.destinations.registry import index_of, platform_images, platforms_differ
from release_assets.errors import PermanentError
from release_assets.image_tags import image_tag, platform_tag
from release_assets.project import Image, Project


def manifest_list(
    project: Project, image: Image, partitions: dg.DynamicPartitionsDefinition
) -> dg.AssetsDefinition:
    """The asset `<project>/manifest_list`."""

    @release_node(
        project,
        partitions,
        name="manifest_list",
        deps=[image_name(platform) for platform in image.platforms],
        kinds={"docker"},
        description=f"One image tag for {', '.join(image.platforms)}, made from the images' digests.",
        pool=project.pool,
    )
    def work(step: Step) -> Recorded:
        release = step.release
        registry = image_registry(step, image)
        tag = image_tag(release.version, release.channel)
        children = {}
        with step.stage("observe"):
            for platform in image.platforms:
                source = platform_tag(release.version, release.channel, platform)
                child = registry.manifest(source)
                if child is None:
                    raise PermanentError(
                        f"{registry.repository.reference(source)} is not in the registry",
                        f"Materialize {project.project}/{image_name(platform)} for this partition first.",
                    )
                children[platform] = child
            before = registry.manifest(tag)
        whole = index_of(children)
        difference = platforms_differ(whole, image.platforms)
        if difference is not None:
            raise PermanentError(
                f"{registry.repository.reference(tag)} would not have the declared platforms: {difference}",
                "Materialize the images of this partition again.",
            )
        if before is not None and before.digest == whole.digest:
            step.say(f"{registry.repository.reference(tag)} is {whole.digest} already")
        else:
            refuse_foreign(step, registry, tag, image_source(step))
            point_tag(step, registry, tag, whole)
        step.say(f"{registry.repository.reference(tag)} is {whole.digest}")
        return Recorded(
            data_version=whole.digest,
            metadata={
                "image": registry.repository.reference(tag),
                "pull": f"docker pull {registry.repository.reference(tag)}",
                "digest": whole.digest,
                "previous_digest": before.digest if before else "none",
                "platforms": table(
                    {"platform": platform, "digest": child}
                    for platform, child in platform_images(whole).items()
                ),
            },
        )

    return work
