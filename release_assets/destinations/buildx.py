"""docker buildx: builds one platform's image and pushes it, and tells what its steps took."""

from __future__ import annotations

import base64
import binascii
import contextlib
import json
import os
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from release_assets.destinations import docker_credential
from release_assets.destinations.registry import Repository
from release_assets.errors import PermanentError, ReleaseError, TransientError
from release_assets.image_tags import platform_suffix
from release_assets.process import CommandFailedError, CommandTimedOutError, environment, run

LOOK_SECONDS = 60.0
OLDEST = (0, 13)  # the first buildx with --progress=rawjson

PLUGIN_FOLDERS = (
    "~/.docker/cli-plugins",
    "/usr/local/lib/docker/cli-plugins",
    "/usr/local/libexec/docker/cli-plugins",
    "/usr/lib/docker/cli-plugins",
    "/usr/libexec/docker/cli-plugins",
    "/opt/homebrew/lib/docker/cli-plugins",
    "/Applications/Docker.app/Contents/Resources/cli-plugins",
)

INSTALL_QEMU = (
    "Install QEMU on the engine's machine: `docker run --privileged --rm tonistiigi/binfmt --install all`, "
    "or Debian's packages qemu-user-static and binfmt-support. Or name a machine that has this platform: "
    "image: builders: in the project's defs.yaml."
)

Log = Callable[[str], None]


@contextlib.contextmanager
def docker_environment(
    repository: Repository, username: str | None, token: str | None
) -> Iterator[dict[str, str]]:
    """The environment of docker's commands, logged in to the registry for the block.

    DOCKER_CONFIG is a temporary folder that names our credential helper and holds no secret; contexts and
    builders are the user's own. Raises PermanentError when buildx is not installed.
    """
    own = Path(os.environ.get("DOCKER_CONFIG") or Path("~/.docker").expanduser())
    with tempfile.TemporaryDirectory(prefix="docker-config-") as folder:
        config: dict[str, Any] = {"cliPluginsExtraDirs": [str(_plugin_folder())]}
        with contextlib.suppress(OSError, ValueError, AttributeError):
            context = json.loads((own / "config.json").read_text()).get("currentContext")
            if context:
                config["currentContext"] = context
        if (own / "contexts").is_dir():
            Path(folder, "contexts").symlink_to(own / "contexts")
        needed = {"DOCKER_CONFIG": folder, "BUILDX_CONFIG": str(own / "buildx")}
        for name in (
            "DOCKER_HOST",
            "DOCKER_CONTEXT",
            "DOCKER_TLS_VERIFY",
            "DOCKER_CERT_PATH",
            "SSH_AUTH_SOCK",
        ):
            if name in os.environ:
                needed[name] = os.environ[name]
        if username is not None and token is not None:
            config["credHelpers"] = {repository.credential_host: "release-assets"}
            needed |= {
                docker_credential.HOST: repository.credential_host,
                docker_credential.USERNAME: username,
                docker_credential.TOKEN: token,
            }
        Path(folder, "config.json").write_text(json.dumps(config))
        yield environment(**needed)


def _plugin_folder() -> Path:
    for folder in PLUGIN_FOLDERS:
        path = Path(folder).expanduser()
        if (path / "docker-buildx").exists():
            return path
    raise PermanentError(
        "docker's buildx plugin is not installed",
        "Install it: docker-buildx-plugin from Docker's packages, or docker-buildx from Debian's.",
    )


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
    steps: tuple[BuiltStep, ...]
    cache_hit_rate: float | None  # of the steps that could hit; None where there are none
    seconds: Mapping[str, float]


