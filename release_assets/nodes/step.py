"""What every node of the graph shares: which release it works on, how it reports, how it fails."""

# No `from __future__ import annotations` here: Dagster reads the annotation of `context` as a type.
import contextlib
import os
import shutil
import tempfile
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, TypeGuard

import dagster as dg
from upath import UPath

from release_assets.destinations import git
from release_assets.distributions.store import Distribution, DistributionStore, Kind
from release_assets.errors import ConflictError, PermanentError, ReleaseError, TransientError
from release_assets.nodes.release_check import Declared, Found, check_specs, refuse_blocked
from release_assets.process import printable, redact
from release_assets.project import Project
from release_assets.rules.declared_version import name_in_pyproject
from release_assets.rules.tags import MalformedTag, ParsedTag, Release, TagKind, channel_of, parse_tag
from release_assets.secrets import read_secret, read_secrets

RETRIES = 4
# 3, 6, 12, 24 s: without jitter, which could let all five attempts fall into one short outage.
RETRY_POLICY = dg.RetryPolicy(max_retries=RETRIES, delay=3, backoff=dg.Backoff.EXPONENTIAL)
# Seconds; an attempt that took longer is repeated once and not four times, so that a server which accepts and
# never answers is told within minutes.
LONG_ATTEMPT = 120.0
LONGEST_WAIT = 900.0  # seconds; what Docker Hub's and GitHub's short limits ask for is less


@dataclass(frozen=True)
class Recorded:
    """What a node leaves behind in the event log: the content's digest, and what a maintainer looks at.

    `checks` is what each of the node's checks found, by its name.
    """

    data_version: str
    metadata: Mapping[str, Any]
    checks: Mapping[str, Found] = field(default_factory=dict)


