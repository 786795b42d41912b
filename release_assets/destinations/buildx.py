"""docker buildx: builds one platform's image and pushes it, and tells what its steps took."""

from __future__ import annotations

import base64
import binascii
import contextlib
import csv
import io
import json
import os
import re
import shutil
import sys
import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from release_assets.destinations import docker_credential
from release_assets.destinations.attestations import BaseImage
from release_assets.destinations.http import AGAIN
from release_assets.destinations.local_cache import local_cache
from release_assets.destinations.registry import Repository, normal_platform
from release_assets.errors import PermanentError, ReleaseError, TransientError
from release_assets.image_tags import platform_suffix
from release_assets.process import CommandFailedError, CommandTimedOutError, environment, redact, run

LOOK_SECONDS = 60.0
BOOTSTRAP_SECONDS = 300.0  # a builder that is not running pulls its own image first
OLDEST = (0, 13)  # the first buildx with --progress=rawjson
PUSHES_ONCE = (0, 22)  # the first buildx that does not push a second time with docker (buildx#3023)
SILENT_PUSH_SECONDS = 180.0
PROGRESS_SECONDS = 5.0  # between two lines about the same layer on its way
LINE_CHARACTERS = 2000  # of a step's output in one line of the log

PLUGIN_FOLDERS = (
    "~/.docker/cli-plugins",
    "/usr/local/lib/docker/cli-plugins",
    "/usr/local/libexec/docker/cli-plugins",
    "/usr/lib/docker/cli-plugins",
    "/usr/libexec/docker/cli-plugins",
    "/opt/homebrew/lib/docker/cli-plugins",
    "/Applications/Docker.app/Contents/Resources/cli-plugins",
)

INSTALL_BUILDX = "Install it: docker-buildx-plugin from Docker's packages, or docker-buildx from Debian's."
INSTALL_QEMU = (
    "Install QEMU on the engine's machine: `docker run --privileged --rm tonistiigi/binfmt --install all`, "
    "or Debian's packages qemu-user-static and binfmt-support. Or name a machine that has this platform: "
    "image: builders: in the project's defs.yaml."
)
START_ENGINE = (
    "Start the Docker engine there, or correct DOCKER_HOST, the docker context, or image: builders: in the "
    "project's defs.yaml. `docker version` shows whether it answers."
)

Log = Callable[[str], None]


@contextlib.contextmanager
def docker_environment(
    repository: Repository, username: str | None, token: str | None
) -> Iterator[dict[str, str]]:
    """The environment of docker's commands, logged in to the registry for the block.

    DOCKER_CONFIG is a temporary folder that names our credential helper and holds no secret; contexts and
    builders are the user's own. Raises PermanentError when buildx or the helper is not installed.
    """
    own = Path(os.environ.get("DOCKER_CONFIG") or "~/.docker").expanduser().absolute()
    with tempfile.TemporaryDirectory(prefix="docker-config-") as folder:
        users = _configuration(own)
        extra = users.get("cliPluginsExtraDirs")
        candidates = [own / "cli-plugins", *(extra if isinstance(extra, list) else []), *PLUGIN_FOLDERS]
        config: dict[str, Any] = {"cliPluginsExtraDirs": plugin_folders(candidates)}
        if users.get("currentContext"):
            config["currentContext"] = users["currentContext"]
        if os.path.isdir(own / "contexts"):  # noqa: PTH112  (Path's raises where the folder is closed to us)
            Path(folder, "contexts").symlink_to(own / "contexts")
        # buildx records the repository that a context is in, which here could only be one around the
        # temporary folder: not the project's.
        needed = {"DOCKER_CONFIG": folder, "BUILDX_GIT_INFO": "false"}
        # DOCKER_AUTH_CONFIG is left out on purpose: it would go before our helper.
        for name in (
            "BUILDX_BUILDER",
            "BUILDX_CONFIG",
            "DOCKER_CERT_PATH",
            "DOCKER_CONTEXT",
            "DOCKER_HOST",
            "DOCKER_TLS_VERIFY",
            "SSH_AUTH_SOCK",
        ):
            if name in os.environ:
                needed[name] = os.environ[name]
        # Both are found below DOCKER_CONFIG by default, which is another folder now.
        needed.setdefault("BUILDX_CONFIG", str(own / "buildx"))
        if "DOCKER_TLS_VERIFY" in needed:
            needed.setdefault("DOCKER_CERT_PATH", str(own))
        if username is not None and token is not None:
            config["credHelpers"] = {repository.credential_host: HELPER.removeprefix("docker-credential-")}
            needed |= {
                docker_credential.HOST: repository.credential_host,
                docker_credential.USERNAME: username,
                docker_credential.TOKEN: token,
            }
        Path(folder, "config.json").write_text(json.dumps(config))
        env = environment(**needed)
        if "credHelpers" in config and shutil.which(HELPER, path=env["PATH"]) is None:
            raise PermanentError(
                f"{HELPER} is not beside our Python interpreter",
                "It comes with release-assets: install it into this environment again.",
            )
        yield env