def build(
    request: BuildRequest,
    env: Mapping[str, str],
    *,
    log: Log,
    secrets: list[str],
    timeout: float,
    silence: float,
) -> BuildResult:
    """Build and push an image; `log` gets the progress as it happens.

    Raises PermanentError or TransientError with the failing step's name and the end of its output.
    """
    docker = docker_argv(request.builder, _contexts(env))
    engine = _look_at_engine(docker, request, env)
    exports_cache = engine.exports_cache or request.cache != "registry"
    if not exports_cache:
        log("this engine cannot keep a cache in the registry (its image store is not containerd's)")
    progress = Progress(log)
    with tempfile.TemporaryDirectory(prefix="buildx-") as folder:
        metadata = Path(folder, "metadata.json")
        argv = [*docker, *build_arguments(request, metadata, exports_cache=exports_cache)]
        try:
            run(
                argv,
                env={**env, "SOURCE_DATE_EPOCH": str(request.source_date_epoch)},
                timeout=timeout,
                silence=silence,
                secrets=secrets,
                on_line=progress.line,
            )
        except CommandTimedOutError as error:
            raise TransientError(
                f"building {request.reference} {error.reason}; at work was: {progress.at_work()}",
                "Look at that step in the Dockerfile, or give the platform a native builder (builders:).",
            ) from None
        except CommandFailedError as error:
            said = "\n".join([*progress.errors(), *progress.text]) or error.reason
            raise build_failure(said, request, progress.failed_step()) from None
        digest = str(json.loads(metadata.read_text())["containerimage.digest"])
    return BuildResult(
        digest=digest,
        runnable_digest=progress.runnable_digest() or digest,
        steps=tuple(progress.steps()),
        cache_hit_rate=progress.cache_hit_rate(),
        seconds=progress.seconds(),
    )


def docker_argv(builder: str | None, contexts: set[str]) -> list[str]:
    """`docker buildx build`, by the builder or the docker context of that name."""
    if builder is None:
        return ["docker", "buildx"]
    if builder in contexts:
        # buildx refuses --builder for a context's own builder.
        return ["docker", "--context", builder, "buildx"]
    return ["docker", "buildx", "--builder", builder]


def build_arguments(request: BuildRequest, metadata: Path, *, exports_cache: bool) -> list[str]:
    """The arguments after `docker buildx`. Values from the YAML are data: each is one argument."""
    arguments = [
        "build",
        "--platform", request.platform,
        "--file", str(request.dockerfile),
        "--tag", request.reference,
        "--push",
        "--progress", "rawjson",
        "--metadata-file", str(metadata),
    ]  # fmt: skip
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
        if exports_cache:
            options = "mode=max,image-manifest=true,oci-mediatypes=true,ignore-error=true"
            arguments += ["--cache-to", f"type=registry,ref={reference},{options}"]
    elif request.cache == "local":
        folder = request.cache_folder / suffix
        if (folder / "index.json").exists():
            arguments += ["--cache-from", f"type=local,src={folder}"]
        arguments += ["--cache-to", f"type=local,dest={folder},mode=max,ignore-error=true"]
    return [*arguments, "--", str(request.context)]


@dataclass(frozen=True)
class _Engine:
    exports_cache: bool


def _contexts(env: Mapping[str, str]) -> set[str]:
    return set(run(["docker", "context", "ls", "--quiet"], env=env, timeout=LOOK_SECONDS).split())


def _look_at_engine(docker: list[str], request: BuildRequest, env: Mapping[str, str]) -> _Engine:
    """Raises PermanentError or TransientError unless there is a builder that runs the platform."""
    try:
        version = run(["docker", "buildx", "version"], env=env, timeout=LOOK_SECONDS)
    except CommandFailedError as error:
        raise PermanentError(
            f"docker's client or its buildx plugin does not work: {' '.join(error.tail) or error.reason}",
            "Install docker and its buildx plugin where Dagster's runs are.",
        ) from None
    found = re.search(r"\bv?(\d+)\.(\d+)", version)
    if found and (int(found[1]), int(found[2])) < OLDEST:
        raise PermanentError(
            f"buildx {found[0]} is too old", f"Install buildx {OLDEST[0]}.{OLDEST[1]} or newer."
        )
    try:
        description = run([*docker, "inspect", "--bootstrap"], env=env, timeout=LOOK_SECONDS)
    except CommandFailedError as error:
        raise TransientError(
            f"the builder {request.builder or 'of docker'} for {request.platform} cannot be used: "
            + (" ".join(error.tail) or error.reason),
            "Start the Docker engine, or correct DOCKER_HOST or image: builders: in the project's defs.yaml.",
        ) from None
    platforms = inspected_platforms(description)
    if platforms and not runs_platform(platforms, request.platform):
        raise PermanentError(
            f"the builder {request.builder or 'of docker'} cannot run {request.platform}, only "
            + ", ".join(sorted(platforms)),
            INSTALL_QEMU,
        )
    if not re.search(r"^Driver:\s+docker$", description, re.MULTILINE):
        return _Engine(exports_cache=True)
    info = run(
        [*docker[: docker.index("buildx")], "info", "--format", "{{json .DriverStatus}}"],
        env=env,
        timeout=LOOK_SECONDS,
    )
    return _Engine(exports_cache="io.containerd.snapshotter" in info)


