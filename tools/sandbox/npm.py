"""Installs the npm packages of a stand-in, from the lock file with the hash of every file."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import tempfile
from pathlib import Path

from release_assets import process
from tools.sandbox.servers import SandboxError


def installed_modules(package: Path, state: Path) -> Path:
    """Return the node_modules folder of a lock file in `package`; installed once, and kept in `state`."""
    lock = (package / "package-lock.json").read_bytes()
    installed = state / f"{package.name}-{hashlib.sha256(lock).hexdigest()[:12]}"
    if not installed.exists():
        state.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=state, ignore_cleanup_errors=True) as temporary:
            folder = Path(temporary, package.name)
            shutil.copytree(package, folder)
            install = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
            try:
                process.run(install, env=process.environment(), timeout=300, directory=folder)
            except process.CommandFailedError as error:
                raise SandboxError(
                    f"the stand-in {package.name} could not be installed from npm's registry: {error}",
                    "See whether `npm ping` works from here; npm's proxy and registry settings are used.",
                ) from error
            # In one step, so that an interrupted installation is never taken for a whole one. Another
            # process that did the same at the same time has the same result.
            with contextlib.suppress(OSError):
                folder.rename(installed)
    return installed / "node_modules"
