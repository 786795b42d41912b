"""Image nodes share this: where an image comes from, where it goes, and which files are published."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import dagster as dg
from packaging.version import Version

from release_assets.destinations import buildx, package_index
from release_assets.destinations.git import Commit
from release_assets.destinations.links import registry_page, source_url
from release_assets.destinations.registry import Manifest, Registry, parse_repository
from release_assets.distributions.store import sha256_of
from release_assets.errors import PermanentError, TransientError
from release_assets.file_tree import set_modes_and_time
from release_assets.nodes.step import Step
from release_assets.project import Image, Project, is_loopback
from release_assets.rules.declared_version import license_in_pyproject, page_in_pyproject
from release_assets.rules.image_labels import image_annotations, image_labels
from release_assets.rules.image_tags import published_versions
from release_assets.rules.tags import rebuild_tags
from release_assets.rules.wheel_tags import is_for_platform
from release_assets.secrets import read_secret, read_secrets

REBUILD_TAG = "release_assets/rebuild_tag"  # run tag of the sensor: the git tag that asked for it
REASON = "release_assets/reason"  # run tag of a person: why
PULL = "release_assets/pull"  # run tag of a person: "true" asks the registry for the base images again


def reason_for(run_tags: Mapping[str, str]) -> str:
    """Return why an image is built, by the tags of the run."""
    if reason := run_tags.get(REASON):
        return reason
    if rebuild := run_tags.get(REBUILD_TAG):
        return f"the rebuild tag {rebuild} was pushed"
    if sensor := run_tags.get("dagster/sensor_name"):
        return f"the release was published, as the sensor {sensor} saw"
    return "materialized by hand"


def image_name(platform: str) -> str:
    """Return the asset's name: `image_linux_amd64` for linux/amd64."""
    return f"image_{platform.replace('/', '_')}"


@dataclass(frozen=True)
class ImageSource:
    """The commit that an image is built from, and why that one."""

    commit: Commit
    description: str
    is_rebuild: bool


def image_source(step: Step) -> ImageSource:
    """Return the newest rebuild tag's commit where the release has one, else the release's own."""
    rebuilds = [
        (step.mirror.fetch(step.remote_tags[name]), name)
        for name in rebuild_tags(step.tag, step.remote_tags, step.project.tags.patterns)
    ]
    if not rebuilds:
        description = f"the release's tag {step.release.tag}"
        return ImageSource(step.mirror.fetch(step.release.commit), description, is_rebuild=False)
    commit, name = max(rebuilds, key=lambda rebuild: (rebuild[0].committed_at, rebuild[1]))
    return ImageSource(commit, f"the rebuild tag {name}", is_rebuild=True)


def login_variables(image: Image) -> tuple[str, ...]:
    """Return the variables of the registry's login; none for one on this machine that was given neither."""
    variables = image.username_env, image.token_env
    host = parse_repository(image.repository).host
    return variables if read_secrets(variables) or not is_loopback(f"//{host}") else ()


def image_credentials(step: Step, image: Image) -> tuple[str, str] | None:
    """User and token for the registry; None for a registry on this machine that was given neither.

    Raises PermanentError naming the variable that is missing.
    """
    if not login_variables(image):
        return None
    purpose = f"pushing to {image.repository}"
    return step.secret(image.username_env, purpose), step.secret(image.token_env, purpose)


def image_registry(step: Step, image: Image) -> Registry:
    """Return the registry that holds the project's images."""
    return registry_of(image, image_credentials(step, image))


def registry_of(image: Image, credentials: tuple[str, str] | None) -> Registry:
    """Return the registry that holds the image, asked with user and token, or as anybody."""
    return Registry(
        replace(parse_repository(image.repository), allow_http=image.allow_http),
        username=credentials[0] if credentials else None,
        token=credentials[1] if credentials else None,
        username_env=image.username_env,
        token_env=image.token_env,
    )


def observing_registry(image: Image) -> Registry:
    """Return the registry, asked with the user and token of the environment, or as anybody without them."""
    values = [read_secret(variable) for variable in (image.username_env, image.token_env)]
    return registry_of(image, (values[0], values[1]) if all(values) else None)


@contextlib.contextmanager
def docker_environment(
    step: Step, image: Image, mirrors: Iterable[Image] = ()
) -> Iterator[Mapping[str, str]]:
    """Yield the environment of docker's commands: logged in for the block, and nothing secret is written.

    Of `mirrors`, those are logged in to whose variables are set.
    """
    credentials = None if mirrors else image_credentials(step, image)
    more = []
    for place in [image, *mirrors] if mirrors else []:
        username, token = read_secret(place.username_env), read_secret(place.token_env)
        if username and token:
            more.append((parse_repository(place.repository), username, token))
    with buildx.docker_environment(
        parse_repository(image.repository),
        username=credentials[0] if credentials else None,
        token=credentials[1] if credentials else None,
        more=more,
    ) as env:
        yield env


