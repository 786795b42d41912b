"""The build of one platform's image: the same for a release and for a dry run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from release_assets.destinations import buildx
from release_assets.destinations.git import Commit
from release_assets.destinations.registry import parse_repository
from release_assets.nodes.image_step import wanted_annotations
from release_assets.nodes.step import Step
from release_assets.project import Image
from release_assets.rules.image_tags import platform_tag


def build_request(
    step: Step,
    image: Image,
    platform: str,
    commit: Commit,
    labels: Mapping[str, str],
    scratch: Path,
    dist: Path,
    *,
    pull: bool,
    places: Sequence[Image] = (),
    secrets: Mapping[str, str],
) -> buildx.BuildRequest:
    """Return what buildx builds: the commit that is checked out in `scratch`, with the files in `dist`.

    `places` are the repositories that it is pushed to, if not the image's own. Without that one, no cache is
    kept in it either.
    """
    first, *others = places or [image]
    is_cached_here = image.cache != "registry" or image.cache_ref is not None or first is image
    release, source = step.release, scratch / "source"
    version = str(release.version)
    return buildx.BuildRequest(
        repository=parse_repository(first.repository),
        tag=platform_tag(release.version, release.channel, platform),
        platform=platform,
        context=source / image.context,
        dockerfile=source / image.dockerfile,
        build_args={name: value.replace("{version}", version) for name, value in image.build_args.items()},
        build_contexts={
            "dist": str(dist),
            **{
                name: where if "://" in where else str(source / where)
                for name, where in image.build_contexts.items()
            },
        },
        labels=labels,
        cache=image.cache if is_cached_here else "none",
        cache_ref=image.cache_ref,
        cache_folder=step.image_cache,
        builder=image.builders.get(platform),
        source_date_epoch=commit.epoch,
        reproducible=image.reproducible,
        pull=pull,
        provenance=image.provenance,
        sbom_generator=image.sbom_generator,
        emulate_unreachable=image.emulate_unreachable,
        also=tuple(
            buildx.Also(parse_repository(place.repository), place.username_env, place.token_env)
            for place in others
        ),
        target=image.target,
        annotations=wanted_annotations(step, image, labels, commit.sha),
        secrets=secrets,
        username_env=first.username_env,
        token_env=first.token_env,
    )
