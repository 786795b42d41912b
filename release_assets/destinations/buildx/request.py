"""The request of a build: one platform's image, and the arguments that buildx gets for it."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from release_assets.destinations.buildx.engine import Engine, check_platform
from release_assets.destinations.registry import Repository
from release_assets.errors import PermanentError
from release_assets.rules.image_tags import platform_suffix


@dataclass(frozen=True)
class Also:
    """One more repository that the same image is pushed to, and the variables of its login, for errors."""

    repository: Repository
    username_env: str
    token_env: str


@dataclass(frozen=True)
class BuildRequest:
    """One platform's image: from where, with what, to which tag."""

    repository: Repository
    tag: str
    platform: str
    context: Path
    dockerfile: Path
    build_args: Mapping[str, str]
    build_contexts: Mapping[str, str]  # name → folder or docker-image://…
    labels: Mapping[str, str]
    cache: Literal["registry", "local", "none"]
    cache_folder: Path
    builder: str | None
    source_date_epoch: int
    reproducible: bool = False  # the same commit makes the same digest: no cache, the commit's time in layers
    pull: bool = False  # ask the registry for base images that the engine has
    provenance: bool = True
    sbom_generator: str | None = None
    emulate_unreachable: bool = False
    also: tuple[Also, ...] = ()
    target: str | None = None  # the stage of the Dockerfile; None: the last one
    annotations: Mapping[str, str] = field(default_factory=dict)  # of the image's manifest
    cache_ref: str | None = None  # of `cache: registry`; None: a tag of the repository
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)  # values by id, for RUN --mount
    username_env: str = "DOCKER_USERNAME"  # these two for errors only
    token_env: str = "DOCKER_TOKEN"

    @property
    def reference(self) -> str:
        """Return the reference that the image is pushed to."""
        return self.repository.reference(self.tag)

    @property
    def repositories(self) -> tuple[Repository, ...]:
        """Return all that the image is pushed to."""
        return (self.repository, *(also.repository for also in self.also))

    def alone(self, repository: Repository) -> BuildRequest:
        """Return the same build for one of the repositories, without a cache in any."""
        logins = {also.repository: also for also in self.also}
        logins[self.repository] = Also(self.repository, self.username_env, self.token_env)
        login = logins[repository]
        return replace(
            self,
            repository=repository,
            username_env=login.username_env,
            token_env=login.token_env,
            also=(),
            cache="none",
        )

    @property
    def registry_cache(self) -> str:
        """Return the reference of `cache: registry`.

        One for each platform: a shared one is overwritten by the one that exports last (buildx#1044).
        """
        suffix = platform_suffix(self.platform)
        if self.cache_ref is not None:
            return self.cache_ref.replace("{platform}", suffix)
        return self.repository.reference(f"buildcache-{suffix}")

    @property
    def secret_variables(self) -> dict[str, tuple[str, str]]:
        """Return the variable of buildx's environment for each id of a build secret, and its value.

        The variables have names of their own: the user's may be one that docker itself reads.
        """
        return {
            name: (f"RELEASE_ASSETS_BUILD_SECRET_{number}", value)
            for number, (name, value) in enumerate(self.secrets.items())
        }

    @property
    def used_cache(self) -> Literal["registry", "local", "none"]:
        """Return the cache that this build reads and writes.

        BuildKit does not rewrite the layers that come from a cache (moby/buildkit#4748), so that a
        reproducible build has none.
        """
        return "none" if self.reproducible else self.cache


def check_request(engine: Engine, request: BuildRequest) -> None:
    """Raise PermanentError unless the engine can do what is asked."""
    check_platform(engine, request.platform)
    if request.sbom_generator and not engine.exports_cache:
        raise PermanentError(
            f"{engine.name} cannot attach an SBOM: its image store is docker's own",
            "Turn on containerd's image store in the engine's daemon.json "
            '({"features": {"containerd-snapshotter": true}}), or take sbom_generator out of defs.yaml.',
        )
    if request.reproducible and not engine.exports_cache:
        raise PermanentError(
            f"{engine.name} cannot rewrite timestamps: its image store is docker's own",
            "Turn on containerd's image store in the engine's daemon.json "
            '({"features": {"containerd-snapshotter": true}}), or take reproducible out of defs.yaml.',
        )


