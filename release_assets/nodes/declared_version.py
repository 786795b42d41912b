"""Compare the version that a release's source declares with the version that its tag names."""

from __future__ import annotations

from release_assets.errors import PermanentError
from release_assets.nodes.step import Step
from release_assets.rules.declared_version import check_version, version_in_pyproject
from release_assets.rules.version_file import version_in_file


def check_declared_version(step: Step) -> str | None:
    """Return where the version is declared, None where only the built metadata can tell.

    Raises PermanentError where it differs from the tag's.
    """
    release, package = step.release, step.project.package
    if package.version_file is not None:
        content = step.mirror.read_bytes(release.commit, package.version_file)
        if content is None:
            raise PermanentError(
                f"{package.version_file}, the version_file of {step.project.project}, "
                f"is not in commit {release.commit}",
                "Correct version_file in the project's defs.yaml, or add the file and tag again.",
            )
        declared, place = version_in_file(content, package.version_file), package.version_file
    else:
        found = version_in_pyproject(step.read_source(release.commit, "pyproject.toml"))
        if found is None:
            return None
        declared, place = found, "pyproject.toml: [project] version"
    check_version(declared, place=place, tag=release.tag, expected=release.version)
    return place