HELPER = "docker-credential-release-assets"


def _configuration(folder: Path) -> dict[str, Any]:
    """The user's docker configuration; empty where there is none that can be read."""
    with contextlib.suppress(OSError, ValueError):
        content = json.loads((folder / "config.json").read_text())
        if isinstance(content, dict):
            return content
    return {}


def plugin_folders(candidates: Iterable[str | Path]) -> list[str]:
    """Those of the folders that hold the buildx plugin; docker takes the first.

    They must be named: docker looks for plugins below DOCKER_CONFIG, which is another folder now, and a
    client may come from elsewhere than its plugins.
    Raises PermanentError where there is none.
    """
    folders = [str(Path(folder).expanduser()) for folder in candidates]
    found = [folder for folder in dict.fromkeys(folders) if shutil.which("docker-buildx", path=folder)]
    if not found:
        raise PermanentError("docker's buildx plugin is not installed", INSTALL_BUILDX)
    return found


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
    pull: bool = False  # ask the registry for base images that the engine has
    provenance: bool = True
    sbom_generator: str | None = None
    emulate_unreachable: bool = False
    username_env: str = "DOCKER_USERNAME"  # these two for errors only
    token_env: str = "DOCKER_TOKEN"

    @property
    def reference(self) -> str:
        """Where the image is pushed to."""
        return self.repository.reference(self.tag)


@dataclass(frozen=True)
class BuiltStep:
    """A step of the Dockerfile: its name as buildx shows it, its seconds, and whether the cache had it."""

    name: str
    seconds: float
    cached: bool


@dataclass(frozen=True)
class BuildResult:
    """What was pushed, and what it took."""

    digest: str
    runnable_digest: str  # of the image itself, where `digest` is that of an index with its attestations
    config_digest: str | None  # of the image's config: what `docker image ls` shows as its id
    steps: tuple[BuiltStep, ...]
    cache_hit_rate: float | None  # of the steps that could hit; None where there are none
    cache_warning: str | None  # why the cache is not kept for the next build
    seconds: Mapping[str, float]
    timestamps_rewritten: bool  # in the layers, to the commit's: the same commit makes the same digest
    from_images: tuple[BaseImage, ...]  # of those that buildx names with their digest
    builder: str
    emulated: bool  # the platform is foreign to the builder
    fallback: str | None  # why another builder than the named one had to do


def build(
    request: BuildRequest,
    env: Mapping[str, str],
    *,
    log: Log,
    secrets: list[str],
    timeout: float,
    silence: float,
) -> BuildResult:
    """Build and push an image; `log` gets the progress as it happens, without the `secrets`.

    `timeout` and `silence` are seconds: in all, and without a word from buildx. A push that stands still is
    given up after `SILENT_PUSH_SECONDS`, since BuildKit itself would wait for the registry for ever.
    Raises PermanentError or TransientError with the failing step's name and the end of its output.
    """
    engine, fallback = choose_engine(request.builder, env, emulate_unreachable=request.emulate_unreachable)
    if fallback:
        log(f"warning: {fallback}")
    check_request(engine, request)
    emulated = is_emulated(engine, request.platform)
    log(f"{engine.name} builds {request.platform} {'with QEMU' if emulated else 'natively'}")
    progress = Progress(lambda line: log(redact(line, secrets)))
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="buildx-"))
        if request.cache == "local" and engine.exports_cache:
            stack.enter_context(local_cache(local_cache_folder(request), log))
        metadata = Path(folder, "metadata.json")
        arguments = build_arguments(request, metadata, engine)
        try:
            run(
                [*engine.docker, *engine.buildx, *arguments],
                env={**env, "SOURCE_DATE_EPOCH": str(request.source_date_epoch)},
                timeout=timeout,
                silence=lambda: min(silence, SILENT_PUSH_SECONDS) if progress.only_pushes() else silence,
                secrets=secrets,
                on_line=progress.line,
            )
        except CommandTimedOutError as error:
            problem = f"building {request.reference} {error.reason}; at work was: {progress.at_work()}"
            if progress.only_pushes():
                raise TransientError(
                    problem, f"The registry {request.repository.host} accepts, but does not answer. {AGAIN}"
                ) from None
            # Hours are not spent again without a person.
            raise PermanentError(
                problem,
                "Look at that step in the Dockerfile, or give the platform a native builder (builders:).",
            ) from None
        except CommandFailedError as error:
            failure = progress.failure() or Failure("", error.reason, [])
            output = [redact(line, secrets) for line in failure.output]
            failure = Failure(failure.step, redact(failure.said, secrets), output)
            raise build_failure(failure, request) from None
        digest = _pushed_digest(metadata, request)
    warning = cache_warning(request, engine, progress)
    if warning:
        log(f"warning: {warning}")
    if not progress.rewrote_timestamps():
        log(f"warning: {NOT_REWRITTEN}")
    return BuildResult(
        digest=digest,
        runnable_digest=progress.exported("manifest") or digest,
        config_digest=progress.exported("config"),
        steps=tuple(progress.steps()),
        cache_hit_rate=progress.cache_hit_rate(),
        cache_warning=warning,
        seconds=progress.seconds(),
        timestamps_rewritten=progress.rewrote_timestamps(),
        from_images=tuple(progress.from_images()),
        builder=engine.name,
        emulated=emulated,
        fallback=fallback,
    )


