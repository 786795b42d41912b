"""Build code runs in bubblewrap where it is installed: it sees the source, its tools, and nothing of ours."""

from __future__ import annotations

import functools
import os
import shutil
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from release_assets.distributions.build_network import BuildNetwork
from release_assets.process import CommandFailedError, environment, run

# What programs need of /etc: users, names, certificates, the loader. No configuration of anybody's.
ETC = (
    "passwd", "group", "nsswitch.conf", "hosts", "resolv.conf", "host.conf", "localtime", "timezone",
    "ssl", "pki", "ca-certificates", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "alternatives",
)  # fmt: skip
CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO")
PRIVATE = (
    "HOME", "DAGSTER_HOME", "RELEASE_ASSETS_SECRETS", "RELEASE_ASSETS_STORE", "DOCKER_CONFIG",
    "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR",
)  # fmt: skip
SETTING = "RELEASE_ASSETS_ISOLATION"  # `required`: no build without it
TRY_SECONDS = 10.0


@functools.cache
def is_available() -> bool:
    """Return True where bubblewrap is installed and may make namespaces here; many containers forbid it."""
    if shutil.which("bwrap") is None:
        return False
    try:
        run(isolated(["true"], readable=(), writable=()), env=environment(), timeout=TRY_SECONDS)
    except CommandFailedError:
        return False
    return True


def isolated(
    argv: Sequence[str],
    *,
    readable: Iterable[Path],
    writable: Iterable[Path],
    network: BuildNetwork | None = None,
) -> list[str]:
    """Return the command line that runs `argv` and shows it system folders, our interpreter and the paths.

    It has process ids of its own, so that no environment of a parent can be read, and a /tmp of its own.
    It has no capabilities: bubblewrap leaves root all of them, and with those what is shown read-only can be
    mounted again to be written. It has no network but `network`, over which build environments are fetched,
    and whose variables belong into its environment.
    """
    wrapped = [
        "bwrap", "--die-with-parent", "--cap-drop", "ALL",
        "--unshare-user-try", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-net",
        "--proc", "/proc", "--dev", "/dev",
    ]  # fmt: skip
    mounts = {Path("/tmp"): "--tmpfs", Path("/usr"): "--ro-bind"}  # noqa: S108  (its own, empty)
    for name in ("bin", "sbin", "lib", "lib32", "lib64", "opt"):
        folder = Path("/", name)
        if folder.is_symlink():
            wrapped += ["--symlink", str(folder.readlink()), str(folder)]
        elif folder.is_dir():
            mounts[folder] = "--ro-bind"
    # Ours may be below a folder that is shown: Dagster's own documentation puts DAGSTER_HOME below /opt.
    mounts |= dict.fromkeys(_private_folders(), "--tmpfs")
    certificates = (os.environ[name] for name in CERTIFICATES if name in os.environ)
    interpreter = (sys.prefix, sys.base_prefix, str(Path(sys.executable).resolve().parents[1]))
    shown = [*(f"/etc/{name}" for name in ETC), *certificates, *interpreter, *map(str, readable)]
    mounts |= dict.fromkeys(map(Path, shown), "--ro-bind-try")
    mounts |= dict.fromkeys([*writable, *([network.folder] if network else [])], "--bind")
    # A folder before what is in it: the later mount is the one that is seen.
    for path, how in sorted(mounts.items(), key=lambda mount: len(mount[0].parts)):
        wrapped += [how, str(path)] if how == "--tmpfs" else [how, str(path), str(path)]
    return [*wrapped, "--", *(network.entered(argv) if network else argv)]


def _private_folders() -> list[Path]:
    """Return the folders where this user, Dagster and the store keep private files.

    Right below / nothing is shown that we do not name; /bin and /usr/sbin are the HOME of system users.
    """
    named = (Path(os.environ[name]).resolve() for name in PRIVATE if os.environ.get(name))
    return [path for path in named if path.is_dir() and len(path.parts) > 2 and path.parent != Path("/usr")]
