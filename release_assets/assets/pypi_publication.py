"""pypi_publication: the index serves exactly the files that were built."""

from __future__ import annotations

import hashlib

import dagster as dg

from release_assets.assets.preflight import check_destinations
from release_assets.assets.step import Recorded, Step, release_node, table
from release_assets.destinations import package_index
from release_assets.links import package_page
from release_assets.project import Project

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
        distributions = step.kept("sdist"), step.kept("wheel")
        wanted = {distribution.filename: distribution.sha256 for distribution in distributions}
        name = distributions[0].name
        with step.stage("observe"):
            observed = package_index.observe(index.simple_url, name)
            missing = package_index.missing_files(wanted, observed)
        step.say(f"{index.simple_url} lacks {', '.join(missing)}" if missing else "nothing to upload")
        if missing:
            with step.stage("preflight"):
                check_destinations(step)
            token = step.secret(index.token_env, f"uploading to {index.upload_url}")
            with step.stage("upload"), step.folder() as folder:
                files = {kept.filename: step.store.fetch(kept, folder) for kept in distributions}
                for filename in missing:
                    package_index.upload(
                        index.upload_url, token, files[filename], token_env=index.token_env, log=step.output
                    )
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
