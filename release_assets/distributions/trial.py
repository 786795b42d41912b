"""The trial of a distribution: installed into a fresh environment as pip would, and imported.

The environment is made by uv. A distribution's code runs where build code does: without secrets, and without
network when it is imported.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement

from release_assets.distributions import build_network, isolation
from release_assets.distributions.build_environment import NETWORK, index_settings
from release_assets.distributions.metadata import read_metadata
from release_assets.errors import PermanentError, ReleaseError, TransientError
from release_assets.process import CommandFailedError, CommandTimedOutError, environment, run
from release_assets.project import Trial
from release_assets.rules.modules import importable_modules
from release_assets.text import one_line, printable

Log = Callable[[str], None]
INSTALL_SECONDS = 900.0  # requirements may be gigabytes
IMPORT_SECONDS = 120.0
SAID_LIMIT = 2000  # characters of uv's words that an error repeats
LISTED = 100  # modules that are imported

LIST = "import importlib.metadata, sys; print(*importlib.metadata.files(sys.argv[1]) or (), sep='\\n')"
IMPORT = "import importlib, sys; [importlib.import_module(name) for name in sys.argv[1:]]"

BEFORE_UPLOAD = "Nothing has been published."


@dataclass(frozen=True)
class TrialIndex:
    """The package index of the release, which comes before the public ones, and the login for it."""

    url: str
    username: str = ""
    password: str = field(default="", repr=False)
    certificate: str | None = None
    has_requirements: bool = True  # TestPyPI has not: there, anybody may have taken their names

    @property
    def variables(self) -> dict[str, str]:
        """Return what tells uv of it. The login is in variables of its own: no URL has it."""
        found = {"UV_INDEX": f"RELEASE={self.url}"}
        if self.password:
            found |= {
                "UV_INDEX_RELEASE_USERNAME": self.username,
                "UV_INDEX_RELEASE_PASSWORD": self.password,
            }
        if self.certificate is not None:
            found["SSL_CLIENT_CERT"] = self.certificate
        return found

    @property
    def is_secret(self) -> bool:
        """Return whether code that does not belong to uv must not run while it is known."""
        return bool(self.password) or self.certificate is not None


@dataclass(frozen=True)
class Trying:
    """A distribution to try, and the tools for it.

    `name` and `version` are the package's; `file` is the distribution, None takes it from `index`. `python`
    is the interpreter, `cache` uv's, and `variables` and `config_settings` are those of the build backend.
    """

    trial: Trial
    name: str
    version: str
    file: Path | None
    index: TrialIndex | None
    cache: Path
    log: Log
    python: Path = Path(sys.executable)
    variables: Mapping[str, str] = field(default_factory=dict)
    config_settings: Mapping[str, str | Sequence[str]] = field(default_factory=dict)

    @property
    def what(self) -> str:
        """Return what people call it."""
        if self.file is not None:
            return self.file.name
        return f"{self.name} {self.version} from {self.index.url if self.index else 'the index'}"

    @property
    def requirement(self) -> str:
        """Return the package with its extras."""
        extras = f"[{','.join(self.trial.extras)}]" if self.trial.extras else ""
        return f"{self.name}{extras}"


def try_distribution(trying: Trying) -> str:
    """Install and import a distribution in a fresh environment; return what was done, in words.

    Raises PermanentError with the interpreter's or uv's words, TransientError where requirements could not be
    fetched.
    """
    trying.cache.mkdir(parents=True, exist_ok=True)
    # In the cache's own folder uv makes hard links, where it would copy every file into another mount.
    with tempfile.TemporaryDirectory(prefix="trial-", dir=trying.cache, ignore_cleanup_errors=True) as folder:
        return _tried(trying, _Box(trying, Path(folder)))


def _tried(trying: Trying, box: _Box) -> str:
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


@dataclass(frozen=True)
class _Box:
    """Runs one trial's commands in its folder, isolated as builds are. All raise CommandFailedError."""

    trying: Trying
    folder: Path

    def install(self, argv: Sequence[str], index: TrialIndex | None = None) -> None:
        """Run uv, with network and with the login of `index`."""
        variables = index_settings() | (_with_index(index) if index is not None else {})
        shown = [Path(index.certificate)] if index is not None and index.certificate is not None else []
        settings = [*index_settings().values(), *([index.url] if index is not None else [])]
        with (
            build_network.build_network(self.trying.log, build_network.index_hosts(settings))
            if isolation.is_available()
            else contextlib.nullcontext() as door
        ):
            self._run(
                argv,
                variables,
                readable=shown,
                writable=[self.trying.cache],
                directory=Path("/"),  # uv refuses one in its cache
                door=door,
                timeout=INSTALL_SECONDS,
                secrets=[index.password] if index is not None and index.password else [],
                log=self.trying.log,
            )

    def use(self, argv: Sequence[str], *, is_shown: bool = True) -> str:
        """Run what was installed, without network, and return its output, which the log shows or not."""
        path = os.pathsep.join([str(self.folder / "venv" / "bin"), environment()["PATH"]])
        return self._run(
            argv,
            {"PATH": path},
            readable=[self.trying.cache],
            writable=[self.folder],
            directory=self.folder,
            door=None,
            timeout=IMPORT_SECONDS,
            secrets=[],
            log=self.trying.log if is_shown else None,
        )

    def _run(
        self,
        argv: Sequence[str],
        variables: Mapping[str, str],
        *,
        readable: Sequence[Path],
        writable: Sequence[Path],
        directory: Path,
        door: build_network.BuildNetwork | None,
        timeout: float,
        secrets: Sequence[str],
        log: Log | None,
    ) -> str:
        trying, home, command = self.trying, self.folder / "home", list(argv)
        home.mkdir(exist_ok=True)
        env = environment(**trying.variables) | {
            "HOME": str(home),
            "NO_COLOR": "1",
            "UV_CACHE_DIR": str(trying.cache),
            "UV_NO_CONFIG": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            **variables,
        }
        if isolation.is_available():
            shown = [*readable, trying.python.resolve().parents[1]]
            shown += [trying.file] if trying.file is not None else []
            command = isolation.isolated(command, readable=shown, writable=writable, network=door)
            env |= door.variables if door is not None else {}
        elif os.environ.get(isolation.SETTING) == "required":
            raise PermanentError(
                f"{trying.what} cannot be tried: bubblewrap does not work here, and "
                f"{isolation.SETTING}=required",
                "Allow user namespaces, on Ubuntu with "
                "`sysctl kernel.apparmor_restrict_unprivileged_userns=0`.",
            )
        return run(command, env=env, directory=directory, timeout=timeout, on_line=log, secrets=secrets)


def _with_index(index: TrialIndex) -> dict[str, str]:
    """Return uv's variables of an index, which comes before those that the machine names."""
    own = os.environ.get("UV_INDEX", "")
    variables = dict(index.variables)
    variables["UV_INDEX"] = f"{variables['UV_INDEX']} {own}".strip()
    return variables


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
