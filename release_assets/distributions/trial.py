"""The trial of a distribution: installed into a fresh environment as pip would, and imported.

The environment is made by uv. A distribution's code runs where build code does: without secrets, and without
network when it is imported.
"""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement

from release_assets.distributions.build_environment import NETWORK
from release_assets.distributions.metadata import read_metadata
from release_assets.distributions.trial_environment import Box, TrialIndex, Trying
from release_assets.errors import PermanentError, ReleaseError, TransientError
from release_assets.process import CommandFailedError, CommandTimedOutError
from release_assets.rules.modules import importable_modules
from release_assets.text import one_line, printable

SAID_LIMIT = 2000  # characters of uv's words that an error repeats
LISTED = 100  # modules that are imported

LIST = "import importlib.metadata, sys; print(*importlib.metadata.files(sys.argv[1]) or (), sep='\\n')"
IMPORT = "import importlib, sys; [importlib.import_module(name) for name in sys.argv[1:]]"

BEFORE_UPLOAD = "Nothing has been published."


def try_distribution(trying: Trying) -> str:
    """Install and import a distribution in a fresh environment; return what was done, in words.

    Raises PermanentError with the interpreter's or uv's words, TransientError where requirements could not be
    fetched.
    """
    trying.cache.mkdir(parents=True, exist_ok=True)
    # In the cache's own folder uv makes hard links, where it would copy every file into another mount.
    with tempfile.TemporaryDirectory(prefix="trial-", dir=trying.cache, ignore_cleanup_errors=True) as folder:
        return _tried(trying, Box(trying, Path(folder)))


def _tried(trying: Trying, box: Box) -> str:
    started = time.monotonic()
    venv = box.folder / "venv"
    python = str(venv / "bin" / "python")
    try:
        box.install(["uv", "venv", "--quiet", "--no-project", "--python", str(trying.python), str(venv)])
        for arguments, index in _installations(trying):
            box.install(["uv", "pip", "install", "--no-progress", "--python", python, *arguments], index)
    except CommandFailedError as error:
        raise _not_installed(trying, error) from None
    installed = f"{trying.what} was installed in {time.monotonic() - started:.1f} s"
    try:
        if trying.trial.command is not None:
            box.use(trying.trial.command)
            return f"{installed}, and `{' '.join(trying.trial.command)}` ended with status 0"
        names = trying.trial.imports
        if names is None:
            files = box.use([python, "-I", "-c", LIST, trying.name], is_shown=False)
            names = importable_modules(files.splitlines())[:LISTED]
        if not names:
            return f"{installed}; no module was imported"
        box.use([python, "-I", "-c", IMPORT, *names])
    except CommandFailedError as error:
        raise _not_usable(trying, error) from None
    return f"{installed}, and {', '.join(names)} imported"


def _installations(trying: Trying) -> list[tuple[list[str], TrialIndex | None]]:
    """Return the arguments of each installation, and the index that it may ask.

    While a login is known no code runs but uv's: it installs wheels into an environment without any code.
    """
    index, pinned = trying.index, f"{trying.requirement}=={trying.version}"
    wheels_only = ["--no-build"] if index is not None and index.is_secret else []
    if trying.file is None:
        # A simple page that uv read before the upload lacks the release.
        fresh = [*wheels_only, "--refresh-package", trying.name]
        if index is not None and not index.has_requirements:
            return [([*fresh, "--no-deps", f"{trying.name}=={trying.version}"], index), ([pinned], None)]
        return [([*fresh, pinned], index)]
    settings = [
        argument
        for name, value in trying.config_settings.items()
        for one in ([value] if isinstance(value, str) else value)
        for argument in ("--config-setting", f"{name}={one}")
    ]
    target = f"{trying.requirement} @ {trying.file.resolve().as_uri()}"
    if not wheels_only:
        return [([*settings, target], index)]
    required = requirements(trying.file, trying.trial.extras)
    first: list[tuple[list[str], TrialIndex | None]] = [([*wheels_only, *required], index)]
    return [*(first if required else []), ([*settings, "--no-deps", target], None)]


def requirements(file: Path, extras: Sequence[str]) -> list[str]:
    """Return what a distribution requires, by its metadata; markers without extras are left to uv."""
    found = []
    for line in read_metadata(file).get("requires_dist", []):
        with contextlib.suppress(InvalidRequirement):  # uv names it when it installs the file
            requirement = Requirement(line)
            if requirement.marker is not None and "extra" in str(requirement.marker):
                if not any(requirement.marker.evaluate({"extra": extra}) for extra in extras):
                    continue
                requirement.marker = None
            found.append(str(requirement))
    return found


def _not_installed(trying: Trying, error: CommandFailedError) -> ReleaseError:
    said = printable("\n".join(error.tail))[-SAID_LIMIT:] or error.reason
    problem = f"{trying.what} cannot be installed into a fresh environment: {said}"
    if any(word in said for word in NETWORK) or isinstance(error, CommandTimedOutError):
        return TransientError(problem, f"{BEFORE_UPLOAD} Materialize again when the package index answers.")
    return PermanentError(
        problem,
        "Correct the package's requirements, or try nothing: `package: {trial: {distributions: []}}` in "
        f"defs.yaml. {BEFORE_UPLOAD}",
    )


def _not_usable(trying: Trying, error: CommandFailedError) -> PermanentError:
    lines = [line for line in error.tail if line.strip()]
    reason = one_line(lines[-1]) if lines else error.reason
    if isinstance(error, CommandTimedOutError):
        reason = error.reason
    if trying.trial.command is not None:
        return PermanentError(
            f"{trying.what} was installed, but `{' '.join(trying.trial.command)}` failed: {reason}",
            f"Correct the package, or the command in package.trial of defs.yaml. {BEFORE_UPLOAD}",
        )
    missing = "No module named" in reason
    first = (
        "Add what is missing to the package or to its requirements."
        if missing
        else "Correct the package, so that it can be imported after `pip install`."
    )
    return PermanentError(
        f"{trying.what} was installed, but cannot be imported: {reason}",
        f"{first} Where an import needs a GPU or a display, name other modules in package.trial.imports of "
        f"defs.yaml, or none: `imports: []`. {BEFORE_UPLOAD}",
    )