@dataclass
class Step:
    """One node at work on one release."""

    project: Project
    context: dg.AssetExecutionContext
    seconds: dict[str, float] = field(default_factory=dict)  # per stage, in the order they ran
    started: float = field(default_factory=time.monotonic)
    _sources: dict[tuple[str, str], str | None] = field(default_factory=dict)  # read by commit and name

    @cached_property
    def secrets(self) -> list[str]:
        """What nobody may see, whoever says it: the values of all variables that the YAML names for secrets.

        No field, so that a step which somebody prints does not show them.
        """
        return read_secrets(self.project.secret_variables)

    @cached_property
    def tag(self) -> ParsedTag:
        """The partition's tag. Raises PermanentError for a partition that names no release."""
        parsed = parse_tag(self.context.partition_key, self.project.tags.patterns)
        if isinstance(parsed, ParsedTag) and parsed.kind is not TagKind.REBUILD:
            return parsed
        reason = parsed.reason if isinstance(parsed, MalformedTag) else "it is not a release tag"
        raise PermanentError(
            f"partition {self.context.partition_key!r} cannot be released: {reason}",
            f"Release tags of {self.project.project} are written {self.project.tags.release!r} "
            f"or {self.project.tags.test!r}; delete this partition.",
        )

    @cached_property
    def remote_tags(self) -> dict[str, str]:
        """The remote's tags and their commits, asked once a step."""
        with self.stage("git"):
            return git.observe_tags(self.project.repository)

    @cached_property
    def release(self) -> Release:
        """The release as the remote has it now. Raises PermanentError when the tag is gone."""
        commit = self.remote_tags.get(self.tag.name)
        if commit is None:
            raise PermanentError(
                f"{self.project.repository} has no tag {self.tag.name}",
                f"Push it again (git push origin {self.tag.name}), then materialize again.",
            )
        return Release(self.tag.name, self.tag.version, commit, channel_of(self.tag.kind, self.tag.version))

    @cached_property
    def mirror(self) -> git.Mirror:
        return git.Mirror(self.project.repository, self._local_folder / "mirrors")

    @cached_property
    def store(self) -> DistributionStore:
        root = os.environ.get("RELEASE_ASSETS_STORE") or str(self._local_folder / "distributions")
        return DistributionStore(UPath(root), self.project.project, self.tag.name)

    @cached_property
    def package_name(self) -> str:
        """The distribution's name. Raises PermanentError when nothing says it."""
        kept = self.store.find("sdist")
        name = self.declared_name or (kept.name if kept else None)
        if name is None:
            raise PermanentError(
                f"pyproject.toml of {self.project.project} at {self.release.commit} has no [project] name",
                "Say it in the project's defs.yaml: package: {name: ...}.",
            )
        return name

    @cached_property
    def declared_name(self) -> str | None:
        """The distribution's name by defs.yaml or pyproject.toml, None where only the metadata tells."""
        return self.project.package.name or name_in_pyproject(
            self.read_source(self.release.commit, "pyproject.toml")
        )

    @property
    def build_cache(self) -> Path:
        """uv's cache for build environments; each project has its own, since its build code writes to it."""
        return self._local_folder / "uv" / self.project.project

    @property
    def image_cache(self) -> Path:
        """The folder of `cache: local`, one below it for each platform."""
        return self._local_folder / "images" / self.project.project

    def kept(self, kind: Kind) -> Distribution:
        """The kept sdist or wheel of the tag's commit. Raises PermanentError when it was not built yet."""
        kept = self.store.find(kind)
        if kept is None or kept.commit != self.release.commit:
            raise PermanentError(
                f"no {kind} of {self.tag.name} at commit {self.release.commit} has been built",
                f"Materialize {self.project.project}/{kind} for this partition first.",
            )
        return kept

    @property
    def _local_folder(self) -> Path:
        # DAGSTER_HOME/storage: kept where DAGSTER_HOME is kept, thrown away with an ephemeral instance.
        return Path(self.context.instance.storage_directory()) / "release_assets"

    def is_materialized(self, node: str) -> bool:
        """Return whether this Dagster has materialized the project's node for the release."""
        key = dg.AssetKey([self.project.project, node])
        records = dg.AssetRecordsFilter(asset_key=key, asset_partitions=[self.context.partition_key])
        return bool(self.context.instance.fetch_materializations(records, limit=1).records)

    def read_source(self, commit: str, name: str) -> str | None:
        """A file of the package's folder at a commit, None when there is none."""
        if (commit, name) not in self._sources:
            self.mirror.fetch(commit)
            path = str(Path(self.project.package.directory) / name)
            self._sources[commit, name] = self.mirror.read(commit, path)
        return self._sources[commit, name]

    def has_secret(self, *variables: str) -> bool:
        """Whether any of the variables is set."""
        return bool(read_secrets(variables))

    def secret(self, variable: str, purpose: str) -> str:
        """The value of a variable that the YAML names. Raises PermanentError when it is not set."""
        value = read_secret(variable)
        if not value:
            raise PermanentError(
                f"the environment variable {variable} is not set, and {purpose} needs it",
                f"Set {variable} where Dagster's code server and runs can see it, then materialize again.",
            )
        return value

    def say(self, line: str) -> None:
        """A line for the event log: what a maintainer who watches wants to know."""
        self.context.log.info(printable(redact(line, self.secrets)))

    def output(self, line: str) -> None:
        """A line of a child's output, for the step's standard output while it runs."""
        print(printable(redact(line, self.secrets)), flush=True)

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Times what happens inside; a stage that comes twice adds up."""
        started = time.monotonic()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.monotonic() - started

    @contextlib.contextmanager
    def folder(self) -> Iterator[Path]:
        """A temporary folder that is gone after the block, whatever a build left in it."""
        path = Path(tempfile.mkdtemp(prefix=f"{self.project.project}-"))
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)
            if path.exists():  # a build has closed folders to us, which are ours all the same
                for folder, _, _ in os.walk(path):
                    Path(folder).chmod(0o700)
                shutil.rmtree(path, ignore_errors=True)


def release_node(
    project: Project,
    partitions: dg.DynamicPartitionsDefinition,
    *,
    name: str,
    kinds: set[str],
    description: str,
    deps: Iterable[str] = (),
    pool: str | None = None,
    checks: Sequence[Declared] = (),
) -> Callable[[Callable[[Step], Recorded]], dg.AssetsDefinition]:
    """Makes an asset of the graph from a function that does its work on one release.

    A ReleaseError becomes Dagster's Failure, without a traceback, and with retries only where doing it
    again can help: those observe the destination first, as every run of a node does.
    The node's checks are part of its step. Where a blocking one fails, what was made stays recorded with what
    the checks found, the step fails in the check's words, and nothing downstream starts.
    """
    key = dg.AssetKey([project.project, name])

    def decorate(work: Callable[[Step], Recorded]) -> dg.AssetsDefinition:
        @dg.asset(
            key=key,
            deps=[dg.AssetKey([project.project, dep]) for dep in deps],
            group_name=project.project,
            partitions_def=partitions,
            description=description,
            kinds=kinds,
            owners=project.owners,
            code_version="1",
            pool=pool,
            retry_policy=RETRY_POLICY,
            check_specs=check_specs(key, checks, partitions),
        )
        def materialize(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[None]]:
            step = Step(project, context)
            with clear_failures(step):
                recorded = work(step)
            yield dg.MaterializeResult(
                metadata={
                    **clean_metadata(recorded.metadata, step.secrets),
                    **_timings(step.seconds, time.monotonic() - step.started),
                },
                data_version=dg.DataVersion(recorded.data_version),
                check_results=[
                    dg.AssetCheckResult(
                        check_name=name,
                        passed=found.state == "ok",
                        severity=found.severity,
                        description=printable(redact(found.description, step.secrets)),
                        metadata=clean_metadata(found.metadata, step.secrets),
                    )
                    for name, found in recorded.checks.items()
                ],
            )
            with clear_failures(step):
                refuse_blocked(checks, recorded.checks)

        return materialize

    return decorate


@contextlib.contextmanager
def clear_failures(step: Step) -> Iterator[None]:
    """Turns what goes wrong in the block into Dagster's failure, after a pause where one was asked for."""
    try:
        yield
    except ReleaseError as error:
        if is_tried_again(error, step.context.retry_number, time.monotonic() - step.started):
            error = wait_as_asked(error, step.say)
            raise _failure(error, step, again=isinstance(error, TransientError)) from None
        raise _failure(error, step, again=False) from None
    except Exception as error:
        # A mistake of ours would be made again: it is shown at once, with its traceback. As text of ours:
        # Dagster would write down the words of every error in the chain, and a library's may hold a token.
        told = printable(redact("".join(traceback.format_exception(error)), step.secrets))
        what = printable(redact(repr(error), step.secrets))
        raise dg.Failure(
            f"release-assets itself failed: {what}\n\nWhat to do: report it with the traceback, which is in "
            "this failure's metadata. Nothing is lost, and it can be materialized again.",
            metadata={"traceback": dg.MetadataValue.text(told), "kind": "mistake"},
            allow_retries=False,
        ) from None