def inspected_platforms(description: str) -> set[str]:
    """The platforms that `docker buildx inspect` lists, of all of a builder's nodes."""
    lines = re.findall(r"^\s*Platforms:\s*(.+)$", description, re.MULTILINE)
    return {name.strip().rstrip("*") for line in lines for name in line.split(",")}


def runs_platform(platforms: set[str], platform: str) -> bool:
    """Whether one of the listed platforms is the wanted one; a variant (linux/amd64/v2) includes its base."""
    return any(listed == platform or listed.startswith(f"{platform}/") for listed in platforms)


# What buildx says, whether trying again can help, and what to do. The first match decides.
FAILURES: tuple[tuple[str, type[ReleaseError], str], ...] = (
    (r"exec format error", PermanentError, INSTALL_QEMU),
    (
        r"401 Unauthorized|403 Forbidden|denied|authorization failed|authentication required"
        r"|insufficient_scope",
        PermanentError,
        "Check the image's username_env and token_env: they must be allowed to pull and push.",
    ),
    (
        r"toomanyrequests|429 Too Many|\b50[0234]\b|connection re(set|fused)|i/o timeout"
        r"|TLS handshake timeout|unexpected EOF|no such host|context deadline exceeded"
        r"|Cannot connect to the Docker daemon",
        TransientError,
        "The registry or the engine is unwell; what was built is cached, so the next attempt is quick.",
    ),
    (
        r"did not complete successfully|failed to (calculate checksum|compute cache key)|not found",
        PermanentError,
        "Correct the Dockerfile, push its commit as docker-rebuild tag, or materialize again if the network "
        "was at fault. The other platforms' images are kept.",
    ),
)


def build_failure(said: str, request: BuildRequest, step: str | None) -> ReleaseError:
    """The error for what a failed build said."""
    where = f", at step {step}" if step else ""
    problem = f"building {request.reference} for {request.platform} failed{where}:\n{said[-4000:]}"
    for pattern, kind, remedy in FAILURES:
        # A step's own output may hold any words: only buildx's own are looked at for a failed step.
        if step and kind is TransientError:
            continue
        if re.search(pattern, said, re.IGNORECASE):
            return kind(problem, remedy)
    return PermanentError(problem, "Build it by hand with `docker buildx build` to see the same.")


@dataclass
class _Vertex:
    name: str = ""
    cached: bool = False
    intervals: list[tuple[float, float]] = field(default_factory=list)
    started: float | None = None
    error: str = ""
    output: list[str] = field(default_factory=list)