def build_secrets(step: Step, image: Image) -> dict[str, str]:
    """Return the values of the build secrets by their ids. Raises PermanentError for one that is unset."""
    return {
        name: step.secret(variable, f"the build secret {name!r} of the Dockerfile")
        for name, variable in image.secrets.items()
    }


def published_files(step: Step, scratch: Path, platform: str) -> Path:
    """Return a folder with the sdist and the wheels that the index serves for the release, named `dist`.

    Of the wheels, those for the platform and pure ones.

    From the store where it holds the same bytes, else downloaded: the images of a release that was made
    elsewhere are built, too. Empty where nothing is published.
    Raises TransientError or PermanentError where the release is ours and the index lacks a file of it.
    """
    folder = scratch / "dist"
    folder.mkdir()
    index = step.project.index_for(step.release.channel)
    kept = {
        found.filename: found
        for node in step.project.package.distributions
        for found in step.store.files(node)
    }
    served = package_index.files_of(
        step.release.version,
        package_index.observe_index(index, step.package_name),
    )
    ours = {name for name, found in kept.items() if found.commit == step.release.commit}
    is_published = step.is_materialized("pypi_publication")
    if not ours <= set(served) or (is_published and not served):
        lacks = ", ".join(sorted(ours - set(served))) or f"any file of version {step.release.version}"
        problem = f"{index.simple_url} does not serve {lacks}, which the image is to be built with"
        if is_published:
            raise TransientError(problem, "It was published: the index may be late. Materialize again.")
        raise PermanentError(
            problem, f"Materialize {step.project.project}/pypi_publication for this partition first."
        )
    for name, file in served.items():
        if not is_for_platform(name, platform):
            continue
        if name in kept and kept[name].sha256 == file.sha256:
            step.store.fetch(kept[name], folder)
        else:
            package_index.download(file, folder, login=package_index.login_of(index))
    for path in sorted(folder.iterdir()):
        step.output(f"published: {path.name} sha256 {sha256_of(path)}")
    set_modes_and_time(folder, step.mirror.fetch(step.release.commit).epoch)
    if not served:
        step.say(f"{index.simple_url} serves no file of version {step.release.version}: `dist` is empty")
    return folder


def compressed_size(manifest: Manifest) -> int:
    """Return the bytes that somebody downloads for one platform's image: its config and its layers."""
    content = manifest.parsed()
    return sum(int(blob.get("size") or 0) for blob in [content.get("config") or {}, *content["layers"]])


def published_images(step: Step, git_tags: Iterable[str], image_tags: set[str]) -> set[Version]:
    """Return the versions of the channel that git has a tag for and the registry a manifest list."""
    return published_versions(step.release, git_tags, image_tags, step.project.tags.patterns)


def point_tag(step: Step, registry: Registry, tag: str, manifest: Manifest) -> None:
    """Point an image tag to a manifest, and look whether it does: act and verify of every tag that we move.

    Raises TransientError that names both digests where the registry answers another.
    """
    with step.stage("push"):
        registry.put_manifest(tag, manifest)
    with step.stage("verify"):
        after = registry.manifest(tag)
    if after is None or after.digest != manifest.digest:
        raise TransientError(
            f"{registry.repository.reference(tag)} was pointed to {manifest.digest}, but the registry "
            f"answers {after.digest if after else 'not found'}",
            "Somebody else may move the same tag; find out who, then materialize again.",
        )


def registry_link(image: Image, project: Project, tag: str) -> dict[str, dg.MetadataValue]:
    """Return the metadata with the page of an image tag; none where the registry has no page."""
    repository = parse_repository(image.repository)
    page = registry_page(repository.host, repository.name, project.page.repository, tag)
    return {"registry": dg.MetadataValue.url(page)} if page is not None else {}


def wanted_annotations(step: Step, image: Image, labels: Mapping[str, str], commit: str) -> dict[str, str]:
    """Return the annotations of the release's image and of its manifest list."""
    page = page_in_pyproject(step.read_source(commit, "pyproject.toml"))
    title = step.declared_name or step.project.project
    return image_annotations(labels, title, page, image.annotations)


def wanted_labels(step: Step, commit: Commit) -> dict[str, str]:
    """Return the labels of the release's image, built from this commit."""
    return image_labels(
        version=str(step.release.version),
        revision=commit.sha,
        source=source_url(step.project),
        created=commit.committed_at,
        licenses=license_in_pyproject(step.read_source(commit.sha, "pyproject.toml")),
    )
