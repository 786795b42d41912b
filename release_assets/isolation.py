"""Build code runs in bubblewrap where it is installed: it sees the source, its tools, and nothing of ours."""

from __future__ import annotations

import functools
import os
import shutil
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from release_assets.process import CommandFailedError, environment, run

# What programs need of /etc: users, names, certificates, the loader. No configuration of anybody's.
ETC = (
    "passwd", "group", "nsswitch.conf", "hosts", "resolv.conf", "host.conf", "localtime", "timezone",
    "ssl", "pki", "ca-certificates", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "alternatives",
)  # fmt: skip
CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO")
TRY_SECONDS = 10.0


@functools.cache
def is_available() -> bool:
    """Whether bubblewrap is installed and may make namespaces here; many containers forbid it."""
    if shutil.which("bwrap") is None:
        return False
    try:
        run(isolated(["true"], readable=(), writable=()), env=environment(), timeout=TRY_SECONDS)
    except CommandFailedError:
        return False
    return True


def isolated(argv: Sequence[str], *, readable: Iterable[Path], writable: Iterable[Path]) -> list[str]:
    """The command line that runs `argv` and shows it system folders, our interpreter, and the given paths.

    It has process ids of its own, so that no environment of a parent can be read, and a /tmp of its own.
    The network stays: build environments are fetched over it.
    """
    wrapped = [
        "bwrap", "--die-with-parent", "--unshare-user-try", "--unshare-pid", "--unshare-ipc", "--unshare-uts",
        "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp",  # noqa: S108  (its own, empty)
        "--ro-bind", "/usr", "/usr",
    ]  # fmt: skip
    for name in ("bin", "sbin", "lib", "lib32", "lib64", "opt"):
        folder = Path("/", name)
        if folder.is_symlink():
            wrapped += ["--symlink", str(folder.readlink()), str(folder)]
        elif folder.is_dir():
            wrapped += ["--ro-bind", str(folder), str(folder)]
    certificates = (os.environ[name] for name in CERTIFICATES if name in os.environ)
    interpreter = (sys.prefix, sys.base_prefix, str(Path(sys.executable).resolve().parents[1]))
    for path in dict.fromkeys(
        [*(f"/etc/{name}" for name in ETC), *certificates, *interpreter, *map(str, readable)]
    ):
        wrapped += ["--ro-bind-try", path, path]
    for folder in writable:
        wrapped += ["--bind", str(folder), str(folder)]
    return [*wrapped, "--", *argv]