class Progress:
    """Reads buildx's rawjson as it comes: says readable lines, and remembers what each step took.

    BuildKit reports a step several times, and in several intervals; a step was cached if any report says so.
    """

    def __init__(self, log: Log) -> None:
        self._log = log
        self._open: list[str] = []  # lines of an object that is not whole yet: buildx 0.13 indents it
        self._vertexes: dict[str, _Vertex] = {}
        self._statuses: dict[tuple[str, str], tuple[float, float]] = {}
        self._said: set[str] = set()
        self.text: list[str] = []  # what was not JSON: buildx's own last words

    def line(self, line: str) -> None:
        """Take one line of standard error."""
        if not self._open and not line.startswith("{"):
            if line.strip():
                self.text.append(line)
                self._log(line)
            return
        self._open.append(line)
        if not line.endswith("}") or (len(self._open) > 1 and line != "}"):
            return
        try:
            report = json.loads("\n".join(self._open))
        except ValueError:
            return
        self._open.clear()
        self._take(report)

    def _take(self, report: Mapping[str, Any]) -> None:
        for vertex in report.get("vertexes") or []:
            self._take_vertex(vertex)
        for status in report.get("statuses") or []:
            started, completed = _time(status.get("started")), _time(status.get("completed"))
            if started is not None and completed is not None:
                self._statuses[status["vertex"], status["id"]] = started, completed
        for entry in report.get("logs") or []:
            vertex = self._vertexes.setdefault(entry["vertex"], _Vertex())
            try:
                said = base64.b64decode(entry["data"], validate=True).decode(errors="replace")
            except (binascii.Error, ValueError):
                said = "(a line that held a secret)"
            for line in said.splitlines():
                vertex.output.append(line)
                self._log(f"{_step_of(vertex.name)} {line}")

    def _take_vertex(self, report: Mapping[str, Any]) -> None:
        vertex = self._vertexes.setdefault(report["digest"], _Vertex())
        vertex.name = report.get("name", vertex.name)
        vertex.cached |= bool(report.get("cached"))
        vertex.error = report.get("error") or vertex.error
        started, completed = _time(report.get("started")), _time(report.get("completed"))
        vertex.started = started if started is not None else vertex.started
        if started is not None and completed is not None:
            vertex.intervals.append((started, completed))
        if vertex.name.startswith("[internal]"):
            return
        if started is not None:
            self._say_once(vertex.name)
        if completed is not None:
            how = "CACHED" if vertex.cached else f"{_merged(vertex.intervals):.1f} s"
            self._say_once(f"{vertex.name}: {vertex.error or how}")

    def _say_once(self, line: str) -> None:
        if line not in self._said:
            self._said.add(line)
            self._log(line)

    def at_work(self) -> str:
        """The steps that have begun and not ended."""
        names = [vertex.name for vertex in self._vertexes.values() if vertex.started and not vertex.intervals]
        return ", ".join(names) or "nothing"

    def failed_step(self) -> str | None:
        """The Dockerfile's step that failed, None where something else did."""
        failed = (vertex.name for vertex in self._vertexes.values() if vertex.error)
        return next((name for name in failed if _is_step(name)), None)

    def errors(self) -> list[str]:
        """The failed step's last lines and its error; a cache that is not there yet is no error."""
        return [
            line
            for vertex in self._vertexes.values()
            if vertex.error and not vertex.name.startswith("importing cache")
            for line in (*vertex.output[-20:], vertex.error)
        ]

    def steps(self) -> list[BuiltStep]:
        """The Dockerfile's steps, in the order in which they began."""
        steps = [vertex for vertex in self._vertexes.values() if _is_step(vertex.name) and vertex.intervals]
        return [
            BuiltStep(vertex.name, _merged(vertex.intervals), vertex.cached)
            for vertex in sorted(steps, key=lambda vertex: vertex.intervals[0])
        ]

    def cache_hit_rate(self) -> float | None:
        """The part of the steps that came from the cache; FROM and what buildx does itself cannot hit."""
        could_hit = [step for step in self.steps() if not re.match(r"\[[^\]]*\] FROM ", step.name)]
        return sum(step.cached for step in could_hit) / len(could_hit) if could_hit else None

    def seconds(self) -> dict[str, float]:
        """Seconds of the stages build, export, push and cache_export, each from its merged intervals."""
        named = [(vertex.name, vertex.intervals) for vertex in self._vertexes.values()]
        push = [interval for (_, name), interval in self._statuses.items() if name.startswith("pushing ")]
        export = _merged([span for name, spans in named if name.startswith("exporting to") for span in spans])
        return {
            "build": _merged([span for name, spans in named if _is_step(name) for span in spans]),
            # The push happens inside the export; what is left is writing the image.
            "export": max(0.0, export - _merged(push)),
            "push": _merged(push),
            "cache_export": _merged(
                [span for name, spans in named if name.startswith("exporting cache") for span in spans]
            ),
        }

    def runnable_digest(self) -> str | None:
        """The digest of the image itself, which an index with its attestations may wrap."""
        names = (name for _, name in self._statuses)
        matches = (re.fullmatch(r"exporting manifest (sha256:[0-9a-f]{64})", name) for name in names)
        return next((match[1] for match in matches if match), None)


def _is_step(name: str) -> bool:
    return re.match(r"\[([^\]]* )?\d+/\d+\] ", name) is not None


def _step_of(name: str) -> str:
    match = re.match(r"\[[^\]]*\]", name)
    return match[0] if match else name


def _time(text: str | None) -> float | None:
    return datetime.fromisoformat(text).timestamp() if text else None


def _merged(intervals: list[tuple[float, float]]) -> float:
    """The seconds that the intervals cover together: BuildKit's overlap."""
    total, end = 0.0, float("-inf")
    for start, stop in sorted(intervals):
        total += max(0.0, stop - max(start, end))
        end = max(end, stop)
    return total
