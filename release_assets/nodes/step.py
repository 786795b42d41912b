"""Step: one node at work on one release, with its source, its store, its secrets and its seconds."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import dagster as dg

from release_assets.destinations import git
from release_assets.distributions.store import Distribution, DistributionStore, Kind, local_path, open_root
from release_assets.errors import PermanentError
from release_assets.project import Project
from release_assets.rules.declared_version import name_in_pyproject
from release_assets.rules.tags import MalformedTag, ParsedTag, Release, TagKind, channel_of, parse_tag
from release_assets.secrets import read_secret, read_secrets
from release_assets.text import printable, redact


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
        """The values that nobody may see: those of all variables that the YAML names for secrets.

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
        """The local mirror of the project's repository."""
        return git.Mirror(self.project.repository, self._local_folder / "mirrors")

    @cached_property
    def store(self) -> DistributionStore:
        """Return the store where the release's sdist and wheel are kept."""
        root = os.environ.get("RELEASE_ASSETS_STORE") or str(self._local_folder / "distributions")
        return DistributionStore(open_root(root), self.project.project, self.tag.name)

    @property
    def written_folders(self) -> list[Path]:
        """Return the folders on this machine that a release writes to, temporary ones apart."""
        local = local_path(os.environ.get("RELEASE_ASSETS_STORE", ""))
        return [self._local_folder, *([local] if local is not None else [])]

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
        """The cache of uv for build environments: the project's own, since its build code writes to it."""
        return self._local_folder / "uv" / self.project.project

    @property
    def pythons(self) -> Path:
        """The folder of the Pythons that uv has installed for builds, which build code cannot write."""
        return self._local_folder / "pythons"

    @property
    def image_cache(self) -> Path:
        """The folder of `cache: local`, one below it for each platform."""
        return self._local_folder / "images" / self.project.project

    @property
    def begun_images(self) -> Path:
        """Return the folder of the records of images that were begun while the package was published."""
        return self._local_folder / "begun" / self.project.project

    def kept(self, kind: Kind) -> Distribution:
        """Return the kept file of the tag's commit. Raises PermanentError where it was not built yet."""
        return self.kept_of(kind)[0]

    def kept_of(self, node: str) -> tuple[Distribution, ...]:
        """Return the kept files of a node at the tag's commit, at least one. Raises as `kept` does."""
        kept = self.store.files(node)
        if not kept or kept[0].commit != self.release.commit:
            raise PermanentError(
                f"no {node} of {self.tag.name} at commit {self.release.commit} has been built",
                f"Materialize {self.project.project}/{node} for this partition first.",
            )
        return kept

    def kept_distributions(self) -> dict[str, tuple[Distribution, ...]]:
        """Return the kept files of each node that makes distributions. Raises as `kept` does."""
        return {node: self.kept_of(node) for node in self.project.package.distributions}

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
        """Return a file of the package's folder at a commit, None when there is none."""
        if (commit, name) not in self._sources:
            self.mirror.fetch(commit)
            path = str(Path(self.project.package.directory) / name)
            self._sources[commit, name] = self.mirror.read(commit, path)
        return self._sources[commit, name]

    def has_secret(self, *variables: str) -> bool:
        """Return True where any of the variables is set."""
        return bool(read_secrets(variables))

    def secret(self, variable: str, purpose: str) -> str:
        """Return the value of a variable that the YAML names. Raises PermanentError when it is not set."""
        value = read_secret(variable)
        if not value:
            raise PermanentError(
                f"the environment variable {variable} is not set, and {purpose} needs it",
                f"Set {variable} where Dagster's code server and runs can see it, then materialize again.",
            )
        return value

    def say(self, line: str) -> None:
        """Return a line for the event log: what a maintainer who watches wants to know."""
        self.context.log.info(printable(redact(line, self.secrets)))

    def output(self, line: str) -> None:
        """Return a line of a child's output, for the step's standard output while it runs."""
        print(printable(redact(line, self.secrets)), flush=True)

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time what happens inside; a stage that comes twice adds up."""
        started = time.monotonic()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.monotonic() - started

    @contextlib.contextmanager
    def folder(self) -> Iterator[Path]:
        """Yield a temporary folder that is gone after the block, whatever a build left in it."""
        path = Path(tempfile.mkdtemp(prefix=f"{self.project.project}-"))
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)
            if path.exists():  # a build has closed folders to us, which are ours
                for folder, _, _ in os.walk(path):
                    Path(folder).chmod(0o700)
                shutil.rmtree(path, ignore_errors=True)
