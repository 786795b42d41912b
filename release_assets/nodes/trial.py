"""The trial of a step's distribution next to its other work, and what the release does with the result."""

from __future__ import annotations

import sys
import time
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    parse_sdist_filename,
    parse_wheel_filename,
)

from release_assets.destinations.package_index.login import login_of
from release_assets.distributions.store import Distribution
from release_assets.distributions.trial import try_distribution
from release_assets.distributions.trial_environment import TrialIndex, Trying
from release_assets.errors import ReleaseError
from release_assets.nodes.alongside import alongside
from release_assets.nodes.package_build import declared_python
from release_assets.nodes.release_check import Declared, Found
from release_assets.nodes.step import Step
from release_assets.project import PackageIndex
from release_assets.rules.tags import channel_of
from release_assets.rules.warehouse import is_warehouse
from release_assets.text import printable, redact

INSTALLS = Declared(
    "installs",
    "It installs into a fresh environment and can be imported: tried before anything is uploaded.",
    blocks=True,
)
INDEX_INSTALLS = Declared(
    "installs_from_index",
    "pip's users can install the release from the package index and import it. It blocks nothing.",
    blocks=False,
)
WAIT_SECONDS = 30.0  # for the trial from the index, after everything is public
INSTALLED = "installed"  # metadata of the summary: what that trial did


@dataclass(frozen=True)
class Tried:
    """The end of a trial: what was done, or why it failed; and its seconds."""

    words: str
    seconds: float
    error: ReleaseError | None = None


def start_trial(step: Step, file: Path) -> Future[Tried] | None:
    """Start the trial of a file that was built; None where the project tries no such file."""
    is_wheel = file.name.endswith(".whl")
    if ("wheel" if is_wheel else "sdist") not in step.project.package.trial.distributions:
        return None
    try:
        name = (parse_wheel_filename if is_wheel else parse_sdist_filename)(file.name)[0]
    except (InvalidSdistFilename, InvalidWheelFilename):
        return None  # the check of the file refuses it
    index = step.project.index_for(step.release.channel)
    # PyPI is asked anyway. What TestPyPI has under the name of a requirement may be anybody's.
    own = None if is_warehouse(index.simple_url) else _trial_index(index)
    return alongside(_try, _trying(step, name, file, own))


def end_trial(step: Step, started: Future[Tried] | None, *, is_public: bool) -> str | None:
    """Return what the trial did, in words, or None without one. Raises the error that it ended with.

    A file that `is_public` already is warned of: nothing can be held back any more.
    """
    if started is None:
        return None
    tried = started.result()
    step.seconds["trial"] = tried.seconds
    if tried.error is None:
        step.say(tried.words)
        return tried.words
    if not is_public:
        raise tried.error
    step.context.log.warning(printable(redact(tried.error.problem, step.secrets)))
    return None


def installs(kept: Distribution) -> Found:
    """Return what the trial of a kept file found."""
    if kept.trial is not None:
        return Found("ok", kept.trial)
    return Found("warning", f"{kept.filename} was kept without a trial", "Install it by hand to be sure.")


def index_trial(step: Step, *, seconds: float = WAIT_SECONDS) -> Found:
    """Install the published release from its index and return what was found, within so many seconds.

    What succeeded once is not tried again, by a rebuild for instance: the index never serves other bytes.
    """
    if before := _installed_before(step):
        return Found("ok", before)
    index = step.project.index_for(channel_of(step.tag.kind, step.tag.version))
    try:
        with step.stage("trial"):
            started = alongside(_try, _trying(step, step.package_name, None, _trial_index(index)))
            tried = started.result(seconds)
    except TimeoutError:
        return Found("warning", f"the installation from the package index took longer than {seconds:.0f} s")
    except ReleaseError as error:  # nothing tells the package's name, or the tag is gone
        return Found("warning", error.problem, error.remedy)
    if tried.error is None:
        return Found("ok", tried.words)
    return Found("warning", tried.error.problem, "The release is public: correct it in a new version.")


def _installed_before(step: Step) -> str | None:
    """Return what the trial of an earlier summary did, None where none succeeded."""
    records = step.context.instance.fetch_materializations(
        dg.AssetRecordsFilter(
            asset_key=dg.AssetKey([step.project.project, "summary"]),
            asset_partitions=[step.context.partition_key],
        ),
        limit=1,
    ).records
    found = records[0].asset_materialization.metadata.get(INSTALLED) if records else None
    return str(found.value) if found is not None else None


def _try(trying: Trying) -> Tried:
    started = time.monotonic()
    try:
        words = try_distribution(trying)
        return Tried(words, time.monotonic() - started)
    except ReleaseError as error:
        return Tried("", time.monotonic() - started, error)


def _trying(step: Step, name: str, file: Path | None, index: TrialIndex | None) -> Trying:
    build = step.project.package.build
    return Trying(
        trial=step.project.package.trial,
        name=name,
        version=str(step.release.version),
        file=file,
        index=index,
        cache=step.build_cache,
        log=step.output,
        python=declared_python(step) or Path(sys.executable),
        variables=build.environment,
        config_settings=build.config_settings,
    )


def _trial_index(index: PackageIndex) -> TrialIndex:
    login = login_of(index)
    return TrialIndex(
        url=index.simple_url,
        username=login.username if login is not None else "",
        password=login.password if login is not None else "",
        certificate=index.client_certificate,
        has_requirements=index.title != "TestPyPI",
    )