NOT_REWRITTEN = (
    "the layers keep the times of this build, so that building the same commit again makes another digest: "
    "rewriting them takes BuildKit 0.13 and an image store that is not docker's own"
)


def choose_engine(
    builder: str | None, env: Mapping[str, str], *, emulate_unreachable: bool
) -> tuple[Engine, str | None]:
    """What is to build, and why that is not the builder that was named; None where it is.

    Raises as `observe_engine` does. A name that nobody knows is a mistake in the YAML, which no emulation
    hides.
    """
    try:
        return observe_engine(builder, env), None
    except TransientError as error:
        if builder is None or not emulate_unreachable:
            raise
        return observe_engine(None, env), f"{error.problem}; docker's own builder does it instead"


def cache_warning(request: BuildRequest, engine: Engine, progress: Progress) -> str | None:
    """Why the cache is not kept for the next build; None where it is, or where nobody asked for it."""
    if request.cache == "none":
        return None
    if not engine.exports_cache:
        return "the cache is not kept for the next build: this engine's image store is not containerd's"
    error = progress.cache_export_error()
    return f"the cache is not kept for the next build: {error}" if error else None


def _pushed_digest(metadata: Path, request: BuildRequest) -> str:
    """What buildx says it pushed. (Its containerimage.config.digest is the same with containerd's store.)"""
    try:
        return str(json.loads(metadata.read_text())["containerimage.digest"])
    except (OSError, ValueError, KeyError, TypeError):
        raise TransientError(
            f"buildx does not say what it pushed as {request.reference}",
            "Materialize again; if it stays so, install a newer buildx.",
        ) from None


def build_arguments(request: BuildRequest, metadata: Path, engine: Engine) -> list[str]:
    """The arguments after `docker buildx`. Values from the YAML are data: each is one argument."""
    arguments = [
        "build",
        "--platform", request.platform,
        "--file", str(request.dockerfile),
        "--tag", request.reference,
        "--progress", "rawjson",
        "--metadata-file", str(metadata),
    ]  # fmt: skip
    if engine.exports_cache:
        # BuildKit takes an empty `push` for true, and such a buildx does not see it: so only BuildKit pushes.
        # Docker's own second push points the tag to the image and its attestations, before the index again.
        push = "" if engine.pushes_twice else "true"
        # Without store=false docker unpacks what it keeps, and refuses to rewrite timestamps beside that.
        arguments += ["--output", f"type=image,push={push},store=false,rewrite-timestamp=true"]
        # mode=min: of mode=max every build argument and every named context would be public.
        arguments += ["--attest", f"type=provenance,{'mode=min' if request.provenance else 'disabled=true'}"]
        if request.sbom_generator:
            arguments += ["--attest", _fields("type=sbom", f"generator={request.sbom_generator}")]
    else:
        arguments.append("--push")  # docker's own image store has neither of these, nor attestations
    if request.pull:
        arguments.append("--pull")
    for name, value in request.build_args.items():
        arguments += ["--build-arg", f"{name}={value}"]
    for name, where in request.build_contexts.items():
        arguments += ["--build-context", f"{name}={where}"]
    for name, value in request.labels.items():
        arguments += ["--label", f"{name}={value}"]
    suffix = platform_suffix(request.platform)
    # One reference for each platform: a shared one is overwritten by whoever exports last (buildx#1044).
    # A cache that cannot be exported must not fail an image that was pushed.
    if request.cache == "registry":
        reference = request.repository.reference(f"buildcache-{suffix}")
        arguments += ["--cache-from", f"type=registry,ref={reference}"]
        if engine.exports_cache:
            options = "mode=max,image-manifest=true,oci-mediatypes=true,ignore-error=true"
            arguments += ["--cache-to", f"type=registry,ref={reference},{options}"]
    elif request.cache == "local":
        folder = local_cache_folder(request)
        if (folder / "index.json").exists():
            arguments += ["--cache-from", _fields("type=local", f"src={folder}")]
        if engine.exports_cache:
            arguments += ["--cache-to", _fields("type=local", f"dest={folder}", "mode=max,ignore-error=true")]
    return [*arguments, "--", str(request.context)]


