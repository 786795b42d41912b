"""github_release: one published release for the tag, with the distributions and their SHA256SUMS."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import dagster as dg

from release_assets.checks.audit import AS_RECORDED, DRIFT
from release_assets.destinations.github import lacking_words
from release_assets.destinations.release_hosts import release_host
from release_assets.destinations.releases import ReleaseHost, WantedAsset, WantedRelease
from release_assets.distributions.store import Distribution, sha256_of
from release_assets.errors import PermanentError, TransientError
from release_assets.nodes.approval import require_approval_of_files
from release_assets.nodes.metadata import described, table
from release_assets.nodes.node import Node, Recorded
from release_assets.nodes.preflight import check_destinations
from release_assets.nodes.step import Step
from release_assets.notes.extra_assets import extra_assets
from release_assets.notes.page import release_body, release_title
from release_assets.notes.previous import previous_release
from release_assets.notes.source import Notes, compare_page, release_notes, template_of
from release_assets.project import GitHub, Project
from release_assets.rules.tags import Channel, Release, release_versions
from release_assets.text import redact


def github_release_node(project: Project) -> Node:
    """Declare `<project>/github_release`."""
    return Node(
        work=github_release,
        name="github_release",
        deps=["pypi_publication"],
        kinds={project.page.host.lower()},
        description=described(
            f"Publishes the release in {project.page.repository} with its notes, the distributions and "
            "their SHA256SUMS. It is a draft until every file is attached. A test release has none.",
            needs=[f"{project.page.token_env}, which may write releases"],
            again="a release that is complete is left as it is, and a draft is completed.",
        ),
        pool=project.pool,
        checks=[DRIFT],
    )


def github_release(step: Step) -> Recorded:
    """Publish the GitHub release with its notes, files and SHA256SUMS, or complete the one that exists."""
    require_approval_of_files(step)
    release = step.release
    if release.channel is Channel.TEST:
        step.say(f"a test release has no {step.project.page.host} release")
        return Recorded(
            data_version="none",
            metadata={"release": "none: test releases go to the test index only"},
            checks={DRIFT.name: AS_RECORDED},
        )
    distributions = [kept for files in step.kept_distributions().values() for kept in files]
    with step.folder() as folder, step.folder() as scratch:
        files = [step.store.fetch(kept, folder) for kept in distributions]
        with step.stage("notes"):
            body = _body(step, distributions, scratch)
            extra = extra_assets(
                step.mirror,
                release.commit,
                step.project.page.assets,
                taken=[*(file.name for file in files), "SHA256SUMS"],
                folder=scratch,
                log=step.output,
            )
        sums = folder / "SHA256SUMS"
        sums.write_text(sha256sums([*files, *extra]), encoding="utf-8")
        wanted = WantedRelease(
            tag=release.tag,
            commit=release.commit,
            name=release_title(step.project, release, distributions[0].name),
            body=body,
            prerelease=release.channel is Channel.PRERELEASE,
            latest=is_latest(release, step),
            assets=tuple(
                WantedAsset(path, path.stat().st_size, sha256_of(path)) for path in (*files, *extra, sums)
            ),
        )
        digest = sha256_of(sums)
        _check_what_comes(step, wanted)
        published, seconds, lacking = _host(step).publish_release(wanted, step.say)
    step.seconds.update(seconds)
    if lacking:
        step.context.log.warning(redact(lacking_words(published.url, lacking), step.secrets))
    step.say(f"published: {published.url}")
    return Recorded(
        data_version=digest,
        metadata={
            "release": dg.MetadataValue.url(published.url),
            "title": published.name,
            "prerelease": published.prerelease,
            **({"lacking for good": ", ".join(lacking)} if lacking else {}),
            "commit": release.commit,
            "notes": dg.MetadataValue.md(published.body),
            "assets": table(
                {"file": asset.name, "size_bytes": asset.size, "url": asset.url} for asset in published.assets
            ),
        },
        checks={DRIFT.name: AS_RECORDED},
    )


def _check_what_comes(step: Step, wanted: WantedRelease) -> None:
    """Try every credential that is still needed, unless the release is there already.

    The files may be on the index since long ago: then this is the first thing that cannot be undone.
    Raises PermanentError for what is refused. What is only unreachable is reported, not waited for: the files
    are public, and an outage of a registry must not hold up GitHub's release.
    """
    with step.stage("preflight"):
        # What is refused here is told by the preflight, with all the rest.
        with contextlib.suppress(PermanentError):
            if _host(step).is_complete(wanted):
                return
        try:
            check_destinations(step, index=False)
        except TransientError as error:
            words = f"Continuing, since the index has the files. {error.problem}"
            step.context.log.warning(redact(words, step.secrets))


def is_latest(release: Release, step: Step) -> bool:
    """Return True for the highest stable release: decided by version, as GitHub would go by date.

    No release is where the project leaves "Latest" to another package of the repository.
    """
    page = step.project.page
    if isinstance(page, GitHub) and not page.latest:
        return False
    versions = release_versions(step.remote_tags, step.project.tags.patterns)
    stable = {version for version in versions if not version.is_prerelease}
    return release.channel is Channel.STABLE and release.version == max(stable, default=None)


def sha256sums(files: Iterable[Path]) -> str:
    """Return the text that `sha256sum --check` reads."""
    return "".join(f"{sha256_of(file)}  {file.name}\n" for file in files)


def _body(step: Step, distributions: Sequence[Distribution], scratch: Path) -> str:
    """Return the release's text. Raises PermanentError where the project's source of notes has none."""
    project, release = step.project, step.release
    folder = scratch / "notes"
    folder.mkdir()
    notes = release_notes(project, release, step.mirror, step.remote_tags, folder)
    if notes is None:
        previous = previous_release(release, step.remote_tags, project.tags.patterns)
        text = _host(step).generated_notes(release.tag, previous)
        notes = Notes(text, compare_page(project, previous, release.tag))
    template = template_of(project, release, step.mirror)
    limit = release_host(project.page, None).body_limit
    return release_body(project, release, distributions, notes, template=template, limit=limit)


def _host(step: Step) -> ReleaseHost:
    page = step.project.page
    return release_host(page, step.secret(page.token_env, f"the release in {page.repository}"))
