"""Run the commands of a trial in an environment of its own, isolated as builds are."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from release_assets.distributions import build_network, isolation
from release_assets.distributions.build_environment import index_settings
from release_assets.errors import PermanentError
from release_assets.process import environment, run
from release_assets.project import Trial

INSTALL_SECONDS = 900.0  # requirements may be gigabytes
IMPORT_SECONDS = 120.0
Log = Callable[[str], None]


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


@dataclass(frozen=True)
class Box:
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