def local_cache_folder(request: BuildRequest) -> Path:
    """Each platform's own: two builds do not write to one."""
    return request.cache_folder / platform_suffix(request.platform)


def _fields(first: str, value: str, *others: str) -> str:
    """A line of CSV, as buildx reads it, with a value that may hold a comma or a quotation mark."""
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow([first, value])
    return ",".join([line.getvalue(), *others])


@dataclass(frozen=True)
class Engine:
    """What builds: how it is called, where it is, and what it can do.

    `docker` and `buildx` are the beginning of a command, with the options that choose it.
    """

    docker: tuple[str, ...]
    buildx: tuple[str, ...]
    name: str
    platforms: frozenset[str]
    native: frozenset[str]  # those of the platforms that its machines are made for
    exports_cache: bool  # and attestations: not so with docker's own image store
    pushes_twice: bool


def observe_engine(builder: str | None, env: Mapping[str, str]) -> Engine:
    """The engine that `builder` names, a buildx builder or a docker context; None: the one docker uses.

    It is started if it is a builder that rests. Raises PermanentError where it does not exist or where
    docker or buildx are missing or too old, TransientError where it cannot be reached.
    """
    version = _buildx_version(env)
    name = f"the builder {builder}" if builder else "docker's builder"
    try:
        contexts = []
        if builder is not None:
            contexts = run(["docker", "context", "ls", "--quiet"], env=env, timeout=LOOK_SECONDS).split()
        docker, buildx = docker_argv(builder, contexts)
        inspect = [*docker, *buildx, "inspect", "--bootstrap"]
        description = run(inspect, env=env, timeout=BOOTSTRAP_SECONDS)
    except CommandFailedError as error:
        said = error.tail[-1] if error.tail else error.reason
        if re.search(r"no builder|not found", said):
            raise PermanentError(
                f"{name} does not exist: {said}",
                "`docker buildx ls` and `docker context ls` show what there is where Dagster's runs are.",
            ) from None
        raise TransientError(f"{name} cannot be used: {said}", START_ENGINE) from None
    platforms, native = inspected_platforms(description), native_platforms(description)
    # An engine that is out of reach is an answer, too: exit status 0, with an error among the fields.
    unreachable = re.search(r"^\s*Error:\s*(.+)$", description, re.MULTILINE)
    if unreachable and not platforms:
        raise _engine_error(name, unreachable[1])
    if not re.search(r"^Driver:\s+docker$", description, re.MULTILINE):
        return Engine(docker, buildx, name, platforms, native, exports_cache=True, pushes_twice=False)
    try:
        info = run([*docker, "info", "--format", "{{json .DriverStatus}}"], env=env, timeout=LOOK_SECONDS)
    except CommandFailedError as error:
        raise _engine_error(name, " ".join(error.tail) or error.reason) from None
    # With containerd's image store it is a BuildKit like any other; with docker's own it exports no cache,
    # and only docker can push.
    containerd = "io.containerd.snapshotter" in info
    pushes_twice = containerd and version < PUSHES_ONCE
    return Engine(docker, buildx, name, platforms, native, containerd, pushes_twice)


def _engine_error(name: str, said: str) -> ReleaseError:
    if "permission denied" in said.lower():
        return PermanentError(
            f"{name} is closed to this user: {said}",
            "Let the user of Dagster's runs use the engine: `usermod -aG docker USER`, then log in again.",
        )
    return TransientError(f"{name} is out of reach: {said}", START_ENGINE)


def _buildx_version(env: Mapping[str, str]) -> tuple[int, int]:
    """The version of buildx. Raises PermanentError where it is missing or too old."""
    try:
        said = run(["docker", "buildx", "version"], env=env, timeout=LOOK_SECONDS)
    except CommandFailedError as error:
        raise PermanentError(
            f"docker's client or its buildx plugin does not work: {' '.join(error.tail) or error.reason}",
            "Install docker's client and its buildx plugin where Dagster's runs are.",
        ) from None
    version = parsed_version(said)
    if version < OLDEST:
        raise PermanentError(
            f"buildx is too old: {said.strip()}", f"Install buildx {OLDEST[0]}.{OLDEST[1]} or newer."
        )
    return version


