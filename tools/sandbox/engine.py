"""A Docker engine with QEMU: the one that is reachable, or else one of our own that is gone afterwards."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shlex
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from release_assets import process
from tools.sandbox import system
from tools.sandbox.servers import SandboxError, log_tail, running_server

PLATFORMS = ("linux/amd64", "linux/arm64")
BINFMT = Path("/proc/sys/fs/binfmt_misc")
STOP_SECONDS = 20.0  # for dockerd to stop its containers; then its whole namespace is killed
HUB_SILENCE_SECONDS = 15.0  # a Docker Hub that says nothing for so long cannot be reached

# How the kernel recognizes the foreign processor's programs (from QEMU's own table), and what runs them. `P`
# passes the program's name on, `F` opens QEMU once, so that it is found from inside a container, too.
_QEMU = "/usr/libexec/qemu-binfmt"
_ELF = r"\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00"
_MASK = r"\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff"
EMULATORS = {
    "x86_64": ("qemu-aarch64", rf":qemu-aarch64:M::{_ELF}\xb7\x00:{_MASK}:{_QEMU}/aarch64-binfmt-P:PF"),
    "aarch64": ("qemu-x86_64", rf":qemu-x86_64:M::{_ELF}\x3e\x00:{_MASK}:{_QEMU}/x86_64-binfmt-P:PF"),
}  # fmt: skip


@dataclass(frozen=True)
class Engine:
    """A Docker engine that answers at `host`, a DOCKER_HOST URL; `own` when we started it."""

    host: str
    own: bool

    def docker(
        self,
        *arguments: str,
        timeout: float,
        silence: float | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> str:
        """Run the docker client on this engine and return its output. Raises CommandFailedError.

        `variables` are set for the client, for what must not be on a command line.
        """
        env = _client_environment(DOCKER_HOST=self.host, **variables or {})
        return process.run(["docker", *arguments], env=env, timeout=timeout, silence=silence)

    def has_containerd_store(self) -> bool:
        """Return whether containerd keeps the images, as in current versions, and not docker itself."""
        return "io.containerd.snapshotter" in self.docker("info", timeout=30)

    def is_here(self) -> bool:
        """Return whether the engine's processes are this machine's, and not those of another or of a VM."""
        here = os.uname()
        machine = self.docker("info", "--format", "{{.Name}} {{.KernelVersion}}", timeout=30).strip()
        return machine == f"{here.nodename} {here.release}"

    def can_pull(self, image: str) -> bool:
        """Return True where the engine can pull `image` now; one that it pulled before is not enough."""
        try:
            self.docker("pull", image, timeout=180, silence=HUB_SILENCE_SECONDS)
        except process.CommandFailedError:
            return False
        return True


def reachable_engine() -> Engine | None:
    """Return the engine that `docker` talks to: of DOCKER_HOST, of the current context, or the default."""
    env = _client_environment(**_named(("DOCKER_HOST", "DOCKER_CONTEXT")))
    try:
        process.run(["docker", "version", "--format", "{{.Server.Version}}"], env=env, timeout=15)
        # A build uses a configuration folder of his own, in which the context would be unknown.
        endpoint = ["docker", "context", "inspect", "--format", "{{.Endpoints.docker.Host}}"]
        return Engine(process.run(endpoint, env=env, timeout=15).strip(), own=False)
    except process.CommandFailedError:
        return None


@contextlib.contextmanager
def docker_engine(state: Path, *, say: Callable[[str], None]) -> Iterator[Engine]:
    """Yield the reachable engine, exactly as it is; otherwise our own, which keeps its storage in `state`.

    Raises SandboxError where neither is possible, or where the engine cannot run both platforms.
    Enter it in a thread that lives as long as the block: our own engine is killed when that thread dies.
    """
    found = reachable_engine()
    if found is not None:
        say(f"using the Docker engine at {found.host}")
        _check_platforms(found)
        yield found
        return
    system.install(system.missing_packages(system.ENGINE), why="a Docker engine with QEMU", say=say)
    if os.geteuid() != 0:
        raise SandboxError(
            "no Docker engine can be reached, and only root can start one",
            "Start one that this user can reach: `docker version` must answer. Or run this as root.",
        )
    _enable_emulation()
    with own_engine(state) as started:
        say("started a Docker engine of our own")
        _check_platforms(started)
        yield started


@contextlib.contextmanager
def own_engine(state: Path) -> Iterator[Engine]:
    """Yield a dockerd in namespaces of its own: when its first process ends, the kernel ends all the others.

    So neither containerd nor a container nor a mount can be left behind, even if we are killed.
    """
    folder = (state / "engine").resolve()
    folder.mkdir(parents=True, exist_ok=True)
    bridge = bridge_name(folder)
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(FileLock(folder / "lock", timeout=0, thread_local=False))
        except Timeout as error:
            raise SandboxError(
                f"the engine's storage in {folder} is in use by another sandbox",
                "End that one first, or name another state folder.",
            ) from error
        # In /run, since the path of a socket is limited to about 100 characters.
        run = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="release-assets-", dir="/run")))
        stack.enter_context(_bridge(bridge))
        socket = f"unix://{run}/docker.sock"
        configuration = run / "daemon.json"
        configuration.write_text(
            json.dumps({
                "bridge": bridge,
                "data-root": f"{folder}/data",
                "exec-root": f"{run}/exec",
                # systemd would take a process id from inside our namespace for one of its own.
                "exec-opts": ["native.cgroupdriver=cgroupfs"],
                "features": {"containerd-snapshotter": True},
                "hosts": [socket],
                "pidfile": f"{run}/dockerd.pid",
            })
        )  # fmt: skip
        log = folder / "dockerd.log"
        log.unlink(missing_ok=True)
        started = Engine(socket, own=True)
        namespaces = [
            "setpriv", "--pdeathsig", "KILL",
            "unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc",
            "tini", "-s", "--",
        ]  # fmt: skip
        child = stack.enter_context(
            running_server(
                "dockerd",
                [*namespaces, "dockerd", "--config-file", configuration],
                env=system.environment(),
                log=log,
                is_ready=lambda: _answers(started),
            )
        )
        stack.callback(_stop, child)
        if not started.has_containerd_store():
            raise SandboxError(
                f"the installed dockerd cannot keep images of several platforms:\n{log_tail(log)}",
                "It is too old: install version 25 or newer, on Debian 12 with "
                "`apt-get install docker.io/trixie docker-cli/trixie containerd/trixie`.",
            )
        # What earlier sandboxes released is of no use to this one; the build cache stays, and saves the time.
        started.docker("image", "prune", "--all", "--force", timeout=120)
        yield started


def bridge_name(folder: Path) -> str:
    """Return the name of the bridge of an engine with its storage in `folder`: the same each time.

    Never docker0, which is the bridge of whatever other engine there is on this machine.
    """
    return f"ra{hashlib.sha256(os.fsencode(folder)).hexdigest()[:10]}"


def _answers(started: Engine) -> bool:
    try:
        started.docker("version", "--format", "{{.Server.Version}}", timeout=10)
    except process.CommandFailedError:
        return False
    return True


def _stop(child: subprocess.Popen[bytes]) -> None:
    """Ask dockerd to stop, with more time than other servers get: it has containers to stop first."""
    with contextlib.suppress(ProcessLookupError, subprocess.TimeoutExpired):
        os.killpg(child.pid, signal.SIGTERM)
        child.wait(STOP_SECONDS)


@contextlib.contextmanager
def _bridge(name: str) -> Iterator[None]:
    """Yield a network bridge for the engine; afterwards neither it nor its firewall rules are there."""
    _remove_bridge(name)  # of a sandbox that was killed
    try:
        _ip("link", "add", name, "type", "bridge")
    except process.CommandFailedError as error:
        raise SandboxError(
            f"a network bridge for a Docker engine could not be made: {error}",
            "In a container this needs --privileged.",
        ) from error
    try:
        yield
    finally:
        _remove_bridge(name)


def _remove_bridge(name: str) -> None:
    if Path("/sys/class/net", name).exists():
        _ip("link", "delete", name)
    env = system.environment()
    table = ""
    for line in process.run(["iptables-save"], env=env, timeout=30).splitlines():
        if line.startswith("*"):
            table = line[1:]
        elif line.startswith("-A ") and name in line.split():
            rule = ["iptables", "--wait", "--table", table, "--delete", *shlex.split(line[3:])]
            # Another engine that starts at this moment rewrites these chains: then the rule is gone already.
            with contextlib.suppress(process.CommandFailedError):
                process.run(rule, env=env, timeout=30)


def _ip(*arguments: str) -> None:
    process.run(["ip", *arguments], env=system.environment(), timeout=30)


def _enable_emulation() -> None:
    """Let the kernel run the other platform's programs with QEMU, where it does not do so yet.

    It stays so afterwards, as after installing QEMU on a machine with systemd: somebody else may count on it.
    """
    name, registration = EMULATORS[os.uname().machine]
    try:
        if not (BINFMT / "register").exists():
            mount = ["mount", "-t", "binfmt_misc", "binfmt_misc", f"{BINFMT}"]
            process.run(mount, env=system.environment(), timeout=30)
        with contextlib.suppress(FileExistsError):
            if not (BINFMT / name).exists():
                (BINFMT / "register").write_text(registration)
        if (BINFMT / name).read_text().startswith("disabled"):
            (BINFMT / name).write_text("1")
    except (OSError, process.CommandFailedError) as error:
        raise SandboxError(
            f"the kernel could not be told to use QEMU: {error}", "In a container this needs --privileged."
        ) from error


def _check_platforms(engine: Engine) -> None:
    """Raise SandboxError unless the engine builds and runs images of both platforms."""
    buildx = system.find_program("docker-buildx")
    if buildx is None:
        raise SandboxError(
            "docker has no buildx plugin",
            "Install docker-buildx (Debian) or docker-buildx-plugin (Docker's own).",
        )
    env = _client_environment(DOCKER_HOST=engine.host)
    shown = process.run([buildx, "inspect", "default"], env=env, timeout=60)
    platforms = re.findall(r"linux/\w+", shown)
    missing = [platform for platform in PLATFORMS if platform not in platforms]
    if missing:
        raise SandboxError(
            f"the Docker engine at {engine.host} cannot run {', '.join(missing)}: QEMU is missing",
            "Run `docker run --privileged --rm tonistiigi/binfmt --install all`, or on Debian "
            "`apt-get install qemu-user-static binfmt-support`; then restart the engine.",
        )


def _client_environment(**needed: str) -> dict[str, str]:
    return system.environment(
        **_named(("DOCKER_CONFIG", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH", "SSH_AUTH_SOCK")), **needed
    )


def _named(names: tuple[str, ...]) -> dict[str, str]:
    return {name: os.environ[name] for name in names if name in os.environ}
