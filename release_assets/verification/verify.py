"""Verify one release: download, compare with the record and between places, check signatures, build again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg

from release_assets.audit.drift import drift
from release_assets.destinations import buildx
from release_assets.destinations.package_index import IndexFile
from release_assets.destinations.registry import Manifest, parse_repository
from release_assets.distributions.store import sha256_of
from release_assets.errors import ReleaseError
from release_assets.nodes.image_step import image_name, image_source, observing_registry
from release_assets.nodes.metadata import rows_of
from release_assets.nodes.step import Step
from release_assets.notes.extra_assets import extra_assets
from release_assets.planning.observed import Hidden, Images, Seen
from release_assets.planning.records import recorded_metadata
from release_assets.planning.world import observe_github, observe_images, observe_index, step_of
from release_assets.project import Image, Project
from release_assets.rules.image_tags import image_tag
from release_assets.rules.tags import Channel, Release
from release_assets.rules.warehouse import title
from release_assets.secrets import read_secret, read_secrets
from release_assets.verification.commands import commands
from release_assets.verification.downloads import Log, download_assets, download_index
from release_assets.verification.finding import Finding, Verdict
from release_assets.verification.image_rebuild import rebuild_images
from release_assets.verification.images import IMAGES, joined_images, look_at_platforms, signature
from release_assets.verification.places import FILES, SUMS, Held, agreement
from release_assets.verification.publisher import attestation
from release_assets.verification.rebuild import rebuild_package

RECORD = "record"
NODES = ("version", "pypi_publication", "github_release", "manifest_list")


@dataclass
class Report:
    """The findings, and the commands with which anybody finds the same."""

    findings: list[Finding] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)


def verify_release(
    project: Project,
    release: Release,
    remote_tags: Mapping[str, str],
    *,
    records: dg.DagsterInstance,
    fresh: dg.DagsterInstance,
    rebuild: bool,
    log: Log,
) -> Report:
    """Return a report on a release.

    `records` is where it may have been recorded. Sources are fetched and built in the storage of `fresh`,
    an empty instance: what this machine keeps of the release plays no part.
    Raises ReleaseError where the repository is unreachable.
    """
    report = Report()
    step = step_of(project, release.tag, remote_tags, fresh)
    log(f"fetching {project.repository}")
    step.mirror.fetch(release.commit)
    seen = Seen(
        release,
        observe_index(project, release, step.declared_name),
        observe_github(project, release),
        observe_images(project, project.image, release, remote_tags) if project.image is not None else None,
        mirrors={
            mirror.repository: observe_images(project, mirror, release, remote_tags)
            for mirror in (project.image.places[1:] if project.image is not None else [])
        },
    )
    nodes = (
        [*NODES, *(image_name(platform) for platform in project.image.platforms)] if project.image else NODES
    )
    recorded = {node: recorded_metadata(records, project, node, release.tag) for node in nodes}
    report.findings += against_record(project, seen, recorded)
    with step.folder() as folder:
        files: Mapping[str, IndexFile] = {} if isinstance(seen.index, Hidden) else seen.index
        published: dict[str, Path] = {}
        if isinstance(seen.index, Hidden):
            report.findings.append(_hidden(title(project.index_for(release.channel).upload_url), seen.index))
        elif not files:
            words = f"{project.index_for(release.channel).simple_url} serves no file of {release.version}"
            report.findings.append(Finding(FILES, str(release.version), Verdict.FAILED, words))
        addresses: list[str] = []
        report.findings += _files(step, seen, files, folder, published, addresses, recorded, log)
        for name, path in published.items():
            report.findings.append(attestation(files[name], path, project.page.repository))
        digest = None
        if project.image is not None:
            digest = _images(report, step, project.image, seen, rebuild=rebuild, log=log)
        if rebuild:
            report.findings += rebuild_package(step, published, log)
    report.commands = commands(project, release, files, image=digest, assets=addresses)
    return report


def against_record(
    project: Project, seen: Seen, recorded: Mapping[str, Mapping[str, Any]]
) -> Iterator[Finding]:
    """Yield, for each recorded node, whether the places still hold what was recorded. Pure."""
    if not any(recorded.values()):
        words = "nothing is recorded here; the places are compared with each other only"
        yield Finding(RECORD, seen.release.tag, Verdict.UNCHECKED, words)
        return
    verdicts = {"ok": Verdict.OK, "warning": Verdict.NOTED, "error": Verdict.FAILED}
    found = drift(project, seen, recorded, tag_now=seen.release.commit, is_signed=None)
    for node, judged in found.items():
        yield Finding(RECORD, node, verdicts[judged.state], judged.words)


def _hidden(what: str, hidden: Hidden) -> Finding:
    return Finding(FILES, what, Verdict.UNCHECKED, hidden.why)


def _files(
    step: Step,
    seen: Seen,
    files: Mapping[str, IndexFile],
    folder: Path,
    published: dict[str, Path],
    addresses: list[str],
    recorded: Mapping[str, Mapping[str, Any]],
    log: Log,
) -> Iterator[Finding]:
    """Yield what the places hold of the release's files.

    Those of the index are added to `published`, and where the release's others are to `addresses`.
    """
    project, release = step.project, step.release
    index = project.index_for(release.channel)
    found, problems = download_index(files, folder, limit=index.largest_file, log=log)
    published |= found
    yield from problems
    places: dict[str, dict[str, Held]] = {
        title(index.upload_url): {name: Held(sha256_of(path), True) for name, path in found.items()}
    }
    hub = seen.github
    if isinstance(hub, Hidden):
        yield _hidden(f"{project.page.host} release", hub)
    elif hub is None and release.channel is not Channel.TEST:
        words = f"{project.page.repository} has no release for {release.tag}"
        yield Finding(FILES, f"{project.page.host} release", Verdict.FAILED, words)
    elif hub is not None:
        held, sums, problems = download_assets(hub, log=log)
        yield from problems
        addresses += [asset.url for asset in hub.assets if asset.name in held and held[asset.name].downloaded]
        places[project.page.host] = held
        places[SUMS] = {name: Held(sha256, True) for name, sha256 in sums.items()}
        with step.folder() as scratch:
            try:
                extra = extra_assets(
                    step.mirror,
                    release.commit,
                    project.page.assets,
                    taken=[*files, SUMS],
                    folder=scratch,
                    log=step.output,
                )
            except ReleaseError as error:
                yield Finding(FILES, "files of the repository", Verdict.FAILED, error.problem)
            else:
                places["the git tag"] = {path.name: Held(sha256_of(path), True) for path in extra}
    places["the record"] = {
        str(row["file"]): Held(str(row["sha256"]), True)
        for row in rows_of(recorded.get("pypi_publication", {}), "files")
    }
    yield from agreement(places)


def _images(report: Report, step: Step, image: Image, seen: Seen, *, rebuild: bool, log: Log) -> str | None:
    """Add what the registry holds to the report; return the release's image as name@sha256:…, or None."""
    release = step.release
    if not isinstance(seen.images, Images):
        why = seen.images.why if isinstance(seen.images, Hidden) else "the project has no image"
        report.findings.append(Finding(IMAGES, image.repository, Verdict.UNCHECKED, why))
        return None
    log(f"looking at {image.repository}:{image_tag(release.version, release.channel)}")
    registry = observing_registry(image)
    commits = frozenset({release.commit, image_source(step).commit.sha})
    report.findings += joined_images(image, release, seen.images, commits)
    try:
        whole: Manifest | None = registry.manifest(image_tag(release.version, release.channel))
        if whole is None:
            return None
        report.findings += look_at_platforms(image, release, registry, whole)
    except ReleaseError as error:
        report.findings.append(Finding(IMAGES, image.repository, Verdict.UNCHECKED, error.problem))
        return None
    reference = registry.repository.reference(whole.digest)
    login = [read_secret(variable) for variable in (image.username_env, image.token_env)]
    username, token = login if all(login) else (None, None)
    with buildx.docker_environment(parse_repository(image.repository), username, token) as env:
        secrets = read_secrets(step.project.secret_variables)
        report.findings.append(signature(image, release.tag, reference, env, secrets=secrets))
        if rebuild:
            report.findings += rebuild_images(step, image, registry, env, log)
    return reference
