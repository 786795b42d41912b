"""What sdist and wheel share: kept once, adopted where the index has them, never silently replaced."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from release_assets.assets.step import Recorded, Step
from release_assets.destinations import package_index
from release_assets.distributions import check, read_metadata, same_contents
from release_assets.errors import ConflictError
from release_assets.store import Distribution, Kind, sha256_of


def kept_distribution(step: Step, kind: Kind, build: Callable[[Path], Path]) -> Recorded:
    """Return what the store keeps for the tag's commit, or build, check and keep it.

    `build` makes the file in an empty folder. Where the index already serves the file with other bytes
    but the same contents (a DAGSTER_HOME that was lost, a release that was made elsewhere) the published
    bytes are kept. Raises ConflictError where the contents differ, or where the tag moved to another
    commit after its files were published.
    """
    release = step.release
    kept = step.store.find(kind)
    if kept is not None and kept.commit == release.commit:
        step.say(f"{kept.filename} was built before, and is kept")
        return _recorded(kept, "kept")
    index = step.project.index_for(release.channel)
    if kept is not None:
        served = package_index.observe(index.simple_url, kept.name).get(kept.filename)
        if served is not None:
            raise ConflictError(
                f"tag {release.tag} points to commit {release.commit} now, but {kept.filename} was built "
                f"from commit {kept.commit} and is published at {index.simple_url}",
                f"Move the tag back to {kept.commit}, or release these changes as a new version.",
            )
        step.say(f"the tag moved from {kept.commit} before {kept.filename} was published: building again")
    with step.folder() as scratch:
        file = build(scratch)
        with step.stage("check"):
            name = check(
                file, name=step.declared_name, version=release.version, tag=release.tag, log=step.output
            )
        file, origin = _adopt_published(step, file, name, scratch)
        with step.stage("store"):
            kept = step.store.put(kind, file, commit=release.commit, name=name)
    step.say(f"{kept.filename}: {kept.size} bytes, sha256 {kept.sha256}")
    return _recorded(kept, origin)


def _adopt_published(step: Step, built: Path, name: str, scratch: Path) -> tuple[Path, str]:
    release, index = step.release, step.project.index_for(step.release.channel)
    with step.stage("observe"):
        served = package_index.observe(index.simple_url, name).get(built.name)
    if served is None or served.sha256 == sha256_of(built):
        return built, "built"
    folder = scratch / "published"
    folder.mkdir()
    published = package_index.download(served, folder)
    read_metadata(published)
    if not same_contents(built, published):
        raise ConflictError(
            f"{index.simple_url} already serves {built.name} with sha256 {served.sha256}, and "
            f"{release.tag} at commit {release.commit} builds other contents (sha256 {sha256_of(built)})",
            "A published file name can never be used again: raise the version, commit, and push a new tag.",
        )
    step.say(f"{built.name} is published already with the same contents: its bytes are kept")
    return published, "published before"


def _recorded(kept: Distribution, origin: str) -> Recorded:
    return Recorded(
        data_version=kept.sha256,
        metadata={
            "file": kept.filename,
            "size_bytes": kept.size,
            "sha256": kept.sha256,
            "commit": kept.commit,
            "origin": origin,
        },
    )
