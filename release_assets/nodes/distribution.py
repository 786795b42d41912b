"""The nodes of sdist and wheel: kept once, adopted where the index has them, never silently replaced."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from release_assets.destinations import package_index
from release_assets.destinations.package_index import IndexFile
from release_assets.distributions.comparison import same_contents
from release_assets.distributions.inspection import Checked, check
from release_assets.distributions.metadata import read_metadata
from release_assets.distributions.store import Distribution, Kind, sha256_of
from release_assets.errors import ConflictError
from release_assets.nodes.metadata import table
from release_assets.nodes.node import Recorded
from release_assets.nodes.step import Step
from release_assets.nodes.trial import INSTALLS, end_trial, installs, start_trial
from release_assets.nodes.twine_check import TWINE_CHECK, twine_check
from release_assets.rules import warehouse
from release_assets.text import size_text


def built_before(step: Step, node: str) -> tuple[Distribution, ...]:
    """Return the files that a node built from the tag's commit before; none where they are to be built.

    Raises ConflictError where the tag moved to another commit after its files were published, and
    PermanentError where the index accepts no more files of this version.
    """
    release = step.release
    kept = step.store.files(node)
    names = ", ".join(one.filename for one in kept)
    is_one = len(kept) == 1
    if kept and kept[0].commit == release.commit:
        step.say(f"{names} {'was' if is_one else 'were'} built before, and {'is' if is_one else 'are'} kept")
        return kept
    index = step.project.index_for(release.channel)
    if kept:
        served = package_index.observe_index(index, kept[0].name)
        if published := [one.filename for one in kept if one.filename in served]:
            raise ConflictError(
                f"tag {release.tag} points to commit {release.commit} now, but {', '.join(published)} was "
                f"built from commit {kept[0].commit} and is published at {index.simple_url}",
                f"Move the tag back to {kept[0].commit}, or release these changes as a new version.",
            )
        step.say(f"the tag moved from {kept[0].commit} before {names} was published: building again")
    refuse_closed_release(step, node)
    return ()


def check_and_keep(
    step: Step, kind: Kind, file: Path, build_environment: Mapping[str, str] | None = None
) -> Recorded:
    """Check a file that was built, keep it in the store, and return what the event log records of it.

    It is installed and imported at the same time. `build_environment` is what was installed for its build.

    Where the index already serves the file with other bytes but the same contents (a DAGSTER_HOME that was
    lost, a release that was made elsewhere) the published bytes are kept. Raises ConflictError where the
    contents differ.
    """
    trial = start_trial(step, file)
    checked = checked_file(step, file, is_first=kind == "sdist")
    with step.folder() as fresh:
        file, origin, is_public = published_instead(step, file, checked.name, fresh)
        tried = end_trial(step, trial, is_public=is_public)
        with step.stage("store"):
            kept = step.store.put(
                kind,
                file,
                commit=step.release.commit,
                name=checked.name,
                warnings=checked.warnings,
                build_environment=build_environment,
                trial=tried,
            )
    step.say(f"{kept.filename}: {size_text(kept.size)}, sha256 {kept.sha256}")
    return recorded_distribution(step, kept, origin)


def checked_file(step: Step, file: Path, *, is_first: bool = False) -> Checked:
    """Check a file of the release; raises PermanentError as `files.check` does.

    `is_first` is True for the sdist: where pyproject.toml names no package, its name is that of the others.
    """
    release, index = step.release, step.project.index_for(step.release.channel)
    sdist = None if is_first else step.store.find("sdist")
    declared = step.declared_name or (sdist.name if sdist else None)
    with step.stage("check"):
        return check(
            file, name=declared, version=release.version, tag=release.tag, index=index, log=step.output
        )


def published_instead(step: Step, built: Path, name: str, folder: Path) -> tuple[Path, str, bool]:
    """Return the file to keep, where its bytes are from, and whether the index serves it already.

    That is the index's own, in `folder`, where it serves one under the name of ours. Raises ConflictError
    where the contents differ.
    """
    index = step.project.index_for(step.release.channel)
    with step.stage("observe"):
        served = package_index.observe_index(index, name).get(built.name)
    if served is None or served.sha256 == sha256_of(built):
        return built, "built", served is not None
    return published_bytes(step, built, served, folder), "published before", True


def published_bytes(step: Step, built: Path, served: IndexFile, folder: Path) -> Path:
    """Return the file that the index serves under the name of ours, in `folder`, where its contents are ours.

    The build code must never have seen the folder: it could have left a link there that leads elsewhere.

    Raises ConflictError where they differ: both sides are named.
    """
    release, index = step.release, step.project.index_for(step.release.channel)
    # An index may accept larger files than PyPI; the same contents, packed otherwise, have a similar size.
    limit = max(warehouse.LARGEST_FILE, 2 * built.stat().st_size)
    published = package_index.download(served, folder, limit=limit, login=package_index.login_of(index))
    read_metadata(published)
    if not same_contents(built, published):
        raise ConflictError(
            f"{index.simple_url} already serves {built.name} with sha256 {served.sha256}, and "
            f"{release.tag} at commit {release.commit} builds other contents (sha256 {sha256_of(built)})",
            "A published file name can never be used again: raise the version, commit, and push a new tag.",
        )
    step.say(f"{built.name} is published already with the same contents: its bytes are kept")
    return published


def refuse_closed_release(step: Step, node: str) -> None:
    """Before anything is built: raises PermanentError where the index would not take a file of this node.

    The file has no name yet, so one of its kind is looked for among the version's files.
    """
    index, version = step.project.index_for(step.release.channel), step.release.version
    name = step.declared_name
    if index.window_days is None or name is None:
        return
    with step.stage("observe"):
        theirs = package_index.files_of(version, package_index.observe_index(index, name))
    if any(step.project.package.is_made_by(node, file, str(version)) for file in theirs):
        return
    package_index.refuse_closed_release(
        version, {f"the {node}"}, theirs, window_days=index.window_days, now=datetime.now(UTC)
    )


def adopt_published(
    step: Step, node: str, kept: Distribution, observed: Mapping[str, IndexFile]
) -> Distribution:
    """Return what the index serves in the place of `kept`, kept from now on; or `kept` where it is that.

    Two daemons that release the same tag build twice, and the bytes that came first are the release's.
    Raises ConflictError where the contents differ.
    """
    served = observed.get(kept.filename)
    if served is None or served.sha256 in {None, kept.sha256}:
        return kept
    with step.stage("adopt"), step.folder() as ours, step.folder() as theirs:
        published = published_bytes(step, step.store.fetch(kept, ours), served, theirs)
        return step.store.replace(node, kept, published)


def recorded_distribution(step: Step, kept: Distribution, origin: str) -> Recorded:
    """Return what the event log records of a kept file; `origin` is where its bytes come from."""
    kind = "wheel" if kept.filename.endswith(".whl") else "sdist"
    packages = [{"package": name, "version": found} for name, found in sorted(kept.build_environment.items())]
    return Recorded(
        data_version=kept.sha256,
        metadata={
            "file": kept.filename,
            "size_bytes": kept.size,
            "sha256": kept.sha256,
            "commit": kept.commit,
            "origin": origin,
            **({"trial": kept.trial} if kept.trial is not None else {}),
            **({"build_environment": table(packages)} if packages else {}),
        },
        checks={
            TWINE_CHECK.name: twine_check(kept),
            **({INSTALLS.name: installs(kept)} if kind in step.project.package.trial.distributions else {}),
        },
    )
