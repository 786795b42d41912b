"""pypi_publication: the index serves exactly the files that were built."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import dagster as dg

from release_assets.checks.audit import AS_RECORDED, DRIFT
from release_assets.destinations import package_index
from release_assets.destinations.http import seconds_for
from release_assets.destinations.links import package_page
from release_assets.destinations.package_index import IndexFile
from release_assets.distributions.store import Distribution
from release_assets.errors import ConflictError, PermanentError, TransientError
from release_assets.nodes.approval import require_approval_of_files
from release_assets.nodes.attested_files import attest_files, verify_attestations
from release_assets.nodes.distribution import adopt_published
from release_assets.nodes.image_ahead import begun_images
from release_assets.nodes.index_token import index_tokens
from release_assets.nodes.metadata import described, table
from release_assets.nodes.node import Node, Recorded
from release_assets.nodes.preflight import check_destinations
from release_assets.nodes.step import Step
from release_assets.project import PackageIndex, Project
from release_assets.rules.warehouse import title

SECOND_UPLOAD_SECONDS = 60.0
INDEX_SECONDS = 900.0  # PyPI's page is cached for ten minutes at its edge when a purge is lost


def pypi_publication_node(project: Project) -> Node:
    """Declare `<project>/pypi_publication`."""
    return Node(
        work=pypi_publication,
        name="pypi_publication",
        deps=[*project.package.last_distributions, *project.gates],
        kinds={"pypi", "python"},
        description=described(
            f"Uploads the sdist and the wheels to {title(project.index.upload_url)}, and waits until the "
            "index serves exactly these files to pip. Before the first upload it tries every credential of "
            "the whole release. A file name on the index can never be used for other bytes.",
            needs=[
                f"{_credential(project.index)} (for a test release {_credential(project.test_index)})",
            ],
            again="files that the index has are compared and left as they are.",
        ),
        pool=project.pool,
        checks=[DRIFT],
    )


def pypi_publication(step: Step) -> Recorded:
    """Upload the files that the index lacks, and wait until it serves all of them."""
    require_approval_of_files(step)
    index = step.project.index_for(step.release.channel)
    name = step.kept("sdist").name
    with step.stage("observe"):
        observed = package_index.observe_index(index, name)
    distributions = [
        adopt_published(step, node, kept, observed)
        for node, files in step.kept_distributions().items()
        for kept in files
    ]
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
    tokens = None
    # Where nothing is uploaded, nobody waits for images: the node was materialized by hand.
    with begun_images(step) if missing else contextlib.nullcontext():
        if missing:
            with step.stage("preflight"):
                check_destinations(step)
            tokens = index_tokens(step, index, name)
            _upload(step, name, distributions, missing, tokens)
        with step.stage("wait_for_index"):
            served = _served(step, name, distributions, tokens)
    attested = verify_attestations(step, index, distributions, uploaded=missing)
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
                    **({"attested_by": attested[kept.filename]} if index.attestations else {}),
                }
                for kept in distributions
            ),
        },
        checks={DRIFT.name: AS_RECORDED},
    )


def _credential(index: PackageIndex) -> str:
    return "this job's identity" if index.trusted_publishing else index.token_env


def _upload(
    step: Step,
    name: str,
    distributions: Sequence[Distribution],
    missing: Sequence[str],
    tokens: Callable[[float], str],
) -> None:
    """Upload the missing files. Raises as package_index.upload and `tokens` do."""
    index = step.project.index_for(step.release.channel)
    with step.stage("upload"), step.folder() as folder:
        # Wheels first, as twine does it. All are signed before the first token is minted.
        wanted = sorted(
            (kept for kept in distributions if kept.filename in missing),
            key=lambda kept: not kept.filename.endswith(".whl"),
        )
        files = [(kept, step.store.fetch(kept, folder)) for kept in wanted]
        signed = attest_files(step, index, [file for _, file in files])
        for kept, file in files:
            try:
                package_index.upload(
                    index.upload_url,
                    tokens(seconds_for(kept.size)),
                    file,
                    token_env=None if index.trusted_publishing else index.token_env,
                    log=step.output,
                    username=package_index.username(index.username_env),
                    certificate=index.client_certificate,
                    attestation=signed.get(file),
                )
            except ConflictError as error:
                if kept.filename not in package_index.observe_index(index, name):
                    raise
                # Somebody else was quicker by a moment: the next attempt compares the contents.
                raise TransientError(error.problem, error.remedy) from None


def _served(
    step: Step,
    name: str,
    distributions: Sequence[Distribution],
    tokens: Callable[[float], str] | None,
) -> dict[str, IndexFile]:
    """Return the files as the index serves them, once it does; `tokens` is None where nothing was uploaded.

    An answer of 200 proves nothing: a proxy may have said it. So what is not there after a while is sent once
    more, which changes nothing where the same bytes have arrived. Raises PermanentError after
    `INDEX_SECONDS`: so long a wait is not repeated without a person.
    """
    index = step.project.index_for(step.release.channel)
    simple_url, login = index.simple_url, package_index.login_of(index)
    wanted = {distribution.filename: distribution.sha256 for distribution in distributions}
    if tokens is not None:
        with contextlib.suppress(TransientError):
            return package_index.wait_until_served(
                simple_url, name, wanted, timeout=SECOND_UPLOAD_SECONDS, log=step.say, login=login
            )
        missing = package_index.missing_files(wanted, package_index.observe(simple_url, name, login=login))
        step.say(f"not served after {SECOND_UPLOAD_SECONDS:.0f} s, sending once more: {', '.join(missing)}")
        with contextlib.suppress(ConflictError):  # it has them: its page is late
            _upload(step, name, distributions, missing, tokens)
    try:
        return package_index.wait_until_served(
            simple_url, name, wanted, timeout=INDEX_SECONDS, log=step.say, login=login
        )
    except TransientError as error:
        raise PermanentError(error.problem, error.remedy) from None