def is_tried_again(error: ReleaseError, retries: int, seconds: float) -> TypeGuard[TransientError]:
    """Whether an attempt that took so many `seconds`, after so many `retries`, is followed by another."""
    return isinstance(error, TransientError) and retries < (1 if seconds > LONG_ATTEMPT else RETRIES)


def wait_as_asked(
    error: TransientError, say: Callable[[str], None], sleep: Callable[[float], None] = time.sleep
) -> ReleaseError:
    """Wait for as long as the destination asks, telling so before; the error to fail this attempt with.

    Where it asks for more than `LONGEST_WAIT`, that is a PermanentError which says from when on it can be
    tried: a run must not sit for hours.
    """
    if error.wait > LONGEST_WAIT:
        when = datetime.now(UTC) + timedelta(seconds=error.wait)
        return PermanentError(
            f"{error.problem} It asks to be left alone for {error.wait:.0f} s.",
            f"Materialize again after {when:%Y-%m-%d %H:%M} UTC. Nothing is lost.",
        )
    if error.wait:
        say(f"{error.problem} It asks for {error.wait:.0f} s of rest: waiting, then trying again.")
        sleep(error.wait)
    return error


def _failure(error: ReleaseError, step: Step, *, again: bool) -> dg.Failure:
    """In the error's words; retried where that can help."""
    problem = printable(redact(error.problem, step.secrets))
    remedy = printable(redact(error.remedy, step.secrets))
    kind = (
        "conflict" if isinstance(error, ConflictError)
        else "permanent" if isinstance(error, PermanentError)
        else "passing"
    )  # fmt: skip
    return dg.Failure(
        description=f"{problem}\n\nWhat to do: {remedy}",
        metadata={
            "problem": problem,
            "what_to_do": remedy,
            "kind": kind,
            **_timings(step.seconds, None),
        },
        allow_retries=again,
    )


def clean_metadata(metadata: Mapping[str, Any], secrets: Sequence[str]) -> dict[str, Any]:
    """Metadata without the secrets: a server that knows a token can put it into a URL, a title or a text."""
    return {name: _clean(value, secrets) for name, value in metadata.items()}


def _clean(value: Any, secrets: Sequence[str]) -> Any:
    match value:
        case str():
            return redact(value, secrets)
        case dg.TextMetadataValue(text=text):
            return dg.MetadataValue.text(redact(text or "", secrets))
        case dg.UrlMetadataValue(url=url):
            return dg.MetadataValue.url(redact(url or "", secrets))
        case dg.MarkdownMetadataValue(md_str=text):
            return dg.MetadataValue.md(redact(text or "", secrets))
        case dg.TableMetadataValue(records=records):
            return table({name: _clean(cell, secrets) for name, cell in row.data.items()} for row in records)
    return value


def _timings(seconds: Mapping[str, float], total: float | None) -> dict[str, dg.MetadataValue]:
    values: dict[str, dg.MetadataValue] = {
        f"seconds/{stage}": dg.MetadataValue.float(round(spent, 3)) for stage, spent in seconds.items()
    }
    if total is not None:
        values["seconds/total"] = dg.MetadataValue.float(round(total, 3))
    return values


def table(rows: Iterable[Mapping[str, str | int | float | bool]]) -> dg.MetadataValue:
    """Rows as a table in the UI; rows must not be empty."""
    return dg.MetadataValue.table([dg.TableRecord(dict(row)) for row in rows])
