"""What the destinations hold: requests that change nothing, without a secret where it is public."""

from __future__ import annotations

from pathlib import Path

import dagster as dg

from release_assets.assets.image_step import registry_of
from release_assets.declared_version import name_in_pyproject
from release_assets.destinations import git
from release_assets.destinations.registry import Registry
from release_assets.errors import PermanentError, ReleaseError
from release_assets.project import Image, Project
from release_assets.secrets import read_secret


def observing_registry(image: Image) -> Registry:
    """Return the registry, asked with the user and token of the environment, or as anybody without them."""
    values = [read_secret(variable) for variable in (image.username_env, image.token_env)]
    return registry_of(image, (values[0], values[1]) if all(values) else None)


def hidden(image: Image, error: ReleaseError) -> str | None:
    """Return a sentence where the registry shows its images only to those who log in; or None."""
    login = (image.username_env, image.token_env)
    unset = [name for name in login if not read_secret(name)]
    if isinstance(error, PermanentError) and unset:
        return f"{image.repository} is not visible without {' and '.join(unset)}"
    return None


def package_name(project: Project, commit: str, instance: dg.DagsterInstance) -> str | None:
    """Return the distribution's name by defs.yaml or a commit's pyproject.toml; None where neither has it.

    Raises a ReleaseError where the commit cannot be fetched into the instance's mirror.
    """
    if project.package.name is not None:
        return project.package.name
    mirror = mirror_of(project, instance)
    mirror.fetch(commit)
    return name_in_pyproject(mirror.read(commit, str(Path(project.package.directory) / "pyproject.toml")))


def mirror_of(project: Project, instance: dg.DagsterInstance) -> git.Mirror:
    """Return the mirror of the project's repository that the instance's runs use."""
    return git.Mirror(project.repository, Path(instance.storage_directory()) / "release_assets" / "mirrors")
