"""github_release: one published release for the tag, with the distributions and their SHA256SUMS."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Sequence
from pathlib import Path
from string import Template

import dagster as dg

from release_assets.assets.preflight import check_destinations
from release_assets.assets.step import Recorded, Step, release_node, table
from release_assets.destinations import github
from release_assets.errors import PermanentError, TransientError
from release_assets.image_tags import image_tag
from release_assets.process import redact
from release_assets.project import Project
from release_assets.release import Channel, Release, release_versions
from release_assets.store import Distribution, sha256_of

BODY = Template(Path(__file__).with_suffix(".md").read_text(encoding="utf-8"))


def github_release(project: Project, partitions: dg.DynamicPartitionsDefinition) -> dg.AssetsDefinition:
    """The asset `<project>/github_release`."""

    @release_node(
        project,
        partitions,
        name="github_release",
        deps=["pypi_publication"],
        kinds={"github"},
        description="The published release on GitHub, with the distributions and SHA256SUMS attached.",
        pool=project.pool,
    )
    def work(step: Step) -> Recorded:
        release = step.release
        if release.channel is Channel.TEST:
            step.say("a test release has no GitHub release")
            return Recorded(
                data_version="none", metadata={"release": "none: test releases go to the test index only"}
            )
        distributions = step.kept("sdist"), step.kept("wheel")
        with step.folder() as folder:
            files = [step.store.fetch(kept, folder) for kept in distributions]
            sums = folder / "SHA256SUMS"
            sums.write_text(sha256sums(distributions), encoding="utf-8")
            wanted = github.WantedRelease(
                tag=release.tag,
                commit=release.commit,
                name=f"Release {release.tag}",
                body=release_body(project, release, distributions),
                prerelease=release.channel is Channel.PRERELEASE,
                latest=is_latest(release, step),
                assets=tuple(
                    github.WantedAsset(path, path.stat().st_size, sha256_of(path)) for path in (*files, sums)
                ),
            )
            _check_what_comes(step, wanted)
            token = step.secret(project.github.token_env, f"the release in {project.github.repository}")
            published, seconds = github.publish_release(
                github.connect(project.github.api_url, token),
                project.github.repository,
                wanted,
                token_env=project.github.token_env,
                log=step.say,
            )
        step.seconds.update(seconds)
        plan = github.release_plan(published, wanted)
        if plan.lacking:
            step.context.log.warning(redact(github.lacking_words(published, plan), step.secrets))
        step.say(f"published: {published.url}")
        return Recorded(
            data_version=hashlib.sha256(sha256sums(distributions).encode()).hexdigest(),
            metadata={
                "release": dg.MetadataValue.url(published.url),
                "title": published.name,
                "prerelease": published.prerelease,
                **({"lacking for good": ", ".join(plan.lacking)} if plan.lacking else {}),
                "commit": release.commit,
                "notes": dg.MetadataValue.md(published.body),
                "assets": table(
                    {"file": asset.name, "size_bytes": asset.size, "url": asset.url}
                    for asset in published.assets
                ),
            },
        )

    return work


def _check_what_comes(step: Step, wanted: github.WantedRelease) -> None:
    """Try every credential that is still needed, unless the release is there already.

    The files may be on the index since long ago: then this is the first thing that cannot be undone.
    Raises PermanentError for what is refused. What is only out of reach now is told and not waited for: the
    files are out, and GitHub's release shall not lack for a registry that is unwell.
    """
    hub = step.project.github
    with step.stage("preflight"):
        # What is refused here is told by the preflight, with all the rest.
        with contextlib.suppress(PermanentError):
            token = step.secret(hub.token_env, f"the release in {hub.repository}")
            observed, _ = github.find_release(
                github.connect(hub.api_url, token), hub.repository, wanted.tag, token_env=hub.token_env
            )
            if github.release_plan(observed, wanted).is_done:
                return
        try:
            check_destinations(step, uploaded=True)
        except TransientError as error:
            words = f"Going on all the same, since the index has the files. {error.problem}"
            step.context.log.warning(redact(words, step.secrets))


def is_latest(release: Release, step: Step) -> bool:
    """Whether this is the highest stable release: decided by version, as GitHub would go by date."""
    versions = release_versions(step.remote_tags, step.project.tags.patterns)
    stable = {version for version in versions if not version.is_prerelease}
    return release.channel is Channel.STABLE and release.version == max(stable, default=None)


def sha256sums(distributions: Sequence[Distribution]) -> str:
    """The file that `sha256sum --check` reads."""
    return "".join(f"{kept.sha256}  {kept.filename}\n" for kept in distributions)


def release_body(project: Project, release: Release, distributions: Sequence[Distribution]) -> str:
    """The release's text in Markdown: how to install it, and what it holds."""
    docker = ""
    if project.image is not None:
        tag = image_tag(release.version, release.channel)
        platforms = ", ".join(project.image.platforms)
        docker = f"\n```\ndocker pull {project.image.repository}:{tag}\n```\n\nPlatforms: {platforms}\n"
    rows = (f"| {kept.filename} | {kept.size} | `{kept.sha256}` |" for kept in distributions)
    return BODY.substitute(
        name=distributions[0].name,
        version=release.version,
        docker=docker,
        files="\n".join(rows),
        commit=release.commit,
    )
