"""Stands in for Sigstore: Fulcio, its CT log and Rekor, by npm's @sigstore/mock."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from release_assets import process
from tools.sandbox.npm import installed_modules
from tools.sandbox.servers import answers, free_port, running_server

NPM_PACKAGE = Path(__file__).parent


@contextlib.contextmanager
def sigstore_server(folder: Path, *, state: Path) -> Iterator[Path]:
    """Yield the file with the trust configuration of a running server; `folder` holds it and the log.

    It accepts every identity unverified: what it certifies is what the token claims.
    """
    modules = installed_modules(NPM_PACKAGE, state)
    port, trust = free_port(), folder / "trust.json"
    with running_server(
        "sigstore",
        ["node", f"{NPM_PACKAGE / 'server.cjs'}", str(port), f"{trust}"],
        env=process.environment(NODE_PATH=f"{modules}"),
        log=folder / "sigstore.log",
        is_ready=lambda: answers(f"http://localhost:{port}/"),
    ):
        yield trust
