"""Debian packages: which are missing for what the sandbox starts, and their installation."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from release_assets import process
from tools.sandbox.servers import SandboxError

# The program that is needed, and the Debian package that brings it. A program that is there counts, whatever
# installed it: packages from elsewhere (docker-ce) are left alone.
ENGINE = {
    "containerd": "containerd",
    "docker": "docker-cli",
    "docker-buildx": "docker-buildx",
    "dockerd": "docker.io",
    "ip": "iproute2",
    "iptables": "iptables",
    "qemu-aarch64-static": "qemu-user-static",
    "qemu-x86_64-static": "qemu-user-static",
    "runc": "runc",
    "tini": "tini",
}
REGISTRY = {"docker-registry": "docker-registry"}
BASE_IMAGE = {"mmdebstrap": "mmdebstrap"}
CADDY = {"caddy": "caddy"}
COMPOSE = {"docker-compose": "docker-compose"}
COSIGN = {"cosign": "cosign"}
PROMETHEUS = {"prometheus": "prometheus", "promtool": "prometheus"}

# Debian 12 has an engine of 2022 without the containerd image store, no buildx and no cosign: these come
# from Debian 13. runc stays Debian 12's own, since the newer one wants a newer libc.
FROM_TRIXIE = frozenset(
    {"containerd", "cosign", "docker-buildx", "docker-cli", "docker-compose", "docker.io"}
)
TRIXIE_SOURCE = Path("/etc/apt/sources.list.d/release-assets.sources")
TRIXIE_PREFERENCES = Path("/etc/apt/preferences.d/release-assets")
POLICY = Path("/usr/sbin/policy-rc.d")
LOCK = Path("/run/release-assets-apt.lock")

APT_SECONDS = 600.0
PLUGIN_FOLDERS = (
    "~/.docker/cli-plugins",
    "/usr/local/lib/docker/cli-plugins",
    "/usr/local/libexec/docker/cli-plugins",
    "/usr/lib/docker/cli-plugins",
    "/usr/libexec/docker/cli-plugins",
    "/Applications/Docker.app/Contents/Resources/cli-plugins",
    "/opt/homebrew/lib/docker/cli-plugins",
)


def environment(**needed: str) -> dict[str, str]:
    """Return the surroundings of a system command: the administrator's programs are on PATH."""
    env = process.environment(**needed)
    env["PATH"] = os.pathsep.join([env["PATH"], "/usr/local/sbin", "/usr/sbin", "/sbin"])
    return env


def find_program(name: str) -> Path | None:
    """Return the path of a program, also in /usr/sbin, or of docker's plugin, which is on nobody's PATH."""
    found = shutil.which(name, path=environment()["PATH"])
    if found is None and name.startswith("docker-"):
        plugins = os.pathsep.join(str(Path(folder).expanduser()) for folder in PLUGIN_FOLDERS)
        found = shutil.which(name, path=plugins)
    return Path(found) if found else None


def missing_packages(*tables: dict[str, str]) -> list[str]:
    """Return the packages of these tables (ENGINE, REGISTRY) whose programs are not here, sorted."""
    native = f"qemu-{os.uname().machine}-static"  # nobody emulates the machine's own processor
    return sorted({
        package
        for table in tables
        for program, package in table.items()
        if program != native and find_program(program) is None
    })  # fmt: skip


