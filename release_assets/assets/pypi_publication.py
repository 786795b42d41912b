"""pypi_publication: the index serves exactly the files that were built."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

import dagster as dg

from release_assets.assets.distribution import adopt_published
from release_assets.assets.preflight import check_destinations
from release_assets.assets.step import Recorded, Step, release_node, table
from release_assets.destinations import package_index
from release_assets.errors import ConflictError, TransientError
from release_assets.links import package_page
from release_assets.project import Project
from release_assets.store import Kind

KINDS: tuple[Kind, ...] = ("sdist", "wheel")
INDEX_SECONDS = 900.0  # PyPI's page is cached for ten minutes at its edge when a purge is lost


def pypi_publication(project: Project, partitions: dg.DynamicPartitionsDefinition) -> dg.AssetsDefinition:
    """The asset `<project>/pypi_publication`."""

    @release_node(
        project,
        partitions,
        name="pypi_publication",
        deps=["wheel"],
        kinds={"pypi", "python"},
        description="The sdist and the wheel on the package index, as pip sees them.",
        pool=project.pool,
    )
    def work(step: Step) -> Recorded:
        index = project.index_for(step.release.channel)
        name = step.kept("sdist").name
        with step.stage("observe"):
            observed = package_index.observe(index.simple_url, name)
            distributions = [adopt_published(step, step.kept(kind), observed) for kind in KINDS]
            wanted = {distribution.filename: distribution.sha256 for distribution in distributions}
            missing = package_index.missing_files(wanted, observed)
            package_index.refuse_closed_release(
                step.release.version,
                wanted,
                observed,
                window_days=index.window_days,
                now=datetime.now(UTC),
            )
        step.say(f"{index.simple_url} lacks {', '.join(missing)}" if missing else "nothing to upload")
        if missing:
            with step.stage("preflight"):
                check_destinations(step)
            token = step.secret(index.token_env, f"uploading to {index.upload_url}")
            with step.stage("upload"), step.folder() as folder:
                files = {kept.filename: step.store.fetch(kept, folder) for kept in distributions}
                for filename in missing:
                    try:
                        package_index.upload(
                            index.upload_url,
                            token,
                            files[filename],
                            token_env=index.token_env,
                            log=step.output,
                        )
                    except ConflictError as error:
                        if filename not in package_index.observe(index.simple_url, name):
                            raise
                        # Somebody else was quicker by a moment: the next attempt compares the contents.
                        raise TransientError(error.problem, error.remedy) from None
        with step.stage("wait_for_index"):
            served = package_index.wait_until_served(
                index.simple_url, name, wanted, timeout=INDEX_SECONDS, log=step.say
            )
        page = package_page(index.simple_url, name, str(step.release.version))
        step.say(f"{name} {step.release.version} is published: {page}")
        return Recorded(
            data_version=hashlib.sha256(repr(sorted(wanted.items())).encode()).hexdigest(),
            metadata={
                "package": dg.MetadataValue.url(page),
                "install": f"pip install {name}=={step.release.version}",
                "index": index.simple_url,
                "commit": step.release.commit,
                "uploaded": len(missing),
                "files": table(
                    {
                        "file": kept.filename,
                        "size_bytes": kept.size,
                        "sha256": kept.sha256,
                        "url": served[kept.filename].url,
                    }
                    for kept in distributions
                ),
            },
        )

    return work