def parsed_version(said: str) -> tuple[int, int]:
    """Major and minor of what `docker buildx version` says; one without a number was built from source."""
    found = re.search(r"\bv?(\d+)\.(\d+)\.", said)
    return (int(found[1]), int(found[2])) if found else (sys.maxsize, 0)


def docker_argv(builder: str | None, contexts: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The beginning of docker's commands and, after it, of buildx's, for a builder or a context's name."""
    if builder is None:
        return ("docker",), ("buildx",)
    if builder in contexts:
        # buildx refuses --builder for a context's own builder.
        return ("docker", "--context", builder), ("buildx",)
    return ("docker",), ("buildx", "--builder", builder)


def check_request(engine: Engine, request: BuildRequest) -> None:
    """Raise PermanentError unless the engine can do what is asked."""
    check_platform(engine, request.platform)
    if request.sbom_generator and not engine.exports_cache:
        raise PermanentError(
            f"{engine.name} cannot attach an SBOM: its image store is docker's own",
            "Turn on containerd's image store in the engine's daemon.json "
            '({"features": {"containerd-snapshotter": true}}), or take sbom_generator out of defs.yaml.',
        )


def check_platform(engine: Engine, platform: str) -> None:
    """Raise PermanentError unless the engine runs the platform, by itself or with QEMU.

    BuildKit lists what the kernel can run at that moment, QEMU included; a builder that lists nothing may
    try.
    """
    if engine.platforms and not runs_platform(engine.platforms, platform):
        raise PermanentError(
            f"{engine.name} cannot run {platform}, only {', '.join(sorted(engine.platforms))}", INSTALL_QEMU
        )


def inspected_platforms(description: str) -> frozenset[str]:
    """The platforms that `docker buildx inspect` lists, of all of a builder's nodes."""
    lines = re.findall(r"^\s*Platforms:\s*(.+)$", description, re.MULTILINE)
    # A star marks those that somebody named when the builder was made.
    return frozenset(name.strip().rstrip("*") for line in lines for name in line.split(","))


def native_platforms(description: str) -> frozenset[str]:
    """The platform of each node's machine: BuildKit lists it first, before those that QEMU runs."""
    lines = re.findall(r"^\s*Platforms:\s*([^\s,]+)", description, re.MULTILINE)
    return frozenset(name.rstrip("*") for name in lines)


# What a processor also runs without help, as containerd has it.
RUNS_ALSO = {"amd64": {"386"}, "arm64": {"arm"}}


def is_emulated(engine: Engine, platform: str) -> bool:
    """Whether QEMU has to run the platform; not so where the builder does not say what it is."""
    machines = {name.split("/")[1] for name in engine.native}
    runs = machines.union(*(RUNS_ALSO.get(machine, set()) for machine in machines))
    return bool(machines) and platform.split("/")[1] not in runs


def runs_platform(platforms: frozenset[str], platform: str) -> bool:
    """Whether one of the listed platforms is the wanted one; a variant (linux/amd64/v2) includes its base."""
    wanted = normal_platform(platform)
    listed = {normal_platform(name) for name in platforms}
    return any(name == wanted or name.startswith(f"{wanted}/") for name in listed)


@dataclass(frozen=True)
class Failure:
    """Why a build failed: the part that did, buildx's own words, and the end of that part's output.

    `step` is as buildx names it, "" where none did; `said` holds nothing that a Dockerfile's RUN printed.
    """

    step: str
    said: str
    output: Sequence[str]


RATE_LIMIT = r"toomanyrequests|429 Too Many"
RATE_LIMIT_SECONDS = 60.0

# What buildx says, whether trying again can help, and what to do. The first match decides.
FAILURES: tuple[tuple[str, type[ReleaseError], str], ...] = (
    (
        RATE_LIMIT,
        TransientError,
        "The registry limits how often it may be asked; materialize again later. A login raises the limit.",
    ),
    (
        r"401 Unauthorized|403 Forbidden|access denied|(?<!permission )denied: |resource is denied"
        r"|authorization failed|failed to authorize|authentication required|insufficient_scope"
        r"|unauthorized: ",
        PermanentError,
        "Check {variables}: they must be allowed to pull and push {repository}. A base image is pulled "
        "with the same login, or with none where it is in another registry.",
    ),
    (
        r"certificate|x509|server gave HTTP response to HTTPS client",
        PermanentError,
        "The engine does not trust that registry: give it the registry's certificate authority.",
    ),
    (
        r"no space left on device",
        PermanentError,
        "Make room on the engine's disk: `docker buildx prune` removes the build cache.",
    ),
    (
        r"no match for platform",
        PermanentError,
        "The base image is not made for this platform: choose one that is, or drop the platform.",
    ),
    (
        r"(: |status )50\d\b|\b50\d (Internal|Bad|Service|Gateway)|connection re(set|fused)|timeout"
        r"|timed out|\bEOF\b|broken pipe|no such host|temporary failure|server misbehaving"
        r"|network is unreachable|no route to host|context deadline exceeded|connection closed"
        r"|use of closed network|transport is closing|Cannot connect to the Docker daemon"
        r"|error during connect|invalid content digest|invalid checksum digest|unexpected end of JSON"
        r"|invalid character .* looking for",
        TransientError,
        "The registry or the engine is unwell; what was built is cached, so the next attempt is quick.",
    ),
    (
        r"failed to resolve source metadata|failed to load cache key|failed to pull",
        PermanentError,
        "The base image is not there: correct the Dockerfile's FROM, then push its commit as a rebuild tag.",
    ),
)
CORRECT_DOCKERFILE = (
    "Correct the Dockerfile and push its commit as a rebuild tag, or materialize again if the network was at "
    "fault. The other platforms' images are kept."
)


def build_failure(failure: Failure, request: BuildRequest) -> ReleaseError:
    """The error for a build that failed: what did, the last words of it, and what to do.

    A RUN that failed is permanent, whatever it printed: a maintainer wants to see it at once.
    """
    where = f", at {failure.step}" if failure.step else ""
    lines = [*failure.output, failure.said]
    problem = (
        f"building {request.reference} for {request.platform} failed{where}:\n" + "\n".join(lines)[-4000:]
    )
    ran = re.search(r"did not complete successfully: (exit code: (\d+))?", failure.said)
    if "exec format error" in "\n".join(lines):
        return PermanentError(problem, INSTALL_QEMU)
    if ran:
        # 137 is SIGKILL: nobody sends it to a build but the kernel, for want of memory.
        hint = "It was killed, as a process is that takes too much memory. " if ran[2] == "137" else ""
        return PermanentError(problem, hint + CORRECT_DOCKERFILE)
    for pattern, kind, remedy in FAILURES:
        if re.search(pattern, failure.said, re.IGNORECASE):
            variables = f"{request.username_env} and {request.token_env}"
            repository = f"{request.repository.host}/{request.repository.name}"
            remedy = remedy.format(variables=variables, repository=repository)
            if kind is TransientError:
                return TransientError(problem, remedy, wait=rate_limit_wait(failure.said))
            return kind(problem, remedy)
    return PermanentError(problem, CORRECT_DOCKERFILE)


def rate_limit_wait(said: str) -> float:
    """For how many seconds a registry's limit asks to be left alone; 0 where it is no limit.

    BuildKit shows the registry's text and drops its Retry-After, so where the text says nothing a minute has
    to do.
    """
    if not re.search(RATE_LIMIT, said, re.IGNORECASE):
        return 0.0
    asked = re.search(
        r"(?:retry[ -]?after|try again in|wait)\W{1,3}(\d+(?:\.\d+)?) ?(ms|milliseconds?|m\b|min|h)?",
        said,
        re.IGNORECASE,
    )
    if asked is None:
        return RATE_LIMIT_SECONDS
    unit = (asked[2] or "s").lower()
    factor = 0.001 if unit.startswith(("ms", "mil")) else {"m": 60.0, "h": 3600.0}.get(unit[0], 1.0)
    return max(1.0, float(asked[1]) * factor)


@dataclass
class _Vertex:
    """A part of the build as BuildKit reports it: a Dockerfile's step, or something of its own."""

    name: str = ""
    cached: bool = False
    completed: dict[float, float] = field(default_factory=dict)  # of each time it began, when it ended
    started: float | None = None
    error: str = ""
    unfinished: str = ""  # the output after the last line break
    output: deque[str] = field(default_factory=lambda: deque(maxlen=20))

    @property
    def intervals(self) -> list[tuple[float, float]]:
        return list(self.completed.items())


class Progress:
    """Reads buildx's rawjson as it comes: says readable lines, and remembers what each step took.

    BuildKit reports a step several times, and in several intervals; a step was cached if any report says so.
    """

    def __init__(self, log: Log) -> None:
        self._log = log
        self._open: list[str] = []  # lines of an object that is not whole yet: buildx 0.13 indents it
        self._vertexes: dict[str, _Vertex] = {}
        self._statuses: dict[tuple[str, str], tuple[float, float]] = {}
        self._shown: dict[tuple[str, str], float] = {}  # when a status was last said, in BuildKit's time
        self._said: set[str] = set()
        self._text: deque[str] = deque(maxlen=100)  # what was not JSON: buildx's own last words

    def line(self, line: str) -> None:
        """Take one line of buildx's output: of an object, or an object, or words for people."""
        if line.startswith("{"):
            self._open = []  # one that never ended was cut for its length
        elif not self._open or not line.startswith((" ", "}")):
            if line.strip():
                self._text.append(line)
                self._log(_printable(line))
            return
        self._open.append(line)
        if line == "}" or (len(self._open) == 1 and line != "{"):
            whole, self._open = "".join(self._open), []
            with contextlib.suppress(ValueError):
                self._take(json.loads(whole))

    def _take(self, report: Mapping[str, Any]) -> None:
        for vertex in report.get("vertexes") or []:
            self._take_vertex(vertex)
        for status in report.get("statuses") or []:
            self._take_status(status)
        for entry in report.get("logs") or []:
            self._take_output(entry)

    def _take_vertex(self, report: Mapping[str, Any]) -> None:
        vertex = self._vertexes.setdefault(report["digest"], _Vertex())
        vertex.name = report.get("name", vertex.name)
        vertex.cached |= bool(report.get("cached"))
        vertex.error = report.get("error") or vertex.error
        started, completed = _time(report.get("started")), _time(report.get("completed"))
        vertex.started = started if started is not None else vertex.started
        if started is not None and completed is not None:
            vertex.completed[started] = completed
        own = vertex.name.startswith(("[internal]", "[auth]"))
        if started is not None and not own:
            self._say_once(vertex.name)
        if completed is not None and vertex.unfinished:
            self._end_line(vertex, vertex.unfinished)
            vertex.unfinished = ""
        if completed is not None and (vertex.error or not own):
            how = "CACHED" if vertex.cached else f"{_merged(vertex.intervals):.1f} s"
            self._say_once(f"{vertex.name}: {vertex.error or how}")

    def _take_status(self, report: Mapping[str, Any]) -> None:
        key = report["vertex"], report["id"]
        started, completed = _time(report.get("started")), _time(report.get("completed"))
        if started is not None and completed is not None:
            self._statuses[key] = started, completed
        now = _time(report.get("timestamp"))
        if started is None or now is None or now - self._shown.get(key, started) < PROGRESS_SECONDS:
            return
        self._shown[key] = now
        size = f" {report.get('current', 0) / 1e6:.1f}" if report.get("total") else ""
        size += f" of {report['total'] / 1e6:.1f} MB" if size else ""
        vertex = self._vertexes.setdefault(report["vertex"], _Vertex())
        self._log(_printable(f"{_step_of(vertex.name)} {report['id']}{size}, {now - started:.0f} s"))

    def _take_output(self, entry: Mapping[str, Any]) -> None:
        vertex = self._vertexes.setdefault(entry["vertex"], _Vertex())
        try:
            said = base64.b64decode(entry["data"], validate=True).decode(errors="replace")
        except (binascii.Error, ValueError):
            # It was redacted before it came here.
            said = "(a line that held a secret)\n"
        *lines, unfinished = (vertex.unfinished + said).split("\n")
        vertex.unfinished = unfinished[-10 * LINE_CHARACTERS :]
        for line in lines:
            self._end_line(vertex, line)

    def _end_line(self, vertex: _Vertex, line: str) -> None:
        vertex.output.append(_printable(line))
        self._log(f"{_step_of(vertex.name)} {_printable(line)}".rstrip())

    def _say_once(self, line: str) -> None:
        if line not in self._said:
            self._said.add(line)
            self._log(_printable(line))

    def at_work(self) -> str:
        """What has begun and not ended."""
        return ", ".join(self._at_work()) or "nothing"

    def only_pushes(self) -> bool:
        """Whether all that is at work is on its way to a registry."""
        names = self._at_work()
        return bool(names) and all(name.startswith(("exporting ", "pushing ")) for name in names)

    def _at_work(self) -> list[str]:
        return [
            vertex.name
            for vertex in self._vertexes.values()
            if vertex.started is not None and vertex.started not in vertex.completed
        ]

    def failure(self) -> Failure | None:
        """Why the build failed, by its last `ERROR:` and by the part that says the same; None without one."""
        said = next((line for line in reversed(self._text) if line.startswith("ERROR: ")), None)
        failed = [
            vertex
            for vertex in self._vertexes.values()
            # A cache that is not there yet, and whatever was cancelled since something else had failed.
            if vertex.error
            and not vertex.name.startswith("importing cache")
            and "context canceled" not in vertex.error
        ]
        if said is None and not failed:
            return None
        said = said.removeprefix("ERROR: ") if said else failed[0].error
        for vertex in failed:
            if vertex.error in said:
                return Failure(vertex.name, said, list(vertex.output))
        return Failure(failed[0].name if failed else "", said, [])

    def steps(self) -> list[BuiltStep]:
        """The Dockerfile's steps, in the order in which they began."""
        steps = [vertex for vertex in self._vertexes.values() if _is_step(vertex.name) and vertex.completed]
        return [
            BuiltStep(vertex.name, _merged(vertex.intervals), vertex.cached)
            # Those that were cached are all found at one moment: then by their numbers.
            for vertex in sorted(steps, key=lambda step: (min(step.completed), _step_number(step.name)))
        ]

    def cache_hit_rate(self) -> float | None:
        """The part of the steps that came from the cache; FROM and what buildx does itself cannot hit."""
        could_hit = [step for step in self.steps() if not re.match(r"\[[^\]]*\] FROM ", step.name)]
        return sum(step.cached for step in could_hit) / len(could_hit) if could_hit else None

    def seconds(self) -> dict[str, float]:
        """Seconds of the stages build, export, push and cache_export, each from its merged intervals.

        They are parts of the build's whole time: `build` is that of the Dockerfile's steps.
        """
        exporting = {
            digest: vertex.intervals
            for digest, vertex in self._vertexes.items()
            if vertex.name.startswith("exporting to")
        }
        pushing = {key: span for key, span in self._statuses.items() if key[1].startswith("pushing ")}
        pushed_inside = [span for (digest, _), span in pushing.items() if digest in exporting]
        # docker's own driver pushes a second time, after the export, to find that all is there.
        pushed_after = self._intervals("pushing ")
        return {
            "build": _merged(
                [
                    span
                    for vertex in self._vertexes.values()
                    if _is_step(vertex.name)
                    for span in vertex.intervals
                ]
            ),
            "export": max(0.0, _merged(self._intervals("exporting to")) - _merged(pushed_inside)),
            "push": _merged([*pushing.values(), *pushed_after]),
            "cache_export": _merged(self._intervals("exporting cache")),
        }

    def _intervals(self, name: str) -> list[tuple[float, float]]:
        """When the parts were at work whose names begin so."""
        return [
            span
            for vertex in self._vertexes.values()
            if vertex.name.startswith(name)
            for span in vertex.intervals
        ]

    def rewrote_timestamps(self) -> bool:
        """Whether BuildKit gave the files in the layers SOURCE_DATE_EPOCH for a time that is later."""
        return any(name.startswith("rewriting layers with source-date-epoch") for _, name in self._statuses)

    def cache_export_error(self) -> str | None:
        """Why the cache was not exported; None where it was."""
        errors = (v.error for v in self._vertexes.values() if v.name.startswith("exporting cache"))
        return next((_printable(error) for error in errors if error), None)

    def from_images(self) -> list[BaseImage]:
        """The images that were built from, where buildx says their digest: not those of named contexts."""
        names = (vertex.name for vertex in self._vertexes.values())
        found = (re.fullmatch(r"(?:\[[^\]]*\] )?FROM (\S+?)@(sha256:[0-9a-f]{64})", name) for name in names)
        return list(dict.fromkeys(BaseImage(match[1], match[2]) for match in found if match))

    def exported(self, what: str) -> str | None:
        """The digest of the image's `manifest` or `config`; the manifest may be wrapped by an index."""
        names = (name for _, name in self._statuses)
        matches = (re.fullmatch(rf"exporting {what} (sha256:[0-9a-f]{{64}})", name) for name in names)
        return next((match[1] for match in matches if match), None)


def _is_step(name: str) -> bool:
    return re.match(r"\[([^\]]* )?\d+/\d+\] ", name) is not None


def _step_of(name: str) -> str:
    match = re.match(r"\[[^\]]*\]", name)
    return match[0] if match else name


def _step_number(name: str) -> int:
    match = re.match(r"\[(?:[^\]]* )?(\d+)/", name)
    return int(match[1]) if match else 0


def _printable(line: str) -> str:
    """A line of output for a log: no colours, no control codes, a progress bar's last state only."""
    line = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", line).rstrip("\r").rpartition("\r")[2]
    line = "".join(c if c.isprintable() or c == "\t" else " " for c in line)
    return line if len(line) <= LINE_CHARACTERS else f"{line[:LINE_CHARACTERS]}…"


def _time(text: str | None) -> float | None:
    """A time of Go's as seconds; None where there is none."""
    return datetime.fromisoformat(text).timestamp() if text else None


def _merged(intervals: list[tuple[float, float]]) -> float:
    """The seconds that the intervals cover together: BuildKit's overlap."""
    total, end = 0.0, float("-inf")
    for start, stop in sorted(intervals):
        total += max(0.0, stop - max(start, end))
        end = max(end, stop)
    return total
