"""The network of build code: an HTTP proxy of ours, and nothing else.

A cloud's metadata server hands an identity to every process of its machine that asks, and Dagster's webserver
on loopback takes orders from all of them. So build code gets a network namespace of its own, which no address
outside can be reached from. Its one door is a socket that listens there and is served here: pip, uv, git and
cargo use it as they use every proxy. It connects to whatever has no metadata and is not this machine.

The namespace needs no privilege beyond what bubblewrap needs anyway. slirp4netns and pasta would keep every
protocol, but need /dev/net/tun, which containers lack.
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
import sys
import tempfile
import threading
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from release_assets.distributions.build_proxy import Log, Proxy

PORT = 3128  # in the namespace, where nothing else listens
ADDRESS = f"http://127.0.0.1:{PORT}"
# Where the build environment's packages come from, for users who have a mirror of their own.
INDEX_SETTINGS = ("UV_DEFAULT_INDEX", "UV_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL")

# Runs in the namespace: listens, hands the socket to us, and becomes the build.
ENTRY = """\
import os, socket, sys
listener = socket.create_server(("127.0.0.1", int(sys.argv[2])), backlog=128)
with socket.socket(socket.AF_UNIX) as door:
    door.connect(sys.argv[1])
    socket.send_fds(door, [b"l"], [listener.fileno()])
os.execvp(sys.argv[3], sys.argv[3:])
"""


@dataclass(frozen=True)
class BuildNetwork:
    """The door between a namespace and this machine: a socket in a folder of its own."""

    folder: Path

    def entered(self, argv: Sequence[str]) -> list[str]:
        """Return the command line that opens the door from inside, and then is `argv`."""
        return [sys.executable, "-I", "-S", "-c", ENTRY, str(self.folder / "door"), str(PORT), *argv]

    @property
    def variables(self) -> dict[str, str]:
        """Return what tells programs of the proxy."""
        names = ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy")
        return dict.fromkeys(names, ADDRESS) | {"NO_PROXY": "", "no_proxy": ""}


@contextlib.contextmanager
def build_network(log: Log, local: Collection[tuple[str, int]] | None = None) -> Iterator[BuildNetwork]:
    """Yield the network of one build, which ends with the block.

    `local` are hosts and ports of this machine that may be reached: by default those of the package index.
    `log` gets a line for everything that is refused.
    """
    local = index_hosts(os.environ.get(name, "") for name in INDEX_SETTINGS) if local is None else local
    with (
        tempfile.TemporaryDirectory(prefix="build-network-") as folder,
        socket.socket(socket.AF_UNIX) as door,
    ):
        door.bind(str(Path(folder, "door")))
        door.listen(1)
        proxy = Proxy(door, frozenset(local), log)
        thread = threading.Thread(target=proxy.serve, name="build-network", daemon=True)
        thread.start()
        try:
            yield BuildNetwork(Path(folder))
        finally:
            proxy.stop()
            thread.join()


def index_hosts(settings: Iterable[str]) -> set[tuple[str, int]]:
    """Return the hosts and ports of the indexes in uv's settings, which may be `name=url url`."""
    found = set()
    for url in (word for setting in settings for word in setting.split()):
        with contextlib.suppress(ValueError):
            parts = urlsplit(re.sub(r"^[\w.-]+=(?=https?://)", "", url))
            if parts.hostname:
                found.add((parts.hostname, parts.port or (80 if parts.scheme == "http" else 443)))
    return found
