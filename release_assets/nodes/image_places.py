"""The repositories of an image: which of them can be pushed to, and what one of them lacks."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass

import dagster as dg

from release_assets.destinations.registry import Manifest, Registry, copy_image, lists_the_same
from release_assets.errors import ReleaseError
from release_assets.nodes.alongside import alongside
from release_assets.nodes.image_owner import Owner, observe_owner, refuse_foreign
from release_assets.nodes.image_step import ImageSource, image_name, image_registry, image_source, point_tag
from release_assets.nodes.step import Step
from release_assets.project import Image
from release_assets.text import one_line

LONGEST = 2000  # characters of an error: BuildKit's have their cause last


@dataclass(frozen=True)
class Place:
    """A repository of an image that can be pushed to, and what its tags point to."""

    image: Image
    registry: Registry
    owners: Mapping[str, Owner | None]


def look_at_places(step: Step, image: Image, tags: Sequence[str]) -> list[tuple[Image, Future[Place]]]:
    """Begin to look at each repository of the image, all at the same time.

    Where there are several, each is asked whether we may push: a repository that refuses a build on its way
    ends the push to the others as well.
    """
    places = image.places
    return [(place, alongside(_look, step, place, tags, ask=len(places) > 1)) for place in places]


def _look(step: Step, image: Image, tags: Sequence[str], *, ask: bool) -> Place:
    registry = image_registry(step, image)
    if ask:
        registry.check_access()
    looks = {tag: alongside(observe_owner, registry, tag) for tag in tags}
    return Place(image, registry, {tag: look.result() for tag, look in looks.items()})


def usable_places(
    step: Step, looks: Sequence[tuple[Image, Future[Place]]], source: ImageSource
) -> tuple[list[Place], dict[str, ReleaseError]]:
    """Return the repositories that the image may be pushed to, and the errors of the others by their name.

    Raises the first one's error where there are none.
    """
    usable: list[Place] = []
    failed: dict[str, ReleaseError] = {}
    for image, look in looks:
        try:
            place = look.result()
            for tag, owner in place.owners.items():
                refuse_foreign(step, place.registry.repository.reference(tag), owner, source)
        except ReleaseError as error:
            failed[image.repository] = error
        else:
            usable.append(place)
    if not usable:
        raise next(iter(failed.values()))
    for repository, problem in failed.items():
        step.context.log.warning(f"{repository} is left out of this build: {problem.problem}")
    return usable, failed


def completed(
    step: Step,
    image: Image,
    registry: Registry,
    places: Sequence[Image],
    tags: Mapping[str, str],
    found: Mapping[str, Manifest | None],
) -> dict[str, Manifest | None]:
    """Return the images of the platforms, after copying those that this repository lacks from another.

    `tags` and `found` are by platform. All repositories get the image that Dagster has built last. Without a
    record it is the one that is here, or else the first one elsewhere.
    Raises a ReleaseError of this registry, or of another one where only that can have the image.
    """
    complete = dict(found)
    for platform, tag in tags.items():
        there = found[platform]
        built = _built_digest(step, platform)
        if there is not None and there.digest == built:
            continue
        reference = registry.repository.reference(tag)
        refuse_foreign(step, reference, observe_owner(registry, tag), image_source(step))
        if there is not None and built is None:
            continue
        elsewhere = _elsewhere(step, image, places, built or tag)
        if elsewhere is None:
            continue
        source, manifest = elsewhere
        step.say(f"{reference} is copied from {source.repository.reference(manifest.digest)}")
        with step.stage("copy"):
            copy_image(source, registry, manifest, step.output)
        point_tag(step, registry, tag, manifest)
        complete[platform] = manifest
    return complete


def list_elsewhere(
    step: Step, image: Image, places: Sequence[Image], tag: str, whole: Manifest
) -> Manifest | None:
    """Return another repository's manifest list that lists the same, so that all have one digest; or None.

    A repository that cannot be asked is passed over: its own asset fails.
    """
    for place in places:
        if place.repository == image.repository:
            continue
        with contextlib.suppress(ReleaseError):
            there = image_registry(step, place).manifest(tag)
            if there is not None and there.is_index and lists_the_same(there, whole):
                return there
    return None


def _elsewhere(
    step: Step, image: Image, places: Sequence[Image], reference: str
) -> tuple[Registry, Manifest] | None:
    """Return the first other repository that has an image, None where none has it.

    Raises the ReleaseError of one that cannot be asked, where no other has the image.
    """
    problem: ReleaseError | None = None
    for place in places:
        if place.repository == image.repository:
            continue
        try:
            registry = image_registry(step, place)
            manifest = registry.manifest(reference)
        except ReleaseError as error:
            problem = error
            continue
        if manifest is not None:
            return registry, manifest
    if problem is not None:
        raise problem
    return None


def _built_digest(step: Step, platform: str) -> str | None:
    """Return the digest of the platform's image that Dagster has built last for the release, or None."""
    key = dg.AssetKey([step.project.project, image_name(platform)])
    wanted = dg.AssetRecordsFilter(asset_key=key, asset_partitions=[step.context.partition_key])
    for record in step.context.instance.fetch_materializations(wanted, limit=1).records:
        if record.asset_materialization is not None:
            digest = record.asset_materialization.metadata.get("digest")
            return str(digest.value) if digest is not None else None
    return None


def not_pushed(errors: Mapping[str, ReleaseError]) -> dict[str, str]:
    """Return the metadata about repositories that were left out; none where all have the image."""
    if not errors:
        return {}
    return {
        "not_pushed": "; ".join(
            f"{name}: {one_line(error.problem, LONGEST)}" for name, error in errors.items()
        )
    }