def build_arguments(request: BuildRequest, metadata: Path, engine: Engine) -> list[str]:
    """Return the arguments after `docker buildx`. Values from the YAML are data: each is one argument."""
    arguments = [
        "build",
        "--platform", request.platform,
        "--file", str(request.dockerfile),
        *(word for one in request.repositories for word in ("--tag", one.reference(request.tag))),
        "--progress", "rawjson",
        "--metadata-file", str(metadata),
    ]  # fmt: skip
    if engine.exports_cache:
        # BuildKit reads an empty `push` as true, and such a buildx does not see it: so only BuildKit pushes.
        # Docker's own second push points the tag to the image and its attestations, before the index again.
        push = "" if engine.pushes_twice else "true"
        output = f"type=image,push={push}"
        if request.reproducible:
            # What docker keeps it unpacks, and it refuses to rewrite timestamps next to that.
            output += ",store=false,rewrite-timestamp=true"
            arguments.append("--no-cache")
        arguments += ["--output", output]
        # mode=min: of mode=max every build argument and every named context would be public.
        arguments += ["--attest", f"type=provenance,{'mode=min' if request.provenance else 'disabled=true'}"]
        if request.sbom_generator:
            arguments += ["--attest", _fields("type=sbom", f"generator={request.sbom_generator}")]
        # Annotations would turn the Docker manifests that provenance: false stands for into OCI's.
        for name, value in request.annotations.items() if request.provenance else ():
            arguments += ["--annotation", f"manifest:{name}={value}"]
    else:
        arguments.append("--push")  # docker's own image store has neither of these, nor attestations
    if request.pull:
        arguments.append("--pull")
    if request.target is not None:
        arguments += ["--target", request.target]
    for name, (variable, _) in request.secret_variables.items():
        arguments += ["--secret", f"id={name},env={variable}"]
    for name, value in request.build_args.items():
        arguments += ["--build-arg", f"{name}={value}"]
    for name, where in request.build_contexts.items():
        arguments += ["--build-context", f"{name}={where}"]
    for name, value in request.labels.items():
        arguments += ["--label", f"{name}={value}"]
    # A cache that cannot be exported must not fail an image that was pushed.
    if request.used_cache == "registry":
        reference = request.registry_cache
        arguments += ["--cache-from", f"type=registry,ref={reference}"]
        if engine.exports_cache:
            options = "mode=max,image-manifest=true,oci-mediatypes=true,ignore-error=true"
            arguments += ["--cache-to", f"type=registry,ref={reference},{options}"]
    elif request.used_cache == "local":
        folder = local_cache_folder(request)
        if (folder / "index.json").exists():
            arguments += ["--cache-from", _fields("type=local", f"src={folder}")]
        if engine.exports_cache:
            arguments += ["--cache-to", _fields("type=local", f"dest={folder}", "mode=max,ignore-error=true")]
    return [*arguments, "--", str(request.context)]


def build_environment(request: BuildRequest, env: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of buildx for this build: `env`, the commit's time and the build secrets."""
    return {
        **env,
        "SOURCE_DATE_EPOCH": str(request.source_date_epoch),
        **dict(request.secret_variables.values()),
    }


def local_cache_folder(request: BuildRequest) -> Path:
    """Each platform's own: two builds do not write to one."""
    return request.cache_folder / platform_suffix(request.platform)


def _fields(first: str, value: str, *others: str) -> str:
    """Return a line of CSV, as buildx reads it, with a value that may hold a comma or a quotation mark."""
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow([first, value])
    return ",".join([line.getvalue(), *others])