def install(packages: Iterable[str], *, why: str, say: Callable[[str], None]) -> None:
    """Install Debian packages with apt, saying which and `why`; nothing to do is nothing said.

    Raises SandboxError, naming them and the command, where this is not root on Debian 12 or newer.
    """
    packages = sorted(packages)
    if not packages:
        return
    missing = f"{why} needs {', '.join(packages)}"
    release = _debian_release()
    if release is None or not _has_apt():
        raise SandboxError(
            f"{missing}, and this is not a Debian on which they could be installed with apt",
            "Start a Docker engine that this user can reach (`docker version` must answer) and that reaches "
            "Docker Hub; then none of them is needed.",
        )
    if os.geteuid() != 0:
        source = " (docker packages from trixie)" if release == "bookworm" else ""
        raise SandboxError(
            f"{missing}, and only root can install them",
            f"Run as root: apt-get install --no-install-recommends {' '.join(packages)}{source}; or start a "
            "Docker engine that this user can reach and that can reach Docker Hub.",
        )
    say(f"installing with apt, for {why}: {', '.join(packages)}")
    trixie = FROM_TRIXIE if release == "bookworm" else frozenset()
    env = environment(DEBIAN_FRONTEND="noninteractive")
    # Another apt may be at work, such as the machine's nightly upgrade: wait for it.
    apt = ["apt-get", "-q", "-o", "DPkg::Lock::Timeout=300"]
    wanted = [f"{package}/trixie" if package in trixie else package for package in packages]
    try:
        # apt does not wait for another update, and two of us would take each other's policy away.
        with FileLock(LOCK, timeout=APT_SECONDS):
            if trixie.intersection(packages):
                _add_trixie()
            process.run([*apt, "update"], env=env, timeout=APT_SECONDS)
            with _no_services_started():
                process.run(
                    [*apt, "install", "--yes", "--no-install-recommends", *wanted],
                    env=env,
                    timeout=APT_SECONDS,
                )
    except (process.CommandFailedError, Timeout) as error:
        raise SandboxError(
            f"the packages for {why} could not be installed: {error}",
            f"See whether `apt-get update` and `apt-get install {' '.join(wanted)}` work by hand.",
        ) from error


def debian_mirror() -> str:
    """Return the URL of the Debian mirror that this machine uses.

    Raises SandboxError where apt knows none.
    """
    release = _debian_release()
    # apt itself reads its sources, so that old and new file formats and a machine's own mirror all count.
    listed = process.run(
        [
            "apt-get",
            "indextargets",
            "--format",
            "$(REPO_URI)|$(RELEASE)|$(COMPONENT)",
            "Created-By: Packages",
        ],
        env=environment(),
        timeout=60,
    )
    for line in listed.splitlines():
        url, suite, component = line.split("|")
        if suite == release and component == "main":
            return url
    raise SandboxError(
        f"apt on this machine has no source for Debian's suite {release}",
        "Add Debian's own archive to /etc/apt/sources.list.d/ and try again.",
    )


def _has_apt() -> bool:
    return find_program("apt-get") is not None


def _debian_release() -> str | None:
    """`bookworm`, `trixie` or a later name on Debian; None on other systems and on Debians too old for us."""
    try:
        lines = Path("/etc/os-release").read_text().splitlines()
    except OSError:
        return None
    values = dict(line.split("=", 1) for line in lines if "=" in line)
    name = values.get("VERSION_CODENAME", "").strip('"')
    too_old = {"stretch", "buster", "bullseye"}
    return name if values.get("ID", "").strip('"') == "debian" and name and name not in too_old else None


def _add_trixie() -> None:
    """Make Debian 13 known to apt, so low in priority that nothing comes from it unless it is asked for."""
    TRIXIE_SOURCE.write_text(
        "# Written by release-assets: its sandbox takes a newer Docker engine from Debian 13.\n"
        "Types: deb\n"
        f"URIs: {debian_mirror()}\n"
        "Suites: trixie\n"
        "Components: main\n"
        "Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n"
    )
    TRIXIE_PREFERENCES.write_text(
        "Explanation: written by release-assets; nothing comes from trixie unless it is asked for.\n"
        "Package: *\n"
        "Pin: release n=trixie\n"
        "Pin-Priority: 100\n"
    )


@contextlib.contextmanager
def _no_services_started() -> Iterator[None]:
    """Inside the block packages start no services: the sandbox starts its own, where it wants.

    Debian's package scripts ask /usr/sbin/policy-rc.d; status 101 means no. One that is there already stays.
    """
    if POLICY.exists():
        yield
        return
    POLICY.write_text("#!/bin/sh\nexit 101\n")
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink()
